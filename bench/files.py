"""A CSV file of daily bars read by us, Polars and DuckDB, each on one core.

    python3 bench/files.py [--bytes 5e9] [--rounds 3] [--peers polars,duckdb] [--program FILE] [--keep]

Installs the peers from PyPI into $FORESAIL_CACHE/bench-files-venv at the first run, builds our example with the `dist` profile,
writes the file once and runs everybody on it, one after the other, the order turned in every round, every measurement
in a process of its own that is held to one core. Everybody parses every column (symbol, date, five numbers) and sums the
numbers; the sums must agree.

Ours is measured three times: `rows` is the reader alone, which is what the others do; `ordered` is what ingest and
`evaluate` read (the order of the file is found in a pass of its own before its rows are read, so every byte is read twice);
`bars` is every row checked and made a bar. Peak memory is that of the process, Python's own included for the peers.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

from harness import CACHE, build, install, interval

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
FILES = CACHE / "bench-files"
PACKAGES = ["polars==2.1.0", "duckdb==2.0.0", "numpy==2.4.6"]
GOAL, FLOOR, MEMORY = 200, 80, 64


def written(program, size):
    path = FILES / f"bars-{size}.csv"
    if not path.exists():
        FILES.mkdir(parents=True, exist_ok=True)
        subprocess.run([program, "write", "--file", path, "--bytes", str(size)], check=True)
    return path


def measure(command):
    """The last JSON line of a process held to one core."""
    command = ["taskset", "-c", "0", *map(str, command)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bytes", type=float, default=5e9)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="polars,duckdb", help="none of them where it is empty")
    parser.add_argument("--program", type=pathlib.Path, help="ours, already built")
    parser.add_argument("--keep", action="store_true", help="leaves the file for the next run")
    options = parser.parse_args()
    wanted = [package.split("==") for package in PACKAGES]
    check = f"from importlib.metadata import version\nassert all(version(name) == at for name, at in {wanted})"
    install(CACHE / "bench-files-venv", PACKAGES, check)
    program = options.program or build("foresail-bars") / "foresail-bench-files"
    path = written(program, int(options.bytes))
    commands = {name: [program, name, "--file", path] for name in ("rows", "ordered", "bars")}
    for name in filter(None, options.peers.split(",")):
        commands[name] = [sys.executable, PEERS / f"files_{name}.py", path]
    print("command:", "python3", *sys.argv)
    print("load average before:", *os.getloadavg())
    # Into the page cache, so that nobody pays for the disk, as far as it fits.
    subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)
    results = {name: [] for name in commands}
    for index in range(options.rounds):
        for name in list(commands) if index % 2 == 0 else list(commands)[::-1]:
            results[name].append(measure(commands[name]))
            print(f"round {index + 1} {name}: {json.dumps(results[name][-1])}", flush=True)
    report(results, path.stat().st_size)
    print("load average after:", *os.getloadavg())
    if not options.keep:
        path.unlink()


def report(results, size):
    first = results["rows"][0]
    for name, runs in results.items():
        value, low, high = interval([size / 1e6 / run["seconds"] for run in runs])
        memory = max(run["peak_rss_mib"] for run in runs)
        sums = max(abs(a - b) / abs(a) for a, b in zip(first["sums"], runs[0]["sums"], strict=True))
        verdict = "ok" if runs[0]["rows"] == first["rows"] and sums < 1e-9 else "NOT EQUAL"
        rate = f"{value:.0f} MB/s [{low:.0f}, {high:.0f}]"
        print(f"{name}: {rate}, peak memory {memory:.0f} MiB, {runs[0]['rows']} rows, sums {verdict}")
    for name in [name for name in results if name not in ("rows", "ordered", "bars")]:
        ratio, low, high = interval([b["seconds"] / a["seconds"] for a, b in zip(results["rows"], results[name])])
        print(f"ratio rows vs {name}: {ratio:.2f}x [{low:.2f}, {high:.2f}]")
    rows = interval([size / 1e6 / run["seconds"] for run in results["rows"]])[0]
    memory = max(run["peak_rss_mib"] for name in ("rows", "ordered", "bars") for run in results[name])
    met = "goal met" if rows >= GOAL else "floor met" if rows >= FLOOR else "BELOW THE FLOOR"
    bounded = "within" if memory <= MEMORY else "ABOVE"
    print(f"ours: {rows:.0f} MB/s of {GOAL} (floor {FLOOR}): {met}; {memory:.0f} MiB: {bounded} {MEMORY} MiB")


if __name__ == "__main__":
    main()
