"""Others: categories that were not there in ``fit``, and for which a floor of mass stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import narwhals as nw
import numpy as np

from .codecs import UNSEEN, Float, Levels
from .container import OTHER
from .known import matched
from .table import Table
from .telling import warn


def open_to_others(table: Table) -> list[int]:
    """Return the positions of the columns that may have others: all but those conditioned on."""
    given = [] if table.context is None else table.context.positions
    return [j for j in range(len(table.container.fields)) if j not in given]


def with_others(table: Table, values: Float) -> Float:
    """Return values (n, c) with :data:`OTHER` for numbers that are no level of their column."""
    values = values.copy()
    for column in table.columns:
        if isinstance(column.codec, Levels) and not column.field.is_category:
            of_column = values[:, column.position]
            of_column[~np.isnan(of_column) & column.codec.refuses(of_column)] = OTHER
    return values


def tell_others(table: Table, values: Float, X: Any) -> None:
    """Warn of the first category of each column that was not there in ``fit``; X was read."""
    found = list(_others(table, values, X))
    if found:
        n = int((values == OTHER).any(1).sum())
        warn(
            f"X holds categories that were not there in fit, in {n} of {len(values)} rows: "
            f"{'; '.join(found)}. By handle_unknown='floor' each has a mass of {UNSEEN:g} and "
            "counts as missing where other cells follow from it."
        )


def _others(table: Table, values: Float, X: Any) -> Iterator[str]:
    columns = matched(table.container, X)
    for j in np.flatnonzero((values == OTHER).any(0)).tolist():
        row = int((values[:, j] == OTHER).argmax())
        cell = columns[j][row : row + 1]
        (value,) = cell.to_list() if isinstance(cell, nw.Series) else cell.tolist()
        yield f"column {table.container.names[j]!r} has {value!r} in row {row}"
