"""Frames: the dtypes, labels and scalars of pandas and polars, by closed lists of names.

Neither library is imported unless a file holds something of it.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable
from typing import Any

import numpy as np

from .checks import check, listed, matching

#: pandas' own dtypes of numbers, which may be missing.
NULLABLE = re.compile(r"boolean|U?Int(8|16|32|64)|Float(32|64)")
#: Zones by name or by their distance from UTC: no path of a file.
ZONE = re.compile(r"(?!dateutil|tzlocal)[A-Za-z][A-Za-z0-9_+\-/]{0,48}(:[0-9]{2}){0,2}")
UNIT = re.compile(r"s|ms|us|ns")
CLOSED = re.compile(r"left|right|both|neither")
FREQUENCY = re.compile(r"[0-9]{0,4}[A-Za-z]{1,5}(-[A-Z]{3})?")
NUMPY = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])|\|O|[<>=][mM]8\[(s|ms|us|ns)\]")
#: polars' dtypes without parameters.
POLARS = re.compile(
    r"Boolean|U?Int(8|16|32|64|128)|Float(16|32|64)|String|Categorical|Date|Null|Object"
)


def written(value: Any, writer: Any, what: str) -> tuple[str, Any] | None:
    """Return the tag of something of pandas or polars, and what is written of it."""
    if type(value).__module__.partition(".")[0] != "pandas":
        return None
    import pandas as pd

    if value is pd.NA:
        return "NA", None
    if value is pd.NaT:
        return "NaT", None
    if isinstance(value, pd.Timestamp):
        zone = None if value.tz is None else _zone(value.tz)
        return "timestamp", [_count(value), value.unit, zone]
    if isinstance(value, pd.Timedelta):
        return "duration", [_count(value), value.unit]
    if isinstance(value, pd.Interval):
        ends = [writer.value(end, what) for end in (value.left, value.right)]
        return "interval", [*ends, value.closed]
    if isinstance(value, pd.Period):
        return "period", [value.ordinal, value.freqstr]
    return ("index", _written_index(value, writer, what)) if isinstance(value, pd.Index) else None


def written_dtype(dtype: Any, writer: Any, what: str) -> Any:
    """Return a native dtype as JSON.

    Raises
    ------
    TypeError
        If a file cannot hold it.
    """
    library = type(dtype).__module__.partition(".")[0]
    found: Any = None
    if isinstance(dtype, np.dtype):
        found = dtype.str if NUMPY.fullmatch(dtype.str) else None
    elif library == "pandas":
        found = _of_pandas(dtype, writer, what)
    elif library == "polars" or (isinstance(dtype, type) and library == "builtins"):
        found = _of_polars(dtype, writer, what)
    if found is None:
        raise TypeError(
            f"{what} has the dtype {dtype}, which a file without pickle cannot hold. Keep the "
            "estimator by pickle.dump or joblib.dump, or fit with another dtype."
        )
    return found


def read_dtype(reader: Any, found: Any) -> Any:
    """Return a native dtype."""
    if isinstance(found, str):
        return np.dtype(matching(NUMPY, found))
    name, *rest = check(found, list, "a dtype")
    if check(name, str, "a dtype") not in DTYPES:
        raise ValueError(f"there is no dtype {name!r} here")
    return DTYPES[name](reader, *rest)


def _count(time: Any) -> int:
    """Return how many of its units a time of pandas has counted."""
    return int(time.to_numpy().astype(np.int64))


def _zone(zone: Any) -> str:
    return matching(ZONE, str(zone), "a time zone")


def read_zone(key: Any) -> zoneinfo.ZoneInfo:
    """Return the time zone of a name."""
    try:
        return zoneinfo.ZoneInfo(matching(ZONE, key, "a time zone"))
    except (KeyError, OSError) as error:
        raise ValueError(f"there is no time zone {key!r} on this machine") from error


def _of_pandas(dtype: Any, writer: Any, what: str) -> list[Any] | None:
    import pandas as pd

    if isinstance(dtype, pd.CategoricalDtype):
        given = dtype.categories
        categories = None if given is None else _written_index(given, writer, what)
        return ["pandas.categorical", categories, dtype.ordered]
    if isinstance(dtype, pd.StringDtype):
        return ["pandas.string", dtype.storage, dtype.na_value is pd.NA]
    if isinstance(dtype, pd.DatetimeTZDtype):
        return ["pandas.datetime", dtype.unit, _zone(dtype.tz)]
    if isinstance(dtype, pd.SparseDtype):
        inner = written_dtype(dtype.subtype, writer, what)
        return ["pandas.sparse", inner, writer.value(dtype.fill_value, what)]
    if isinstance(dtype, pd.PeriodDtype):
        return ["pandas.period", pd.Period(ordinal=0, freq=dtype.freq).freqstr]
    if isinstance(dtype, pd.IntervalDtype) and dtype.subtype is not None:
        return ["pandas.interval", written_dtype(dtype.subtype, writer, what), dtype.closed]
    return ["pandas.nullable", dtype.name] if NULLABLE.fullmatch(dtype.name) else None


def _of_polars(dtype: Any, writer: Any, what: str) -> list[Any] | None:
    import polars as pl

    name = str(dtype).partition("(")[0]
    if isinstance(dtype, pl.Enum):
        return ["polars.enum", writer.value(dtype.categories.to_list(), what)]
    if isinstance(dtype, pl.Datetime):
        return ["polars.datetime", dtype.time_unit, dtype.time_zone]
    if isinstance(dtype, pl.Duration):
        return ["polars.duration", dtype.time_unit]
    if isinstance(dtype, pl.Decimal):
        return ["polars.decimal", dtype.precision, dtype.scale]
    return ["polars", name] if POLARS.fullmatch(name) else None


def _polars(name: Any) -> Any:
    import polars as pl

    return getattr(pl, matching(POLARS, name))()


def _polars_enum(categories: Any) -> Any:
    import polars as pl

    return pl.Enum(listed(categories, str, "categories"))


def _polars_time(kind: str, unit: Any, *zone: Any) -> Any:
    import polars as pl

    zones = [None if z is None else matching(ZONE, z, "a time zone") for z in zone]
    return getattr(pl, kind)(matching(UNIT, unit), *zones)


def _polars_decimal(precision: Any, scale: Any) -> Any:
    import polars as pl

    digits = check(precision, int, "a precision"), check(scale, int, "a scale")
    if not 0 <= digits[1] <= digits[0] <= 38:
        raise ValueError(f"there is no decimal with the digits {digits}")
    return pl.Decimal(*digits)


def _pandas_categorical(reader: Any, categories: Any, ordered: Any) -> Any:
    import pandas as pd

    index = None if categories is None else read_index(reader, categories)
    return pd.CategoricalDtype(index, check(ordered, (bool, type(None)), "ordered"))


def _pandas_string(storage: Any, is_nullable: Any) -> Any:
    import pandas as pd

    storage = matching(re.compile("python|pyarrow"), storage, "a storage of strings")
    return pd.StringDtype(storage, pd.NA if check(is_nullable, bool, "nullable") else np.nan)


def _pandas_datetime(unit: Any, zone: Any) -> Any:
    import pandas as pd

    return pd.DatetimeTZDtype(matching(UNIT, unit), matching(ZONE, zone, "a time zone"))


def _pandas_sparse(reader: Any, inner: Any, fill: Any) -> Any:
    import pandas as pd

    return pd.SparseDtype(np.dtype(matching(NUMPY, inner)), reader.value(fill))


def _pandas_period(frequency: Any) -> Any:
    import pandas as pd

    return pd.PeriodDtype(matching(FREQUENCY, frequency, "a frequency"))


def _pandas_interval(reader: Any, inner: Any, closed: Any) -> Any:
    import pandas as pd

    return pd.IntervalDtype(read_dtype(reader, inner), matching(CLOSED, closed, "a side"))


def _pandas_nullable(name: Any) -> Any:
    import pandas as pd

    return pd.api.types.pandas_dtype(matching(NULLABLE, name))


#: How a dtype with a name in front is read.
DTYPES: dict[str, Callable[..., Any]] = {
    "pandas.categorical": _pandas_categorical,
    "pandas.string": lambda _, *given: _pandas_string(*given),
    "pandas.datetime": lambda _, *given: _pandas_datetime(*given),
    "pandas.sparse": _pandas_sparse,
    "pandas.nullable": lambda _, name: _pandas_nullable(name),
    "pandas.period": lambda _, frequency: _pandas_period(frequency),
    "pandas.interval": lambda reader, inner, closed: _pandas_interval(reader, inner, closed),
    "polars": lambda _, name: _polars(name),
    "polars.enum": lambda reader, found: _polars_enum(reader.value(found)),
    "polars.datetime": lambda _, unit, zone: _polars_time("Datetime", unit, zone),
    "polars.duration": lambda _, unit: _polars_time("Duration", unit),
    "polars.decimal": lambda _, precision, scale: _polars_decimal(precision, scale),
}


# ---------------------------------------------------------------- labels


def is_index(value: Any) -> bool:
    """Whether a value is an index of pandas."""
    import pandas as pd

    return isinstance(value, pd.Index)


def _written_index(index: Any, writer: Any, what: str) -> list[Any]:
    """Return an index of pandas as JSON: its kind, names, dtype, values and frequency."""
    import pandas as pd

    names = [writer.value(name, what) for name in index.names]
    if isinstance(index, pd.RangeIndex):
        return ["range", names, None, index.tolist(), None]
    if isinstance(index, pd.MultiIndex):
        levels = [_written_index(level, writer, what) for level in index.levels]
        return ["multi", names, levels, [code.tolist() for code in index.codes], None]
    values = [writer.value(item, what) for item in index]
    frequency = None if isinstance(index, pd.PeriodIndex) else getattr(index, "freqstr", None)
    return ["plain", names, written_dtype(index.dtype, writer, what), values, frequency]


def read_index(reader: Any, found: Any) -> Any:
    """Return an index of pandas."""
    import pandas as pd

    kind, names, dtype, values, frequency = check(found, list, "an index")
    names = [reader.value(name) for name in check(names, list, "names")]
    if kind == "range":
        return _range(listed(values, int, "a range"), _single(names))
    if kind == "multi":
        levels = [read_index(reader, level) for level in check(dtype, list, "levels")]
        codes = [listed(of_level, int, "codes") for of_level in check(values, list, "codes")]
        return pd.MultiIndex(levels, codes, names=names, verify_integrity=True)
    values = [reader.value(item) for item in check(values, list, "labels")]
    of = None if dtype is None else read_dtype(reader, dtype)
    index = pd.Index(values, dtype=of, name=_single(names), tupleize_cols=False)
    if frequency is not None:
        index.freq = matching(FREQUENCY, frequency, "a frequency")
    return index


def _range(values: list[int], name: Any) -> Any:
    """Return a range that is as long as the file says, value by value."""
    import pandas as pd

    first, second = (values[0], values[1]) if len(values) > 1 else (min(values, default=0),) * 2
    step = (second - first) or 1
    found = pd.RangeIndex(first, first + step * len(values), step, name=name)
    if (len(values) > 1 and first == second) or found.tolist() != values:
        raise ValueError("a range is none")
    return found


def _single(names: list[Any]) -> Any:
    (name,) = names
    return name


# ---------------------------------------------------------------- scalars


def _timestamp(_: Any, found: Any) -> Any:
    import pandas as pd

    count, unit, zone = check(found, list, "a time")
    time = pd.Timestamp(_counted("datetime64", count, unit))
    if zone is None:
        return time
    return time.tz_localize("UTC").tz_convert(matching(ZONE, zone, "a time zone"))


def _duration(_: Any, found: Any) -> Any:
    import pandas as pd

    return pd.Timedelta(_counted("timedelta64", *check(found, list, "a time")))


def _counted(kind: str, count: Any, unit: Any) -> Any:
    name = f"{kind}[{matching(UNIT, unit)}]"
    return np.array(check(count, int, "a time"), np.int64).astype(name)[()]


def _interval(reader: Any, found: Any) -> Any:
    import pandas as pd

    left, right, closed = check(found, list, "an interval")
    closed = matching(CLOSED, closed, "a kind of interval")
    return pd.Interval(reader.value(left), reader.value(right), closed)


def _period(_: Any, found: Any) -> Any:
    import pandas as pd

    ordinal, frequency = check(found, list, "a period")
    frequency = matching(FREQUENCY, frequency, "a frequency")
    return pd.Period(ordinal=check(ordinal, int, "a period"), freq=frequency)


def _missing(name: str) -> Any:
    import pandas as pd

    return getattr(pd, name)


#: How the value of a tag is read.
READERS: dict[str, Callable[[Any, Any], Any]] = {
    "NA": lambda _, found: _missing("NA"),
    "NaT": lambda _, found: _missing("NaT"),
    "timestamp": _timestamp,
    "duration": _duration,
    "interval": _interval,
    "period": _period,
    "index": read_index,
}
