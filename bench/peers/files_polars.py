"""Polars, streaming: files_polars.py FILE."""

import os

os.environ["POLARS_MAX_THREADS"] = "1"

import polars as pl
from files_common import PRICES, main


def read(path):
    # Symbols and dates are parsed too: what nobody asks for is not.
    asked = [pl.len().alias("rows"), pl.col("symbol").str.len_bytes().sum(), pl.col("date").max()]
    asked += [pl.col(name).cast(pl.Float64).sum() for name in (*PRICES, "volume")]
    row = pl.scan_csv(path, try_parse_dates=True).select(asked).collect(engine="streaming").row(0, named=True)
    return row["rows"], sum(row[name] for name in PRICES), row["volume"]


main(read)
