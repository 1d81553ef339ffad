"""Native: columns as they came, whatever library they are of, and what they are said to hold."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
from narwhals.dtypes import DType
from numpy.typing import NDArray

#: A column of a DataFrame of any library.
Series = nw.Series[Any]

#: NumPy's name of every number that a DataFrame may hold. Of 128 bits it has none: whatever an
#: integer of so many holds has been refused beyond 2**53.
NUMPY: dict[type[DType], str] = {
    nw.Boolean: "bool",
    nw.Int8: "int8",
    nw.Int16: "int16",
    nw.Int32: "int32",
    nw.Int64: "int64",
    nw.Int128: "int64",
    nw.UInt8: "uint8",
    nw.UInt16: "uint16",
    nw.UInt32: "uint32",
    nw.UInt64: "uint64",
    nw.UInt128: "uint64",
    nw.Float16: "float16",
    nw.Float32: "float32",
    nw.Float64: "float64",
}
KINDS: dict[str, type[DType]] = {
    name: kind for kind, name in NUMPY.items() if "128" not in kind.__name__
}


def as_frame(X: Any) -> nw.DataFrame[Any] | None:
    """Return a DataFrame of any library as one of narwhals, without copying; None for others.

    Raises
    ------
    TypeError
        If X is lazy, or of pyarrow.
    """
    if type(X).__module__.partition(".")[0] == "pyarrow":
        raise TypeError(
            f"X is a pyarrow.{type(X).__name__}, but expected a DataFrame or an array. Give "
            "X.to_pandas(), or polars.from_arrow(X)."
        )
    frame = nw.from_native(X, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        raise TypeError("X is a lazy frame: collect its rows first, by X.collect() in polars.")
    return frame if isinstance(frame, nw.DataFrame) else None


def as_array(rows: Any) -> NDArray[Any]:
    """Return rows as an array that keeps what they are."""
    if isinstance(rows, np.ma.MaskedArray):
        return _unmasked(rows)
    array = np.asarray(rows)
    # Of numbers and strings NumPy makes strings.
    return np.asarray(rows, dtype=object) if array.dtype.kind in "SU" else array


def _unmasked(rows: np.ma.MaskedArray[Any, Any]) -> NDArray[Any]:
    """Return a masked array as one in which what is masked is NaN."""
    kind = rows.dtype.kind
    values = (
        rows.data if kind in "fO" else rows.data.astype(np.float64 if kind in "biu" else object)
    )
    return np.where(np.ma.getmaskarray(rows), np.nan, values)


def backend_of(frame: nw.DataFrame[Any] | Series) -> str:
    """Return the library of a frame or a column, by the name ``narwhals`` has for it."""
    return frame.implementation.name.lower()


def columns_of(X: Any) -> list[Any]:
    """Return the columns of a DataFrame, or of an array, in their order."""
    frame = as_frame(X)
    if frame is not None:
        return [frame.get_column(label) for label in frame.columns]
    array = as_array(X)
    return [array[:, j] for j in range(array.shape[1])]


def dtype_of(series: Series) -> Any:
    """Return the dtype that a column has in its own library."""
    return series.to_native().dtype


def kind_of(series: Series) -> DType:
    """Return what a column holds: by its own dtype where narwhals guesses, or does not know.

    It guesses what objects are by the first hundred, and knows neither numbers in another order of
    bytes nor every time zone.
    """
    dtype = dtype_of(series)
    if isinstance(dtype, np.dtype):
        if dtype.kind == "O":
            return nw.Object()
        if dtype.newbyteorder("=").name in KINDS:
            return KINDS[dtype.newbyteorder("=").name]()
    if isinstance(series.dtype, nw.Unknown) and getattr(dtype, "tz", None) is not None:
        return nw.Datetime(dtype.unit, str(dtype.tz))
    return series.dtype


def plain(series: Series) -> Series:
    """Return a column as narwhals reads it: dense, in this machine's byte order, times in UTC."""
    dtype = dtype_of(series)
    if hasattr(series.to_native(), "sparse"):
        return series_of(series.to_native().sparse.to_dense())
    if isinstance(dtype, np.dtype) and not dtype.isnative:
        return cast(series, dtype.newbyteorder("="))
    if isinstance(series.dtype, nw.Unknown) and getattr(dtype, "tz", None) is not None:
        return series_of(series.to_native().dt.tz_convert("UTC"))
    return series


def series_of(native: Any) -> Series:
    """Return a column of any library as one of narwhals."""
    return nw.from_native(native, series_only=True)


def from_zero(series: Series) -> Series:
    """Return a column whose rows are counted from zero, where its library has an index."""
    native = series.to_native()
    return series_of(native.reset_index(drop=True)) if hasattr(native, "reset_index") else series


def cast(series: Series, dtype: Any) -> Series:
    """Return a column with a dtype of its own library."""
    native = series.to_native()
    if native.dtype == dtype:
        return series
    return series_of(native.astype(dtype) if hasattr(native, "astype") else native.cast(dtype))


def is_object(dtype: Any) -> bool:
    """Whether a native dtype is that of Python objects."""
    return str(dtype).lower() == "object"


def new_column(values: Any, backend: str) -> Series:
    """Make a column of a library from an array or a list."""
    if backend == "polars" and isinstance(values, np.ndarray) and values.dtype == object:
        values = values.tolist()  # polars knows what a list holds, but not an array of objects
    return nw.new_series("column", values, backend=backend)  # type: ignore[arg-type]


def objects(values: list[Any], dtype: Any, backend: str) -> Series:
    """Make a column of Python objects, which stay what they are."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    if backend == "polars":
        return nw.new_series("column", values, nw.Object(), backend="polars")
    return cast(new_column(array, backend), dtype)


def empty(dtype: Any, backend: str) -> Series:
    """Return a column of no rows."""
    return cast(new_column(np.empty(0, dtype=object), backend), dtype)


def as_numpy(series: Series) -> NDArray[Any]:
    """Return a column as an array, of the dtype nearest to its own."""
    if is_object(dtype_of(series)) or isinstance(kind_of(series), nw.Decimal):
        array = np.empty(len(series), dtype=object)
        array[:] = series.to_list()
        return array
    kind = kind_of(series)
    if kind.is_temporal() and getattr(kind, "time_zone", None):
        series = plain(series).dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return series.to_numpy()
