"""Sets: which rows belong together, as a user says by y where the objective asks for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_consistent_length


def read_sets(n_groups: int, X: Any, y: Any) -> NDArray[np.int64] | None:
    """Return the set of each row and the group that varies in it, (n, 2); None where none is asked.

    Raises
    ------
    ValueError
        If y is not two integers a row, or names a group that the objective does not have.
    """
    if not n_groups:
        return None
    if y is None:
        raise ValueError(
            "objective=Clamped() has to be told which rows belong together: fit(X, y) of "
            "VAETransformer or VAEDensity, where y has two integers a row, the number of its set "
            "and the group that varies in it."
        )
    y = check_array(y, dtype=np.float64, input_name="y")
    check_consistent_length(X, y)
    if y.shape[1] != 2 or (y != np.round(y)).any():
        raise ValueError(
            "y must have two integers a row, the number of its set and the group that varies in "
            f"it. Got shape {y.shape}."
        )
    group = y[y[:, 0] >= 0, 1]
    if ((group < 0) | (group >= n_groups)).any():
        raise ValueError(
            "The second column of y must be a position in groups, from 0 to "
            f"{n_groups - 1}. Got {group.min():g} to {group.max():g}."
        )
    return y.astype(np.int64)
