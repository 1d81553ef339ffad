"""Container: arrays and DataFrames as numbers, and back with every dtype."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from skvae.table.container import Container, categorical_mask

polars = pytest.importorskip("polars")

DAYS = pd.date_range("2020-02-28", periods=3)
PANDAS = pd.DataFrame(
    {
        "category": pd.Categorical(["a", "b", "a"], categories=["b", "a", "never"]),
        "ordered": pd.Categorical(["lo", "hi", "lo"], categories=["lo", "hi"], ordered=True),
        "numbers as categories": pd.Categorical([3, 1, 3]),
        "categories of floats": pd.Categorical([0.5, 2.5, 0.5], ordered=True),
        "categories of booleans": pd.Categorical([True, False, True]),
        "categories of times": pd.Categorical(DAYS),
        "string": ["x", "ü", ""],
        "nullable string": pd.array(["x", "y", "x"], dtype="string"),
        "strings as objects": pd.Series(["x", "y", "x"], dtype=object),
        "numbers as objects": pd.Series([1, 2.5, 3], dtype=object),
        "booleans as objects": pd.Series([True, False, True], dtype=object),
        "boolean": [True, False, True],
        "nullable boolean": pd.array([True, True, False], dtype="boolean"),
        "int64": [1, -2, 2**40],
        "int8": np.array([1, -2, 3], dtype="int8"),
        "uint16": np.array([1, 2, 3], dtype="uint16"),
        "nullable integer": pd.array([1, 2, 3], dtype="Int64"),
        "float": [0.1, 2.0, 1e300],
        "float32": np.array([0.1, 2, 3], dtype="float32"),
        "nullable float": pd.array([1.5, 2, 3], dtype="Float64"),
        "days": DAYS,
        "nanoseconds": DAYS.astype("datetime64[ns]") + pd.Timedelta(1, unit="ns"),
        "microseconds": DAYS.astype("datetime64[us]") + pd.Timedelta(1, unit="us"),
        "milliseconds": DAYS.astype("datetime64[ms]"),
        "seconds": DAYS.astype("datetime64[s]"),
        "before 1970": pd.to_datetime(["1969-12-31", "1900-01-01", "2262-01-01"]),
        "clocks going back": pd.date_range("2020-10-25", periods=3, freq="h", tz="Europe/Oslo"),
        "with a zone": pd.date_range("2020-03-28", periods=3, tz="Europe/Oslo"),
        "duration": pd.to_timedelta([1, -2, 3], unit="D"),
        "seconds passed": pd.to_timedelta([1, -2, 3], unit="s").astype("timedelta64[s]"),
        "nanoseconds passed": pd.to_timedelta([1, -2, 3], unit="ns").astype("timedelta64[ns]"),
    }
)
POLARS = polars.DataFrame(
    {
        "category": polars.Series(["a", "b", "a"], dtype=polars.Categorical),
        "enum": polars.Series(["lo", "hi", "lo"], dtype=polars.Enum(["lo", "hi", "never"])),
        "string": ["x", "y", "x"],
        "boolean": [True, False, True],
        "strings": ["x", "ü", ""],
        "integer": [1, -2, 2**40],
        "int16": polars.Series([1, -2, 3], dtype=polars.Int16),
        "uint8": polars.Series([1, 2, 255], dtype=polars.UInt8),
        "float": [0.1, 2.0, 1e300],
        "float32": polars.Series([0.1, 2.0, 3.0], dtype=polars.Float32),
        "date": [dt.date(2020, 2, i) for i in (27, 28, 29)],
        "datetime": [dt.datetime(2020, 1, i, 3, 4, 5, 6) for i in (1, 2, 3)],
        "with a zone": polars.Series([dt.datetime(2020, 3, i) for i in (28, 29, 30)])
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone("Europe/Oslo"),
        "milliseconds with a zone": polars.Series(
            [dt.datetime(1960, 1, i) for i in (1, 2, 3)], dtype=polars.Datetime("ms", "UTC")
        ),
        "nanoseconds": polars.Series(
            [dt.datetime(2020, 1, 1, 0, 0, i) for i in (1, 2, 3)], dtype=polars.Datetime("ns")
        ),
        "duration": [dt.timedelta(days=i) for i in (1, -2, 3)],
        "decimal": polars.Series([1.25, 2.5, -3.0], dtype=polars.Decimal(10, 2)),
    }
)


@pytest.mark.parametrize("name", PANDAS.columns)
@pytest.mark.parametrize("n_rows", [3, 1, 0])
def test_every_dtype_of_pandas_comes_back(name, n_rows):
    container = Container.of(PANDAS[[name]])
    rows = PANDAS[[name]][:n_rows]
    values = container.values(rows)
    assert values.shape == (n_rows, 1)
    assert np.isfinite(values).all()
    pd.testing.assert_frame_equal(container.rows(values), rows)


@pytest.mark.parametrize("name", POLARS.columns)
@pytest.mark.parametrize("n_rows", [3, 1, 0])
def test_every_dtype_of_polars_comes_back(name, n_rows):
    container = Container.of(POLARS[[name]])
    rows = POLARS[[name]][:n_rows]
    back = container.rows(container.values(rows))
    assert back.schema == rows.schema
    assert back.equals(rows)


@pytest.mark.parametrize("name", PANDAS.columns)
def test_any_column_of_pandas_can_be_one_of_categories(name):
    frame = PANDAS[[name]]
    container = Container.of(frame, [True])
    assert container.fields[0].is_category
    pd.testing.assert_frame_equal(container.rows(container.values(frame)), frame)


@pytest.mark.parametrize("name", POLARS.columns)
def test_any_column_of_polars_can_be_one_of_categories(name):
    frame = POLARS[[name]]
    container = Container.of(frame, [True])
    assert container.fields[0].is_category
    back = container.rows(container.values(frame))
    assert back.schema == frame.schema
    assert back.equals(frame)


def test_many_columns_come_back_together():
    pandas, from_polars = Container.of(PANDAS), Container.of(POLARS)
    pd.testing.assert_frame_equal(pandas.rows(pandas.values(PANDAS)), PANDAS)
    back = from_polars.rows(from_polars.values(POLARS))
    assert back.schema == POLARS.schema
    assert back.equals(POLARS)


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "float64", "bool"])
@pytest.mark.parametrize("marked", [[True, False], [True, True]])
def test_categories_of_an_array_come_back(dtype, marked):
    X = np.array([[0, 1], [1, 1], [0, 0]], dtype=dtype)
    container = Container.of(X, marked)
    assert [field.is_category for field in container.fields] == marked
    back = container.rows(container.values(X))
    assert back.dtype == X.dtype
    assert (back == X).all()


def test_strings_of_an_array_of_objects_come_back():
    X = np.array([["a", 2.5], ["b", 4]], dtype=object)
    container = Container.of(X, [True, False])
    assert (container.rows(container.values(X)) == X).all()


@pytest.mark.parametrize("n_rows", [1, 0])
def test_few_rows_of_an_array_come_back(n_rows):
    X = np.arange(6, dtype="int16").reshape(2, 3)
    container = Container.of(X)
    back = container.rows(container.values(X[:n_rows]))
    assert back.shape == (n_rows, 3)
    assert back.dtype == X.dtype


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "float64", "bool"])
def test_every_dtype_of_an_array_comes_back(dtype):
    X = np.array([[0, 1], [1, 1], [0, 0]], dtype=dtype)
    container = Container.of(X)
    back = container.rows(container.values(X))
    assert back.dtype == X.dtype
    assert (back == X).all()


def test_integer_names_and_missing_values():
    frame = pd.DataFrame({0: [1.0, np.nan], 1: pd.Categorical(["a", None]), "b": ["x", None]})
    container = Container.of(frame)
    assert container.names == [0, 1, "b"]
    values = container.values(frame)
    assert np.isnan(values[1]).all()
    assert (values[0] == [1, 0, 0]).all()
    assert container.rows(values[:1]).columns.tolist() == [0, 1, "b"]


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("int64", 1e30, np.float64),
        ("uint8", -1.0, np.int64),
        ("int16", 7.0, np.int16),
        ("int8", 400.0, np.int64),
        ("int64", 0.5, np.float64),
        ("Int64", 0.5, np.float64),
    ],
)
def test_what_a_dtype_cannot_hold_has_another(dtype, value, expected):
    container = Container.of(pd.DataFrame({"n": pd.array([1, 2], dtype=dtype)}))
    assert container.rows(np.array([[value]]))["n"].dtype == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(7.0, np.int16), (1e6, np.int64), (0.5, np.float64), (1e30, np.float64)]
)
def test_what_the_dtype_of_an_array_cannot_hold_has_another(value, expected):
    container = Container.of(np.array([[1], [2]], dtype="int16"))
    assert container.rows(np.array([[value]])).dtype == expected


def test_names_that_look_alike_are_told_apart():
    frame = pd.DataFrame([[1, 2.5], [2, 3.5]], columns=[0, "0"])
    container = Container.of(frame)
    pd.testing.assert_frame_equal(container.rows(container.values(frame)), frame)


@pytest.mark.parametrize("column", [[None, "a"], [np.nan, 1.0], [None, True], [None, 2]])
def test_missing_values_are_not_a_number(column):
    frame = pd.DataFrame({"a": pd.Series(column, dtype=object)})
    assert np.isnan(Container.of(frame).values(frame)).tolist() == [[True], [False]]
    nulls = polars.DataFrame({"a": [None if c != c else c for c in column]})
    assert np.isnan(Container.of(nulls).values(nulls)).tolist() == [[True], [False]]


def test_times_count_from_the_first_in_their_unit():
    frame = PANDAS[["days", "seconds", "duration"]]
    values = Container.of(frame).values(frame)
    day = 86_400
    assert values.tolist() == [
        [0, 0, 3e6 * day],
        [1e6 * day, day, 0],
        [2e6 * day, 2 * day, 5e6 * day],
    ]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_durations_are_read_to_the_unit(unit):
    passed = np.array([0, 98 * 86_400 * 10**6 + 1918, -(2**52) - 1]).astype(f"timedelta64[{unit}]")
    frame = pd.DataFrame({"a": passed})
    container = Container.of(frame)
    pd.testing.assert_frame_equal(container.rows(container.values(frame)), frame)


def test_missing_durations_are_not_a_number():
    frame = pd.DataFrame({"a": pd.to_timedelta([1, None], unit="D")})
    missing = [[False], [True]]
    assert np.isnan(Container.of(frame).values(frame)).tolist() == missing
    days = polars.DataFrame({"a": [dt.timedelta(days=1), None]})
    assert np.isnan(Container.of(days).values(days)).tolist() == missing


@pytest.mark.parametrize("column", ["nanoseconds", "nanoseconds passed", "with a zone"])
def test_a_missing_time_rounds_no_other(column):
    frame = PANDAS[[column]].reindex([0, 1, 2, 3])
    container = Container.of(frame)
    pd.testing.assert_frame_equal(container.rows(container.values(frame)[:3]), PANDAS[[column]])


@pytest.mark.parametrize("given", ["with a zone", "days"])
def test_times_with_and_without_a_zone_are_told_apart(given):
    other = {"with a zone": "days", "days": "with a zone"}[given]
    container = Container.of(PANDAS[[given]])
    with pytest.raises(TypeError, match=f"Column '{given}' has dtype Datetime.*time_zone="):
        container.values(PANDAS[[other]].set_axis([given], axis=1))


def test_dtypes_that_nothing_is_known_of_are_refused():
    months = pd.DataFrame({"month": pd.period_range("2024", periods=3, freq="M")})
    with pytest.raises(TypeError, match=r"Column 'month' has dtype period\[M\], but columns must"):
        Container.of(months)


def test_roles_and_levels():
    fields = {field.name: field for field in Container.of(PANDAS).fields}
    assert fields["category"].levels == ("b", "a", "never")
    assert fields["category"].role == "category"
    assert fields["ordered"].role == "ordered"
    assert fields["numbers as categories"].levels == (1, 3)
    assert fields["string"].levels == ("", "x", "ü")
    assert [fields[name].role for name in ("boolean", "int8", "float32", "duration")] == [
        "boolean",
        "integer",
        "number",
        "time",
    ]


def test_what_a_column_did_not_hold_is_refused_by_name():
    container = Container.of(PANDAS)
    with pytest.raises(ValueError, match="Column 'category' holds the category 'c' in row 1"):
        container.values(PANDAS.assign(category=["a", "c", "b"]))
    with pytest.raises(TypeError, match="Column 'float' has dtype String, but it held numbers"):
        container.values(PANDAS.assign(float=["a", "c", "b"]))
    with pytest.raises(TypeError, match="Column 'days' has dtype Int64, but it held times"):
        container.values(PANDAS.assign(days=[1, 2, 3]))
    with pytest.raises(TypeError, match="Column 'days' has dtype Duration"):
        container.values(PANDAS.assign(days=PANDAS["duration"]))
    with pytest.raises(TypeError, match="Column 'duration' has dtype Datetime"):
        container.values(PANDAS.assign(duration=PANDAS["days"]))
    with pytest.raises(ValueError, match="Column 'string' holds the category 7 in row 0"):
        container.values(PANDAS.assign(string=[7, 8, 9]))
    with pytest.raises(TypeError, match="Column 'time' has dtype Time"):
        Container.of(polars.DataFrame({"time": [dt.time(1)]}))
    with pytest.raises(TypeError, match=r"Column 'dates' holds objects of types \['date'\]"):
        Container.of(pd.DataFrame({"dates": [dt.date(2020, 1, 1)]}))
    with pytest.raises(ValueError, match="Column 0 holds the category 2 in row 1"):
        Container.of(np.array([[0], [1]]), [True]).values(np.array([[1], [2]]))
    with pytest.raises(ValueError, match="Known: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 5 more"):
        Container.of(np.arange(15)[:, None], [True]).values(np.array([[77]]))
    with pytest.raises(TypeError, match="Column 'lists' has dtype List"):
        Container.of(polars.DataFrame({"lists": [[1], [2]]}))
    with pytest.raises(ValueError, match="Column 'numbers as objects' cannot have the value 'x'"):
        container.values(PANDAS.assign(**{"numbers as objects": np.array([1, "x", 2], object)}))
    with pytest.raises(TypeError, match=r"Column 'mixed' holds objects of types \['int', 'str'\]"):
        Container.of(pd.DataFrame({"mixed": pd.Series([1, "a"], dtype=object)}))


@pytest.mark.parametrize(
    "given", [["b"], [1], [False, True, False], np.array([1]), np.array([False, True, False])]
)
def test_categories_are_marked_by_name_position_or_mask(given):
    frame = pd.DataFrame({"a": [1.0], "b": [2], "c": [3]})
    assert categorical_mask(given, frame) == [False, True, False]
    assert categorical_mask(given, polars.DataFrame(frame.to_dict("list"))) == [False, True, False]
    assert categorical_mask("from_dtype", frame) == [False] * 3
    assert categorical_mask(None, frame) == [False] * 3
    assert categorical_mask([], frame) == [False] * 3


def test_integer_names_come_before_positions():
    frame = pd.DataFrame({2: [1.0], 0: [2], 1: [3]})
    assert categorical_mask([2], frame) == [True, False, False]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["z"], r"names columns \['z'\]"),
        ([7], r"names columns \[7\]"),
        ([-1], r"names columns \[-1\]"),
        ([0, 1.5], r"names columns \[1.5\]"),
        ([True, False], r"a mask of 2 columns, but X has 3"),
    ],
)
def test_marks_that_fit_no_column_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        categorical_mask(given, np.zeros((2, 3)))


@pytest.mark.parametrize("container", [pd.DataFrame, polars.DataFrame, np.asarray])
def test_integers_marked_as_categories_come_back_as_integers(container):
    X = container(np.array([[1, 30], [2, 10], [3, 10]]))
    learned = Container.of(X, [False, True])
    back = learned.rows(learned.values(X))
    assert type(back) is type(X)
    assert (np.asarray(back) == np.asarray(X)).all()
    assert np.asarray(back).dtype == np.asarray(X).dtype


@pytest.mark.parametrize(
    ("values", "role"),
    [([1.5, 2.5], "number"), ([True, False], "boolean"), (["a", "b"], "category")],
)
@pytest.mark.parametrize("n_empty", [0, 99, 100, 250])
def test_objects_are_what_their_values_are(values, role, n_empty):
    column = pd.Series([None] * n_empty + values * 20, dtype=object)
    for objects in (column, column[::-1].reset_index(drop=True)):
        frame = pd.DataFrame({"c": objects})
        container = Container.of(frame)
        assert container.fields[0].role == role
        assert np.isnan(container.values(frame)).sum() == n_empty
        assert np.isnan(container.values(frame[frame["c"].isna()])).all()


@pytest.mark.parametrize(
    "zone",
    [
        *("America/New_York", "Asia/Ho_Chi_Minh", "Etc/GMT+5", "EST5EDT", "UTC", "GMT0"),
        *("America/Argentina/Buenos_Aires", "America/Port-au-Prince"),
        dt.timezone(dt.timedelta(hours=5, minutes=30)),
        dt.UTC,
    ],
)
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_every_time_zone_is_read(zone, unit):
    frame = pd.DataFrame({"t": pd.date_range("2021-03-01", periods=30, tz=zone).as_unit(unit)})
    container = Container.of(frame)
    values = container.values(frame)
    assert (np.diff(values[:, 0]) > 0).all()
    pd.testing.assert_frame_equal(container.rows(values), frame)
    with pytest.raises(TypeError, match="Column 't' has dtype Datetime"):
        container.values(frame.assign(t=frame["t"].dt.tz_localize(None)))


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i2", ">i8", ">u4", ">f2"])
def test_numbers_in_another_order_of_bytes_are_read(dtype):
    frame = pd.DataFrame({"n": np.array([1, 2, 3], dtype=dtype)})
    container = Container.of(frame)
    assert container.fields[0].role == ("number" if "f" in dtype else "integer")
    values = container.values(frame)
    assert values[:, 0].tolist() == [1, 2, 3]
    assert container.rows(values)["n"].dtype == frame["n"].dtype
    array = frame.to_numpy().astype(dtype)
    assert Container.of(array).values(array)[:, 0].tolist() == [1, 2, 3]


def test_strings_among_numbers_are_refused():
    container = Container.of(pd.DataFrame({"n": [1.5, 2.5]}))
    for strings in (["1.5", "x"], [None] * 120 + ["1.5"]):
        with pytest.raises(ValueError, match=r"Column 'n' cannot have the value '1\.5' of row"):
            container.values(pd.DataFrame({"n": pd.Series(strings, dtype=object)}))
