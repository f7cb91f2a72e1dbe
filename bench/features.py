"""24 features over 29 million minute bars, ours beside Polars, DuckDB and Spark, each with two threads.

    python3 bench/features.py [--symbols 100] [--bars 290000] [--rounds 5] [--peers polars,duckdb,spark] [--only-peers]

Installs the peers from PyPI into $FORESAIL_CACHE/bench-features-venv at the first run (Spark needs Java 17), builds our
example with the `dist` profile, generates the bars once and runs everybody on the same file, one after the other, the
order turned in every round, every measurement in a process of its own.

Warm is what a program times itself: reading the file, all features of all rows, their sums over the rows whose windows
are full (for Spark the second time in a process, since the first compiles). Cold is the time from the start of the
process to its first result, Python's imports and Java's start included, and so are the CPU seconds, which are less
sensitive to what else runs on the machine. A ratio is taken within a round; printed are the median of the rounds and a
bootstrap 95 % interval of it.

Before that everybody writes a sample of rows of a smaller file with series as long. It is compared with the
formulas written out over each row's own window (numpy, two passes), and every program with every other: differences
count relative to the value, below 1e-3 relative to 1e-3 (1e-12 absolute for the bound of 1e-9).
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from harness import CACHE, build, install, interval, result

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
FILES = CACHE / "bench-features"
PACKAGES = ["polars==2.1.0", "duckdb==2.0.0", "pyspark==4.3.0", "pyarrow==26.0.1", "numpy==2.4.6"]
THREADS, BOUND = 2, 1e-9
ROW_GROUP, MINUTE, FIRST = 131_072, 60_000, 1_600_000_020_000


def write_bars(symbols, bars):
    """Random walks; symbol after symbol, so that memory does not grow. Row groups do not end where symbols do."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = FILES / f"minutes-{symbols}x{bars}.parquet"
    if path.exists():
        return path
    FILES.mkdir(parents=True, exist_ok=True)
    random, writer, pending = np.random.default_rng(7), None, []
    part = path.with_suffix(".part")
    for index in range(symbols):
        volatility = random.uniform(3e-4, 1.2e-3)
        close = 100 * np.exp(np.cumsum(volatility * random.standard_normal(bars)))
        start = np.concatenate([[100.0], close[:-1]])
        table = pa.table({
            "symbol": pa.repeat(f"S{index:03}", bars),
            "event_time": FIRST + MINUTE * np.arange(bars),
            "open": start,
            "high": np.maximum(start, close) * (1 + volatility * random.random(bars)),
            "low": np.minimum(start, close) * (1 - volatility * random.random(bars)),
            "close": close,
            "volume": 1e4 * np.exp(0.5 * random.standard_normal(bars)),
        })
        writer = writer or pq.ParquetWriter(part, table.schema, compression="snappy", use_dictionary=["symbol"])
        pending = pa.concat_tables([*pending, table])
        full = len(pending) // ROW_GROUP * ROW_GROUP if index + 1 < symbols else len(pending)
        if full:
            writer.write_table(pending.slice(0, full), row_group_size=ROW_GROUP)
        pending = [pending.slice(full)]
    writer.close()
    part.rename(path)
    return path


def written_out(path):
    """The sample's rows, each computed from its own last 61 bars alone."""
    import numpy as np
    import pyarrow.parquet as pq

    sys.path.insert(0, str(PEERS))
    from features_common import COLD, FEATURES, SAMPLED

    table = pq.read_table(path)
    symbol = table["symbol"].to_numpy()
    starts = np.flatnonzero(np.concatenate([[True], symbol[1:] != symbol[:-1]]))
    ends = np.append(starts[1:], len(symbol))
    warm = np.concatenate([np.arange(a, b, SAMPLED)[-(-COLD // SAMPLED) :] for a, b in zip(starts, ends)])
    rows = warm[:, None] + np.arange(-COLD, 1)
    c, h, low, v = (table[name].to_numpy()[rows] for name in ("close", "high", "low", "volume"))
    r, last = np.log(c[:, 1:] / c[:, :-1]), c[:, -1]
    over = lambda values, width: values[:, -width:]
    mean = {n: over(c, n).mean(1) for n in (10, 20, 50)}
    r20, c20, v20 = over(r, 20), over(c, 20), over(v, 20)
    band = 2 * c20.std(1)
    lowest, highest = over(low, 14).min(1), over(h, 14).max(1)
    stochastic = 100 * (last - lowest) / (highest - lowest)
    values = [
        r[:, -1], np.log(last / c[:, -6]), np.log(last / c[:, -21]), last / c[:, -11] - 1,
        mean[10] / last - 1, mean[20] / last - 1, mean[50] / last - 1,
        r20.std(1, ddof=1), (last - mean[20]) / c20.std(1, ddof=1), (mean[20] + band) / last - 1,
        (mean[20] - band) / last - 1, (last - mean[20] + band) / (2 * band),
        (v[:, -1] - v20.mean(1)) / v20.std(1, ddof=1), over((h - low) / c, 10).mean(1),
        c20.min(1) / last - 1, c20.max(1) / last - 1, last / over(c, 60).max(1) - 1, stochastic, stochastic - 100,
        r20.mean(1), r20.min(1), r20.max(1), v[:, -1] / v20.mean(1), np.sqrt((r20**2).mean(1)),
    ]
    return table.select(["symbol", "event_time"]).take(warm).to_pydict(), dict(zip(FEATURES, values, strict=True))


def difference(a, b):
    """The largest, relative; infinite where one is not a number."""
    import numpy as np

    found = np.abs(a - b) / np.maximum(np.maximum(np.abs(a), np.abs(b)), 1e-3)
    return float(np.max(np.where(np.isfinite(found), found, np.inf)))


def agreement(commands, path):
    import pyarrow.parquet as pq

    keys, exact = written_out(path)
    samples = {}
    for name, command in commands.items():
        with tempfile.TemporaryDirectory() as folder:
            where = pathlib.Path(folder) / "sample.parquet"
            measure([*command, "--parquet", path, "--sample", where])
            table = pq.read_table(where)
        if table.select(list(keys)).to_pydict() != keys or table.column_names[2:] != list(exact):
            raise SystemExit(f"{name}: other rows or columns in the sample than expected")
        samples[name] = {feature: table[feature].to_numpy() for feature in exact}
    print(f"largest relative difference from the formulas, {len(keys['symbol'])} rows of {path.stem}:")
    print(f"{'':24}" + "".join(f"{name:>10}" for name in [*samples, "any two"]))
    everybody = list(samples.values())
    worst = dict.fromkeys([*samples, "any two"], 0.0)
    for feature, values in exact.items():
        row = {name: difference(sample[feature], values) for name, sample in samples.items()}
        pairs = [(a, b) for i, a in enumerate(everybody) for b in everybody[:i]]
        row["any two"] = max((difference(a[feature], b[feature]) for a, b in pairs), default=0.0)
        print(f"{feature:24}" + "".join(f"{value:10.1e}" for value in row.values()))
        worst = {name: max(worst[name], value) for name, value in row.items()}
    for name, value in worst.items():
        verdict = "ok" if value <= BOUND else f"LOOSER THAN {BOUND:.0e}"
        print(f"features of {name}: differ by at most {value:.1e} ({verdict})")


def session_cpu(session):
    """CPU seconds so far of a process and all it started (Spark's Java is a child)."""
    ticks = 0
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:  # It ended meanwhile.
            continue
        if int(fields[3]) == session:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(command):
    """The last JSON line of a process of its own, with time and CPU seconds from its start to the first one."""
    cpus = ",".join(map(str, range(THREADS)))
    command = ["taskset", "-c", cpus, *map(str, command)]
    found = {}
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
        try:
            for line in process.stdout:
                if line.startswith("{"):
                    # Until it is waited for, an ended process still has its times.
                    found = found or {"cold": time.perf_counter() - start, "cpu": session_cpu(process.pid)}
                    found |= json.loads(line)
            code = process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        if code:
            errors.seek(0)
            raise SystemExit(f"{' '.join(command)} failed ({code}):\n{errors.read()[-3000:]}")
    return found


def batch(commands, path, rounds):
    results = {name: [] for name in commands}
    for index in range(rounds):
        for name in list(commands) if index % 2 == 0 else list(commands)[::-1]:
            twice = ["--executions", 2] if name == "spark" else []
            run = measure([*commands[name], "--parquet", path, *twice])
            results[name].append(run)
            shown = {key: value for key, value in run.items() if key != "sums"}
            print(f"round {index + 1} {name}: {json.dumps(shown)}", flush=True)
    kinds = {"seconds": "warm", "cold": "cold", "cpu": "CPU seconds, cold"}
    first = next(iter(results.values()))[0]
    for name, runs in results.items():
        for kind, what in kinds.items():
            value, low, high = interval([run[kind] for run in runs])
            rate = f", {runs[0]['rows'] / value / 1e6:.2f} million rows/s"
            print(f"{name} {path.stem} ({what}): {value:.2f} s [{low:.2f}, {high:.2f}]{rate}")
        print(f"{name} {path.stem}: peak memory {max(run['peak_rss_mib'] for run in runs):.0f} MiB")
        # A sum of both signs may be near zero: the least that counts is 1e-3 per row.
        floor = 1e-3 * first["rows"]
        sums = max(abs(a - b) / max(abs(a), floor) for a, b in zip(first["sums"], runs[0]["sums"], strict=True))
        verdict = "ok" if runs[0]["rows"] == first["rows"] and sums <= BOUND else "NOT EQUAL"
        print(f"{name} {path.stem}: {runs[0]['rows']} rows, sums differ by at most {sums:.1e} ({verdict})")
    for name in list(results)[1:] if "ours" in results else []:
        for kind, what in kinds.items():
            ratio, low, high = interval([b[kind] / a[kind] for a, b in zip(results["ours"], results[name])])
            print(f"ratio ours vs {name} {path.stem} ({what}): {ratio:.2f}x [{low:.2f}, {high:.2f}]")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--bars", type=int, default=290_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default="polars,duckdb,spark")
    parser.add_argument("--only-peers", action="store_true", help="without our program and the ratios")
    parser.add_argument("--program", type=pathlib.Path, help="ours, already built")
    options = parser.parse_args()
    wanted = [package.split("==") for package in PACKAGES]
    check = f"from importlib.metadata import version\nassert all(version(name) == at for name, at in {wanted})"
    install(CACHE / "bench-features-venv", PACKAGES, check)
    commands = {}
    if not options.only_peers:
        program = options.program or build("foresail-features") / "foresail-bench-features"
        commands["ours"] = [program, "batch", "--threads", THREADS]
    for name in options.peers.split(","):
        commands[name] = [sys.executable, PEERS / f"features_{name}.py"]
    print("command:", "python3", *sys.argv)
    print("load average before:", *os.getloadavg(), flush=True)
    if "ours" in commands:
        push = result([program, "push", "--rounds", options.rounds])["ns_per_bar"]
        value, low, high = interval(push)
        print(f"ours one bar through 24 features: {value:.0f} ns [{low:.0f}, {high:.0f}]", flush=True)
    agreement(commands, write_bars(min(options.symbols, 10), options.bars))
    path = write_bars(options.symbols, options.bars)
    # Into the page cache, so that nobody pays for the disk.
    subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)
    batch(commands, path, options.rounds)
    print("load average after:", *os.getloadavg())


if __name__ == "__main__":
    main()
