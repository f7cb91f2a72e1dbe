"""Writes world.json: what pandas and TA-Lib say of a generated series, for every function they define alike.

    pip install pandas TA-Lib && python make.py > world.json

Window 10, fast 3, slow 8, signal 4, deviations 2, quantile 0.3, as in ../world.rs. The last 60 of 120 sessions are compared.
"""
import json

import numpy as np
import pandas as pd
import talib

N, W, SIGNAL, SHOWN = 120, 10, 4, 60
rng = np.random.default_rng(7)
close = 50 * np.exp(np.cumsum(0.02 * rng.standard_normal(N)))
open_ = close * np.exp(0.01 * rng.standard_normal(N))
high = np.maximum(open_, close) * (1 + 0.01 * rng.random(N))
low = np.minimum(open_, close) * (1 - 0.01 * rng.random(N))
volume = np.round(1e6 * (0.5 + rng.random(N)))

c, v = pd.Series(close), pd.Series(volume)
r = np.log(c).diff()
upper, middle, lower = talib.BBANDS(close, W, 2, 2, 0)
fast_k, fast_d = talib.STOCHF(high, low, close, W, SIGNAL, 0)
rolled = r.rolling(W)
expected = {
    "LogReturn": r,
    "LogReturnOver": np.log(c).diff(W),
    "RateOfChange": talib.ROCP(close, W),
    "SmaRatio": talib.SMA(close, W) / close - 1,
    "Volatility": rolled.std(),
    "ZScore": (c - c.rolling(W).mean()) / c.rolling(W).std(),
    "BollingerUpper": upper / close - 1,
    "BollingerLower": lower / close - 1,
    "BollingerWidth": (upper - lower) / middle,
    "BollingerPercentB": (close - lower) / (upper - lower),
    "Rsi": talib.RSI(close, W),
    "VolumeZScore": (v - v.rolling(W).mean()) / v.rolling(W).std(),
    "SimpleReturn": c.pct_change(),
    "ReturnLag": r.shift(W),
    "ReturnMean": rolled.mean(),
    "ReturnMin": rolled.min(),
    "ReturnMax": rolled.max(),
    "ReturnRank": rolled.rank(pct=True),
    "Skewness": rolled.skew(),
    "Kurtosis": rolled.kurt(),
    "WmaRatio": talib.WMA(close, W) / close - 1,
    "MinRatio": talib.MIN(close, W) / close - 1,
    "MaxRatio": talib.MAX(close, W) / close - 1,
    "Drawdown": close / talib.MAX(close, W) - 1,
    "PriceRank": c.rolling(W).rank(pct=True),
    "TrueRange": talib.TRANGE(high, low, close) / close,
    "AtrRatio": talib.ATR(high, low, close, W) / close,
    "StochasticK": fast_k,
    "StochasticD": fast_d,
    "WilliamsR": talib.WILLR(high, low, close, W),
    "Cci": talib.CCI(high, low, close, W),
    "MoneyFlow": talib.MFI(high, low, close, volume, W),
    "VolumeRatio": v / v.rolling(W).mean(),
    "RealisedVolatility": np.sqrt((r * r).rolling(W).mean()),
    "OvernightReturn": np.log(pd.Series(open_) / c.shift(1)),
    "IntradayReturn": np.log(c / open_),
}
# By formula: no common library has these.
o, h, l = pd.Series(open_), pd.Series(high), pd.Series(low)
typical = (h + l + c) / 3
hl, co, oc = np.log(h / l), np.log(c / o), np.log(o / c.shift(1))
rs = np.log(h / c) * np.log(h / o) + np.log(l / c) * np.log(l / o)
k = 0.34 / (1.34 + (W + 1) / (W - 1))
signed = np.sign(c.diff()) * v
expected |= {
    "VwapRatio": (typical * v).rolling(W).sum() / v.rolling(W).sum() / c - 1,
    "ObvRatio": signed.rolling(W).sum() / v.rolling(W).sum(),
    "Amihud": (r.abs() / (c * v / 1e6)).rolling(W).mean(),
    "Parkinson": np.sqrt((hl**2).rolling(W).mean() / (4 * np.log(2))),
    "GarmanKlass": np.sqrt((0.5 * hl**2 - (2 * np.log(2) - 1) * co**2).rolling(W).mean()),
    "YangZhang": np.sqrt(oc.rolling(W).var() + k * co.rolling(W).var() + (1 - k) * rs.rolling(W).mean()),
    "Autocorrelation": rolled.apply(lambda x: np.sum((x[1:] - x.mean()) * (x[:-1] - x.mean())) / np.sum((x - x.mean()) ** 2), raw=True),
    "BarsSinceHigh": h.rolling(W).apply(lambda x: W - 1 - np.argmax(x), raw=True),
    "BarsSinceLow": l.rolling(W).apply(lambda x: W - 1 - np.argmin(x), raw=True),
}
# Over every column; the close has no suffix, since it is what an absent column means.
columns = {"": c, " Open": o, " High": h, " Low": l, " Volume": v, " TypicalPrice": typical}
for suffix, column in columns.items():
    window = column.rolling(W)
    expected |= {
        "RollingMean" + suffix: window.mean(),
        "RollingStd" + suffix: window.std(),
        "RollingMin" + suffix: window.min(),
        "RollingMax" + suffix: window.max(),
        "RollingSum" + suffix: window.sum(),
        "RollingQuantile" + suffix: window.quantile(0.3),
    }
bars = [list(map(float, row)) for row in zip(open_, high, low, close, volume)]
values = {name: [float(x) for x in np.asarray(column)[-SHOWN:]] for name, column in expected.items()}
print(json.dumps({"bars": bars, "values": values}))
