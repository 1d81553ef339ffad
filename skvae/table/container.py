"""Container: what rows come in - an array or a DataFrame - as numbers, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from .times import Clock, Float

#: Up to this size every integer is a float.
EXACT = 2**53
#: What a column can hold. Categories are read as their numbers, times as the units passed since
#: the first of them.
ROLES = ("number", "integer", "boolean", "category", "ordered", "time")


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
    """

    name: Hashable
    role: str = "number"
    levels: tuple[Any, ...] = ()
    clock: Clock | None = None

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
            return float(value) if self.clock is None else self.clock.tick(value)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"Column {self.name!r} cannot have the value {value!r}: {error}."
            ) from error

    def value(self, number: float) -> Any:
        """Return the value that is read as a number."""
        return _write(self, np.array([number])).tolist()[0]


class Container:
    """The columns of a table, and what they came in.

    Parameters
    ----------
    fields : sequence of Field
    backend : str or None
        The DataFrame library, by the name ``narwhals`` has for it; None for an array.
    dtypes : sequence
        Native dtypes, one a column; one for all of an array.
    """

    def __init__(
        self, fields: Sequence[Field], backend: str | None = None, dtypes: Sequence[Any] = ()
    ):
        self.fields, self.backend, self.dtypes = list(fields), backend, list(dtypes)

    @property
    def names(self) -> list[Hashable]:
        """The names of the columns."""
        return [field.name for field in self.fields]

    def subset(self, positions: Sequence[int]) -> Container:
        """Return the container of some of the columns."""
        dtypes = self.dtypes if self.backend is None else [self.dtypes[j] for j in positions]
        return Container([self.fields[j] for j in positions], self.backend, dtypes)

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
        native = frame.to_native()
        # Only pandas has names that are not strings.
        names = list(native.columns)
        marked = categorical or [False] * len(names)
        fields = [
            _learn(name, frame.get_column(label), is_category)
            for name, label, is_category in zip(names, frame.columns, marked, strict=True)
        ]
        dtypes = [_native_dtype(frame.get_column(label)) for label in frame.columns]
        return cls(fields, frame.implementation.name.lower(), dtypes)

    @classmethod
    def _of_array(cls, X: NDArray[Any], categorical: Sequence[bool] | None) -> Container:
        role = {"i": "integer", "u": "integer", "b": "boolean"}.get(X.dtype.kind, "number")
        marked = categorical or [False] * X.shape[1]
        fields = [
            Field(j, "category", _distinct(X[:, j].tolist())) if is_category else Field(j, role)
            for j, is_category in enumerate(marked)
        ]
        return cls(fields, None, [X.dtype])

    def values(self, X: Any) -> Float:
        """Return the rows of a DataFrame or an array as numbers, (n, c).

        Raises
        ------
        ValueError, TypeError
            If a column holds something else than it did, or a category not seen in ``fit``.
        """
        frame = as_frame(X)
        if frame is None:
            array = np.asarray(X)
            columns: list[Any] = [array[:, j] for j in range(array.shape[1])]
        else:
            columns = [frame.get_column(label) for label in frame.columns]
        values = np.empty((len(X), len(self.fields)))
        for j, (field, column) in enumerate(zip(self.fields, columns, strict=True)):
            values[:, j] = _read(field, column)
        return values

    def partial_values(self, X: Any) -> Float:
        """Return the rows of a DataFrame as numbers, NaN for columns that it does not have.

        Raises
        ------
        ValueError, TypeError
            As :meth:`values`.
        """
        frame = as_frame(X)
        assert frame is not None
        native_names = list(frame.to_native().columns)
        values = np.full((len(frame), len(self.fields)), np.nan)
        for j, field in enumerate(self.fields):
            if field.name in native_names:
                label = frame.columns[native_names.index(field.name)]
                values[:, j] = _read(field, frame.get_column(label))
        return values

    def rows(self, values: Float) -> Any:
        """Put values (n, c) into the container, with the dtypes of the columns.

        Integers come back as such where every value is one; elsewhere a continuous likelihood, or
        a mean, has made fractions, which stay floats.
        """
        columns = [_write(f, column) for f, column in zip(self.fields, values.T, strict=True)]
        if self.backend is None:
            return _array(columns, self.dtypes[0])
        are_labels = all(isinstance(name, str) for name in self.names)
        labels: list[Any] = self.names if are_labels else [str(j) for j in range(len(self.names))]
        if self.backend == "polars":  # which knows what a list holds, but not an array of objects
            columns = [c.tolist() if c.dtype == object else c for c in columns]
        backend: Any = self.backend
        frame = nw.from_dict(dict(zip(labels, columns, strict=True)), backend=backend)
        native = _typed(frame, self.fields, columns, dict(zip(labels, self.dtypes, strict=True)))
        if labels != self.names:
            native.columns = self.names
        return native


def as_frame(X: Any) -> nw.DataFrame[Any] | None:
    """Return a DataFrame of any library as one of narwhals, without copying; None for others."""
    frame = nw.from_native(X, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        raise TypeError("X is a lazy frame: collect its rows first, by X.collect() in polars.")
    return frame if isinstance(frame, nw.DataFrame) else None


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


def _learn(name: Hashable, series: nw.Series[Any], is_category: bool) -> Field:
    dtype = series.dtype
    if _is_empty(series):  # polars has a dtype for columns without a value
        return Field(name)
    if isinstance(dtype, nw.Enum):
        return Field(name, "ordered", tuple(dtype.categories))
    if isinstance(dtype, nw.Categorical | nw.String) or is_category:
        return Field(name, "category", _categories(series))
    if dtype.is_integer():
        return Field(name, "integer")
    if dtype.is_numeric():
        return Field(name, "integer" if _hides_integers(series) else "number")
    if dtype == nw.Boolean:
        return Field(name, "boolean")
    if dtype.is_temporal() and dtype != nw.Time:
        return Field(name, "time", clock=Clock.of(series))
    if dtype == nw.Object:
        return _learn_objects(name, series.to_list())
    raise TypeError(
        f"Column {name!r} has dtype {_native_dtype(series)}, but columns must hold numbers, "
        "booleans, times or categories. Convert it or drop it."
    )


def _is_empty(series: nw.Series[Any]) -> bool:
    """Whether a column of no known dtype has no value."""
    return isinstance(series.dtype, nw.Unknown) and series.null_count() == len(series)


def _hides_integers(series: nw.Series[Any]) -> bool:
    """Whether a column of floats holds integers that are floats only because some are missing."""
    values = series.cast(nw.Float64).to_numpy()
    seen = values[~np.isnan(values)]
    if len(seen) in (0, len(values)):
        return False
    return bool((np.abs(seen) < EXACT).all() and (seen == np.round(seen)).all())


def _learn_objects(name: Hashable, values: list[Any]) -> Field:
    """Learn a column of Python objects by what they are."""
    kinds = {type(value) for value in values if not is_missing(value)}
    if kinds <= {bool, np.bool_} and kinds:
        return Field(name, "boolean")
    if all(issubclass(kind, int | float | np.number) for kind in kinds):
        return Field(name, "number")
    if kinds == {str}:
        return Field(name, "category", _distinct(values))
    raise TypeError(
        f"Column {name!r} holds objects of types {sorted(kind.__name__ for kind in kinds)}, but "
        "columns must hold numbers, booleans, times or categories. Convert it or drop it."
    )


def _native_dtype(series: nw.Series[Any]) -> Any:
    return series.to_native().dtype


def _categories(series: nw.Series[Any]) -> tuple[Any, ...]:
    """Return the categories of a column, in the order of its dtype where that has one."""
    declared = getattr(_native_dtype(series), "categories", None)
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
    # Whether NA differs from itself is NA.
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def _read(field: Field, column: Any) -> Any:
    """Return the numbers of a column; missing values are NaN."""
    if not len(column):
        return np.empty(0)  # its dtype may be anybody's guess
    if isinstance(column, nw.Series) and column.null_count() == len(column):
        return np.full(len(column), np.nan)  # so may that of a column without a value
    if field.is_category:
        return _codes(field, column.to_list() if isinstance(column, nw.Series) else column.tolist())
    if not isinstance(column, nw.Series):
        return column.astype(float) if column.dtype.kind in "biuf" else _floats(field, column)
    dtype = column.dtype
    if field.clock is not None:
        if not (dtype.is_temporal() and isinstance(dtype, nw.Duration) == field.clock.is_duration):
            raise TypeError(_wrong_dtype(field, "times", dtype))
        if (getattr(dtype, "time_zone", None) is None) != (field.clock.zone is None):
            of_fit = f"times of the zone {field.clock.zone}" if field.clock.zone else "no time zone"
            raise TypeError(_wrong_dtype(field, of_fit, dtype))
        return field.clock.ticks(column)
    if not (dtype.is_numeric() or dtype == nw.Boolean or dtype == nw.Object):
        raise TypeError(_wrong_dtype(field, "numbers", dtype))
    if dtype == nw.Object or dtype == nw.Boolean:
        return _floats(field, column.to_list())
    if dtype.is_integer():
        check_exact(field.name, [column.min(), column.max()])
    return column.cast(nw.Float64).to_numpy()


def _floats(field: Field, values: Iterable[Any]) -> Float:
    """Return Python objects as numbers."""
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


def _codes(field: Field, values: list[Any]) -> Float:
    """Return the numbers of categories."""
    number = {level: float(code) for code, level in enumerate(field.levels)}
    codes = np.array([number.get(value, -1.0) if _hashable(value) else -1.0 for value in values])
    for row in np.flatnonzero(codes < 0):
        if not is_missing(values[row]):
            raise ValueError(
                f"Column {field.name!r} holds the category {values[row]!r} in row {row}, which was "
                f"not there in fit. Known: {_some(field.levels)}. Drop the row, or fit with a "
                "dtype that has the category."
            )
        codes[row] = np.nan
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
    if field.is_category:
        levels = np.empty(len(field.levels), dtype=object)
        levels[:] = field.levels
        return levels[values.astype(int)]
    if field.clock is not None:
        return field.clock.times(values)
    if field.role == "boolean":
        return values > 0.5
    whole = (values == np.round(values)) & (np.abs(values) < 2.0**63)
    if field.role == "integer" and whole.all():
        return values.astype(np.int64)
    return values


def _array(columns: list[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Join columns into an array, of the dtype of the fitted one where its values fit."""
    if dtype.kind in "biuf":  # categories, whose numbers are the array's own
        columns = [c.astype(dtype) if c.dtype == object else c for c in columns]
    joined = np.stack(columns, axis=1)
    whole = joined.dtype.kind in "iub"
    if dtype.kind == "f" or (dtype.kind in "iu" and whole and _fits(joined, dtype)):
        return joined.astype(dtype)
    return joined


def _fits(values: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    """Whether an integer dtype can hold integer values."""
    limits = np.iinfo(dtype)
    return not len(values) or bool(limits.min <= values.min() and values.max() <= limits.max)


def _typed(
    frame: nw.DataFrame[Any],
    fields: list[Field],
    columns: list[NDArray[Any]],
    dtypes: dict[str, Any],
) -> Any:
    """Return a native DataFrame whose columns have the dtypes they can have."""
    zones = [
        nw.col(label).dt.replace_time_zone("UTC").dt.convert_time_zone(field.clock.zone)
        for label, field in zip(dtypes, fields, strict=True)
        if field.clock is not None and field.clock.zone
    ]
    native = frame.with_columns(zones).to_native()
    cast: Callable[[dict[str, Any]], Any] = getattr(native, "astype", None) or native.cast
    kept = {
        label: dtype
        for (label, dtype), field, column in zip(dtypes.items(), fields, columns, strict=True)
        if field.role != "integer" or column.dtype == object or _holds(dtype, column)
    }
    return cast(kept)


def _holds(dtype: Any, values: NDArray[Any]) -> bool:
    """Whether the native dtype of a column of integers can hold values."""
    name = str(dtype).lower()
    if "float" in name or "double" in name:  # because some integers were missing
        return True
    if values.dtype.kind != "i":
        return False
    try:
        return _fits(values, np.dtype(name))
    except TypeError:
        return True
