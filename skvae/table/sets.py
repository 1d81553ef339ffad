"""Sets: which rows belong together, as a user says by y where the objective asks for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_consistent_length
from torch import Tensor

from ..core.objectives.bounds import Objective


def read_sets(objective: Objective, X: Any, y: Any) -> Tensor | None:
    """Return the set of each row and the group that varies in it, (n, 2); None where none is asked.

    Raises
    ------
    ValueError
        If y is not two integers a row, or names a group that the objective does not have.
    """
    if not objective.n_groups:
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
    if ((group < 0) | (group >= objective.n_groups)).any():
        raise ValueError(
            "The second column of y must be a position in groups, from 0 to "
            f"{objective.n_groups - 1}. Got {group.min():g} to {group.max():g}."
        )
    return torch.as_tensor(y.astype(np.int64))
