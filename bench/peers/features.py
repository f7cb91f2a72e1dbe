"""The 24 features of `bench/features.py` in Polars, DuckDB and Spark: python3 features.py PEER FILE [--sample FILE].

Each does it as its documentation advises: Polars lazily with the streaming engine, DuckDB and Spark as SQL with named
windows. A row counts once 60 bars of its symbol lie before it, so that every window is full in every program.
"""

import argparse
import json
import os
import resource
import time

COLD, SAMPLED = 60, 997
W = {n: f"w{n}" for n in (10, 14, 20, 50, 60)}

# Name and SQL: {m10} is the mean close of 10 bars, and so on; `r` is the log return, made before.
SQL = {
    "log_return_1": "r",
    "log_return_5": "ln(close / lag(close, 5) OVER w)",
    "log_return_20": "ln(close / lag(close, 20) OVER w)",
    "rate_of_change_10": "close / lag(close, 10) OVER w - 1",
    "sma_ratio_10": "avg(close) OVER w10 / close - 1",
    "sma_ratio_20": "avg(close) OVER w20 / close - 1",
    "sma_ratio_50": "avg(close) OVER w50 / close - 1",
    "volatility_20": "stddev_samp(r) OVER w20",
    "z_score_20": "(close - avg(close) OVER w20) / stddev_samp(close) OVER w20",
    "bollinger_upper_20": "(avg(close) OVER w20 + 2 * stddev_pop(close) OVER w20) / close - 1",
    "bollinger_lower_20": "(avg(close) OVER w20 - 2 * stddev_pop(close) OVER w20) / close - 1",
    "bollinger_percent_b_20": "(close - avg(close) OVER w20 + 2 * stddev_pop(close) OVER w20) / (4 * stddev_pop(close) OVER w20)",
    "volume_z_score_20": "(volume - avg(volume) OVER w20) / stddev_samp(volume) OVER w20",
    "range_mean_10": "avg((high - low) / close) OVER w10",
    "min_ratio_20": "min(close) OVER w20 / close - 1",
    "max_ratio_20": "max(close) OVER w20 / close - 1",
    "drawdown_60": "close / max(close) OVER w60 - 1",
    "stochastic_k_14": "100 * (close - min(low) OVER w14) / (max(high) OVER w14 - min(low) OVER w14)",
    "williams_r_14": "100 * (close - min(low) OVER w14) / (max(high) OVER w14 - min(low) OVER w14) - 100",
    "return_mean_20": "avg(r) OVER w20",
    "return_min_20": "min(r) OVER w20",
    "return_max_20": "max(r) OVER w20",
    "volume_ratio_20": "volume / avg(volume) OVER w20",
    "realised_volatility_20": "sqrt(avg(r * r) OVER w20)",
}


def query(source):
    columns = ", ".join(f"{text} AS {name}" for name, text in SQL.items())
    order = "PARTITION BY symbol ORDER BY event_time"
    windows = ", ".join(f"w{n} AS ({order} ROWS BETWEEN {n - 1} PRECEDING AND CURRENT ROW)" for n in W)
    returns = f"SELECT *, ln(close / lag(close) OVER w) AS r, row_number() OVER w - 1 AS i FROM {source} WINDOW w AS ({order})"
    return f"SELECT * FROM (SELECT symbol, event_time, i, {columns} FROM ({returns}) t WINDOW w AS ({order}), {windows}) u WHERE i >= {COLD}"


def sums(source):
    return f"SELECT count(*), {', '.join(f'sum({name})' for name in SQL)} FROM ({query(source)}) v"


def sample(source):
    names = ", ".join(SQL)
    return f"SELECT symbol, event_time, {names} FROM ({query(source)}) v WHERE i % {SAMPLED} = 0 ORDER BY symbol, event_time"


def duckdb(path, out):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 2; SET memory_limit = '12GB'")
    source = f"read_parquet('{path}')"
    if out:
        return connection.execute(f"COPY ({sample(source)}) TO '{out}' (FORMAT parquet)") and None
    return connection.execute(sums(source)).fetchone()


def spark(path, out):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]").config("spark.driver.memory", "10g")
        .config("spark.sql.shuffle.partitions", "4").config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR").getOrCreate()
    )
    session.read.parquet(str(path)).createOrReplaceTempView("bars")
    if out:
        rows = [row.asDict() for row in session.sql(sample("bars")).collect()]
        return pq.write_table(pa.Table.from_pylist(rows), out)
    tuple(session.sql(sums("bars")).collect()[0])
    # The second pass is the warm one.
    start = time.perf_counter()
    found = tuple(session.sql(sums("bars")).collect()[0])
    seconds = time.perf_counter() - start
    # The work is done in another process, the Java one.
    with open(f"/proc/{session.sparkContext._gateway.proc.pid}/status") as status:
        memory = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return found, seconds, memory


def polars(path, out):
    os.environ["POLARS_MAX_THREADS"] = "2"
    import polars as pl

    c, h, low, v, r = (pl.col(name) for name in ("close", "high", "low", "volume", "r"))
    mean, std, pop = (
        lambda x, n: x.rolling_mean(n),
        lambda x, n: x.rolling_std(n),
        lambda x, n: x.rolling_std(n, ddof=0),
    )
    place = 100 * (c - low.rolling_min(14)) / (h.rolling_max(14) - low.rolling_min(14))
    features = {
        "log_return_1": r,
        "log_return_5": (c / c.shift(5)).log(),
        "log_return_20": (c / c.shift(20)).log(),
        "rate_of_change_10": c / c.shift(10) - 1,
        **{f"sma_ratio_{n}": mean(c, n) / c - 1 for n in (10, 20, 50)},
        "volatility_20": std(r, 20),
        "z_score_20": (c - mean(c, 20)) / std(c, 20),
        "bollinger_upper_20": (mean(c, 20) + 2 * pop(c, 20)) / c - 1,
        "bollinger_lower_20": (mean(c, 20) - 2 * pop(c, 20)) / c - 1,
        "bollinger_percent_b_20": (c - mean(c, 20) + 2 * pop(c, 20)) / (4 * pop(c, 20)),
        "volume_z_score_20": (v - mean(v, 20)) / std(v, 20),
        "range_mean_10": mean((h - low) / c, 10),
        "min_ratio_20": c.rolling_min(20) / c - 1,
        "max_ratio_20": c.rolling_max(20) / c - 1,
        "drawdown_60": c / c.rolling_max(60) - 1,
        "stochastic_k_14": place,
        "williams_r_14": place - 100,
        "return_mean_20": mean(r, 20),
        "return_min_20": r.rolling_min(20),
        "return_max_20": r.rolling_max(20),
        "volume_ratio_20": v / mean(v, 20),
        "realised_volatility_20": mean(r * r, 20).sqrt(),
    }
    assert set(features) == set(SQL)

    def rows(frame):
        index = pl.int_range(pl.len()).over("symbol").alias("i")
        made = [features[name].over("symbol").alias(name) for name in SQL]
        frame = frame.with_columns((c / c.shift(1)).log().over("symbol").alias("r"), index)
        return frame.select("symbol", "event_time", "i", *made).filter(pl.col("i") >= COLD)

    if out:
        found = rows(pl.scan_parquet(path)).filter(pl.col("i") % SAMPLED == 0)
        return found.drop("i").sort("symbol", "event_time").collect().write_parquet(out) and None
    # A symbol at a time: all of them at once do not fit into memory with 24 more columns.
    totals = [0.0] * (1 + len(SQL))
    symbols = pl.scan_parquet(path).select(pl.col("symbol").unique()).collect()["symbol"].to_list()
    for at in range(0, len(symbols), 10):
        frame = pl.scan_parquet(path).filter(pl.col("symbol").is_in(symbols[at : at + 10]))
        one = rows(frame).select(pl.len().alias("rows"), *(pl.col(name).sum() for name in SQL)).collect(engine="streaming")
        totals = [a + b for a, b in zip(totals, one.row(0))]
    return totals


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=["polars", "duckdb", "spark"])
    parser.add_argument("path")
    parser.add_argument("--sample")
    options = parser.parse_args()
    start = time.perf_counter()
    found = {"polars": polars, "duckdb": duckdb, "spark": spark}[options.peer](options.path, options.sample)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if options.peer == "spark" and found:
        found, seconds, memory = found
    rows, *totals = found or [0]
    print(json.dumps({"seconds": seconds, "rows": int(rows), "sums": totals, "peak_rss_mib": memory / 1024}))


if __name__ == "__main__":
    main()
