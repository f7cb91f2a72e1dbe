"""24 features over bars: ours beside Polars, DuckDB and Spark, on the same Parquet file.

    python3 bench/features.py [--symbols 100] [--bars 290000] [--rounds 3] [--peers polars,duckdb,spark]

Installs the peers from PyPI into $FORESAIL_CACHE/bench-features-venv at the first run, builds our example with the
`dist` profile, generates the bars once, and runs everybody with two threads, one after the other, the order turned in
every round. Timed is reading the file, computing every feature of every row, and one sum per feature ("warm"); "cold"
is the time of the whole process. For Spark, warm is the second pass in one process. On a smaller file everybody writes
a sample of rows, and the largest relative difference from ours is printed per peer.
"""

import argparse
import os
import sys
import tempfile
import time

from harness import CACHE, ROOT, build, install, interval, result

VENV = CACHE / "bench-features-venv"
PACKAGES = ["numpy", "pyarrow", "polars", "duckdb", "pyspark"]
FILES = CACHE / "bench-features"
THREADS = "2"
PEER = ROOT / "bench/peers/features.py"
SAMPLE = (4, 20_000)


def bars(symbols, count):
    """One Parquet file, ordered by symbol and time: minutes of random walks whose volatility changes."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = FILES / f"bars-{symbols}x{count}.parquet"
    if path.exists():
        return path
    FILES.mkdir(parents=True, exist_ok=True)
    writer = None
    for index in range(symbols):
        random = np.random.default_rng([7, index])
        scale = 5e-4 * np.exp(0.5 * np.sin(np.arange(count) / 700 + index))
        close = 100 * np.exp(np.cumsum(scale * random.standard_normal(count)))
        open_ = close * np.exp(scale * random.standard_normal(count))
        spread = np.exp(scale * np.abs(random.standard_normal((2, count))))
        table = pa.table({
            "symbol": pa.array([f"S{index:03}"] * count),
            "event_time": pa.array(60_000 * np.arange(1, count + 1)),
            "open": open_,
            "high": np.maximum(open_, close) * spread[0],
            "low": np.minimum(open_, close) / spread[1],
            "close": close,
            "volume": np.round(1e4 * random.lognormal(size=count)),
        })
        writer = writer or pq.ParquetWriter(path.with_suffix(".part"), table.schema)
        writer.write_table(table, row_group_size=131_072)
    writer.close()
    path.with_suffix(".part").rename(path)
    return path


def commands(examples, path, peers, sample=None):
    more = ["--sample", sample] if sample else []
    ours = [examples / "foresail-bench-features", "batch", "--parquet", path, "--threads", THREADS]
    peer = {name: [sys.executable, PEER, name, path] for name in peers}
    return {name: command + more for name, command in {"ours": ours, **peer}.items()}


def agree(examples, peers):
    """Largest relative difference of each peer's values from ours, below 1e-6 of the feature's spread left out."""
    import numpy as np
    import pyarrow.parquet as pq

    path = bars(*SAMPLE)
    with tempfile.TemporaryDirectory() as folder:
        tables = {}
        for name in ["ours", *peers]:
            sample = os.path.join(folder, f"{name}.parquet")
            result(commands(examples, path, peers, sample)[name])
            tables[name] = pq.read_table(sample)
    ours = tables.pop("ours")
    # As Python values: the programs have their own types for text.
    keys = ours.select(["symbol", "event_time"]).to_pydict()
    for name, table in tables.items():
        assert table.select(list(keys)).to_pydict() == keys, f"{name}: other rows"
        worst = ("", 0.0)
        for column in ours.column_names[2:]:
            a, b = (t[column].to_numpy() for t in (ours, table))
            difference = float(np.max(np.abs(a - b) / np.maximum(np.abs(a), 1e-6 * np.std(a))))
            worst = max(worst, (column, difference), key=lambda pair: pair[1])
        verdict = "ok" if worst[1] < 1e-9 else "LOOSER THAN 1e-9"
        print(f"rows of {name}: {table.num_rows} compared, differ by at most {worst[1]:.1e} ({worst[0]}): {verdict}")


def batch(examples, path, peers, rounds):
    found = {name: [] for name in ["ours", *peers]}
    for index in range(rounds):
        for name in list(found)[:: 1 if index % 2 == 0 else -1]:
            start = time.perf_counter()
            one = result(commands(examples, path, peers)[name])
            found[name].append({**one, "cold": time.perf_counter() - start})
    rows = found["ours"][0]["rows"]
    for name, runs in found.items():
        assert runs[0]["rows"] == rows, f"{name}: {runs[0]['rows']} rows, {rows} expected"
        for what in ("seconds", "cold"):
            value, low, high = interval([run[what] for run in runs])
            label = "warm" if what == "seconds" else "cold"
            memory = max(run["peak_rss_mib"] for run in runs)
            print(f"{name} batch {label}: {value:.2f} s [{low:.2f}, {high:.2f}], {rows / value / 1e6:.2f} million rows/s, {memory:.0f} MiB")
    for name in peers:
        for what, label in (("seconds", "warm"), ("cold", "cold")):
            pairs = zip(found[name], found["ours"])
            ratio, low, high = interval([theirs[what] / ours[what] for theirs, ours in pairs])
            print(f"ratio ours vs {name} batch {label}: {ratio:.2f}x [{low:.2f}, {high:.2f}]")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--bars", type=int, default=290_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="polars,duckdb,spark")
    options = parser.parse_args()
    install(VENV, PACKAGES, "import numpy, pyarrow, polars, duckdb, pyspark")
    examples = build("foresail-features")
    peers = options.peers.split(",")
    print("command:", "python3", *sys.argv)
    print("load average before:", *os.getloadavg(), flush=True)
    push = result([examples / "foresail-bench-features", "push", "--rounds", 5])
    value, low, high = interval(push["ns_per_bar"])
    print(f"ours one bar, 24 features: {value:.0f} ns [{low:.0f}, {high:.0f}]", flush=True)
    agree(examples, peers)
    sys.stdout.flush()
    batch(examples, bars(options.symbols, options.bars), peers, options.rounds)
    print("load average after:", *os.getloadavg())


if __name__ == "__main__":
    main()
