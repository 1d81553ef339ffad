"""Fill the holes of a table, and pool an analysis over imputations by Rubin's rules.

A third of the cells of the diabetes table are hidden, more of them where the blood pressure is
high. A regression of disease progression on the other columns is then fitted in four ways: to the
table before it had holes, to the rows that are left whole, to the table with holes filled once by
the mean of each column, and to twenty imputations of VAEImputer, whose answers are pooled by
Rubin's rules, so that the error bars know what is not known. Writes a picture,
``docs/images/pooled_regression.png``; with ``--quick`` a small run, whose picture goes to
``output/``.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats
from sklearn.datasets import load_diabetes

from skvae import VAEImputer

QUICK = "--quick" in sys.argv
PICTURE = Path("output" if QUICK else "docs/images") / "pooled_regression.png"
COLUMNS = ["bmi", "bp", "s3", "s5"]
WHOLE = "bp"  # never hidden: what is missing depends on it


def hidden(table, seed=0):
    """Return which cells to hide: at random, given the blood pressure."""
    generator = np.random.default_rng(seed)
    pressure = (table[WHOLE] - table[WHOLE].mean()) / table[WHOLE].std()
    chance = 1 / (1 + np.exp(0.8 - 1.2 * pressure.to_numpy()))
    mask = generator.uniform(size=table.shape) < chance[:, None]
    return mask & (table.columns != WHOLE)


def regression(table):
    """Return the coefficients of progression on the columns, and their variances."""
    X = np.column_stack([np.ones(len(table)), table[COLUMNS]])
    y = table["progression"].to_numpy()
    inverse = np.linalg.inv(X.T @ X)
    coefficients = inverse @ X.T @ y
    noise = ((y - X @ coefficients) ** 2).sum() / (len(X) - X.shape[1])
    return coefficients[1:], noise * inverse.diagonal()[1:]


def pooled(estimates, variances):
    """Pool analyses of m completed tables by Rubin's rules.

    The variance is that within a table plus (1 + 1 / m) times that between them. Returns the
    estimates and half the width of their 95 % intervals, of a t with Rubin's degrees of freedom.
    """
    m, within, between = len(estimates), variances.mean(0), estimates.var(0, ddof=1)
    total = within + (1 + 1 / m) * between
    df = (m - 1) * (total / ((1 + 1 / m) * between)) ** 2
    return estimates.mean(0), stats.t.ppf(0.975, df) * np.sqrt(total)


def simple(table):
    """Return the estimates of one table and half the width of their 95 % intervals."""
    coefficients, variances = regression(table)
    return coefficients, stats.norm.ppf(0.975) * np.sqrt(variances)


def draw(answers):
    """Draw every column's coefficient with its interval, by each way, and save the picture."""
    figure, axis = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
    for i, (name, (center, half)) in enumerate(answers.items()):
        at = np.arange(len(COLUMNS)) + 0.17 * (i - 1.5)
        axis.errorbar(at, center, half, fmt="o", capsize=3, ms=4, label=name)
    axis.axhline(0, color="0.8", lw=1, zorder=0)
    axis.set_xticks(range(len(COLUMNS)), COLUMNS)
    axis.set_ylabel("coefficient, per standard deviation")
    axis.legend(fontsize="small")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    print(f"wrote {PICTURE}")


def main():
    """Hide, fill, analyse and pool."""
    table = load_diabetes(as_frame=True).frame.rename(columns={"target": "progression"})
    table = table.head(150).copy() if QUICK else table
    table[COLUMNS] = (table[COLUMNS] - table[COLUMNS].mean()) / table[COLUMNS].std()
    mask = hidden(table)
    holes = table.mask(mask)
    print(f"{mask.mean():.0%} of the cells are hidden; {(~mask.any(1)).sum()} rows are left whole")
    imputer = VAEImputer(random_state=0, **({"max_epochs": 3} if QUICK else {})).fit(holes)
    tables = imputer.sample_imputations(holes, n_imputations=20, random_state=0)
    analyses = [regression(t) for t in tables]
    answers = {
        "before the holes": simple(table),
        "whole rows alone": simple(holes.dropna()),
        "filled by means": simple(holes.fillna(holes.mean())),
        "20 imputations, pooled": pooled(*map(np.array, zip(*analyses, strict=True))),
    }
    rows = {
        n: [f"{c:6.1f} +- {h:4.1f}" for c, h in zip(*a, strict=True)] for n, a in answers.items()
    }
    print(pd.DataFrame(rows, index=COLUMNS).T.to_string())
    scale = table.std()
    for name, filled in (
        ("VAEImputer", imputer.transform(holes)),
        ("the mean", holes.fillna(holes.mean())),
    ):
        error = np.sqrt((((filled - table) / scale).to_numpy()[mask] ** 2).mean())
        print(f"error of hidden cells by {name}: {error:.2f} standard deviations")
    inside = (np.min(tables, axis=0) <= table) & (np.max(tables, axis=0) >= table)
    print(f"hidden cells within the range of the 20 draws: {inside.to_numpy()[mask].mean():.0%}")
    draw(answers)


if __name__ == "__main__":
    main()
