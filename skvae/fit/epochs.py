"""The rule of epochs: which one is kept, and when training is over, by held-out rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..table.codecs import Float
from .choosing import is_ahead

#: Nats, and standard errors of the paired difference, below the best epoch by which training has
#: collapsed; and the share of the planned steps before which it may still come back.
COLLAPSED, ERRORS, COLLAPSED_FROM = 2.0, 2.0, 0.3
#: Below so many held-out rows the start falls only to an epoch that is ahead by a standard error.
FEW_HELD_OUT = 200


class Score(NamedTuple):
    """The held-out score of an epoch.

    Attributes
    ----------
    mean : float
        Nats per row, larger is better.
    rows : ndarray of shape (n,)
        Of each row, for comparisons of pairs.
    """

    mean: float
    rows: Float


def of_every_row(one: Float, two: Float) -> Float:
    """Return what each row gains from one score to another, (n,)."""
    return two - one


class Epochs:
    """What is known of the epochs of a training so far; epoch 0 is the start.

    An epoch is settled when what it was trained with is what it is judged by: the noise floor has
    fallen and the objective has its final weights. The others are neither candidates nor waits.

    Parameters
    ----------
    start : Score
        At the final floor and weights. It stays a candidate, and is no mark for patience.
    patience : int
        Settled epochs without a gain of more than ``tol`` nats before training ends.
    tol : float
    gains : callable
        Two scores of the same rows (n,) -> what those that count gain.

    Attributes
    ----------
    trained : Score
        Of the best settled epoch.
    trained_epoch : int
        Its number, 0 where there is none yet.
    ended : bool
        Whether training is over.
    """

    def __init__(
        self,
        start: Score,
        patience: int,
        tol: float = 0.0,
        gains: Callable[[Float, Float], Float] = of_every_row,
    ):
        self.start = start if math.isfinite(start.mean) else Score(-math.inf, start.rows)
        self.patience, self.tol, self.gains = patience, tol, gains
        self.trained, self.trained_epoch = Score(-math.inf, start.rows), 0
        self.ended = False
        self._mark, self._mark_epoch = -math.inf, 0

    def see(self, epoch: int, score: Score, progress: float, settled: bool = True) -> bool:
        """Judge an epoch, after a share of the planned steps; return whether it is the best yet.

        Epochs between those that are judged are waits, too.
        """
        if not settled:
            self._mark_epoch = epoch
            return False
        if not math.isfinite(score.mean):
            return False
        # Small gains are kept but do not extend patience, as in MLPRegressor.
        if score.mean > self._mark + self.tol:
            self._mark, self._mark_epoch = score.mean, epoch
        waited = epoch - self._mark_epoch >= self.patience
        self.ended = waited or self._collapsed(score, progress)
        if score.mean <= self.trained.mean:
            return False
        self.trained, self.trained_epoch = score, epoch
        return True

    @property
    def so_far(self) -> list[Any]:
        """What was seen, for :meth:`go_on_from`."""
        trained = [self.trained.mean, self.trained.rows, self.trained_epoch]
        return [*trained, self._mark, self._mark_epoch]

    def go_on_from(self, so_far: list[Any]) -> None:
        """Take what another one saw as seen."""
        mean, rows, epoch, mark, mark_epoch = so_far
        self.trained, self.trained_epoch = Score(float(mean), np.asarray(rows)), int(epoch)
        self._mark, self._mark_epoch = float(mark), int(mark_epoch)

    def _collapsed(self, score: Score, progress: float) -> bool:
        """Return whether a score is so far below the best trained epoch that none comes back."""
        if progress < COLLAPSED_FROM or not self.trained_epoch:
            return False
        loss = self.gains(score.rows, self.trained.rows)
        error = loss.std() / np.sqrt(max(len(loss) - 1, 1))
        return bool(loss.mean() > max(COLLAPSED, ERRORS * error))

    @property
    def best_epoch(self) -> int:
        """The epoch that is kept, 0 for the start."""
        if not self.trained_epoch or not math.isfinite(self.start.mean):
            return self.trained_epoch
        gain = self.gains(self.start.rows, self.trained.rows)
        few = len(gain) < FEW_HELD_OUT
        ahead = is_ahead(gain) if few else self.trained.mean > self.start.mean
        return self.trained_epoch if ahead else 0

    @property
    def best(self) -> Score:
        """The score of what is kept."""
        return self.trained if self.best_epoch else self.start
