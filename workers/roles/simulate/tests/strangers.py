"""Reads a simulated market with two clients that others wrote, and prints what they read as JSON.

    python3 strangers.py http://127.0.0.1:PORT KEY SYMBOL DAY

DAY is a session, of which the five-minute bars are read.
"""

import json
import os
import sys

os.environ["YF_DISABLE_CURL_CFFI"] = "1"

import alpha_vantage.alphavantage
import alpha_vantage.timeseries
import pandas
import yfinance
import yfinance.base
import yfinance.const
import yfinance.data
import yfinance.scrapers.history


def main():
    base, key, symbol, day = sys.argv[1:]
    for module in (yfinance.base, yfinance.const, yfinance.scrapers.history):
        module._BASE_URL_ = base
    # It would ask the real provider for a cookie first.
    yfinance.data.YfData._get_cookie_and_crumb = lambda self, timeout=30: ("crumb", "basic")
    alpha_vantage.alphavantage.AlphaVantage._ALPHA_VANTAGE_API_URL = base + "/query?"
    ticker = yfinance.Ticker(symbol)
    daily = ticker.history(period="max", auto_adjust=False, actions=True)
    until = pandas.Timestamp(day) + pandas.Timedelta(days=1)
    minutes = ticker.history(start=day, end=f"{until:%Y-%m-%d}", interval="5m", auto_adjust=False)
    series = alpha_vantage.timeseries.TimeSeries(key=key, output_format="pandas")
    traded, _ = series.get_daily(symbol, outputsize="full")
    adjusted, _ = series.get_daily_adjusted(symbol, outputsize="full")
    within, _ = series.get_intraday(symbol, interval="5min", outputsize="full")
    print(json.dumps({
        "yahoo": rows(daily, ["Open", "High", "Low", "Close", "Volume", "Stock Splits", "Dividends"]),
        "yahooMinutes": rows(minutes, ["Open", "High", "Low", "Close", "Volume"]),
        "alphaVantage": rows(traded, list(traded.columns)),
        "alphaVantageAdjusted": rows(adjusted, list(adjusted.columns)),
        "alphaVantageMinutes": rows(within, list(within.columns)),
    }))


def rows(frame, columns):
    """Time and numbers of each row, oldest first."""
    frame = frame.sort_index()
    times = [time.strftime("%Y-%m-%d %H:%M") for time in frame.index]
    return [[time, *values] for time, values in zip(times, frame[columns].values.tolist(), strict=True)]


main()
