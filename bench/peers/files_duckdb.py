"""DuckDB: files_duckdb.py FILE."""

import duckdb
from files_common import PRICES, main


def read(path):
    connection = duckdb.connect(config={"threads": 1, "memory_limit": "2GB"})
    # Symbols and dates are parsed too: what nobody asks for is not.
    sums = ", ".join(f"sum({name}::DOUBLE)" for name in (*PRICES, "volume"))
    query = f"SELECT count(*), sum(length(symbol)), max(date), {sums} FROM read_csv('{path}')"
    rows, _, _, *sums = connection.execute(query).fetchone()
    return rows, sum(sums[:-1]), sums[-1]


main(read)
