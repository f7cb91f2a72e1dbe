"""Writes world.json: what pandas and TA-Lib say of generated series, for every function they define alike.

    pip install pandas TA-Lib && python make.py > world.json

Each series has windows of its own. Of every function the number of values is kept, the first five (so the warm-up and
where a recursion starts are compared too) and the last ten.
"""
import json

import numpy as np
import pandas as pd
import talib


def market(seed, sessions, start, sigma, drift=0.0, tail=None, cents=False):
    """Open, high, low, close and volume; `tail` are the degrees of freedom of the returns, none is normal."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(sessions) if tail is None else rng.standard_t(tail, sessions)
    close = start * np.exp(np.cumsum(drift + sigma * noise))
    open_ = close * np.exp(0.5 * sigma * rng.standard_normal(sessions))
    high = np.maximum(open_, close) * (1 + 0.5 * sigma * rng.random(sessions))
    low = np.minimum(open_, close) * (1 - 0.5 * sigma * rng.random(sessions))
    volume = np.round(1e6 * (0.5 + rng.random(sessions)))
    if cents:  # equal closes, equal highs, days on which nothing moves
        open_, high, low, close = (np.round(x, 2) for x in (open_, high, low, close))
        volume = np.round(volume, -5)
    return open_, high, low, close, volume


WORLDS = {
    "a year of a share": dict(bars=market(7, 120, 50, 0.02), window=10, fast=3, slow=8, signal=4, deviations=2.0, quantile=0.3),
    "a penny share that often stands still": dict(
        bars=market(8, 120, 1.5, 0.02, cents=True), window=5, fast=2, slow=5, signal=3, deviations=1.5, quantile=0.5
    ),
    "a crash with heavy tails": dict(
        bars=market(9, 160, 900, 0.015, drift=-0.02, tail=3), window=21, fast=12, slow=26, signal=9, deviations=2.5, quantile=0.9
    ),
}


def wilder(column, window):
    """The plain mean of the first values, then smoothed with 1 / window."""
    values = column.dropna()
    smoothed = values[window - 1 :].copy()
    smoothed.iloc[0] = values[:window].mean()
    return smoothed.ewm(alpha=1 / window, adjust=False).mean().reindex(column.index)


def expected(bars, window, fast, slow, signal, deviations, quantile):
    W = window
    open_, high, low, close, volume = bars
    o, h, l, c, v = (pd.Series(x) for x in bars)
    r = np.log(c).diff()
    upper, middle, lower = talib.BBANDS(close, W, deviations, deviations, 0)
    # Both at once would begin with the first of %D.
    fast_k, _ = talib.STOCHF(high, low, close, W, 1, 0)
    _, fast_d = talib.STOCHF(high, low, close, W, signal, 0)
    ema = lambda x, span: x.ewm(span=span, adjust=False, min_periods=span).mean()
    # The signal starts at the first MACD.
    macd = (ema(c, fast) - ema(c, slow)) / c
    macd_signal = ema(macd.dropna(), signal).reindex(c.index)
    rolled = r.rolling(W)
    values = {
        "LogReturn": r,
        "LogReturnOver": np.log(c).diff(W),
        "RateOfChange": talib.ROCP(close, W),
        "SmaRatio": talib.SMA(close, W) / close - 1,
        "EmaRatio": ema(c, W) / c - 1,
        "Macd": macd,
        "MacdSignal": macd_signal,
        "MacdHistogram": macd - macd_signal,
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
        "OvernightReturn": np.log(o / c.shift(1)),
        # Ours comes with the first bar that has one before it, since a missing open is the previous close.
        "IntradayReturn": np.log(c / o)[1:],
    }
    # By formula: no common library has these.
    typical = (h + l + c) / 3
    hl, co, oc = np.log(h / l), np.log(c / o), np.log(o / c.shift(1))
    rs = np.log(h / c) * np.log(h / o) + np.log(l / c) * np.log(l / o)
    k = 0.34 / (1.34 + (W + 1) / (W - 1))
    signed = np.sign(c.diff()) * v
    up, down = h.diff(), -l.diff()
    rise, fall = up.where((up > down) & (up > 0), 0.0)[1:], down.where((down > up) & (down > 0), 0.0)[1:]
    rise, fall = wilder(rise, W), wilder(fall, W)
    values |= {
        "RangeMean": ((h - l) / c).rolling(W).mean(),
        "Adx": wilder(100 * (rise - fall).abs() / (rise + fall), W),
        "VwapRatio": (typical * v).rolling(W).sum() / v.rolling(W).sum() / c - 1,
        "ObvRatio": signed.rolling(W).sum() / v.rolling(W).sum(),
        "Amihud": (r.abs() / (c * v / 1e6)).rolling(W).mean(),
        "Parkinson": np.sqrt((hl**2).rolling(W).mean() / (4 * np.log(2))),
        "GarmanKlass": np.sqrt((0.5 * hl**2 - (2 * np.log(2) - 1) * co**2)[1:].rolling(W).mean()),
        "YangZhang": np.sqrt(oc.rolling(W).var() + k * co.rolling(W).var() + (1 - k) * rs.rolling(W).mean()),
        "Autocorrelation": rolled.apply(
            lambda x: np.sum((x[1:] - x.mean()) * (x[:-1] - x.mean())) / np.sum((x - x.mean()) ** 2), raw=True
        ),
        "BarsSinceHigh": h.rolling(W).apply(lambda x: np.argmax(x[::-1]), raw=True),
        "BarsSinceLow": l.rolling(W).apply(lambda x: np.argmin(x[::-1]), raw=True),
    }
    # Over every column; the close has no suffix, since it is what an absent column means. An open is known from the
    # second bar on.
    columns = {"": c, " Open": o[1:], " High": h, " Low": l, " Volume": v, " TypicalPrice": typical}
    for suffix, column in columns.items():
        rolling = column.rolling(W)
        values |= {
            "RollingMean" + suffix: rolling.mean(),
            "RollingStd" + suffix: rolling.std(),
            "RollingMin" + suffix: rolling.min(),
            "RollingMax" + suffix: rolling.max(),
            "RollingSum" + suffix: rolling.sum(),
            "RollingQuantile" + suffix: rolling.quantile(quantile),
        }
    return values


def kept(column):
    values = [float(f"{x:.15g}") for x in np.asarray(column) if not np.isnan(x)]
    return {"count": len(values), "first": values[:5], "last": values[-10:]}


worlds = []
for name, world in WORLDS.items():
    values = {function: kept(column) for function, column in expected(**world).items()}
    bars = [list(map(float, row)) for row in zip(*world["bars"])]
    texts = {field: format(world[field], "g") for field in ("deviations", "quantile")}
    worlds.append({"name": name} | world | texts | {"bars": bars, "values": values})
print(json.dumps(worlds, allow_nan=False))
