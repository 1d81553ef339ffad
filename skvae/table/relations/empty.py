"""EmptyWhen: a cell that is missing exactly where another says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ..codecs import Bool, Float
from ..container import Field, is_missing
from .base import Facts, Relation, listed_values


@dataclasses.dataclass
class EmptyWhen(Relation):
    """A cell that is missing exactly where another column has one of some values.

    Parameters
    ----------
    column : hashable
        The column whose cells are missing.
    by : hashable
        The column that says so.
    values : tuple
        Where its cells have one of these; None among them stands for a missing cell.
    """

    column: Hashable
    by: Hashable
    values: tuple[Any, ...] = (None,)

    def __post_init__(self) -> None:
        if not isinstance(self.values, tuple):
            self.values = tuple(self.values) if isinstance(self.values, list) else (self.values,)

    def __str__(self) -> str:
        return f"{self.column} is empty where {self.by} is {listed_values(self.values)}"

    @property
    def columns(self) -> tuple[Hashable, ...]:
        return self.column, self.by

    def learn(self, cells: Float, fields: Sequence[Field]) -> Facts:
        self._to_numbers(fields)
        missing = np.isnan(cells[:, 1])
        others = cells[~missing & ~np.isin(cells[:, 1], self._values), 1]
        others, counts = np.unique(others, return_counts=True)
        has_missing = np.array([float(missing.any())])
        return {"others": others, "counts": counts.astype(float), "has_missing": has_missing}

    def know(self, facts: Facts, fields: Sequence[Field]) -> None:
        self._to_numbers(fields)
        # Of a cell that is never missing nothing is said where it is.
        self._judges_missing = self._of_missing or bool(facts["has_missing"][0])
        self._others, counts = facts["others"], facts["counts"]
        self._weights = counts / max(counts.sum(), 1)

    def _to_numbers(self, fields: Sequence[Field]) -> None:
        given = [value for value in self.values if not is_missing(value)]
        self._values = np.array([fields[1].number(value) for value in given])
        self._of_missing = len(given) < len(self.values)

    def judged(self, cells: Float) -> Bool:
        return ~np.isnan(cells[:, 1]) | self._judges_missing

    def says(self, by: Float) -> Bool:
        """Return where a cell is to be missing."""
        missing = np.isnan(by) & self._of_missing
        return missing | np.isin(by, self._values)

    def broken(self, cells: Float) -> Bool:
        return self.judged(cells) & (self.says(cells[:, 1]) != np.isnan(cells[:, 0]))

    def mend(self, cells: Float, held: Bool, random: np.random.RandomState) -> Float:
        mended, says = cells.copy(), self.says(cells[:, 1])
        mended[says & ~held[:, 0], 0] = np.nan
        other = says & held[:, 0] & ~held[:, 1] & ~np.isnan(cells[:, 0])
        if other.any() and len(self._others):
            mended[other, 1] = random.choice(self._others, other.sum(), p=self._weights)
        return mended
