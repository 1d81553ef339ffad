"""Function: a column that follows from another one."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codecs import Bool, Float
from ..container import Field
from .base import Facts, Relation, listed_values


@dataclasses.dataclass
class Function(Relation):
    """A column that is a function of another: each value there goes with one value here.

    Parameters
    ----------
    of : hashable
        The column that determines the other.
    column : hashable
        The column that is determined.
    when : tuple or None, default=None
        The values of ``of`` for which it is; None: all.
    """

    of: Hashable
    column: Hashable
    when: tuple[Any, ...] | None = None

    def __str__(self) -> str:
        where = "" if self.when is None else f" where it is {listed_values(self.when)}"
        return f"{self.column} follows from {self.of}{where}"

    @property
    def columns(self) -> tuple[Hashable, ...]:
        return self.column, self.of

    @property
    def mapping_(self) -> dict[Any, Any]:
        """The value here for each value of ``of``, in the user's units."""
        assert self._container is not None
        here, there = self._container.fields
        return dict(zip(there.values(self._keys), here.values(self._images), strict=True))

    def learn(self, cells: Float, fields: Sequence[Field]) -> Facts:
        keys, images, counts = pairs(cells[:, 1], cells[:, 0])
        if not len(keys):
            self.refuse("no row has both cells.")
        return {"keys": keys, "images": images, "counts": counts}

    def know(self, facts: Facts, fields: Sequence[Field]) -> None:
        keys, images, counts = self._pairs = facts["keys"], facts["images"], facts["counts"]
        self._keys, first = np.unique(keys, return_index=True)
        total, self._images = np.add.reduceat(counts, first), images[first]
        self._rates = 1.0 - counts[first] / total
        self._of_numbers = not fields[1].is_category and self.when is None
        if self.when is not None:
            some = np.isin(self._keys, [fields[1].number(value) for value in self.when])
            self._keys, self._images = self._keys[some], self._images[some]
            self._rates = self._rates[some]

    def judged(self, cells: Float) -> Bool:
        return self._at(cells[:, 1])[1] & ~np.isnan(cells[:, 0])

    def _at(self, of: Float) -> tuple[NDArray[np.intp], Bool]:
        """Return which of the keys cells are, and whether they are one.

        Numbers between two of them are the nearest.
        """
        if not len(self._keys):
            return np.zeros(len(of), dtype=np.intp), np.zeros(len(of), dtype=bool)
        at = np.searchsorted(self._keys, of).clip(0, len(self._keys) - 1)
        if self._of_numbers:
            below = (at - 1).clip(0)
            nearer = np.abs(of - self._keys[below]) < np.abs(self._keys[at] - of)
            return np.where(nearer, below, at), np.isfinite(of)
        return at, self._keys[at] == of

    def broken(self, cells: Float) -> Bool:
        at, is_key = self._at(cells[:, 1])
        known = is_key & ~np.isnan(cells[:, 0])
        broken = np.zeros(len(cells), dtype=bool)
        broken[known] = self._images[at[known]] != cells[known, 0]
        return broken

    def mend(self, cells: Float, held: Bool, random: np.random.RandomState) -> Float:
        mended = cells.copy()
        at, is_key = self._at(cells[:, 1])
        free = ~held[:, 0] & is_key
        mended[free, 0] = self._images[at[free]]
        back = held[:, 0] & ~held[:, 1]
        for value in np.unique(cells[back, 0]):
            rows = np.flatnonzero(back & (cells[:, 0] == value))
            keys, weights = self._before(value)
            if len(keys):
                mended[rows, 1] = random.choice(keys, len(rows), p=weights / weights.sum())
        return mended

    def _before(self, image: float) -> tuple[Float, Float]:
        """Return the values that go with one here, and in how many rows they do."""
        keys, images, counts = self._pairs
        at, is_key = self._at(keys)
        fits = images == image
        if len(self._keys):
            fits &= ~is_key | (self._images[at] == image)
        return keys[fits], counts[fits]

    def rates(self, cells: Float) -> tuple[NDArray[np.intp], Float]:
        at, is_key = self._at(cells[:, 1])
        return np.where(is_key, at, len(self._rates)), np.append(self._rates, 0.0)


def pairs(keys: Float, images: Float) -> tuple[Float, Float, Float]:
    """Return the distinct pairs of two columns and their counts, of a key the commonest first."""
    both = ~np.isnan(keys) & ~np.isnan(images)
    distinct, counts = np.unique(
        np.stack([keys[both], images[both]], 1), axis=0, return_counts=True
    )
    order = np.lexsort((distinct[:, 1], -counts, distinct[:, 0]))
    return distinct[order, 0], distinct[order, 1], counts[order].astype(float)
