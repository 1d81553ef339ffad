"""Container: arrays and DataFrames as numbers, and back with every dtype."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from skvae.container import Container, categorical_mask

polars = pytest.importorskip("polars")

DAYS = pd.date_range("2020-02-28", periods=3)
PANDAS = pd.DataFrame(
    {
        "category": pd.Categorical(["a", "b", "a"], categories=["b", "a", "never"]),
        "ordered": pd.Categorical(["lo", "hi", "lo"], categories=["lo", "hi"], ordered=True),
        "numbers as categories": pd.Categorical([3, 1, 3]),
        "string": ["x", "y", "x"],
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
        "seconds": DAYS.astype("datetime64[s]"),
        "with a zone": pd.date_range("2020-03-28", periods=3, tz="Europe/Oslo"),
        "duration": pd.to_timedelta([1, 2, 3], unit="D"),
    }
)
POLARS = polars.DataFrame(
    {
        "category": polars.Series(["a", "b", "a"], dtype=polars.Categorical),
        "enum": polars.Series(["lo", "hi", "lo"], dtype=polars.Enum(["lo", "hi", "never"])),
        "string": ["x", "y", "x"],
        "boolean": [True, False, True],
        "integer": [1, -2, 2**40],
        "uint8": polars.Series([1, 2, 255], dtype=polars.UInt8),
        "float": [0.1, 2.0, 1e300],
        "float32": polars.Series([0.1, 2.0, 3.0], dtype=polars.Float32),
        "date": [dt.date(2020, 2, i) for i in (27, 28, 29)],
        "datetime": [dt.datetime(2020, 1, i, 3, 4, 5, 6) for i in (1, 2, 3)],
        "with a zone": polars.Series([dt.datetime(2020, 3, i) for i in (28, 29, 30)])
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone("Europe/Oslo"),
        "duration": [dt.timedelta(days=i) for i in (1, 2, 3)],
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
    [("int8", 400.0, np.int64), ("int64", 0.5, np.float64), ("Int64", 0.5, np.float64)],
)
def test_what_a_dtype_cannot_hold_has_another(dtype, value, expected):
    container = Container.of(pd.DataFrame({"n": pd.array([1, 2], dtype=dtype)}))
    assert container.rows(np.array([[value]]))["n"].dtype == expected


def test_roles_and_levels():
    fields = {field.name: field for field in Container.of(PANDAS).fields}
    assert fields["category"].levels == ("b", "a", "never")
    assert fields["category"].role == "category"
    assert fields["ordered"].role == "ordered"
    assert fields["numbers as categories"].levels == (1, 3)
    assert fields["string"].levels == ("x", "y")
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
    with pytest.raises(TypeError, match="Column 'lists' has dtype List"):
        Container.of(polars.DataFrame({"lists": [[1], [2]]}))
    with pytest.raises(TypeError, match=r"Column 'mixed' holds objects of types \['int', 'str'\]"):
        Container.of(pd.DataFrame({"mixed": pd.Series([1, "a"], dtype=object)}))


@pytest.mark.parametrize("given", [["b"], [1], [False, True, False], np.array([1])])
def test_categories_are_marked_by_name_position_or_mask(given):
    frame = pd.DataFrame({"a": [1.0], "b": [2], "c": [3]})
    assert categorical_mask(given, frame) == [False, True, False]
    assert categorical_mask("from_dtype", frame) == [False] * 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["z"], r"names columns \['z'\]"),
        ([7], r"names columns \[7\]"),
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
