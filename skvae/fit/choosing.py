"""Choosing: when a candidate takes the place of a plainer one."""

from __future__ import annotations

import numpy as np
import torch

from ..core.objectives.bounds import ObjectiveModule
from ..table.codecs import Float


def is_ahead(gain: Float) -> bool:
    """Return whether a candidate is ahead, by what each held-out row gains with it, (n,).

    In the mean by one standard error of the paired difference.
    """
    return bool(gain.mean() > gain.std() / np.sqrt(max(len(gain) - 1, 1)))


def counted_gains(module: ObjectiveModule, one: Float, two: Float) -> Float:
    """Return what rows gain from one bound (n,) to another, of those that the objective counts."""
    # The same rows count for both: a row that is odd to either may decide nothing.
    counted = module.counted(torch.as_tensor(one + two))
    return (two - one)[counted if isinstance(counted, slice) else counted.numpy()]
