"""Predictions over HTTP beside FastAPI, KServe and PyTriton: most answers, their time, memory, start, swap and overload.

    python3 bench/serve.py [--parts throughput,formats,models,latency,memory,start,swap,overload,symbol] [--pairs 10]
                           [--seconds 5] [--peers NAME,...] [--programs FOLDER] [--keep]

No cluster: ours is `foresail-worker serve`, alone, and every server a process of this machine. Installs the peers from PyPI into
$FORESAIL_CACHE/bench-serve-* at the first run (3 GB), builds the load generator oha from crates.io, and ours with the `dist` profile.
wrk must be there (Debian: apt install wrk). All servers have the same weights (bench/peers/serve_models.py) and are asked the same
windows; before anything is measured all their answers must be those of a forward pass in double precision within 1e-5, and while
there is load ten answers a second are compared with them again.

A peer NAME is tuned, NAME-default as its guides have it (bench/serve_contenders.py). Legs alternate (ABBA BAAB); printed are the median of
the ratios within a pair, its bootstrap 95 % interval, and the worst pair. Lines that begin with `ratio foresail vs` are throughput.
"""

import argparse
import pathlib
import sys

from harness import build, install, run_parts, workspace

import serve_contenders as contenders
import serve_load
import serve_parts
import serve_stress
from serve_models import Model

PARTS = {
    "throughput": serve_parts.throughput,
    "formats": serve_parts.formats,
    "models": serve_parts.models,
    "latency": serve_parts.latency,
    "memory": serve_parts.memory,
    "start": serve_parts.start,
    "swap": serve_stress.swap,
    "overload": serve_stress.overload,
    "symbol": serve_parts.symbol,
}
OPEN_LOOP = {"latency", "swap", "overload"}


def main():
    options = arguments()
    install(contenders.environment("serve"), contenders.ENVIRONMENTS["serve"], contenders.check("serve"))
    options.wrk = serve_load.wrk()
    options.oha = serve_load.oha() if set(options.parts) & OPEN_LOOP else None
    options.programs = options.programs or build("foresail-worker", "foresail-trainer", examples=False)
    there = contenders.installed(options.peers)
    options.peers = [peer for peer in options.peers if contenders.environment_of(peer) in there]
    print("command:", "python3", *sys.argv)
    serve_parts.versions(options)
    with workspace("bench-serve", options.keep) as options.folder:
        options.model = Model(options, "S")
        run_parts(options.parts, PARTS, options)


def arguments():
    names = [name + end for name in contenders.RATIOS for end in ("", "-default")]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=5, help="of a leg, a second of warm-up before it not counted")
    parser.add_argument("--peers", default=",".join(names))
    parser.add_argument("--programs", type=pathlib.Path, help="where foresail-worker and foresail-trainer are, already built")
    parser.add_argument("--keep", action="store_true", help="leaves logs and models")
    options = parser.parse_args()
    options.parts, options.peers = options.parts.split(","), [name for name in options.peers.split(",") if name]
    for given, known in ((options.parts, PARTS), (options.peers, names)):
        if unknown := set(given) - set(known):
            raise SystemExit(f"{', '.join(sorted(unknown))}: none of {', '.join(known)}")
    return options


if __name__ == "__main__":
    main()
