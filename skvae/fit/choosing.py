"""Choosing: when a candidate takes the place of a plainer one."""

from __future__ import annotations

import numpy as np

from ..table.codecs import Float


def is_ahead(gain: Float) -> bool:
    """Return whether a candidate is ahead, by what each held-out row gains with it, (n,).

    In the mean by one standard error of the paired difference.
    """
    return bool(gain.mean() > gain.std() / np.sqrt(max(len(gain) - 1, 1)))
