"""What the programs of bench/features.py share: the features' names and order, the SQL, one JSON line as the result."""

import argparse
import json
import time

FEATURES = {  # Name and SQL over the columns that query() makes.
    "log_return_1": "r",
    "log_return_5": "ln(close / close_5)",
    "log_return_20": "ln(close / close_20)",
    "rate_of_change_10": "close / close_10 - 1",
    "sma_ratio_10": "mean_10 / close - 1",
    "sma_ratio_20": "mean_20 / close - 1",
    "sma_ratio_50": "mean_50 / close - 1",
    "volatility_20": "r_sample_20",
    "z_score_20": "(close - mean_20) / sample_20",
    "bollinger_upper_20": "(mean_20 + 2 * population_20) / close - 1",
    "bollinger_lower_20": "(mean_20 - 2 * population_20) / close - 1",
    "bollinger_percent_b_20": "(close - (mean_20 - 2 * population_20)) / (4 * population_20)",
    "volume_z_score_20": "(volume - volume_mean_20) / volume_sample_20",
    "range_mean_10": "range_10",
    "min_ratio_20": "min_20 / close - 1",
    "max_ratio_20": "max_20 / close - 1",
    "drawdown_60": "close / max_60 - 1",
    "stochastic_k_14": "100 * (close - low_14) / (high_14 - low_14)",
    "williams_r_14": "100 * (close - low_14) / (high_14 - low_14) - 100",
    "return_mean_20": "r_mean_20",
    "return_min_20": "r_min_20",
    "return_max_20": "r_max_20",
    "volume_ratio_20": "volume / volume_mean_20",
    "realised_volatility_20": "sqrt(r_square_20)",
}
WINDOWS = {  # Column, aggregate, window: each made once, however many features need it.
    "close_5": ("lag(close, 5)", None),
    "close_10": ("lag(close, 10)", None),
    "close_20": ("lag(close, 20)", None),
    "mean_10": ("avg(close)", 10),
    "mean_20": ("avg(close)", 20),
    "mean_50": ("avg(close)", 50),
    "sample_20": ("stddev_samp(close)", 20),
    "population_20": ("stddev_pop(close)", 20),
    "volume_mean_20": ("avg(volume)", 20),
    "volume_sample_20": ("stddev_samp(volume)", 20),
    "range_10": ("avg((high - low) / close)", 10),
    "min_20": ("min(close)", 20),
    "max_20": ("max(close)", 20),
    "max_60": ("max(close)", 60),
    "low_14": ("min(low)", 14),
    "high_14": ("max(high)", 14),
    "r_sample_20": ("stddev_samp(r)", 20),
    "r_mean_20": ("avg(r)", 20),
    "r_min_20": ("min(r)", 20),
    "r_max_20": ("max(r)", 20),
    "r_square_20": ("avg(r * r)", 20),
}
COLD = 60  # Rows of a symbol that nobody counts: every window is full after them.
SAMPLED = 997


def query(source, sample):
    """Sums over the warm rows, or the rows of the sample. Two levels, as windows do not nest."""
    order = "PARTITION BY symbol ORDER BY event_time"
    widths = sorted({width for _, width in WINDOWS.values() if width})
    named = [f"w AS ({order})"]
    named += [f"w{n} AS ({order} ROWS BETWEEN {n - 1} PRECEDING AND CURRENT ROW)" for n in widths]
    windows = ", ".join(f"{value} OVER w{width or ''} AS {name}" for name, (value, width) in WINDOWS.items())
    features = ", ".join(f"{value} AS {name}" for name, value in FEATURES.items())
    text = f"""
        WITH returns AS (
            SELECT symbol, event_time, high, low, close, volume, row_number() OVER w - 1 AS bar,
                ln(close / lag(close) OVER w) AS r
            FROM {source} WINDOW w AS ({order})
        ), windows AS (SELECT *, {windows} FROM returns WINDOW {", ".join(named)}
        ), warm AS (SELECT symbol, event_time, bar, {features} FROM windows WHERE bar >= {COLD})"""
    if sample:
        return f"""{text} SELECT symbol, event_time, {", ".join(FEATURES)} FROM warm
            WHERE bar % {SAMPLED} = 0 ORDER BY symbol, event_time"""
    return f"{text} SELECT count(*), {', '.join(f'sum({name})' for name in FEATURES)} FROM warm"


def peak_rss_mib(process="self"):
    with open(f"/proc/{process}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024


def main(sums, sample, memory=peak_rss_mib):
    """Calls sums(file), which gives rows and sums, `--executions` times, or sample(file, where) once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parquet", required=True)
    parser.add_argument("--sample")
    parser.add_argument("--executions", type=int, default=1)
    options = parser.parse_args()
    if options.sample:
        sample(options.parquet, options.sample)
        return
    for _ in range(options.executions):
        start = time.perf_counter()
        rows, *values = sums(options.parquet)
        seconds = time.perf_counter() - start
        line = {"seconds": seconds, "rows": rows, "sums": values, "peak_rss_mib": memory()}
        print(json.dumps(line), flush=True)
