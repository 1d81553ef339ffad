"""Order: a number or a time that is never above another."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence

import numpy as np

from ..codecs import Bool, Float
from ..container import Field
from ..times import ratio
from .base import Facts, Relation

#: Pairs of training cells whose distance a mended cell may take, and of how many near its own.
MAX_PAIRS, N_NEAR = 1_000, 25


@dataclasses.dataclass
class Order(Relation):
    """A number or a time that is at most another: ``low <= high`` in every row.

    Parameters
    ----------
    low, high : hashable
        The columns.
    """

    low: Hashable
    high: Hashable

    def __str__(self) -> str:
        return f"{self.low} <= {self.high}"

    @property
    def columns(self) -> tuple[Hashable, ...]:
        return self.high, self.low

    def learn(self, cells: Float, fields: Sequence[Field]) -> Facts:
        self._to_common(fields)
        high, low = self._common(cells)
        kept = low <= high
        high, low = high[kept], low[kept]
        if not len(low):
            self.refuse("it holds in no row.")
        both = self._common(cells)
        order = np.argsort(low, kind="stable")
        some = order[np.linspace(0, len(low) - 1, min(len(low), MAX_PAIRS)).astype(int)]
        ends = np.array([np.nanmin(both, 1), np.nanmax(both, 1)])
        return {"low": low[some], "high": high[some], "ends": ends}

    def know(self, facts: Facts, fields: Sequence[Field]) -> None:
        self._to_common(fields)
        self._ends = facts["ends"]
        low, high = facts["low"], facts["high"]
        again = np.argsort(high, kind="stable")
        self._near = {"low": (low, high - low), "high": (high[again], (high - low)[again])}

    def _to_common(self, fields: Sequence[Field]) -> None:
        """Learn how cells of both columns become numbers that compare."""
        clocks = [field.clock for field in fields]
        self._scale, self._shift = np.ones(2), np.zeros(2)
        if clocks == [None, None]:
            if any(field.is_category for field in fields):
                self.refuse("an order is one of numbers, or of times.")
            return
        if None in clocks or clocks[0].is_duration != clocks[1].is_duration:  # type: ignore[union-attr]
            self.refuse("one column is of times, the other is not.")
        times = [clock for clock in clocks if clock is not None]
        finest = max((clock.unit for clock in times), key=["D", "s", "ms", "us", "ns"].index)
        scales = [ratio(finest, clock.unit) for clock in times]
        self._scale = np.array(scales, dtype=float)
        first = times[0].origin * scales[0]
        self._shift[1] = float(times[1].origin * scales[1] - first)

    def _common(self, cells: Float) -> Float:
        """Return high and low (2, n) as numbers that compare."""
        return (cells * self._scale + self._shift).T

    def judged(self, cells: Float) -> Bool:
        return np.asarray(~np.isnan(cells).any(1))

    def broken(self, cells: Float) -> Bool:
        high, low = self._common(cells)
        return low > high

    def mend(self, cells: Float, held: Bool, random: np.random.RandomState) -> Float:
        high, low = self._common(cells)
        (_, _), (top, _) = self._ends
        low = np.where(held[:, 1], low, low.clip(None, top))
        above = (low + self._gap("low", low, random)).clip(None, np.maximum(top, low))
        below = high - self._gap("high", high, random)
        below = np.where(below < self._ends[0][1], np.minimum(self._ends[0][1], high), below)
        new_high = np.where(held[:, 0], high, above)
        new_low = np.where(held[:, 0] & ~held[:, 1], below, low)
        mended = (np.stack([new_high, new_low], 1) - self._shift) / self._scale
        return np.where(held, cells, mended)

    def _gap(self, name: str, at: Float, random: np.random.RandomState) -> Float:
        """Return a distance between the columns, of one of the training rows near a cell."""
        cells, gaps = self._near[name]
        near = np.searchsorted(cells, at) + random.randint(-N_NEAR, N_NEAR + 1, len(at))
        return gaps[near.clip(0, len(cells) - 1)]
