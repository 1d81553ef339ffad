"""Sum: a number that is the sum, or a difference, of up to three others."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence

import numpy as np

from ..codecs import SINGLE, Bool, Float, step_of
from ..container import Field
from ..ends import ends_of
from .base import Facts, Relation

#: Relative rounding of a sum of floats, and of those that came in single precision.
ROUNDING = 1e-9


@dataclasses.dataclass
class Sum(Relation):
    """A number that is a sum of others: ``total = sum of parts - sum of minus``.

    Parameters
    ----------
    total : hashable
        The column that is computed.
    parts : sequence
        The columns that are added.
    minus : sequence, default=()
        The columns that are subtracted. Together with ``parts`` at most three.
    """

    total: Hashable
    parts: tuple[Hashable, ...]
    minus: tuple[Hashable, ...] = ()

    def __post_init__(self) -> None:
        self.parts, self.minus = _names(self.parts), _names(self.minus)

    def __str__(self) -> str:
        minus = "".join(f" - {name}" for name in self.minus)
        return f"{self.total} = {' + '.join(map(str, self.parts))}{minus}"

    @property
    def columns(self) -> tuple[Hashable, ...]:
        return self.total, *self.parts, *self.minus

    @property
    def signs(self) -> Float:
        """The sign of every column, of numbers that add up to 0."""
        return np.array([1.0, *[-1.0] * len(self.parts), *[1.0] * len(self.minus)])

    def learn(self, cells: Float, fields: Sequence[Field]) -> Facts:
        self._check(fields)
        known = cells[~np.isnan(cells).any(1)]
        if not len(known):
            self.refuse("no row has all of its cells.")
        supports = [_support(c, w) for c, w in zip(known.T, self._whole, strict=True)]
        order = np.argsort(-known.std(0)[1:], kind="stable") + 1
        return {
            "ends": np.array(supports).T,
            "tolerance": np.array([self._rounding(known)]),
            "order": np.array([0, *order], dtype=float),
        }

    def know(self, facts: Facts, fields: Sequence[Field]) -> None:
        self._check(fields)
        self._ends, self._tolerance = facts["ends"], float(facts["tolerance"][0])
        self._order = [int(k) for k in facts["order"]]

    def _check(self, fields: Sequence[Field]) -> None:
        if not 1 <= len(self.parts) + len(self.minus) <= 3:
            self.refuse("a sum is one of one to three columns.")
        if any(field.role not in ("number", "integer") for field in fields):
            self.refuse("all of its columns must hold numbers.")
        self._whole = np.array([field.role == "integer" for field in fields])

    def _rounding(self, known: Float) -> float:
        """Return by how much a sum may be off: what floats are rounded by, or else a half step."""
        largest = float(np.abs(known).max())
        tight = ROUNDING * max(largest, 1e-300)
        single = 8 * SINGLE * largest if (known.astype(np.float32) == known).all() else 0.0
        if self._whole.all():
            return 0.5
        off = np.abs(known @ self.signs)
        if (off <= max(tight, single)).mean() >= 0.99:
            return max(tight, single)
        steps = [step_of(column) for column in known.T]
        rounded = all(is_step for _, is_step in steps)
        return max(s for s, _ in steps) * len(steps) / 2 * (1 + 1e-6) if rounded else tight

    def judged(self, cells: Float) -> Bool:
        return np.asarray(~np.isnan(cells).any(1))

    def broken(self, cells: Float) -> Bool:
        return np.abs(cells @ self.signs) > self._tolerance

    def mend(self, cells: Float, held: Bool, random: np.random.RandomState) -> Float:
        """Change one cell after the other, the total first, each as far as its column reaches.

        Where known cells leave no such way, farther: but not below 0 if none of the column is.
        """
        beyond = np.where(self._ends[0] >= 0.0, 0.0, -np.inf), np.full(len(self.signs), np.inf)
        return self._spread(self._spread(cells, held, self._ends), held, beyond)

    def _spread(self, cells: Float, held: Bool, ends: Sequence[Float] | Float) -> Float:
        mended, signs = cells.copy(), self.signs
        low, high = ends
        for j in self._order:
            left = mended @ signs
            new = mended[:, j] - signs[j] * left
            # What is beyond the ends already may stay so.
            within = new.clip(np.minimum(low[j], mended[:, j]), np.maximum(high[j], mended[:, j]))
            within = np.floor(within + ROUNDING) if self._whole[j] else within
            mended[:, j] = np.where(held[:, j], mended[:, j], within)
        return mended


def _names(given: object) -> tuple[Hashable, ...]:
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def _support(values: Float, whole: bool) -> tuple[float, float]:
    return (float(values.min()), float(values.max())) if whole else ends_of(values)
