"""How well synthetic rows pass for real ones: measures of a table, without a model in sight.

Tables are pandas data frames without missing cells. Columns of dtype ``category`` and ``bool`` are
discrete, all others are numeric. Real and synthetic tables have the same columns, and their
categories agree: ``in_dtypes_of`` sees to it.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import NearestNeighbors

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
    return {
        "two_sample_auc": two_sample_auc(test, synthetic),
        "tstr": predictive_score(synthetic, test, target),
        "trtr": predictive_score(train, test, target),
        **column_summary(column_distances(test, synthetic)),
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


def two_sample_auc(real: pd.DataFrame, synthetic: pd.DataFrame) -> float:
    """Return how well a classifier tells synthetic rows from equally many real ones.

    The area under the ROC curve of gradient boosting, a mean over five folds: 0.5 if it cannot
    tell them apart, 1 if it always can. Its categorical columns have at most 255 categories.
    """
    n = min(len(real), len(synthetic))
    rows = pd.concat([real[:n], synthetic[:n]], ignore_index=True)
    is_synthetic = np.arange(2 * n) >= n
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    return float(cross_val_score(model, rows, is_synthetic, cv=folds, scoring="roc_auc").mean())


def predictive_score(train: pd.DataFrame, test: pd.DataFrame, target: str) -> float:
    """Return how well a target is predicted on test rows by what was learnt on other rows.

    With synthetic rows to learn from it is "train on synthetic, test on real". The area under the
    ROC curve of gradient boosting where the target is discrete, R2 where it is a number.
    """
    score = _auc if is_discrete(test[target]) else _r2
    return score(*_parted(train, target), *_parted(test, target))


def column_distances(real: pd.DataFrame, synthetic: pd.DataFrame) -> pd.DataFrame:
    """Return each column's distance between the tables, and whether it is discrete.

    Discrete columns have a total variation distance, numeric ones a Kolmogorov-Smirnov statistic:
    both are the largest difference between the probabilities of a set of values, in [0, 1], where
    the sets of the latter are intervals from minus infinity.
    """
    discrete = [is_discrete(real[name]) for name in real]
    distances = [
        (total_variation if flag else kolmogorov_smirnov)(real[name], synthetic[name])
        for name, flag in zip(real, discrete, strict=True)
    ]
    return pd.DataFrame({"distance": distances, "discrete": discrete}, index=real.columns)


def column_summary(distances: pd.DataFrame) -> dict[str, Any]:
    """Return the mean distance of numeric and of discrete columns (None if none), and the worst."""
    means = distances.groupby("discrete")["distance"].mean().to_dict()
    worst = distances["distance"].idxmax()
    return {
        "ks": means.get(False),
        "tv": means.get(True),
        "worst_column": worst,
        "worst_distance": float(distances["distance"][worst]),
    }


def kolmogorov_smirnov(a: pd.Series, b: pd.Series) -> float:
    """Return the largest difference between two empirical distribution functions."""
    return float(ks_2samp(a, b, method="asymp").statistic)


def total_variation(a: pd.Series, b: pd.Series) -> float:
    """Return half the summed absolute differences between the frequencies of categories."""
    p, q = (column.value_counts(normalize=True) for column in (a, b))
    return float(p.subtract(q, fill_value=0).abs().sum() / 2)


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


def _parted(table: pd.DataFrame, target: str) -> tuple[pd.DataFrame, pd.Series]:
    return table.drop(columns=target), table[target]


def _auc(X: pd.DataFrame, y: pd.Series, X_test: pd.DataFrame, y_test: pd.Series) -> float:
    positive = sorted(y_test.unique())[-1]
    if y.nunique() < 2:
        return 0.5  # nothing to learn: all test rows get the same score
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    scores = model.fit(X, y == positive).predict_proba(X_test)[:, 1]
    return float(roc_auc_score(y_test == positive, scores))


def _r2(X: pd.DataFrame, y: pd.Series, X_test: pd.DataFrame, y_test: pd.Series) -> float:
    model = HistGradientBoostingRegressor(categorical_features="from_dtype", random_state=0)
    return float(model.fit(X, y).score(X_test, y_test))


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
