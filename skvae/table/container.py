"""Container: what rows come in - an array or a DataFrame - as numbers, and back."""

from __future__ import annotations

import dataclasses
import decimal
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any

import narwhals as nw
import numpy as np
from narwhals.dtypes import DType
from numpy.typing import NDArray

from .dtypes import EXACT, is_number, within
from .native import (
    KINDS,
    Series,
    as_frame,
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
from .times import Clock, Float

#: What a column can hold. Categories are read as their numbers, times as the units passed since
#: the first of them, identifiers as 0.
ROLES = ("number", "integer", "boolean", "category", "ordered", "time", "identifier")
#: The number of every category that was not there in ``fit``, where such are let in.
OTHER = -np.inf


@dataclasses.dataclass(frozen=True)
class Field:
    """One column as the user has it.

    Attributes
    ----------
    name : hashable
        The DataFrame's name, or the position in an array.
    role : str
        One of ``ROLES``.
    levels : tuple
        The categories of a column that has them, in their order.
    clock : Clock or None
        How times are read.
    identity : object or None
        Which draws identifiers, see :class:`skvae.table.identifiers.Identity`.
    """

    name: Hashable
    role: str = "number"
    levels: tuple[Any, ...] = ()
    clock: Clock | None = None
    identity: Any = None

    @property
    def is_category(self) -> bool:
        """Whether the column holds categories."""
        return self.role in ("category", "ordered")

    def number(self, value: Any) -> float:
        """Return the number that a value is read as.

        Raises
        ------
        ValueError
            If the column cannot have it.
        """
        if self.is_category and value in self.levels:
            return float(self.levels.index(value))
        try:
            if self.is_category:
                raise ValueError(f"known are {_some(self.levels)}")
            return float(value if self.clock is None else self.clock.tick(value))
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"Column {self.name!r} cannot have the value {value!r}: {error}."
            ) from error

    def value(self, number: float) -> Any:
        """Return the value that is read as a number."""
        return self.values(np.array([number]))[0]

    def values(self, numbers: Float) -> list[Any]:
        """Return the values that are read as numbers, as Python objects."""
        return _write(self, numbers).tolist()


class Container:
    """The columns of a table, and what they came in.

    Parameters
    ----------
    fields : sequence of Field
    backend : str or None
        The DataFrame library, by the name ``narwhals`` has for it; None for an array.
    dtypes : sequence
        Native dtypes, one a column; one for all of an array.
    labels : Index or sequence, optional
        The columns of a DataFrame as it has them: in pandas they may have levels and a name.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        backend: str | None = None,
        dtypes: Sequence[Any] = (),
        labels: Any = None,
    ):
        self.fields, self.backend, self.dtypes = list(fields), backend, list(dtypes)
        self.labels = labels

    @property
    def names(self) -> list[Hashable]:
        """The names of the columns."""
        return [field.name for field in self.fields]

    def subset(self, positions: Sequence[int]) -> Container:
        """Return the container of some of the columns."""
        dtypes = self.dtypes if self.backend is None else [self.dtypes[j] for j in positions]
        labels = self.labels[list(positions)] if hasattr(self.labels, "take") else None
        return Container([self.fields[j] for j in positions], self.backend, dtypes, labels)

    @classmethod
    def of(cls, X: Any, categorical: Sequence[bool] | None = None) -> Container:
        """Learn the columns of a DataFrame or of a two-dimensional array.

        Parameters
        ----------
        X : DataFrame or ndarray
        categorical : sequence of bool, optional
            Which columns hold categories whatever their dtype.

        Raises
        ------
        TypeError
            If a column holds neither numbers, booleans, times nor categories.
        """
        frame = as_frame(X)
        if frame is None:
            return cls._of_array(np.asarray(X), categorical)
        labels, columns = frame.to_native().columns, columns_of(X)
        marked = categorical or [False] * len(columns)
        fields = [_learn(*each) for each in zip(labels, columns, marked, strict=True)]
        return cls(fields, backend_of(frame), [dtype_of(column) for column in columns], labels)

    @classmethod
    def _of_array(cls, X: NDArray[Any], categorical: Sequence[bool] | None) -> Container:
        role = {"i": "integer", "u": "integer", "b": "boolean"}.get(X.dtype.kind, "number")
        marked = categorical or [False] * X.shape[1]
        fields = [
            Field(j, "category", _distinct(column.tolist()))
            if is_category
            else Field(j, "integer" if X.dtype.kind == "f" and _are_integers(column) else role)
            for j, (is_category, column) in enumerate(zip(marked, X.T, strict=True))
        ]
        return cls(fields, None, [X.dtype])

    def values(self, X: Any, open_to: Collection[int] = ()) -> Float:
        """Return the rows of a DataFrame or an array as numbers, (n, c).

        In columns at the positions ``open_to``, categories that were not there in ``fit`` are
        :data:`OTHER`.

        Raises
        ------
        ValueError, TypeError
            If a column holds something else than it did, or a category not seen in ``fit``.
        """
        values = np.empty((len(X), len(self.fields)))
        for j, (field, column) in enumerate(zip(self.fields, columns_of(X), strict=True)):
            values[:, j] = _read(field, column, j in open_to)
        return values

    def partial_values(self, X: Any, open_to: Collection[int] = ()) -> Float:
        """Return the rows of a DataFrame as numbers, NaN for columns that it does not have.

        Raises
        ------
        ValueError, TypeError
            As :meth:`values`.
        """
        frame = as_frame(X)
        assert frame is not None
        names, columns = list(frame.to_native().columns), columns_of(X)
        values = np.full((len(frame), len(self.fields)), np.nan)
        for j, field in enumerate(self.fields):
            if field.name in names:
                values[:, j] = _read(field, columns[names.index(field.name)], j in open_to)
        return values

    def rows(self, values: Float) -> Any:
        """Put values (n, c) into the container, with the dtypes of the columns.

        Integers come back as such where every value is one; elsewhere a continuous likelihood, or
        a mean, has made fractions, which stay floats.
        """
        if self.backend is None:
            columns = [_write(f, of_f) for f, of_f in zip(self.fields, values.T, strict=True)]
            return _array(columns, self.dtypes[0])
        return join(self, [self.column(j, column) for j, column in enumerate(values.T)])

    def numbers(self, values: Float) -> Any:
        """Put numbers (n, c) into the container, floats whatever its columns are; NaN stays NaN."""
        if self.backend is None:
            return values
        return join(self, [new_column(column, self.backend) for column in values.T])

    def drawn(self, values: Float) -> Float:
        """Return drawn values (n, c) as columns of integers hold them, whatever they were drawn by.

        Their dtype is that of ``fit`` then.
        """
        held = values.copy()
        for j, field in enumerate(self.fields):
            if field.role == "integer":
                held[:, j] = within(np.round(values[:, j]), self._kind(j))
        return held

    def _kind(self, j: int) -> DType:
        """Return what the dtype of a column is of."""
        if self.backend is not None:
            return kind_of(empty(self.dtypes[j], self.backend))
        return KINDS[self.dtypes[0].newbyteorder("=").name]()

    def column(self, j: int, values: Float) -> Series:
        """Return the values of one column with its dtype, or one that can hold them."""
        assert self.backend is not None
        field, dtype, column = self.fields[j], self.dtypes[j], _write(self.fields[j], values)
        if is_object(dtype):
            return objects(column.tolist(), dtype, self.backend)
        kind = self._kind(j)
        if column.dtype.kind == "f" and kind.is_float():
            column = within(column, kind)
        if column.dtype.kind == "f" and isinstance(kind, nw.Decimal):  # which has no NaN
            column = column.astype(object)
            column[np.isnan(values)] = None
        series = _in_zone(new_column(column, self.backend), field)
        if field.role == "integer" and column.dtype != object and not _holds(dtype, column):
            return series
        return cast(series, dtype)


def join(container: Container, columns: Sequence[Series]) -> Any:
    """Return a native DataFrame of columns."""
    frames = [from_zero(c).alias(str(j)).to_frame() for j, c in enumerate(columns)]
    native = nw.concat(frames, how="horizontal").to_native()
    native.columns = container.names if container.labels is None else container.labels
    return native


def written(field: Field, values: Float, dtype: Any, backend: str) -> Series:
    """Return values as a column of a dtype, whatever it takes: whole, and within its ends."""
    if is_object(dtype):
        return objects(field.values(values), dtype, backend)
    kind = kind_of(empty(dtype, backend))
    if isinstance(kind, nw.Unknown):  # polars has a dtype without values
        return new_column(values, backend)
    if field.role == "identifier" or (field.is_category and (field.levels or not is_number(kind))):
        return cast(new_column(_write(field, values), backend), dtype)
    if field.clock is not None:
        times = field.clock.times(values, getattr(kind, "time_unit", field.clock.unit))
        return cast(_in_zone(new_column(times, backend), field), dtype)
    numbers = within((values > 0.5).astype(float) if field.role == "boolean" else values, kind)
    if isinstance(kind, nw.Decimal):
        return cast(new_column([_decimal(x, kind.scale) for x in numbers], backend), dtype)
    whole = kind.is_integer() or kind == nw.Boolean()
    return cast(new_column(numbers.astype(np.int64) if whole else numbers, backend), dtype)


def _decimal(number: float, scale: int) -> decimal.Decimal:
    return decimal.Decimal(f"{number:.{scale}f}")


def _in_zone(series: Series, field: Field) -> Series:
    """Return times, which are in UTC, with a zone where their column has one."""
    if field.clock is None or not field.clock.zone or not series.dtype.is_temporal():
        return series
    return series.dt.replace_time_zone("UTC")


def with_index_of(X: Any, rows: Any) -> Any:
    """Give rows the index of X, where both are DataFrames that have one."""
    if as_frame(X) is not None and hasattr(X, "index") and hasattr(rows, "index"):
        rows.index = X.index
    return rows


def categorical_mask(given: Any, X: Any) -> list[bool]:
    """Return which columns of X hold categories whatever their dtype; see :func:`column_mask`."""
    named = hasattr(X, "columns")
    names = list(X.columns) if named else list(range(np.shape(X)[1]))
    return column_mask(None if isinstance(given, str) else given, names, "categorical_features")


def column_mask(given: Any, names: list[Hashable], parameter: str) -> list[bool]:
    """Return which columns a parameter names.

    Parameters
    ----------
    given : None, or array-like
        Names, positions, or a mask.
    names : list
        Of the columns; the positions where they have none.
    parameter : str
        Its name, for errors.

    Raises
    ------
    ValueError
        If it names a column that there is not.
    """
    n = len(names)
    chosen = [] if given is None else list(np.asarray(given, dtype=object).ravel())
    if chosen and all(isinstance(item, bool | np.bool_) for item in chosen):
        if len(chosen) != n:
            raise ValueError(f"{parameter} is a mask of {len(chosen)} columns, but X has {n}.")
        return [bool(item) for item in chosen]
    positions = [names.index(item) if item in names else item for item in chosen]
    wrong = [p for p in positions if not isinstance(p, int | np.integer) or not 0 <= p < n]
    if wrong:
        has = f"{n} columns" if names == list(range(n)) else f"columns {names}"
        raise ValueError(f"{parameter} names columns {wrong}, which X does not have. X has {has}.")
    return [j in positions for j in range(n)]


# ---------------------------------------------------------------- one column


def _learn(name: Hashable, series: Series, is_category: bool) -> Field:
    kind = kind_of(series)
    if isinstance(kind, nw.Unknown) and series.null_count() == len(series):
        return Field(name)  # polars has a dtype for columns without a value
    if isinstance(kind, nw.Enum):
        return Field(name, "ordered", tuple(kind.categories))
    if isinstance(kind, nw.Categorical | nw.String) or is_category:
        return Field(name, "category", _categories(series))
    if kind.is_integer():
        return Field(name, "integer")
    if kind.is_numeric():
        hidden = kind.is_float() and _are_integers(plain(series).cast(nw.Float64).to_numpy())
        return Field(name, "integer" if hidden else "number")
    if kind == nw.Boolean:
        return Field(name, "boolean")
    if kind.is_temporal() and kind != nw.Time:
        return Field(name, "time", clock=Clock.of(plain(series), getattr(kind, "time_zone", None)))
    if kind == nw.Object:
        return _learn_objects(name, series.to_list())
    raise TypeError(
        f"Column {name!r} has dtype {dtype_of(series)}, but columns must hold numbers, "
        "booleans, times or categories. Convert it or drop it."
    )


def _are_integers(values: NDArray[Any]) -> bool:
    """Whether floats are integers that are floats only because some are missing."""
    seen = values[~np.isnan(values)]
    if len(seen) in (0, len(values)):
        return False
    return bool((np.abs(seen) < EXACT).all() and (seen == np.round(seen)).all())


def _learn_objects(name: Hashable, values: list[Any]) -> Field:
    """Learn a column of Python objects by what they are."""
    kinds = {type(value) for value in values if not is_missing(value)}
    if kinds <= {bool, np.bool_} and kinds:
        return Field(name, "boolean")
    if all(issubclass(kind, int | float | np.number | decimal.Decimal) for kind in kinds):
        return Field(name, "number")
    if kinds and all(issubclass(kind, str) for kind in kinds):
        return Field(name, "category", _distinct(values))
    raise TypeError(
        f"Column {name!r} holds objects of types {sorted(kind.__name__ for kind in kinds)}, but "
        "columns must hold numbers, booleans, times or categories. Convert it or drop it."
    )


def _categories(series: Series) -> tuple[Any, ...]:
    """Return the categories of a column, in the order of its dtype where that has one."""
    declared = getattr(dtype_of(series), "categories", None)
    if declared is not None and hasattr(declared, "tolist"):  # pandas
        return tuple(declared.tolist())
    return _distinct(series.to_list())


def _distinct(values: list[Any]) -> tuple[Any, ...]:
    """Return distinct values, sorted, without missing ones."""
    distinct = {value for value in values if not is_missing(value)}
    try:
        return tuple(sorted(distinct))
    except TypeError:  # numbers among strings
        return tuple(sorted(distinct, key=lambda value: (type(value).__name__, value)))


def is_missing(value: Any) -> bool:
    """Whether a Python object stands for a missing value."""
    # Whether NA differs from itself is NA, and of arrays there is an answer for each number.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, decimal.Decimal):
        return value.is_nan()  # which one that signals does not say
    return np.isscalar(value) and bool(value != value)


def _read(field: Field, column: Any, is_open: bool) -> Any:
    """Return the numbers of a column; missing values are NaN."""
    if not len(column):
        return np.empty(0)  # its dtype may be anybody's guess
    if isinstance(column, nw.Series) and column.null_count() == len(column):
        return np.full(len(column), np.nan)  # so may that of a column without a value
    if field.is_category or field.role == "identifier":
        values = column.to_list() if isinstance(column, nw.Series) else column.tolist()
        if field.role == "identifier":
            return _read_identifiers(field, values)
        return _codes(field, values, is_open)
    numbers = _numbers(field, column)
    if field.role == "boolean":
        refuse_beyond_boolean(field, numbers)
    return numbers


def _numbers(field: Field, column: Any) -> Any:
    """Return the numbers of a column without categories."""
    if not isinstance(column, nw.Series):
        return column.astype(float) if column.dtype.kind in "biuf" else _floats(field, column)
    kind, column = kind_of(column), plain(column)
    if field.clock is not None:
        return _ticks(field, field.clock, column, kind)
    if kind == nw.Object or kind == nw.Boolean:
        return _floats(field, column.to_list())
    if not kind.is_numeric():
        raise TypeError(_wrong_dtype(field, "numbers", kind))
    if kind.is_integer():
        check_exact(field.name, [column.min(), column.max()])
    return column.cast(nw.Float64).to_numpy()


def _ticks(field: Field, clock: Clock, column: Series, kind: Any) -> Any:
    if not (kind.is_temporal() and isinstance(kind, nw.Duration) == clock.is_duration):
        raise TypeError(_wrong_dtype(field, "times", kind))
    if (getattr(kind, "time_zone", None) is None) != (clock.zone is None):
        of_fit = f"times of the zone {clock.zone}" if clock.zone else "no time zone"
        raise TypeError(_wrong_dtype(field, of_fit, kind))
    try:
        return clock.ticks(column)
    except OverflowError as error:
        raise ValueError(f"Column {field.name!r} {error}") from None


def refuse_beyond_boolean(field: Field, numbers: Float) -> None:
    """Raise ValueError naming the row of the first number that no boolean is."""
    wrong = np.flatnonzero(~np.isnan(numbers) & ~np.isin(numbers, (0.0, 1.0)))
    if len(wrong):
        raise ValueError(
            f"Column {field.name!r} held booleans in fit, which are 0 and 1. Got "
            f"{numbers[wrong[0]]:g} in row {wrong[0]}. Correct the row, or fit with integers."
        )


def _floats(field: Field, values: Iterable[Any]) -> Float:
    """Return Python objects as numbers."""
    values = list(values)
    if any(isinstance(value, str | bytes) for value in values):
        row = next(i for i, value in enumerate(values) if isinstance(value, str | bytes))
        raise ValueError(
            f"Column {field.name!r} cannot have the value {values[row]!r} of row {row}, a string: "
            "it held numbers in fit. Convert it."
        )
    return np.array([np.nan if is_missing(value) else field.number(value) for value in values])


def check_exact(name: Hashable, integers: Iterable[Any]) -> None:
    """Raise ValueError naming the column of an integer that a float holds only roughly."""
    if any(abs(int(n)) > EXACT for n in integers):
        raise ValueError(
            f"Column {name!r} holds integers beyond 2**53, of which a float cannot tell one "
            "from the next. Drop it if it is an identifier, make its values strings if they are "
            "names, or subtract what they have in common."
        )


def _wrong_dtype(field: Field, expected: str, dtype: Any) -> str:
    return (
        f"Column {field.name!r} has dtype {dtype}, but it held {expected} in fit. Convert it to "
        "what it was."
    )


def _codes(field: Field, values: list[Any], is_open: bool) -> Float:
    """Return the numbers of categories."""
    number = {level: float(code) for code, level in enumerate(field.levels)}
    codes = np.array([number.get(value, OTHER) if _hashable(value) else OTHER for value in values])
    for row in np.flatnonzero(codes == OTHER):
        if is_missing(values[row]):
            codes[row] = np.nan
        elif not is_open:
            raise ValueError(
                f"Column {field.name!r} holds the category {values[row]!r} in row {row}, which was "
                f"not there in fit. Known: {_some(field.levels)}. Drop the row, fit with a dtype "
                "that has the category, or set handle_unknown='floor', which takes it in all "
                "columns but those of context_features."
            )
    return codes


def _hashable(value: Any) -> bool:
    return value.__hash__ is not None


def _some(levels: Sequence[Any], n: int = 10) -> str:
    shown = ", ".join(repr(level) for level in levels[:n])
    return shown + (f" and {len(levels) - n} more" if len(levels) > n else "")


def _write(field: Field, values: Float) -> NDArray[Any]:
    """Return a column of the user's kind; one that is NaN throughout has no values."""
    if len(values) and np.isnan(values).all():
        return np.full(len(values), None, dtype=object)
    if field.role == "identifier":
        return _drawn_identifiers(field, values)
    if field.is_category:
        levels = np.full(max(len(field.levels), 1) + 1, None, dtype=object)
        levels[:-1] = field.levels or ("",)
        return levels[np.where(np.isnan(values), -1, values).astype(int)]
    if field.clock is not None:
        return field.clock.times(values)
    if field.role == "boolean":
        return values > 0.5
    whole = (values == np.round(values)) & (np.abs(values) < 2.0**63)
    if field.role == "integer" and whole.all():
        return values.clip(-EXACT, EXACT).astype(np.int64)
    return values


def _read_identifiers(field: Field, values: list[Any]) -> Float:
    """Return 0 for every identifier, of which there is nothing to know but that it is one."""
    for row, value in enumerate(values):
        if not (isinstance(value, str) or is_missing(value)):
            raise ValueError(
                f"Column {field.name!r} cannot have the value {value!r} of row {row}: it held "
                "strings in fit, each of a row of its own. Convert it."
            )
    return np.array([np.nan if is_missing(value) else 0.0 for value in values])


def _drawn_identifiers(field: Field, values: Float) -> NDArray[Any]:
    """Return new identifiers by numbers, from all of which they follow."""
    seen = ~np.isnan(values)
    strings = np.full(len(values), None, dtype=object)
    random = np.random.RandomState(int(values[seen].sum()) % 2**32)
    strings[seen] = field.identity.draw(int(seen.sum()), random)
    return strings


def _array(columns: list[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Join columns into an array, of the dtype of the fitted one where its values fit."""
    if dtype.kind in "biuf":  # categories, whose numbers are the array's own
        columns = [c.astype(dtype) if c.dtype == object else c for c in columns]
    joined = np.stack(columns, axis=1)
    whole = joined.dtype.kind in "iub"
    if dtype.kind == "f":
        largest = np.finfo(dtype).max
        return joined.astype(np.float64).clip(-largest, largest).astype(dtype)
    return joined.astype(dtype) if dtype.kind in "iu" and whole and _fits(joined, dtype) else joined


def _fits(values: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    """Whether an integer dtype can hold integer values."""
    limits = np.iinfo(dtype)
    return not len(values) or bool(limits.min <= values.min() and values.max() <= limits.max)


def _holds(dtype: Any, values: NDArray[Any]) -> bool:
    """Whether the native dtype of a column of integers can hold values."""
    name = str(getattr(dtype, "name", dtype)).lower()
    if "float" in name or "double" in name:  # because some integers were missing
        return True
    if values.dtype.kind != "i":
        return False
    try:
        return _fits(values, np.dtype(name))
    except TypeError:
        return True
