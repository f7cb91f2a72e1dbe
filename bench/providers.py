"""Real market data: judging answers, filling in history, and memory meanwhile.

    python3 bench/providers.py [--parts classify,backfill,latency] [--symbols 500] [--years 20] [--programs FOLDER] [--examples FOLDER]
                               [--keep]

No cluster: Kafka (as `cargo xtask setup` brings it) and our programs run as processes of this machine, which the provider simulator
(`foresail-worker simulate`) is one of. In place of the API server stands bench/kubernetes.py, which keeps the ledger of the
account. The account has no limits.

classify    `classify` (workers/core/providers) on one core over answers as large as they come and over all golden ones. Beside it
            what Python users have: alpha_vantage and yfinance with pandas read the same bodies, without a network.
backfill    the real ingest reads daily bars of many symbols from the simulator into Kafka, first as Yahoo and then as Alpha
            Vantage sends them. Time runs from the start of the process to the last committed bar; memory is its VmHWM.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

from harness import CACHE, ROOT, build, install, run_parts, workspace

import providers_backfill
import providers_latency

PEERS = pathlib.Path(__file__).resolve().parent / "peers/providers.py"
PACKAGES = ["yfinance==1.7.0", "alpha_vantage==3.0.0"]
PARTS = ["classify", "backfill", "latency"]
# Floor and goal.
CLASSIFY = (20, 100)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--years", type=int, default=20)
    parser.add_argument("--programs", type=pathlib.Path, help="where foresail-worker is, already built")
    parser.add_argument("--examples", type=pathlib.Path, help="where foresail-bench-* are, already built")
    parser.add_argument("--keep", action="store_true", help="leaves configurations and logs")
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        raise SystemExit(f"--parts: {', '.join(unknown)} is none of {', '.join(PARTS)}")
    peers()
    options.examples = options.examples or build("foresail-providers", "foresail-crds")
    if set(parts) != {"classify"}:
        programs = ["foresail-worker", *(["foresail-trainer"] if "latency" in parts else [])]
        options.programs = options.programs or build(*programs, examples=False)
    print("command:", "python3", *sys.argv)
    with workspace("bench-providers", options.keep) as options.folder:
        run_parts(parts, RUN, options)


def peers():
    """The clients, where the tests have them, or in an environment of their own."""
    if (CACHE / "strangers/yfinance").is_dir():
        os.environ["PYTHONPATH"] = str(CACHE / "strangers")
    else:
        check = "import yfinance, alpha_vantage"
        install(CACHE / "bench-providers-venv", PACKAGES, check)


def classify(options):
    bodies = options.folder / "bodies"
    program = options.examples / "foresail-bench-providers"
    subprocess.run([program, "write", bodies], check=True)
    ours = measure([program, "classify", bodies])
    theirs = {result["name"]: result for result in measure([sys.executable, "-W", "ignore", PEERS, bodies, 5])}
    for result in ours:
        name, rate = result["name"], result["bytes"] / 1e6 / result["seconds"]
        what = f"{result['bodies']} bodies" if result["bodies"] > 1 else f"{result['rows']} rows"
        print(f"classify {name}: {rate:.0f} MB/s ({what}, {result['bytes'] / 1e6:.2f} MB, median of {result['rounds']})")
        if peer := theirs.get(name):
            same = peer["rows"] == result["rows"] and abs(peer["sum"] / result["sum"] - 1) < 1e-5
            client = "alpha_vantage" if name.startswith("alpha") else "yfinance"
            print(
                f"  {client} and pandas: {result['bytes'] / 1e6 / peer['seconds']:.1f} MB/s; ratio "
                f"{peer['seconds'] / result['seconds']:.1f}x; Python's json alone {result['bytes'] / 1e6 / peer['json']:.0f} "
                f"MB/s; {'the same rows' if same else 'NOT THE SAME ROWS'}"
            )
    slowest = min(result["bytes"] / 1e6 / result["seconds"] for result in ours)
    floor, goal = CLASSIFY
    met = "goal met" if slowest >= goal else "floor met" if slowest >= floor else "BELOW THE FLOOR"
    print(f"classify: {slowest:.0f} MB/s of {goal} (floor {floor}) at the slowest: {met}")


def measure(command):
    """The last JSON line of a process held to one core."""
    command = ["taskset", "-c", "0", *map(str, command)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


RUN = {"classify": classify, "backfill": providers_backfill.run, "latency": providers_latency.run}


if __name__ == "__main__":
    main()
