"""Imputers to compare with: scikit-learn's, on tables of numbers and categories.

They see standardised numbers and indicators of categories (`benchmarks.holes.codes`); the indicator
that comes out largest is the category imputed. A category's own indicators do not predict each
other (`ChainedImputer`). Columns without holes are not modelled. Chained regressions with ridge
take at most 10 rounds; those with trees 5 rounds of 50 trees, or 3 of 10 where rows times codes
exceed 50,000 (letter and adult), with at least 3 rows a leaf.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import BayesianRidge

from benchmarks.holes import blocks, is_category, location_and_scale


class ChainedImputer(IterativeImputer):
    """IterativeImputer that predicts an indicator from other columns, never from its siblings.

    Where a category is seen its other indicators give one away, as they sum to one, and where it
    is missing they are missing too: all would stay at their first guess, and the category the mode.

    Attributes
    ----------
    column_of : ndarray of shape (n_codes,)
        Which column each of the codes belongs to. Set before fitting.
    """

    def _get_neighbor_feat_idx(
        self, n_features: int, feat_idx: int, abs_corr_mat: np.ndarray | None
    ) -> np.ndarray:
        found = super()._get_neighbor_feat_idx(n_features, feat_idx, abs_corr_mat)
        return found[self.column_of[found] != self.column_of[feat_idx]]


def peer(method: str, table: pd.DataFrame, seed: int, quick: bool) -> Any:
    """Return an imputer of codes: mean, KNN, ridge or trees."""
    widths = [block.stop - block.start for block in blocks(table)]
    if method == "mean":
        return SimpleImputer(keep_empty_features=True)
    if method == "KNN":
        return KNNImputer(n_neighbors=5, keep_empty_features=True)
    regressor, rounds = BayesianRidge(), 10
    if method == "trees":
        trees, rounds = (10, 3) if quick or len(table) * sum(widths) > 50_000 else (50, 5)
        regressor = ExtraTreesRegressor(trees, min_samples_leaf=3, random_state=seed)
    imputer = ChainedImputer(regressor, max_iter=rounds, skip_complete=True, random_state=seed,
                             keep_empty_features=True)  # fmt: skip
    imputer.column_of = np.repeat(np.arange(len(widths)), widths)
    return imputer


def filled(table: pd.DataFrame, completed: np.ndarray, like: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its holes filled from completed codes."""
    columns = {}
    for (name, column), block in zip(table.items(), blocks(table), strict=True):
        if is_category(column):
            found = completed[:, block].argmax(1)
            guess = pd.Categorical.from_codes(found, dtype=column.dtype)
        else:
            mean, sd = location_and_scale(like[name])
            guess = completed[:, block.start] * sd + mean
        columns[name] = column.fillna(pd.Series(guess, index=column.index))
    return pd.DataFrame(columns)
