"""Conditions: what is known of a missing cell short of its value - a range, or a set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from ..core.cells import Cells
from ..table.codecs import Affine, Bool, Float
from ..table.container import OTHER
from ..table.table import Column, Table

#: Cells drawn at a time until enough are allowed, and how often.
DRAWN_CELLS = 20_000
MAX_ROUNDS = 50
#: The ends of what a column can have of which every number between them is a value, by what it is
#: said to support.
CONTINUOUS = {
    "numbers": (-np.inf, np.inf),
    "numbers > 0": (np.finfo(float).tiny, np.inf),
    "numbers strictly between 0 and 1": (np.finfo(float).tiny, 1.0 - np.finfo(float).eps),
}


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
    ends : tuple of two floats, or None
        Of a range.
    """

    column: Column
    given: Any
    allows: Callable[[Float], Bool]
    ends: tuple[float, float] | None = None

    @property
    def is_continuous(self) -> bool:
        """Whether every number in a range is a value of the column."""
        codec, is_number = self.column.codec, self.column.field.role == "number"
        smooth = isinstance(codec, Affine) and codec.support in CONTINUOUS
        return self.ends is not None and is_number and smooth

    def check(self, values: Float) -> None:
        """Raise ValueError naming the first observed value that is not allowed."""
        allowed = self.allows(values) & (values != OTHER)
        wrong = np.flatnonzero(~np.isnan(values) & ~allowed)
        if len(wrong):
            value = values[wrong[0]]
            shown = repr(self.column.field.value(value)) if value != OTHER else "a new category"
            raise ValueError(
                f"Column {self.column.name!r} is {shown} in row {wrong[0]}, which where="
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
    return [_read(columns[name], given) for name, given in where.items()]


def _read(column: Column, given: Any) -> Condition:
    if isinstance(given, tuple):
        low, high = _range(column, given)
        return Condition(column, given, lambda x: (x >= low) & (x <= high), (low, high))
    values = [given] if isinstance(given, str) or not isinstance(given, Collection) else given
    if not len(values):
        raise ValueError(f"where={{{column.name!r}: {given!r}}}: the set is empty.")
    numbers = [column.field.number(value) for value in values]
    return Condition(column, given, lambda x: np.isin(x, numbers))


def _range(column: Column, given: tuple[Any, ...]) -> tuple[float, float]:
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
    return low, high


class Allowed(NamedTuple):
    """Values that conditions allow, drawn as if columns had nothing to do with each other."""

    values: Float  # (n, columns of the user), NaN where there is no condition
    log_r: Float  # their log-density, up to a constant, (n, columns of the user)
    n_distinct: float  # of a column few of whose draws are allowed, each many times; or infinity


def allowed(
    conditions: list[Condition], cells: Cells, table: Table, n: int, random: np.random.RandomState
) -> Allowed:
    """Draw values that conditions allow.

    Raises
    ------
    ValueError
        If nothing drawn is allowed.
    """
    found = _draw_allowed(conditions, cells, table, n, random)
    values = np.full((n, len(table.container.fields)), np.nan)
    log_r, n_distinct = np.zeros_like(values), np.inf
    for condition, (hits, of_hits) in zip(conditions, found, strict=True):
        j = condition.column.position
        if len(hits) >= n:
            values[:, j], log_r[:, j] = hits[:n], of_hits[:n]
        elif condition.is_continuous and len(hits):
            values[:, j], log_r[:, j] = _in_range(condition, hits, n, random)
        elif len(hits):
            pick = random.randint(len(hits), size=n)
            values[:, j], log_r[:, j] = hits[pick], of_hits[pick]
            # Of values that come again by themselves any number of copies is as good as draws.
            are_own = condition.ends is not None and len(np.unique(hits)) == len(hits)
            n_distinct = min(n_distinct, len(hits)) if are_own else n_distinct
        else:
            raise ValueError(
                f"where={{{condition.column.name!r}: {condition.given!r}}}: none of "
                f"{MAX_ROUNDS * DRAWN_CELLS:,} draws of the column is there. Widen the condition; "
                "a range is a tuple (low, high), and a value that is known belongs in X."
            )
    return Allowed(values, log_r, n_distinct)


def _in_range(
    condition: Condition, hits: Float, n: int, random: np.random.RandomState
) -> tuple[Float, Float]:
    """Draw values in a range that few draws of its column hit, and their log-density.

    They fall off exponentially from the end that the hits are near, by their mean distance.
    """
    assert condition.ends is not None
    ends = (condition.ends, CONTINUOUS[condition.column.codec.support])
    low, high = max(low for low, _ in ends), min(high for _, high in ends)
    middle = np.median(hits)
    end, sign = (low, 1.0) if middle - low <= high - middle else (high, -1.0)
    scale = max(np.abs(hits - end).mean(), np.finfo(float).tiny)
    inside = -np.expm1(-(high - low) / scale)
    distance = np.minimum(-scale * np.log1p(-inside * random.uniform(size=n)), high - low)
    return end + sign * distance, -distance / scale - np.log(scale * inside)


def _draw_allowed(
    conditions: list[Condition], cells: Cells, table: Table, n: int, random: np.random.RandomState
) -> list[tuple[Float, Float]]:
    """Draw until each condition has allowed n values, or long enough.

    Returns these values, and their log-densities, for each condition.
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
            hits = values[ok, position]
            log_det = condition.column.codec.encode(hits)[1]
            of_condition.append((hits, log_prob.numpy()[ok, index[position]] + log_det))
        if min(sum(len(v) for v, _ in of_condition) for of_condition in found) >= n:
            break
    return [
        (np.concatenate([v for v, _ in parts]), np.concatenate([lp for _, lp in parts]))
        for parts in found
    ]
