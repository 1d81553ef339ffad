"""Holes in complete tables: cells hidden at random, or by what other columns say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit


def is_category(column: pd.Series) -> bool:
    """Return whether a column holds categories."""
    return isinstance(column.dtype, pd.CategoricalDtype)


def blocks(table: pd.DataFrame) -> list[slice]:
    """Return where in the codes each column is: one place for a number, one for each category."""
    widths = [len(c.cat.categories) if is_category(c) else 1 for _, c in table.items()]
    ends = np.cumsum(widths)
    return [slice(int(end) - width, int(end)) for end, width in zip(ends, widths, strict=True)]


def codes(table: pd.DataFrame, like: pd.DataFrame) -> np.ndarray:
    """Return numbers in standard deviations of ``like`` and indicators of categories, side by side.

    Missing numbers are NaN, and so are all indicators of a missing category.
    """
    parts = []
    for name, column in table.items():
        if is_category(column):
            part = np.eye(len(column.cat.categories))[column.cat.codes]
            part[column.isna()] = np.nan
        else:
            mean, sd = location_and_scale(like[name])
            part = (column.to_numpy(float)[:, None] - mean) / sd
        parts.append(part)
    return np.hstack(parts)


def location_and_scale(column: pd.Series) -> tuple[float, float]:
    """Return mean and standard deviation of the numbers that are there; 1 for a constant."""
    return column.mean(), column.std(ddof=0) or 1.0


def mcar(table: pd.DataFrame, rate: float, seed: int) -> np.ndarray:
    """Return cells to hide, each with probability ``rate``: missing completely at random.

    With the same seed the cells of a lower rate are among those of a higher.
    """
    return np.random.default_rng(seed).uniform(size=table.shape) < rate


def mar(table: pd.DataFrame, rate: float, seed: int) -> np.ndarray:
    r"""Return cells to hide, by what is seen in other columns: missing at random.

    A random half of the columns, rounded down, is never hidden and decides. A cell of row :math:`i`
    in another column :math:`j` is hidden with probability

    .. math:: \sigma(b_j + c_i^\top w_j / s_j),

    where :math:`c_i` are the codes of the deciding columns (standardised numbers and indicators;
    the mean where there is a genuine hole), :math:`w_j` standard normal weights and :math:`s_j` the
    standard deviation of :math:`c_i^\top w_j` over rows. The intercept :math:`b_j` is solved for,
    such that ``rate`` of all cells are hidden in the mean: 60 % of a hidden column's for a rate of
    30 %, if half of the columns decide. As in "Missing Data Imputation using Optimal Transport"
    (Muzellec et al., 2020), with categories.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(table.shape[1])
    deciding, hidden = np.split(order, [len(order) // 2])
    seen = table.iloc[:, deciding]
    C = codes(seen, seen)
    C = np.where(np.isnan(C), np.nanmean(C, axis=0), C)
    mask = np.zeros(table.shape, dtype=bool)
    for j in hidden:
        logits = C @ generator.normal(size=C.shape[1])
        chances = _with_mean(logits / logits.std(), rate * len(order) / len(hidden))
        mask[:, j] = generator.uniform(size=len(table)) < chances
    return mask


def _with_mean(logits: np.ndarray, rate: float) -> np.ndarray:
    """Return probabilities whose mean is the rate, by an intercept."""
    intercept = brentq(lambda b: expit(logits + b).mean() - rate, -50, 50)
    return expit(logits + intercept)


#: A table and a seed to the cells to hide.
MECHANISMS: dict[str, Callable[..., np.ndarray]] = {
    "MCAR 10 %": partial(mcar, rate=0.1),
    "MCAR 30 %": partial(mcar, rate=0.3),
    "MCAR 50 %": partial(mcar, rate=0.5),
    "MAR 30 %": partial(mar, rate=0.3),
}
