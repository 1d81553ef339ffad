"""Keeping: relations that drawn and completed rows are held to."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..codecs import Bool, Float
from ..container import Container
from ..telling import warn
from .base import Relation
from .empty import EmptyWhen

Places = NDArray[np.intp]

#: How often all relations are gone through, as mending one may break another.
SWEEPS = 6


class Relations(list[Relation]):
    """The relations of a table, in the order in which they are kept.

    Printed, it says in how many training rows each was seen, and how many of these break it.
    """

    def __init__(self, relations: Iterable[Relation] = (), container: Container | None = None):
        super().__init__(relations)
        self._container = container

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (list(self), self._container)

    def __repr__(self) -> str:
        shown = [repr(relation) for relation in self]
        width = max(map(len, shown), default=0)
        return "\n".join(
            f"{text:{width}}  {relation.n_rows_:,} rows, {relation.n_exceptions_:,} exceptions"
            for text, relation in zip(shown, self, strict=True)
        )

    def keep(
        self,
        values: Float,
        known: Bool,
        random: np.random.RandomState,
        holes: Bool | None = None,
    ) -> Float:
        """Return values (n, c) in which relations hold; those ``known`` (n, c) stay.

        Of rows that break a relation as many are left as there were in training. ``holes`` (n, c)
        are cells that are to be missing, unless a relation says something else.
        """
        if not self:
            return values if holes is None else np.where(holes & ~known, np.nan, values)
        assert self._container is not None
        places = [np.array(relation.positions(self._container)) for relation in self]
        spared = [
            _spared(relation, values[:, at], random)
            for relation, at in zip(self, places, strict=True)
        ]
        tell_contradictions(self, places, values, known, spared)
        full = values
        for _ in range(SWEEPS):
            before, full = full, self._swept(full, known, random, places, spared)
            if np.array_equal(before, full, equal_nan=True):
                break
        if holes is None:
            return self._emptied(full, full, known, random, places, spared)
        with_holes = np.where(holes & ~known, np.nan, full)
        return self._emptied(with_holes, full, known, random, places, spared)

    def _swept(
        self,
        values: Float,
        known: Bool,
        random: np.random.RandomState,
        places: list[Places],
        spared: list[Bool],
    ) -> Float:
        """Return values with every relation mended once, but for cells that are to be missing."""
        values = values.copy()
        by_others = np.array([relation.determined for relation in self], dtype=object)
        assert self._container is not None
        names = self._container.names
        for k, (relation, at) in enumerate(zip(self, places, strict=True)):
            rows = np.flatnonzero(relation.broken(values[:, at]) & ~spared[k])
            if not len(rows):
                continue
            of_others = {name for i, name in enumerate(by_others) if i != k}
            fixed = np.array([names[j] in of_others for j in at])
            held = known[np.ix_(rows, at)]
            both = held | fixed
            held = np.where(both.all(1)[:, None], held, both)
            cells = values[np.ix_(rows, at)]
            mended = relation.mend(cells, held, random)
            if isinstance(relation, EmptyWhen):
                mended[:, 0] = cells[:, 0]
            again = relation.broken(mended)
            if again.any():
                # Cells that another relation determines may have to move.
                free = known[np.ix_(rows[again], at)]
                mended[again] = relation.mend(mended[again], free, random)
                if isinstance(relation, EmptyWhen):
                    mended[again, 0] = cells[again, 0]
            values[np.ix_(rows, at)] = mended
        return values

    def _emptied(
        self,
        values: Float,
        full: Float,
        known: Bool,
        random: np.random.RandomState,
        places: list[Places],
        spared: list[Bool],
    ) -> Float:
        """Return values that are missing exactly where a relation says so, others as they are."""
        values = values.copy()
        for k, (relation, at) in enumerate(zip(self, places, strict=True)):
            if not isinstance(relation, EmptyWhen):
                continue
            says = relation.says(values[:, at[1]])
            free = ~known[:, at[0]] & ~spared[k]
            values[free & says, at[0]] = np.nan
            filled = free & ~says
            values[filled, at[0]] = full[filled, at[0]]
        return values


def _spared(relation: Relation, cells: Float, random: np.random.RandomState) -> Bool:
    """Return which rows of cells (n, k) may break a relation, at the rate of training."""
    broken = relation.broken(cells)
    group, rate = relation.rates(cells)
    if relation.is_always or not broken.any() or not rate.any():
        return np.zeros(len(cells), dtype=bool)
    n_broken = np.bincount(group[broken], minlength=len(rate))
    share = n_broken / np.maximum(np.bincount(group, minlength=len(rate)), 1)
    left = rate / np.maximum(share, np.maximum(rate, 1e-300))
    return broken & (random.random_sample(len(cells)) < left[group])


def tell_contradictions(
    relations: list[Relation],
    places: list[Places],
    values: Float,
    known: Bool,
    spared: list[Bool],
) -> None:
    """Warn of known cells that break relations which hold in every training row."""
    told = []
    for relation, at in zip(relations, places, strict=True):
        whole = known[:, at].all(1)
        if (relation.n_exceptions_ and not relation.is_always) or not whole.any():
            continue
        n_broken = int(relation.broken(values[np.ix_(whole, at)]).sum())
        if n_broken:
            told.append(f"{relation!r} in {n_broken}")
    if told:
        warn(
            "Known cells contradict relations that are kept in every row: "
            f"{'; '.join(told)} rows. Known cells stay as they are; correct them, or leave the "
            "relation out by relations=."
        )
