"""Reads bodies of providers with the clients that Python users have, and prints for each body seconds, rows and the sum of its
numbers as JSON. What they would fetch is handed to them as if it had just come, so that reading alone is measured.

    python3 providers.py FOLDER ROUNDS
"""

import json
import os
import pathlib
import statistics
import sys
import time

os.environ["YF_DISABLE_CURL_CFFI"] = "1"

import alpha_vantage.alphavantage
import requests
import yfinance
import yfinance.base
import yfinance.data
from alpha_vantage.timeseries import TimeSeries

SYMBOL = "IBM"


def answer(body):
    response = requests.Response()
    response.status_code, response._content, response.encoding = 200, body, "utf-8"
    return response


def pandas_of_alpha_vantage(body, read):
    alpha_vantage.alphavantage.requests.get = lambda *_, **__: answer(body)
    frame, _ = read(TimeSeries(key="key", output_format="pandas"))
    return len(frame), float(frame.to_numpy().sum())


def pandas_of_yahoo(body, interval):
    yfinance.base.TickerBase._get_ticker_tz = lambda *_, **__: "America/New_York"
    yfinance.data.YfData.get = yfinance.data.YfData.cache_get = lambda *_, **__: answer(body)
    period = "max" if interval == "1d" else "5d"
    frame = yfinance.Ticker(SYMBOL).history(period=period, interval=interval, auto_adjust=False, actions=True)
    frame = frame[["Open", "High", "Low", "Close", "Volume"]]
    return len(frame), float(frame.to_numpy().sum())


def days(series):
    return series.get_daily(SYMBOL, outputsize="full")


def minutes(series):
    return series.get_intraday(SYMBOL, interval="1min", outputsize="full")


READERS = {
    "alpha_vantage-days": lambda body: pandas_of_alpha_vantage(body, days),
    "alpha_vantage-minutes": lambda body: pandas_of_alpha_vantage(body, minutes),
    "yahoo-days": lambda body: pandas_of_yahoo(body, "1d"),
    "yahoo-minutes": lambda body: pandas_of_yahoo(body, "1m"),
}


def measured(read, body, rounds):
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        found = read(body)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), found


def main():
    folder, rounds = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    results = []
    for name, read in READERS.items():
        body = (folder / name).with_suffix(".json").read_bytes()
        read(body)
        seconds, (rows, total) = measured(read, body, rounds)
        only_json, _ = measured(json.loads, body, rounds)
        results.append({"name": name, "seconds": seconds, "json": only_json, "rows": rows, "sum": total})
    print(json.dumps(results))


main()
