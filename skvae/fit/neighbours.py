"""Neighbours: what is left of a column of numbers when the other columns are known."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri

from ..core.families.normal import log_mass
from ..table.codecs import Float

#: Of wider tables nothing is asked: columns are as good as alone.
MAX_COLUMNS = 1_000
#: With so many rows a column a covariance needs no shrinkage.
ENOUGH_ROWS = 5
#: Least variance of a score given the others.
RIDGE = 1e-8
#: Least variance that a regression leaves.
LEAST_LEFT = 1e-11
#: No row gains or loses more nats by what the others say, right or wrong as it may be.
MOST = 20.0


class Neighbours:
    """A Gaussian copula of columns of numbers: normal scores, and how they hang together.

    Parameters
    ----------
    fit, held_out : ndarrays of shape (n, c) and (m, c)
        Values, NaN where missing. Gains are those of the second.
    """

    def __init__(self, fit: Float, held_out: Float):
        self._sorted = [np.sort(column[~np.isnan(column)]) for column in fit.T]
        self._scores = self._of_rows(held_out)
        of_fit = self._of_rows(fit)
        self._precision = np.linalg.inv(_covariance(of_fit))

    def gain_of_value(self, j: int) -> Float:
        """Return by how much the others raise the log-density of held-out values, (m,)."""
        score, mean, scale = self._given_rest(j)
        gain = 0.5 * score**2 - 0.5 * ((score - mean) / scale) ** 2 - np.log(scale)
        return gain.clip(-MOST, MOST)

    def gain_of_range(self, j: int, low: Float, high: Float) -> Float:
        """Return by how much they raise the log-probability of ranges that values are in, (m,)."""
        _, mean, scale = self._given_rest(j)
        ends = self._score_of(j, low, "left"), self._score_of(j, high, "right")
        given = _log_mass(*((end - mean) / scale for end in ends))
        return (given - _log_mass(*ends)).clip(-MOST, MOST)

    def _given_rest(self, j: int) -> tuple[Float, Float, float]:
        """Return held-out scores of a column, and their mean and deviation given the others."""
        score, row = self._scores[:, j], self._precision[j]
        mean = score - self._scores @ row / row[j]
        return score, mean, float(row[j] ** -0.5)

    def _of_rows(self, values: Float) -> Float:
        """Return normal scores (n, c): of equal values the middle one, 0 of missing ones."""
        columns = []
        for j, column in enumerate(values.T):
            ends = (self._share(j, column, side) for side in ("left", "right"))
            columns.append(np.where(np.isnan(column), 0.0, ndtri(0.5 * sum(ends))))
        return np.stack(columns, 1)

    def _score_of(self, j: int, values: Float, side: str) -> Float:
        share = self._share(j, values, side)
        n = len(self._sorted[j])
        share = np.where(share < 1.0 / (n + 1), 0.0, share)
        return ndtri(np.where(share > n / (n + 1), 1.0, share))

    def _share(self, j: int, values: Float, side: str) -> Float:
        """Return the share of values below some, or not above; never none or all."""
        n = len(self._sorted[j])
        rank: NDArray[np.intp] = np.searchsorted(self._sorted[j], values, side)  # type: ignore[call-overload]
        return (rank + 0.5) / (n + 1)


def left_scale(x: Float) -> Float:
    """Return the deviation that a regression on the others leaves of each column of rows (n, c).

    In deviations of the column; 1 where rows are too few to tell.
    """
    n, c = x.shape
    if n < ENOUGH_ROWS * c:
        return np.ones(c)
    correlation = np.corrcoef(x, rowvar=False).reshape(c, c)
    precision = np.linalg.inv(correlation + LEAST_LEFT * np.eye(c)).diagonal()
    left: Float = np.sqrt(n / (n - c) / precision)
    return left


def _covariance(scores: Float) -> Float:
    """Return the covariance of scores (n, c): shrunk where rows are few, or a column is another."""
    n, c = scores.shape
    if n < ENOUGH_ROWS * c:
        from sklearn.covariance import LedoitWolf  # imports much else

        return LedoitWolf(assume_centered=True).fit(scores).covariance_ + RIDGE * np.eye(c)
    covariance: Float = scores.T @ scores / (n - c) + RIDGE * np.eye(c)
    return covariance


def _log_mass(low: Float, high: Float) -> Float:
    of_range: Float = log_mass(torch.as_tensor(low), torch.as_tensor(high)).numpy()
    return of_range
