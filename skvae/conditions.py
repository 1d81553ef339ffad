"""Conditions: what is known of a missing cell short of its value - a range, or a set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any

import numpy as np
import torch

from .codecs import Bool, Float
from .core.cells import Cells
from .table import Column, Table

#: Cells drawn at a time until enough are allowed, and how often.
DRAWN_CELLS = 20_000
MAX_ROUNDS = 50


@dataclasses.dataclass(frozen=True)
class Condition:
    """What is known of the cells of a column.

    Attributes
    ----------
    column : Column
    given : object
        As the user wrote it.
    allows : callable
        Values (n,) -> which are allowed, (n,) bool.
    """

    column: Column
    given: Any
    allows: Callable[[Float], Bool]

    def check(self, values: Float) -> None:
        """Raise ValueError naming the first observed value that is not allowed."""
        wrong = np.flatnonzero(~np.isnan(values) & ~self.allows(values))
        if len(wrong):
            shown = self.column.field.value(values[wrong[0]])
            raise ValueError(
                f"Column {self.column.name!r} is {shown!r} in row {wrong[0]}, which where="
                f"{{{self.column.name!r}: {self.given!r}}} rules out. Drop one of them."
            )


def conditions(where: Mapping[Hashable, Any], table: Table) -> list[Condition]:
    """Read conditions by column.

    Raises
    ------
    ValueError, TypeError
        If a column is unknown, or a condition is neither a range nor a set.
    """
    if not isinstance(where, Mapping):
        raise TypeError(
            f"where must be a dict of conditions by column, as {{'age': (30, 40)}}. Got {where!r}."
        )
    columns = {column.name: column for column in table.columns}
    unknown = [name for name in where if name not in columns]
    if unknown:
        raise ValueError(
            f"where names columns {unknown}, which the model does not have. It has {list(columns)}."
        )
    return [
        Condition(columns[name], given, _test(columns[name], given))
        for name, given in where.items()
    ]


def _test(column: Column, given: Any) -> Callable[[Float], Bool]:
    if isinstance(given, tuple):
        return _range(column, given)
    if isinstance(given, str) or not isinstance(given, Collection):
        given = [given]
    numbers = [column.field.number(value) for value in given]
    return lambda values: np.isin(values, numbers)


def _range(column: Column, given: tuple[Any, ...]) -> Callable[[Float], Bool]:
    if len(given) != 2 or column.field.role == "category":
        raise ValueError(
            f"where={{{column.name!r}: {given!r}}}: expected a range (low, high) of numbers, times "
            "or ordered categories, or a set of values: {value, ...}."
        )
    low, high = (
        open_end if end is None else column.field.number(end)
        for end, open_end in zip(given, (-np.inf, np.inf), strict=True)
    )
    if not low <= high:
        raise ValueError(f"where={{{column.name!r}: {given!r}}}: the range is empty.")
    return lambda values: (values >= low) & (values <= high)


def allowed(
    conditions: list[Condition], cells: Cells, table: Table, n: int, random: np.random.RandomState
) -> tuple[Float, Float]:
    """Draw values that conditions allow, as if columns had nothing to do with each other.

    Returns
    -------
    values : ndarray of shape (n, columns of the user)
        NaN where there is no condition.
    log_r : ndarray of shape (n, columns of the user)
        Their log-probabilities, up to a constant.

    Raises
    ------
    ValueError
        If nothing drawn is allowed.
    """
    found = _draw_allowed(conditions, cells, table, n, random)
    values = np.full((n, len(table.container.fields)), np.nan)
    log_r = np.zeros_like(values)
    for condition, (chosen, of_chosen) in zip(conditions, found, strict=True):
        if not len(chosen):
            raise ValueError(
                f"where={{{condition.column.name!r}: {condition.given!r}}}: none of "
                f"{MAX_ROUNDS * DRAWN_CELLS:,} draws of the column is there. Widen the condition; "
                "a value that is known belongs in X."
            )
        pick = np.arange(n) if len(chosen) >= n else random.randint(len(chosen), size=n)
        position = condition.column.position
        values[:, position], log_r[:, position] = chosen[pick], of_chosen[pick]
    return values, log_r


def _draw_allowed(
    conditions: list[Condition], cells: Cells, table: Table, n: int, random: np.random.RandomState
) -> list[tuple[Float, Float]]:
    """Draw until each condition has allowed n values, or long enough.

    Returns these values, and their log-probabilities, for each condition.
    """
    found: list[list[tuple[Float, Float]]] = [[] for _ in conditions]
    index = {column.position: j for j, column in enumerate(table.columns)}
    generator = torch.Generator().manual_seed(int(random.randint(2**31 - 1)))
    for _ in range(MAX_ROUNDS):
        drawn, log_prob = cells.sample_apart(DRAWN_CELLS, generator)
        values = table.decode(drawn.numpy(), random)
        for of_condition, condition in zip(found, conditions, strict=True):
            position = condition.column.position
            ok = condition.allows(values[:, position])
            of_condition.append((values[ok, position], log_prob.numpy()[ok, index[position]]))
        if min(sum(len(v) for v, _ in of_condition) for of_condition in found) >= n:
            break
    return [
        (np.concatenate([v for v, _ in parts]), np.concatenate([lp for _, lp in parts]))
        for parts in found
    ]
