"""Known cells are copied, whatever dtype they have and whatever dtype was fitted."""

import datetime as dt
from decimal import Decimal
from itertools import product

import numpy as np
import pandas as pd
import polars
import pytest

from skvae.table.container import Container
from skvae.table.known import Known, rows_like

#: Numbers that each dtype of NumPy holds, and no smaller one does.
NUMBERS = {
    "bool": [True, False, True],
    "int8": [-128, 127, 0],
    "uint8": [255, 0, 1],
    "int16": [-(2**15), 2**15 - 1, 3],
    "int32": [-(2**31), 2**31 - 1, 3],
    "uint32": [2**32 - 1, 0, 3],
    "int64": [-(2**53), 2**53 - 1, 3],
    "uint64": [2**53, 0, 3],
    "float16": [65504.0, 0.25, 3.0],
    "float32": [2.0**100, 0.1, 3.0],
    "float64": [1e140, 0.1, 3.0],
}
POLARS = {
    "bool": polars.Boolean,
    "int8": polars.Int8,
    "uint8": polars.UInt8,
    "int16": polars.Int16,
    "int32": polars.Int32,
    "uint32": polars.UInt32,
    "int64": polars.Int64,
    "uint64": polars.UInt64,
    "float32": polars.Float32,
    "float64": polars.Float64,
}


def nullable(name):
    capital = {"b": "boolean", "i": "Int", "u": "UInt", "f": "Float"}[name[0]]
    return capital + name.lstrip("abcdefghijklmnopqrstuvwxyz")


def complete(container, X):
    """Return X with its holes at the number 1, or the first level or time."""
    by_name = container.backend is not None and not isinstance(X, np.ndarray)
    values = container.partial_values(X) if by_name else container.values(X)
    first = np.where([f.is_category or f.clock is not None for f in container.fields], 0.0, 1.0)
    filled = np.where(np.isnan(values), first, values)
    return rows_like(container, filled, Known.of(container, X, values))


def frame_of(name, library, values, *, hole=False):
    """Return a frame of a column in a library, of which the last cell may be missing."""
    values = [*values[:-1], None] if hole else values
    if library == "polars":
        return polars.DataFrame({"c": polars.Series(values, dtype=POLARS[name])})
    dtype = name if library == "pandas" else nullable(name)
    return pd.DataFrame({"c": pd.Series(values, dtype=dtype)})


def beyond_boolean(fitted, given):
    return fitted == "bool" and given != "bool"


PAIRS = [pair for pair in product(NUMBERS, NUMBERS) if not beyond_boolean(*pair)]


@pytest.mark.parametrize("library", ["pandas", "nullable", "polars"])
def test_any_number_is_known_to_a_column_of_any_other(library):
    for fitted, given in PAIRS:
        if (library == "polars" and not {fitted, given} <= set(POLARS)) or (
            library == "nullable" and "float16" in (fitted, given)
        ):
            continue
        container = Container.of(frame_of(fitted, library, NUMBERS[fitted]))
        X = frame_of(given, library, NUMBERS[given])
        found = complete(container, X)["c"]
        assert found.to_list() == X["c"].to_list(), (fitted, given)
        if library != "pandas" or given.startswith("float"):
            with_hole = complete(container, frame_of(given, library, NUMBERS[given], hole=True))
            assert with_hole["c"].dtype == found.dtype, (fitted, given)
            assert with_hole["c"].to_list() == [*X["c"].to_list()[:-1], 1], (fitted, given)


def test_any_number_is_known_to_an_array_of_any_other():
    for fitted, given in PAIRS:
        container = Container.of(np.array(NUMBERS[fitted], dtype=fitted)[:, None])
        X = np.array(NUMBERS[given], dtype=given)[:, None]
        found = complete(container, X)
        assert found.dtype == np.result_type(X.dtype, np.dtype(fitted))
        assert found.tolist() == X.tolist(), (fitted, given)
        if given.startswith("float"):
            X[-1] = np.nan
            with_hole = complete(container, X)
            assert with_hole.dtype == found.dtype
            assert with_hole.tolist() == [*X[:-1].tolist(), [1]], (fitted, given)


#: What a column of doubles cannot hold, or what pandas has more than one dtype for.
EXACT = {
    "nanoseconds far apart": pd.Series(pd.to_datetime([1, 2**60 + 1, 2**61 + 3])).astype(
        "datetime64[ns]"
    ),
    "nanoseconds passed": pd.Series(pd.to_timedelta([1, 2**60 + 1, 2**61 + 3])).astype(
        "timedelta64[ns]"
    ),
    "with a zone": pd.Series(
        pd.date_range("1900", periods=3, freq="40000D", tz="Asia/Ho_Chi_Minh")
    ).dt.as_unit("ns"),
    "large integers": pd.Series([2**60 + 1, 2**70 + 1, 3], dtype=object),
    "decimals as objects": pd.Series(
        [Decimal("12345678901234567890.25"), Decimal(1), 3], dtype=object
    ),
    "decimals": polars.Series([Decimal("12345678901234567890.25"), Decimal(1), Decimal(3)]),
    "polars nanoseconds": polars.Series([1, 2**60 + 1, 3]).cast(polars.Datetime("ns", "EST5EDT")),
    "big-endian": pd.Series(np.array([0.1, 2, 3], dtype=">f8")),
    "strings": pd.Series(["a", "b", "a"]),
    "strings as objects": pd.Series(["a", "b", "a"], dtype=object),
    "levels": pd.Series(["a", "b", "a"], dtype="category"),
    "booleans as objects": pd.Series([True, False, True], dtype=object),
    "Int64": pd.Series([1, 2, 3], dtype="Int64"),
    "boolean": pd.Series([True, False, True], dtype="boolean"),
    "enum": polars.Series(["a", "b", "a"], dtype=polars.Enum(["b", "a"])),
    "category": polars.Series(["a", "b", "a"], dtype=polars.Categorical),
}


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("hole", [False, True])
def test_known_cells_are_copied(name, hole):
    column = EXACT[name]
    library = polars if isinstance(column, polars.Series) else pd
    X = library.DataFrame({"c": column})
    container = Container.of(X)
    if hole:
        if library is polars:
            X = polars.DataFrame({"c": column[:2].extend_constant(None, 1)})
        else:
            X = pd.DataFrame({"c": pd.Series([*column[:2], None]).astype(column.dtype)})
    found = complete(container, X)["c"]
    assert found.dtype == column.dtype
    assert found.to_list()[:2] == column.to_list()[:2]
    assert None not in found.to_list()
    assert found.to_list()[2] == column.to_list()[2] or hole


def test_rows_are_repeated_and_columns_found_by_name():
    X = pd.DataFrame({"a": [2**60 + 1, 5], "b": [0.5, np.nan]}).astype({"a": object})
    container = Container.of(X)
    values = container.partial_values(X[["b"]])
    known = Known.of(container, X[["b"]], values, n_samples=2)
    rows = rows_like(container, np.array([[7, 0.5], [8, 0.5], [9, 1.5], [10, 2.5]]), known)
    assert rows["a"].tolist() == [7, 8, 9, 10]
    assert rows["b"].tolist() == [0.5, 0.5, 1.5, 2.5]


@pytest.mark.parametrize(
    ("fitted", "given", "expected"),
    [
        ("int64", "Int64", "Int64"),
        ("Int64", "int64", "Int64"),
        ("Int8", "float32", "Float32"),
        ("float32", "Int32", "Float64"),
        ("datetime64[s]", "datetime64[ns]", "datetime64[ns]"),
        ("datetime64[ns]", "datetime64[s]", "datetime64[ns]"),
        ("category", "str", "category"),
        ("str", "category", "str"),
        ("category", "object", "category"),
        ("int64", "object", "object"),
        ("object", "float64", "object"),
    ],
)
def test_two_dtypes_of_pandas_have_one_that_holds_both(fitted, given, expected):
    text = {fitted, given} & {"category", "str"}
    values = ["a", "b"] if text else [1, 2]
    container = Container.of(pd.DataFrame({"c": pd.Series(values).astype(fitted)}))
    X = pd.DataFrame({"c": pd.Series(values).astype(given)})
    for rows in (X, X[:1], X[1:]):
        found = complete(container, rows)["c"]
        assert found.dtype == expected
        assert found.tolist() == rows["c"].tolist()


@pytest.mark.parametrize(
    ("fitted", "given", "expected"),
    [
        (polars.Decimal(6, 2), polars.Decimal(5, 4), polars.Decimal(8, 4)),
        (polars.Decimal(6, 2), polars.Int8, polars.Decimal(6, 2)),
        (polars.Decimal(6, 2), polars.Float32, polars.Float32),
        (polars.Float32, polars.Decimal(6, 2), polars.Decimal(6, 2)),
        (polars.Date, polars.Datetime("ms"), polars.Datetime("ms")),
        (polars.Int8, polars.Null, polars.Int8),
        (polars.Null, polars.Int8, polars.Int8),
        (polars.String, polars.Categorical, polars.String),
    ],
)
def test_two_dtypes_of_polars_have_one_that_holds_both(fitted, given, expected):
    values = ["a", "b"] if fitted == polars.String else [1, 2]

    def column(dtype):
        held = [None] * 2 if dtype == polars.Null else values
        return polars.DataFrame({"c": polars.Series(held).cast(dtype)})

    container = Container.of(column(fitted))
    assert complete(container, column(given))["c"].dtype == expected


@pytest.mark.parametrize("given", [pd.DataFrame, polars.DataFrame, np.asarray])
@pytest.mark.parametrize("fitted", [pd.DataFrame, polars.DataFrame, np.asarray])
def test_rows_of_another_library_are_known_too(fitted, given):
    X = np.array([[1.5, 2.0], [3.25, 4.0]])

    def of(make):
        if make is np.asarray:
            return X
        return make({"a": X[:, 0], "b": X[:, 1]})

    found = complete(Container.of(of(fitted)), of(given))
    assert type(found) is type(of(fitted))
    assert (np.asarray(found) == X).all()


def test_times_of_another_library_are_known_too():
    times = [dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2021, 1, 1, tzinfo=dt.UTC)]
    container = Container.of(pd.DataFrame({"t": pd.Series(times)}))
    found = complete(container, polars.DataFrame({"t": times}))
    assert found["t"].tolist() == pd.Series(times).tolist()


def test_what_was_drawn_is_held_within_its_dtype():
    frame = pd.DataFrame({"n": pd.array([1, None], "Int8"), "x": np.array([1, np.nan], "float16")})
    container = Container.of(frame)
    known = Known.of(container, frame, container.values(frame))
    rows = rows_like(container, np.array([[1, 1.0], [400.0, 1e9]]), known)
    assert rows["n"].tolist() == [1, 127]
    assert rows["x"].tolist() == [1, 65504]
    assert rows.dtypes.equals(frame.dtypes)


@pytest.mark.parametrize("value", [2, -1, 0.5])
def test_booleans_are_0_and_1(value):
    for X in (np.array([[True], [False]]), pd.DataFrame({0: [True, False]})):
        container = Container.of(X)
        assert container.values(pd.DataFrame({0: [0, 1]})).tolist() == [[0], [1]]
        for rows in (np.array([[0], [value]]), pd.DataFrame({0: [0, value]})):
            with pytest.raises(ValueError, match=rf"0 held booleans.*Got {value:g} in row 1"):
                container.values(rows)


def test_times_beyond_the_unit_of_fit_are_refused():
    container = Container.of(pd.DataFrame({"t": pd.to_datetime(["2020"]).astype("datetime64[ns]")}))
    far = pd.DataFrame({"t": pd.Series(["3000-01-01"]).astype("datetime64[us]")})
    with pytest.raises(ValueError, match="Column 't' holds a time beyond what its unit in fit, ns"):
        container.values(far)


def decimals(values, scale):
    return polars.DataFrame({"c": polars.Series(values, dtype=polars.Decimal(38, scale))})


def test_booleans_are_known_to_a_column_of_decimals():
    container = Container.of(decimals([Decimal(1), Decimal("0.5")], 2))
    found = complete(container, polars.DataFrame({"c": [True, None, False]}))
    assert found.schema == {"c": polars.Decimal(38, 2)}
    assert found["c"].to_list() == [1, 1, 0]


def test_decimals_that_no_decimal_holds_beside_those_of_fit_are_refused_by_name():
    container = Container.of(decimals([Decimal(1), Decimal("0.5")], 10))
    with pytest.raises(ValueError, match=r"Column 'c' has dtype Decimal.*scale=0.*fit, but not"):
        complete(container, decimals([Decimal(10) ** 30], 0))
