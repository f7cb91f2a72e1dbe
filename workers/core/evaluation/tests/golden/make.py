"""Writes golden.json: what SciPy, statsmodels, NumPy and arch say about fixed series.

    python -m venv venv && venv/bin/pip install numpy scipy statsmodels arch
    venv/bin/python make.py > golden.json

The Diebold-Mariano statistic is written out from the papers; its variance and its p-value come from
statsmodels and SciPy.
"""

import json

import arch.bootstrap
import numpy as np
import scipy.stats
import statsmodels.api as sm
from statsmodels.stats.proportion import proportion_confint
from statsmodels.tsa.stattools import acovf


def newey_west(x, lag):
    """Variance of the mean: an intercept-only regression with HAC errors."""
    fit = sm.OLS(x, np.ones(len(x))).fit()
    fit = fit.get_robustcov_results("HAC", maxlags=lag, use_correction=False)
    return float(fit.cov_params()[0, 0])


def diebold_mariano(d, h):
    """Diebold and Mariano (1995), rectangular kernel; Harvey, Leybourne and Newbold (1997)."""
    n = len(d)
    g = acovf(d, adjusted=False, nlag=h - 1, fft=False)
    variance = (g[0] + 2 * g[1:].sum()) / n
    assert variance > 0
    factor = np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    return float(scipy.stats.t.cdf(factor * d.mean() / np.sqrt(variance), n - 1))


def series(seed, n, kind):
    r = np.random.default_rng(seed)
    e = r.standard_normal(n + 4)
    if kind == "moving":
        return np.convolve(e, np.ones(5), "valid")
    if kind == "ar":
        x = np.zeros(n)
        for t in range(1, n):
            x[t] = 0.7 * x[t - 1] + e[t]
        return x
    return np.round(e[:n] * 3)


cases = []
for seed, (n, kind) in enumerate(
    [(40, "moving"), (250, "moving"), (120, "ar"), (1000, "ar"), (60, "ties"), (333, "ties")]
):
    a = np.abs(series(seed, n, kind)) + 0.05
    b = np.abs(series(seed + 100, n, kind)) + 0.1
    levels = [0.0, 0.05, 0.1, 0.5, 0.8, 0.975, 1.0]
    block = arch.bootstrap.optimal_block_length(a)["stationary"].iloc[0]
    cases.append(
        {
            "a": a.tolist(),
            "b": b.tolist(),
            "spearman": float(scipy.stats.spearmanr(a, b).statistic),
            "neweyWest": [[lag, newey_west(a, lag)] for lag in (0, 1, 4, 9)],
            "dieboldMariano": [[h, diebold_mariano(a - b, h)] for h in (1, 2, 5)],
            "quantiles": [[q, float(np.quantile(a, q))] for q in levels],
            "block": float(block),
        }
    )
wilson = [
    [k, n, c, *map(float, proportion_confint(k, n, alpha=1 - c, method="wilson"))]
    for k, n, c in [(8, 10, 0.95), (0, 7, 0.9), (160, 200, 0.99), (1, 3, 0.5)]
]
student = [
    [t, df, float(scipy.stats.t.cdf(t, df))]
    for t in (-9.0, -2.5, -0.1, 0.7, 3.0)
    for df in (1, 2, 7, 39, 1000)
]
normal = [[p, float(scipy.stats.norm.ppf(p))] for p in (1e-8, 0.001, 0.2, 0.5, 0.9, 0.9995)]
print(json.dumps({"cases": cases, "wilson": wilson, "student": student, "normal": normal}))
