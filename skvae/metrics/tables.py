"""Tables: several of the same columns, read alike, column by column."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ..table.container import Container, Field, refuse_beyond_boolean
from ..table.native import as_array, as_frame
from ..table.reading import read

Float = NDArray[np.float64]

#: What a column holds whose categories are strings and others.
MIXED = "strings and others"


@dataclasses.dataclass(frozen=True)
class Compared:
    """One column of several tables, as numbers.

    Attributes
    ----------
    name : hashable
        The DataFrame's name, or the position in an array.
    role : str
        What it holds: ``"number"``, ``"integer"``, ``"boolean"``, ``"category"``, ``"ordered"``
        or ``"time"``.
    parts : tuple of ndarray
        Its values in each table, NaN where missing; categories and booleans by their place among
        the levels.
    levels : tuple
        Those of all tables, where it has levels; those of the first table come first.
    field : Field
        The column as the first table has it.
    """

    name: Hashable
    role: str
    parts: tuple[Float, ...]
    levels: tuple[Any, ...]
    field: Field

    @property
    def is_discrete(self) -> bool:
        """Whether it holds categories or booleans."""
        return bool(self.levels)

    def of(self, *which: int) -> Compared:
        """Return the column in some of the tables."""
        return dataclasses.replace(self, parts=tuple(self.parts[k] for k in which))

    def rows(self, which: int, rows: NDArray[Any] | slice) -> Compared:
        """Return the column with some of the rows of one of the tables."""
        parts = list(self.parts)
        parts[which] = parts[which][rows]
        return dataclasses.replace(self, parts=tuple(parts))


class Comparison(BaseEstimator):
    """What ``read`` notes names and numbers of columns in."""

    def __init__(self, categorical_features: Any = "from_dtype") -> None:
        self.categorical_features = categorical_features


def read_tables(categorical_features: Any = "from_dtype", **tables: Any) -> list[Compared]:
    """Return the columns of tables that have the same ones.

    Parameters
    ----------
    categorical_features : "from_dtype", None or array-like
        Columns that hold categories although they are numbers, as in the estimators.
    **tables : DataFrame or array
        By the names that errors give them. The first one says what a column holds.

    Raises
    ------
    ValueError, TypeError
        If tables have other columns, no rows, or cells that the first one's column cannot have;
        the message names the table and the column.
    """
    names = list(tables)
    tables = {name: _listed(name, table) for name, table in tables.items()}
    first = tables[names[0]]
    values, container = own_columns(names[0], first, categorical_features)
    mask = [field.is_category for field in container.fields]
    given = mask if any(mask) else categorical_features
    parts, owners = [values], [container]
    for name in names[1:]:
        table = _aligned(names[0], first, name, tables[name])
        own_values, own = own_columns(name, table, given)
        parts.append(_timed(container, table, own_values, names[0], name))
        owners.append(own)
    return [_column(j, parts, owners, names) for j in range(len(container.fields))]


def _listed(name: str, table: Any) -> Any:
    """Return a table as a DataFrame or an array."""
    frame = as_frame(table)
    kept: Any = table if frame is not None else as_array(table)
    shape: tuple[int, ...] = kept.shape
    if len(shape) != 2:
        of_shape = f" of shape {shape}" if shape else ""
        raise TypeError(
            f"{name} is a {type(table).__name__}{of_shape}, but expected a DataFrame, or a dense "
            "array of rows by columns."
        )
    if not all(shape):
        raise ValueError(f"{name} has no {'columns' if shape[0] else 'rows'}.")
    return kept


def own_columns(name: str, table: Any, categorical_features: Any) -> tuple[Float, Container]:
    """Return a table as it is read on its own."""
    try:
        return read(Comparison(categorical_features), table, None)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error


def _aligned(of_first: str, first: Any, name: str, table: Any) -> Any:
    """Return a table with its columns in the order of the first one."""
    wanted, frame = as_frame(first), as_frame(table)
    if (wanted is None) != (frame is None):
        kinds = ["a DataFrame" if each is not None else "an array" for each in (wanted, frame)]
        raise TypeError(f"{of_first} is {kinds[0]} and {name} is {kinds[1]}. Give both alike.")
    if wanted is None or frame is None:
        if first.shape[1] != table.shape[1]:
            raise ValueError(f"{of_first} has the shape {first.shape}, and {name} {table.shape}.")
        return table
    names, others = list(wanted.to_native().columns), list(frame.to_native().columns)
    absent = [column for column in names if column not in others]
    besides = [column for column in others if column not in names]
    if absent or besides:
        lacks = [f"lacks the columns {absent}"] * bool(absent)
        has = [f"has {besides} besides"] * bool(besides)
        raise ValueError(
            f"{name} {' and '.join(lacks + has)}: it must have the columns of {of_first}. Drop "
            f"those that are not in both, as an index that was written to a file."
        )
    return table if names == others else table[names]


def _timed(container: Container, table: Any, values: Float, of_first: str, name: str) -> Float:
    """Return values with times counted as in the first table."""
    times = [j for j, field in enumerate(container.fields) if field.clock is not None]
    if not times:
        return values
    names = [container.names[j] for j in times]
    try:
        values[:, times] = container.subset(times).values(table[names])
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {str(error).replace(' in fit', f' in {of_first}')}") from error
    return values


def _column(
    j: int, parts: Sequence[Float], owners: Sequence[Container], names: Sequence[str]
) -> Compared:
    """Return one column of all tables, of which the first with a value says what it holds."""
    columns, fields = [part[:, j] for part in parts], [owner.fields[j] for owner in owners]
    told = [k for k, column in enumerate(columns) if not np.isnan(column).all()]
    chief = told[0] if told else 0
    for k in told:
        _refuse_other_kind(fields[chief], names[chief], fields[k], names[k])
    field = fields[chief]
    if field.is_category:
        columns, levels = _in_levels(columns, [fields[k] for k in range(len(fields))])
    else:
        levels = (False, True) if field.role == "boolean" else ()
        for k in told if levels else ():
            refuse_beyond_boolean(field, columns[k])
    return Compared(field.name, field.role, tuple(columns), levels, field)


def _refuse_other_kind(field: Field, of_first: str, other: Field, name: str) -> None:
    """Raise TypeError if a column holds something of another kind in another table."""
    kinds = [_kind(each) for each in (field, other)]
    if kinds[0] != kinds[1] and MIXED not in kinds:
        raise TypeError(
            f"Column {field.name!r} holds {kinds[0]} in {of_first}, but {kinds[1]} in {name}. Read "
            "both alike: give the file's reader the dtype of the column."
        )


def _kind(field: Field) -> str:
    """Return what a column holds, in words."""
    if field.is_category:
        are_strings = {isinstance(level, str) for level in field.levels}
        return MIXED if len(are_strings) > 1 else "strings" if True in are_strings else "categories"
    return "times" if field.clock is not None else "numbers"


def _in_levels(
    columns: Sequence[Float], fields: Sequence[Field]
) -> tuple[list[Float], tuple[Any, ...]]:
    """Return columns of categories by their place among the levels of all tables."""
    levels = tuple(dict.fromkeys(level for field in fields for level in field.levels))
    place = {level: float(k) for k, level in enumerate(levels)}
    coded = []
    for column, field in zip(columns, fields, strict=True):
        places = np.array([*(place[level] for level in field.levels), np.nan])
        coded.append(places[np.where(np.isnan(column), -1, column).astype(int)])
    return coded, levels


def random_rows(n_all: int, n: int) -> NDArray[Any] | slice:
    """Return which ``n`` of all rows are taken: all of them in their order, or random ones."""
    if n >= n_all:
        return slice(None)
    return np.random.default_rng(0).choice(n_all, n, replace=False)


def check_rows(columns: Sequence[Compared], n_min: int, purpose: str, **which: int) -> None:
    """Raise ValueError naming the first of some tables that has too few rows."""
    for name, k in which.items():
        n = len(columns[0].parts[k])
        if n < n_min:
            raise ValueError(f"{name} has {n} rows, but {purpose} needs {n_min} or more.")
