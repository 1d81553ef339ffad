"""How well synthetic rows pass for real ones: ``skvae.metrics``, and measures of our own.

Tables are pandas data frames without missing cells. Columns of dtype ``category`` and ``bool`` are
discrete, all others are numeric. Real and synthetic tables have the same columns, and their
categories agree: ``in_dtypes_of`` sees to it.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from skvae.metrics import column_distances, train_on_synthetic, two_sample_auc

#: Synthetic rows whose nearest real rows are searched.
NEAREST_ROWS = 5000
SPLIT_SEED = 20_000


def fidelity(
    train: pd.DataFrame, test: pd.DataFrame, synthetic: pd.DataFrame, target: str
) -> dict[str, Any]:
    """Return all measures of a synthetic table.

    Parameters
    ----------
    train, test : DataFrame
        Real rows: those that the model saw, and those that it did not.
    synthetic : DataFrame
        As many rows as ``train``, in random order.
    target : str
        The column to predict: two categories, or a number.

    Returns
    -------
    dict
        ``two_sample_auc``, ``tstr``, ``trtr``, ``ks``, ``tv``, ``worst_column`` and its
        ``worst_distance``, ``correlation_error``, ``nearest_share``.
    """
    synthetic = in_dtypes_of(train, synthetic)
    n = min(len(test), len(synthetic))
    return {
        "two_sample_auc": two_sample_auc(test[:n], synthetic[:n]),
        "tstr": train_on_synthetic(test, synthetic, target),
        "trtr": train_on_synthetic(test, train, target),
        **column_summary(test, column_distances(test, synthetic)),
        "correlation_error": correlation_error(test, synthetic),
        "nearest_share": nearest_share(train, test, synthetic),
    }


def in_dtypes_of(real: pd.DataFrame, synthetic: pd.DataFrame) -> pd.DataFrame:
    """Return the synthetic table with the real one's columns, categories and booleans.

    Numeric columns are left as they are: a cast to integers would round what a model has drawn.
    """
    discrete = real.dtypes[[is_discrete(real[name]) for name in real]]
    for name, dtype in discrete.items():
        known = getattr(dtype, "categories", [False, True])
        unknown = set(synthetic[name].unique()) - set(known)
        if unknown:
            raise ValueError(
                f"Column {name!r} of the synthetic table holds {unknown}. "
                "Expected the real table's categories."
            )
    return synthetic[list(real.columns)].astype(discrete.to_dict()).reset_index(drop=True)


def is_discrete(column: pd.Series) -> bool:
    """Return whether a column holds categories or booleans."""
    return isinstance(column.dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(column)


def column_summary(real: pd.DataFrame, distances: dict[Hashable, float]) -> dict[str, Any]:
    """Return the mean distance of numeric and of discrete columns (None if none), and the worst."""
    kinds: dict[bool, list[float]] = {}
    for name, distance in distances.items():
        kinds.setdefault(is_discrete(real[name]), []).append(distance)
    means = {kind: float(np.mean(of_kind)) for kind, of_kind in kinds.items()}
    worst = max(distances, key=distances.__getitem__)
    return {
        "ks": means.get(False),
        "tv": means.get(True),
        "worst_column": worst,
        "worst_distance": distances[worst],
    }


def correlation_error(real: pd.DataFrame, synthetic: pd.DataFrame) -> float:
    """Return the mean absolute difference between the tables' associations, over pairs of columns.

    Both tables are cut to equally many rows, since Cramer's V is larger in fewer rows.
    """
    n = min(len(real), len(synthetic))
    differences = associations(real[:n]) - associations(synthetic[:n])
    return float(np.abs(differences).mean())


def associations(table: pd.DataFrame) -> np.ndarray:
    """Return one association for each pair of columns, in the order of ``combinations``.

    Pearson's correlation of two numeric columns, in [-1, 1]; Cramer's V of two discrete columns
    and the correlation ratio of a discrete and a numeric column, both in [0, 1]. A constant column
    has none: zero.
    """
    # With these scores the squared cross-covariances of two columns sum to r^2, to the correlation
    # ratio squared, and to chi^2 / n: one matrix product serves all three.
    scores = [_scores(table[name]) for name in table]
    ends = np.cumsum([s.shape[1] for s in scores])
    joined = np.hstack(scores)
    products = joined.T @ joined / len(table)
    blocks = [slice(end - s.shape[1], end) for s, end in zip(scores, ends, strict=True)]
    discrete = [is_discrete(table[name]) for name in table]
    return np.array(
        [
            _association(products[blocks[i], blocks[j]], discrete[i], discrete[j])
            for i, j in combinations(range(len(blocks)), 2)
        ]
    )


def nearest_share(train: pd.DataFrame, test: pd.DataFrame, synthetic: pd.DataFrame) -> float:
    """Return the share of synthetic rows whose nearest real row is one that the model saw.

    The search is among the test rows and equally many random training rows; a tie counts one half.
    0.5 says that nothing was copied. With a copied training row the search finds the original only
    if it was drawn: a table of nothing but copies has about
    ``(1 + min(1, len(test) / len(train))) / 2``.

    Squared distances add up over columns: numeric ones are divided by the training rows' standard
    deviation, and two different categories are at distance 1.
    """
    n = min(len(train), len(test))
    # A seed that no model has: a control that draws training rows would draw the very same.
    seen, unseen = (rows.sample(n, random_state=SPLIT_SEED) for rows in (train, test))
    scale = train.select_dtypes("number").std().replace(0, 1)
    queries = _coordinates(synthetic[:NEAREST_ROWS], scale)
    to_seen, to_unseen = (
        _squared_distances(_coordinates(rows, scale), queries) for rows in (seen, unseen)
    )
    tie = np.isclose(to_seen, to_unseen, rtol=1e-9, atol=0)
    return float(np.where(tie, 0.5, to_seen < to_unseen).mean())


def _scores(column: pd.Series) -> np.ndarray:
    """Return a standardised column, or centred indicators over the roots of their frequencies."""
    if not is_discrete(column):
        x = column.to_numpy(float)
        return ((x - x.mean()) / (x.std() or 1.0))[:, None]
    codes, levels = pd.factorize(column)
    indicators = np.eye(len(levels))[codes]  # (n, levels)
    p = indicators.mean(0)
    return (indicators - p) / p**0.5


def _association(block: np.ndarray, first: bool, second: bool) -> float:
    if not (first or second):
        return float(block[0, 0])
    size = min(block.shape) - 1 if first and second else 1
    return float(np.sqrt((block**2).sum() / max(size, 1)))


def _coordinates(table: pd.DataFrame, scale: pd.Series) -> np.ndarray:
    parts = [table[scale.index].to_numpy(float) / scale.to_numpy()]
    for name in table.columns.difference(scale.index):
        column = table[name]
        if pd.api.types.is_bool_dtype(column):
            column = column.astype(pd.CategoricalDtype([False, True]))
        parts.append(np.eye(len(column.cat.categories))[column.cat.codes] / 2**0.5)
    return np.hstack(parts)


def _squared_distances(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    model = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(rows)
    nearest = model.kneighbors(queries, return_distance=False)[:, 0]
    # Not the search's own distances: from products of rows, they are not zero between equal rows.
    return ((rows[nearest] - queries) ** 2).sum(1)
