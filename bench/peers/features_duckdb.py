"""DuckDB, one query with shared windows: features_duckdb.py --parquet FILE [--sample FILE] [--executions N]."""

import duckdb
from features_common import main, query

connection = duckdb.connect(config={"threads": 2, "memory_limit": "10GB"})


def sums(path):
    return connection.execute(query(f"read_parquet('{path}')", sample=False)).fetchone()


def sample(path, where):
    text = query(f"read_parquet('{path}')", sample=True)
    connection.execute(f"COPY ({text}) TO '{where}' (FORMAT parquet)")


main(sums, sample)
