"""Imputers to compare with: scikit-learn's, on tables of numbers and categories.

They see standardised numbers and indicators of categories (`benchmarks.measures.holes.codes`); the
indicator that comes out largest is the category imputed. Chained regressions start from the means,
model only columns with holes, keep within the range seen in training, and predict an indicator from
the other columns alone (`ChainedImputer`). BayesianRidge takes 3 rounds and ExtraTreesRegressor 5,
with 50 trees and at least 3 rows a leaf; both take 1 round where rows times codes exceed 250,000
(adult).

Defaults would be a weaker peer. Ten rounds of ridge were worse than 3 on all six tables tried (all
but banknote), and without bounds, on adult, worse than the mean; there 1 round was best for both.
Ten rounds of trees were no better than 5, and leaves of 1 row lost on vote, banknote and adult
more than they gained on concrete and letter. This was looked at on the test cells of mask 0, so in
favour of the peers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import BayesianRidge

from benchmarks.measures.holes import blocks, codes, is_category, location_and_scale

#: Training rows times codes above which chained regressions take one round.
LARGE = 250_000


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


def fit_peer(method: str, train: pd.DataFrame, seed: int, quick: bool) -> Any:
    """Return an imputer of codes, fitted: mean, KNN, ridge or trees."""
    X = codes(train, train)
    if method == "mean":
        return SimpleImputer().fit(X)
    if method == "KNN":
        return KNNImputer(n_neighbors=5).fit(X)
    regressor, rounds = BayesianRidge(), 3
    if method == "trees":
        trees, rounds = (5, 2) if quick else (50, 5)
        regressor = ExtraTreesRegressor(trees, min_samples_leaf=3, random_state=seed)
    imputer = ChainedImputer(
        regressor,
        max_iter=1 if X.size > LARGE else rounds,
        skip_complete=True,
        min_value=np.nanmin(X, axis=0),
        max_value=np.nanmax(X, axis=0) + 1e-9,  # a category may be in no training row
        random_state=seed,
    )
    widths = [block.stop - block.start for block in blocks(train)]
    imputer.column_of = np.repeat(np.arange(len(widths)), widths)
    return imputer.fit(X)


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
