"""Distances: how far the distributions of columns, and of pairs of them, are apart."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tables import Compared, Float, read_tables

#: Parts of equal width into which a column of numbers is cut beside one of categories.
N_BINS = 10
#: Cells of a pair of columns that are counted one by one.
MOST_CELLS = 100_000
Codes = NDArray[np.int64]


def column_distances(
    real: Any, synthetic: Any, *, categorical_features: Any = "from_dtype"
) -> dict[Hashable, float]:
    """Return how far each column's distribution is from the real one, from 0 (equal) to 1.

    Of categories and booleans the total variation distance, ``sum_k |p_k - q_k| / 2`` over the
    shares p and q of the levels; of numbers and times the Kolmogorov-Smirnov statistic,
    ``max_t |P(x <= t) - Q(x <= t)|``. Both are the largest difference between the probabilities
    that the tables give to a set of values, in the second case to one below a threshold. Missing
    cells are a value of their own, beyond all others.

    Parameters
    ----------
    real, synthetic : DataFrame or array of shape (n_rows, n_columns)
        Tables with the same columns, of any numbers of rows.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that hold categories although they are numbers: names, positions or a mask.

    Returns
    -------
    distances : dict
        By column, in the order of ``real``.

    Raises
    ------
    ValueError, TypeError
        If tables have other columns, or no rows.

    Notes
    -----
    Of columns without holes ``1 - distance`` is the "shape" score of SDMetrics (``TVComplement``,
    ``KSComplement``); the mean over columns is the column error of "Mixed-Type Tabular Data
    Synthesis with Score-based Diffusion in Latent Space" (Zhang et al., 2024). Columns drawn
    independently of each other have distances near 0: this measure alone says little.

    Examples
    --------
    >>> import pandas as pd
    >>> from skvae.metrics import column_distances
    >>> real = pd.DataFrame({"age": [20, 30, 40, 50], "city": ["Rome", "Rome", "Oslo", "Oslo"]})
    >>> synthetic = pd.DataFrame({"age": [40, 50], "city": ["Rome", "Oslo"]})
    >>> column_distances(real, synthetic)
    {'age': 0.5, 'city': 0.0}
    """
    columns = read_tables(categorical_features, real=real, synthetic=synthetic)
    return {column.name: distance(column) for column in columns}


def pair_distances(
    real: Any, synthetic: Any, *, categorical_features: Any = "from_dtype"
) -> dict[tuple[Hashable, Hashable], float]:
    """Return how differently each pair of columns hangs together, from 0 (alike) to 1.

    Of two columns of numbers or times ``|r - r'| / 2``, where r and r' are Pearson's correlations
    of the rows in which neither is missing (0 where one is constant). Of others the total variation
    distance of the pair of values, ``sum_kl |p_kl - q_kl| / 2``, where numbers are cut into ten
    parts of equal width from the smallest real one to the largest, and missing cells are a value of
    their own.

    Parameters
    ----------
    real, synthetic : DataFrame or array of shape (n_rows, n_columns)
        Tables with the same columns, of any numbers of rows.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that hold categories although they are numbers: names, positions or a mask.

    Returns
    -------
    distances : dict
        By pair of columns; empty where there is one column.

    Raises
    ------
    ValueError, TypeError
        If tables have other columns, or no rows.

    Notes
    -----
    ``1 - distance`` is the "trend" score of SDMetrics, its ``CorrelationSimilarity`` and
    ``ContingencySimilarity``; the mean over pairs is the pair error of "Mixed-Type Tabular Data
    Synthesis with Score-based Diffusion in Latent Space" (Zhang et al., 2024). A
    total variation distance of many pairs of levels is above 0 for another real table, too, the
    more so the fewer rows there are: compare with that of real rows held out.

    Examples
    --------
    >>> import pandas as pd
    >>> from skvae.metrics import pair_distances
    >>> real = pd.DataFrame({"a": [0, 1, 2, 3], "b": [0, 1, 2, 3], "c": ["u", "u", "v", "v"]})
    >>> pair_distances(real, real.assign(b=[3, 2, 1, 0]))
    {('a', 'b'): 1.0, ('a', 'c'): 0.0, ('b', 'c'): 1.0}
    """
    columns = read_tables(categorical_features, real=real, synthetic=synthetic)
    codes, unlike = [_codes(column) for column in columns], _unlike_correlations(columns)
    found = {}
    for (i, one), (j, other) in combinations(enumerate(columns), 2):
        numbers = not (one.is_discrete or other.is_discrete)
        found[one.name, other.name] = (
            float(unlike[i, j]) if numbers else _total_variation(codes[i], codes[j])
        )
    return found


def distance(column: Compared) -> float:
    """Return the distance between two tables of a column."""
    if not column.is_discrete:
        return kolmogorov_smirnov(*column.parts)
    p, q = (shares(part, len(column.levels)) for part in column.parts)
    return float(np.abs(p - q).sum() / 2)


def kolmogorov_smirnov(a: Float, b: Float) -> float:
    """Return the largest difference of distribution functions; missing is beyond all numbers."""
    seen = [np.sort(x[~np.isnan(x)]) for x in (a, b)]
    at = np.unique(np.concatenate(seen))
    p, q = (
        np.searchsorted(x, at, "right") / n for x, n in zip(seen, map(len, (a, b)), strict=True)
    )
    return float(np.abs(p - q).max(initial=0.0))


def shares(codes: Float, n_levels: int) -> Float:
    """Return the share of each level, and of missing cells, (levels + 1,)."""
    places = np.where(np.isnan(codes), n_levels, codes).astype(int)
    return np.bincount(places, minlength=n_levels + 1) / len(codes)


def _codes(column: Compared) -> tuple[Codes, Codes]:
    """Return levels or parts by number, 0 for missing cells, in both tables."""
    real, synthetic = column.parts
    if not column.is_discrete:
        seen = real[~np.isnan(real)]
        edges = np.linspace(seen.min(), seen.max(), N_BINS + 1)[1:-1] if len(seen) else seen
        real, synthetic = (
            np.where(np.isnan(x), np.nan, np.digitize(x, edges)) for x in (real, synthetic)
        )
    first, second = (np.where(np.isnan(x), 0, x + 1).astype(np.int64) for x in (real, synthetic))
    return first, second


def _total_variation(one: tuple[Codes, Codes], other: tuple[Codes, Codes]) -> float:
    """Return the total variation distance of a pair of codes."""
    size = 1 + max(int(codes.max()) for codes in other)
    pairs = [a * size + b for a, b in zip(one, other, strict=True)]
    if max(int(codes.max()) for codes in pairs) >= MOST_CELLS:  # most of which are empty
        place = np.unique(np.concatenate(pairs), return_inverse=True)[1]
        pairs = np.split(place, [len(pairs[0])])
    n_cells = 1 + max(int(codes.max()) for codes in pairs)
    p, q = (np.bincount(codes, minlength=n_cells) / len(codes) for codes in pairs)
    return float(np.abs(p - q).sum() / 2)


def _unlike_correlations(columns: Sequence[Compared]) -> Float:
    """Return half the differences of correlations between two tables, (c, c); 0 of categories."""
    of_tables = zip(*(_numbers(column) for column in columns), strict=True)
    r, s = (_correlations(numbers) for numbers in of_tables)
    return np.abs(r - s) / 2


def _numbers(column: Compared) -> tuple[Float, ...]:
    """Return a column of numbers as it is, and zeros of any other."""
    return tuple(np.zeros(len(x)) if column.is_discrete else x for x in column.parts)


def _correlations(columns: Sequence[Float]) -> Float:
    """Return Pearson's correlations of rows in which neither column is missing, (c, c)."""
    Z = np.stack([_standardised(np.nan_to_num(x)) for x in columns], axis=1)
    found = (Z.T @ Z).clip(-1.0, 1.0)
    known = [~np.isnan(x) for x in columns]
    for i, j in combinations(range(len(columns)), 2):
        if not (known[i].all() and known[j].all()):
            both = known[i] & known[j]
            x, y = (_standardised(columns[k][both]) for k in (i, j))
            found[i, j] = np.clip(x @ y, -1.0, 1.0)
    return found


def _standardised(x: Float) -> Float:
    """Return numbers with mean 0 and length 1; zeros where they are constant."""
    if len(x) < 2 or np.ptp(x) == 0:
        return np.zeros(len(x))
    x = x / np.abs(x).max()  # whose squares may be beyond all floats
    x = x - x.mean()
    length = np.linalg.norm(x)
    return x / length if length else x
