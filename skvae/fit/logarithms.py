"""Logarithms: which positive columns are told better by them, all columns taken together."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ..table.codecs import Float
from .choosing import is_ahead
from .mixtures import Candidate, log_prob

#: Rows that are looked at, and so many a column at least.
MAX_ROWS, ROWS_A_COLUMN = 2_000, 3
#: In wider tables columns are asked all at once, and not one by one.
MAX_COLUMNS = 64
#: Mixtures of normals that tables are told by.
MIXTURES = (
    Candidate(1, reg_covar=1e-4),
    Candidate(3, reg_covar=1e-4),
    Candidate(8, reg_covar=1e-4),
)


@np.errstate(all="ignore")
def logarithms(fit: Float, held_out: Float, positive: Collection[int], seed: int) -> set[int]:
    """Return which of some columns are taken by their logarithm.

    A logarithm can make a column normal by itself, and hide what it is to others: a sum of two,
    say. So it is taken where a mixture of all columns says no less of held-out rows with it.

    Parameters
    ----------
    fit, held_out : ndarrays of shape (n, c) and (m, c)
        Values, NaN where missing.
    positive : collection of int
        Columns whose logarithm is wanted.
    seed : int
    """
    taken = set(positive)
    fit, held_out = (x[~np.isnan(x).any(1)][:MAX_ROWS] for x in (fit, held_out))
    if not taken or len(fit) < ROWS_A_COLUMN * fit.shape[1] or len(held_out) < 2:
        return taken
    best = log_prob(MIXTURES, fit, held_out, taken, seed)
    one_by_one = sorted(taken) if fit.shape[1] <= MAX_COLUMNS else []
    for without in [taken, *({j} for j in one_by_one)]:
        other = taken - without
        if other == taken:
            continue
        told = log_prob(MIXTURES, fit, held_out, other, seed)
        if is_ahead(told - best):
            taken, best = other, told
    return taken
