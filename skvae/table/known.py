"""Known: cells that were given, copied from where they came and never rebuilt from numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from .container import OTHER, Container, Field, is_missing, join, written
from .dtypes import Float, holding_both, within
from .native import (
    KINDS,
    Series,
    as_frame,
    as_numpy,
    backend_of,
    cast,
    columns_of,
    dtype_of,
    empty,
    from_zero,
    is_object,
    kind_of,
    new_column,
    objects,
    plain,
)

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Known:
    """Which cells of completed rows are given, and where they are.

    Attributes
    ----------
    columns : mapping of int
        Native columns by their position in ``fit``, (n,); None for one that is to be completed
        in the dtype that it had there.
    cells : ndarray of bool, shape (m, c)
        Cells of the completed rows that are copied.
    rows : ndarray of int, shape (m,)
        The row of the columns that each of them is.
    others : bool
        Whether there may be categories that were not there in ``fit``.
    """

    columns: Mapping[int, Any]
    cells: Mask
    rows: Rows
    others: bool = False

    @classmethod
    def of(
        cls, container: Container, X: Any, values: Float, n_samples: int = 1, others: bool = False
    ) -> Known:
        """Return what is known of rows that become ``n_samples`` each; X was read as values."""
        rows = np.repeat(np.arange(len(values)), n_samples)
        return cls(matched(container, X), ~np.isnan(values)[rows], rows, others)

    def subset(self, positions: Sequence[int]) -> Known:
        """Return what is known of some of the columns."""
        columns = {k: self.columns[j] for k, j in enumerate(positions) if j in self.columns}
        return Known(columns, self.cells[:, list(positions)], self.rows, self.others)


def matched(container: Container, X: Any) -> dict[int, Any]:
    """Return the columns of X by position in ``fit``: by name where both are DataFrames."""
    frame = as_frame(X)
    is_list = isinstance(X, list | tuple)
    columns = [list(c) for c in zip(*X, strict=True)] if is_list else columns_of(X)
    names = [] if frame is None else list(frame.to_native().columns)
    if not set(names) & set(container.names):
        return dict(enumerate(columns))
    return {
        j: columns[names.index(name)] if name in names else None
        for j, name in enumerate(container.names)
    }


def rows_like(container: Container, values: Float, known: Known) -> Any:
    """Put values (m, c) into the container, but for what is known: that is copied.

    The dtype of a column holds what it did in ``fit`` and what it does where it is given, by the
    table of :mod:`skvae.table.dtypes`.
    """
    if container.backend is None:
        return _array(container, values, known)
    columns = [
        _column(container, j, column, known) if j in known.columns else container.column(j, column)
        for j, column in enumerate(values.T)
    ]
    return join(container, columns)


def rows_with_holes(container: Container, values: Float, known: Known | None = None) -> Any:
    """Put values (m, c) into the container, with missing cells where they are NaN."""
    if known is None and (container.backend is None or not np.isnan(values).any()):
        return container.rows(values)
    nothing = Known({}, np.zeros(values.shape, dtype=bool), np.arange(len(values)))
    known = known or nothing
    if container.backend is None:
        return rows_like(container, values, known)
    some = np.flatnonzero(np.isnan(values).any(0) & ~np.isnan(values).all(0))
    columns = dict.fromkeys(some.tolist()) | dict(known.columns)
    return rows_like(container, values, dataclasses.replace(known, columns=columns))


def _column(container: Container, j: int, values: Float, known: Known) -> Series:
    """Return a column of which cells are known."""
    field, fitted, backend = container.fields[j], container.dtypes[j], container.backend
    assert backend is not None
    given = known.columns[j]
    if isinstance(given, np.ndarray) and given.dtype == object:
        given = given.tolist()
    is_open = known.others and field.is_category
    if isinstance(given, list):
        given = new_column(given, backend) if is_open else as_fitted(given, fitted, backend)
    given = empty(fitted, backend) if given is None else imported(given, backend)
    dtype, is_known = holding_both(fitted, given, backend, is_open), known.cells[:, j]
    if field.is_category and dtype != dtype_of(given):
        return _rewritten(given, field, values, known.rows, dtype, backend)
    copied = plain(given)[known.rows[is_known]] if is_known.any() else empty(fitted, backend)
    return _merged(copied, field, values, is_known, dtype, backend)


def _rewritten(
    given: Series, field: Field, values: Float, rows: Rows, dtype: Any, backend: str
) -> Series:
    """Return categories in another dtype than they came in; those of ``fit`` as they were there."""
    others = np.flatnonzero(values == OTHER)
    if not len(others):
        return written(field, values, dtype, backend)
    cells, own = field.values(np.where(values == OTHER, np.nan, values)), given.to_list()
    for i in others:
        cells[i] = own[rows[i]]
    made = objects(cells, dtype, backend) if is_object(dtype) else new_column(cells, backend)
    return cast(made, dtype)


def _merged(
    copied: Series, field: Field, values: Float, is_known: Mask, dtype: Any, backend: str
) -> Series:
    """Return copied cells (k,) where they belong among values (m,), all of one dtype."""
    drawn = ~is_known & ~np.isnan(values)
    left = ~is_known & ~drawn
    if is_object(dtype):
        cells = np.full(len(values), None, dtype=object)
        cells[is_known] = np.fromiter(copied.to_list(), dtype=object, count=len(copied))
        new = written(field, values[drawn], dtype, backend).to_list()
        cells[drawn] = np.fromiter(new, dtype=object, count=len(new))
        return objects(cells.tolist(), dtype, backend)
    bare = plain(empty(dtype, backend))
    if isinstance(kind_of(bare), nw.Unknown) and drawn.any():  # polars' Null
        dtype = dtype_of(bare := new_column(values[:0], backend))
    inner = dtype_of(bare)
    parts = [_converted(copied, field, inner, backend)] if is_known.any() else []
    if drawn.any() or not len(values):
        parts.append(written(field, values[drawn], inner, backend))
    if left.any():
        parts.append(cast(new_column(np.full(left.sum(), None, dtype=object), backend), dtype))
    order = np.argsort(np.concatenate([np.flatnonzero(m) for m in (is_known, drawn, left)]))
    return cast(parts[0] if len(parts) == 1 else _joined(parts)[order], dtype)


def _joined(parts: list[Series]) -> Series:
    """Return columns of one dtype one below the other."""
    frames = [part.alias("column").to_frame() for part in parts]
    return nw.concat(frames).get_column("column")


def _converted(copied: Series, field: Field, dtype: Any, backend: str) -> Series:
    """Return known cells in a dtype that holds them.

    Raises
    ------
    ValueError
        If decimals have too many digits before the point for one with those of ``fit`` after it.
    """
    kind = kind_of(empty(dtype, backend))
    wanted = getattr(kind, "time_zone", None)
    if wanted and getattr(kind_of(copied), "time_zone", None) is None:
        copied = plain(copied).dt.replace_time_zone("UTC")
    decimals = isinstance(kind, nw.Decimal)
    if decimals and kind_of(copied) == nw.Boolean():
        copied = copied.cast(nw.Int8())  # polars makes no decimals of booleans
    try:
        return cast(copied, dtype)
    except Exception as error:  # every library has errors of its own
        if not decimals:
            raise
        raise ValueError(
            f"Column {field.name!r} has dtype {dtype_of(copied)}, and {dtype} holds what it had in "
            f"fit, but not all numbers of X: {error}. Cast it to the dtype of fit."
        ) from error


def in_pandas(rows: Any) -> Any:
    """Return the rows of a DataFrame of another library in one of pandas, with dtypes like its own.

    Without pyarrow, which polars asks for and scikit-learn does without, by making objects of all.
    """
    frame = as_frame(rows)
    assert frame is not None
    columns = [_in_pandas(column) for column in columns_of(rows)]
    return join(Container([Field(name) for name in frame.columns], "pandas"), columns)


def _in_pandas(column: Series) -> Series:
    kind, imported_ = kind_of(column), imported(column, "pandas")
    if zone := getattr(kind, "time_zone", None):
        return imported_.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    text = isinstance(kind, nw.Categorical | nw.Enum)
    return imported_.cast(nw.Categorical()) if text else imported_


def as_fitted(values: list[Any], dtype: Any, backend: str) -> Series:
    """Return Python objects, which have no dtype, with that of ``fit`` if it holds them."""
    column = new_column(values, backend)
    try:
        held = cast(column, dtype)
    except Exception:  # every library has errors of its own
        return column
    return held if held.to_list() == values else column


def imported(column: Any, backend: str) -> Series:
    """Return a column, or an array, as one of another library."""
    if isinstance(column, nw.Series):
        if backend_of(column) == backend:
            return from_zero(column)
        kind = kind_of(column)
        listed = not (kind.is_numeric() or kind.is_temporal()) or isinstance(kind, nw.Decimal)
        column = column.to_list() if listed else as_numpy(column)
    return new_column(column, backend)


def _array(container: Container, values: Float, known: Known) -> Any:
    """Return an array of which cells are known."""
    fitted = container.dtypes[0]
    columns = {j: column for j, column in known.columns.items() if column is not None}
    given = {j: _as_array(column, fitted) for j, column in columns.items()}
    values = np.where(values == OTHER, 0.0, values)  # which is not kept: these cells are known
    every = len(given) == values.shape[1]
    rows = container.rows(values) if not every else None
    of_both = [fitted if rows is None else rows.dtype, *(c.dtype for c in given.values())]
    dtype = fitted if all(d == fitted for d in of_both) else _result_type(of_both)
    if rows is None:
        rows = _drawn_array(container.fields, values, dtype)
    rows = rows.astype(dtype)
    for j, column in given.items():
        where = known.cells[:, j]
        rows[where, j] = column[known.rows[where]]
    return rows


def _result_type(dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    numbers = all(dtype.kind in "biuf" for dtype in dtypes)
    return np.result_type(*dtypes) if numbers else np.dtype(object)


def _as_array(column: Any, fitted: np.dtype[Any]) -> NDArray[Any]:
    """Return a column as an array; of Python objects one as in ``fit``, if that holds them."""
    if isinstance(column, list):
        return _listed(column, fitted)
    if not isinstance(column, nw.Series):
        return np.asarray(column)
    return as_numpy(column)


def _listed(column: list[Any], fitted: np.dtype[Any]) -> NDArray[Any]:
    """Return Python objects as an array of the dtype of ``fit``, if that holds what is known."""
    is_known = np.array([not is_missing(cell) for cell in column], dtype=bool)
    known = [cell for cell, seen in zip(column, is_known, strict=True) if seen]
    own = np.asarray(known) if known else np.zeros(0, fitted)
    if own.dtype.kind not in "biuf":
        own = np.fromiter(known, dtype=object, count=len(known))
    elif fitted.kind in "biuf" and (own.astype(fitted) == own).all():
        own = own.astype(fitted)
    array = np.zeros(len(column), own.dtype)
    array[is_known] = own
    return array


def _drawn_array(fields: list[Field], values: Float, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return completed values as an array of a dtype."""
    columns = [_drawn(field, column, dtype) for field, column in zip(fields, values.T, strict=True)]
    return np.stack(columns, axis=1)


def _drawn(field: Field, column: Float, dtype: np.dtype[Any]) -> NDArray[Any]:
    cells, seen = np.full(len(column), np.nan, dtype=object), ~np.isnan(column)
    nothing = field.is_category and not field.levels
    cells[seen] = 0.0 if nothing else field.values(column[seen])
    kind = KINDS.get(dtype.newbyteorder("=").name)
    if kind is None or dtype.kind == "b" or not seen.any():
        return cells.astype(dtype)
    return within(cells.astype(float), kind()).astype(dtype)
