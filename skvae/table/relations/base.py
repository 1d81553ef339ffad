"""Relation: what columns of a table have to do with one another, row by row."""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..codecs import Bool, Float
from ..container import Container, Field
from ..native import as_array, as_frame

R = TypeVar("R", bound="Relation")
#: What a relation learned of its cells: arrays by name, from which all else follows.
Facts = dict[str, Float]


@dataclasses.dataclass
class Relation(ABC):
    """A relation between columns, by their names.

    One that was learned has ``n_rows_``, the training rows in which its cells are known, and
    ``n_exceptions_``, those of them in which it does not hold; ``is_always`` says that new rows
    have no exceptions. To add a kind: what it learns of its cells (n, k), of which rows it can be
    said that they break it, in which they do, and how they are mended.
    """

    n_rows_: int = dataclasses.field(default=0, init=False, repr=False, compare=False)
    n_exceptions_: int = dataclasses.field(default=0, init=False, repr=False, compare=False)
    is_always: bool = dataclasses.field(default=False, init=False, repr=False, compare=False)
    _container: Container | None = dataclasses.field(
        default=None, init=False, repr=False, compare=False
    )
    _facts: Facts = dataclasses.field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    @abstractmethod
    def columns(self) -> tuple[Hashable, ...]:
        """The columns that it is about, the one that it determines first."""

    @property
    def determined(self) -> Hashable:
        """The column whose cells follow from the others."""
        return self.columns[0]

    def holds(self, X: Any) -> NDArray[np.bool_]:
        """Return in which rows of a table it holds.

        Parameters
        ----------
        X : DataFrame or array-like
            With the columns of the relation.

        Returns
        -------
        holds : ndarray of bool, shape (n,)
            Also True where a cell is missing, or new, so that nothing can be said. A function that
            was not learned by a fit is taken from X itself, as its most common values.
        """
        return self.learned_from(X).answers(X) != 0.0

    def answers(self, X: Any) -> Float:
        """Return for the rows of a table 1 where it holds, as it was learned, 0 where it does not.

        NaN where a cell is missing, or new, so that nothing can be said.
        """
        cells = self.cells(X)
        return np.where(self.judged(cells), 1.0 - self.broken(cells), np.nan)

    def learned_from(self, X: Any) -> Self:
        """Return the relation as a table has it, or as it is if it was learned before."""
        if self._container is not None:
            return self
        container = Container.of(_with(X, self.columns))
        return _learned(self, container, _values(container, X, self.columns))

    def cells(self, X: Any) -> Float:
        """Return the cells (n, k) of a table that a relation which was learned is about."""
        assert self._container is not None
        return _values(self._container, X, self.columns)

    def learned(self, container: Container, values: Float) -> Self:
        """Return the relation as rows of values (n, columns of the container) have it.

        Raises
        ------
        ValueError
            If there is no such column, or it cannot be in such a relation.
        """
        positions = self.positions(container)
        return _learned(self, container.subset(positions), values[:, positions])

    def positions(self, container: Container) -> list[int]:
        """Return where its columns are."""
        wrong = [name for name in self.columns if name not in container.names]
        if wrong:
            raise ValueError(
                f"relations has {self!r}, but X has no column {wrong[0]!r}. It has "
                f"{container.names}."
            )
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"relations has {self!r}, which names a column twice.")
        return [container.names.index(name) for name in self.columns]

    def remember(self, container: Container, facts: Facts) -> None:
        """Take what was learned of the columns of a container, which are its own."""
        self._container, self._facts = container, facts
        self.know(facts, container.fields)

    @property
    def facts(self) -> Facts:
        """What it learned of its cells."""
        return self._facts

    @abstractmethod
    def learn(self, cells: Float, fields: Sequence[Field]) -> Facts:
        """Return what there is to know of cells (n, k), NaN where missing."""

    @abstractmethod
    def know(self, facts: Facts, fields: Sequence[Field]) -> None:
        """Take what was learned of columns."""

    @abstractmethod
    def judged(self, cells: Float) -> Bool:
        """Return of which rows of cells (n, k) it can be told whether it holds."""

    @abstractmethod
    def broken(self, cells: Float) -> Bool:
        """Return in which rows of cells (n, k) it does not hold, where that can be said."""

    @abstractmethod
    def mend(self, cells: Float, held: Bool, random: np.random.RandomState) -> Float:
        """Return cells (n, k) in which it holds; those that are ``held`` (n, k) stay."""

    def rates(self, cells: Float) -> tuple[NDArray[np.intp], Float]:
        """Return to which group every row belongs, and which share of a group are exceptions."""
        return np.zeros(len(cells), dtype=np.intp), np.array(
            [self.n_exceptions_ / max(self.n_rows_, 1)]
        )

    def without_exceptions(self) -> Self:
        """Return the relation as one that is to hold in every row, whatever training rows do."""
        new = copy.copy(self)
        new.is_always = True
        return new

    def refuse(self, why: str) -> None:
        """Raise ValueError that says why there cannot be such a relation."""
        raise ValueError(f"relations has {self!r}: {why}")


@dataclasses.dataclass(frozen=True)
class Refused:
    """A relation that is not to be kept, found or not: ``["auto", Refused(Order("a", "b"))]``."""

    relation: Relation


def _learned(relation: R, container: Container, cells: Float) -> R:
    new = copy.copy(relation)
    new.remember(container, new.learn(cells, container.fields))
    new.n_rows_ = int(new.judged(cells).sum())
    new.n_exceptions_ = int(new.broken(cells).sum())
    return new


def _with(X: Any, names: Sequence[Hashable]) -> Any:
    """Return the columns of a table that have names, or of an array the ones at positions."""
    frame = as_frame(X)
    if frame is None:
        return as_array(X)[:, np.array(names, dtype=int)]
    absent = [name for name in names if name not in frame.to_native().columns]
    if absent:
        raise ValueError(f"X has no column {absent[0]!r}.")
    return X[list(names)]


def _values(container: Container, X: Any, names: Sequence[Hashable]) -> Float:
    """Return the cells of some columns of a table as numbers; new categories are let in."""
    some, every = _with(X, names), range(len(container.fields))
    if as_frame(X) is None:
        return container.values(some, every)
    return container.partial_values(some, every)


def listed_values(values: Sequence[Any]) -> str:
    """Return values in words."""
    return " or ".join("empty" if value is None else repr(value) for value in values)
