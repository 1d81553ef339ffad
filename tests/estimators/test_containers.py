"""Containers: what rows may come in, and what they come back in."""

import datetime as dt

import numpy as np
import pandas as pd
import polars
import pytest

from skvae import VAEDensity, VAEImputer

N = 14
X = np.random.default_rng(0).normal(size=(N, 3))
UNTRAINED = {"hidden_layer_sizes": (4,), "max_epochs": 0, "random_state": 0}


@pytest.mark.parametrize(
    "columns",
    [
        pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "x")], names=["k", "l"]),
        pd.MultiIndex.from_product([["a"], [1, 2, 3]]),
        pd.Index(["a", "b", "c"], name="variable"),
        pd.Index([3, 1, 2], name="number"),
        pd.date_range("2020", periods=3, name="day"),
    ],
    ids=["levels", "levels of two kinds", "name", "numbers", "times"],
)
def test_levels_and_names_of_columns_come_back(columns):
    frame = pd.DataFrame(X, columns=columns)
    frame.iloc[0, 1] = np.nan
    density, imputer = (E(1, **UNTRAINED).fit(frame) for E in (VAEDensity, VAEImputer))
    found = [
        density.sample(3),
        density.sample_conditional(frame),
        density.reconstruct(frame),
        imputer.transform(frame),
        *imputer.sample_imputations(frame, 1),
    ]
    for rows in found:
        assert rows.columns.equals(columns)
        assert rows.columns.names == columns.names
    empty = frame.copy()
    empty.iloc[:, 1] = np.nan
    with pytest.warns(UserWarning, match="no observed value"):
        kept = VAEImputer(1, **UNTRAINED).fit_transform(empty).columns
    assert kept.tolist() == columns[[0, 2]].tolist()
    assert kept.names == columns.names


def test_polars_rows_become_rows_of_pandas_with_their_dtypes():
    frame = polars.DataFrame(
        {
            "x": [None, *X[1:, 0].tolist()],
            "n": polars.Series(range(N), dtype=polars.Int16),
            "f": polars.Series(X[:, 1], dtype=polars.Float32),
            "b": X[:, 2] > 0,
            "s": ["a", "b"] * (N // 2),
            "c": polars.Series(["a", "b"] * (N // 2), dtype=polars.Categorical),
            "t": [dt.datetime(2020, 1, 1)] * N,
            "z": polars.Series([dt.datetime(2020, 1, 1)] * N).dt.replace_time_zone("EST5EDT"),
        }
    )
    imputer = VAEImputer(1, add_indicator=True, **UNTRAINED).fit(frame)
    rows = imputer.set_output(transform="pandas").transform(frame)
    assert isinstance(rows, pd.DataFrame)
    assert rows.columns.tolist() == [*frame.columns, "missingindicator_x"]
    assert [str(dtype) for dtype in rows.dtypes] == [
        *("float64", "int16", "float32", "bool", "str", "category"),
        *("datetime64[us]", "datetime64[us, EST5EDT]", "bool"),
    ]
    for name in ("n", "f", "b", "s", "c", "t", "z"):
        assert rows[name].tolist() == frame[name].to_list(), name


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int8", "object"])
def test_what_is_masked_is_missing(dtype):
    values = np.round(X * 4).astype(dtype)
    mask = np.zeros(X.shape, dtype=bool)
    mask[:3, 0] = True
    values[:3, 0] = 99
    masked, plain = np.ma.masked_array(values, mask), values.astype(float)
    plain[mask] = np.nan
    imputer = VAEImputer(1, **UNTRAINED).fit(masked)
    assert (VAEImputer(1, **UNTRAINED).fit(plain).score_samples(plain)).tolist() == (
        imputer.score_samples(masked).tolist()
    )
    found = imputer.transform(masked)
    assert not isinstance(found, np.ma.MaskedArray)
    assert (found[~mask] == values[~mask]).all()
    assert (np.abs(found[mask].astype(float)) < 50).all()


def test_masked_integers_beyond_all_floats_are_refused():
    rows = np.ma.masked_array([[2**53 + 1], [1], [2]], [[False], [False], [True]])
    with pytest.raises(ValueError, match="Column 0 holds integers beyond"):
        VAEDensity(1, **UNTRAINED).fit(rows)


@pytest.mark.parametrize("name", ["Table", "RecordBatch"])
def test_tables_of_pyarrow_are_refused_by_a_sentence(name):
    # pyarrow need not be there to be told from its name.
    rows = type(name, (), {"__module__": "pyarrow.lib"})()
    with pytest.raises(TypeError, match=f"X is a pyarrow.{name}.*X.to_pandas"):
        VAEDensity(1, **UNTRAINED).fit(rows)
    density = VAEDensity(1, **UNTRAINED).fit(X)
    for method in (density.score_samples, density.sample_conditional, density.reconstruct):
        with pytest.raises(TypeError, match=f"X is a pyarrow.{name}"):
            method(rows)


DIGITS = (TypeError, "X holds strings: give a DataFrame")
NAMED = (ValueError, "Column 0 holds the string .* in row 0, .* or give a DataFrame")


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (np.array([["a", "1"]] * N), *NAMED),
        (np.array([["1.5", "1"]] * N), *DIGITS),
        (np.array([[b"a", b"1"]] * N), *NAMED),
        (np.array([["1.5", "1"]] * N, dtype=np.dtypes.StringDType()), *DIGITS),
        ([["1.5", "1"]] * N, *DIGITS),
        ([["a", 1]] * N, *NAMED),
    ],
    ids=["strings", "digits", "bytes", "variable", "list", "mixed list"],
)
def test_strings_are_refused_by_a_sentence(rows, error, message):
    with pytest.raises(error, match=message):
        VAEDensity(1, **UNTRAINED).fit(rows)
    with pytest.raises(error, match=message):
        VAEDensity(1, **UNTRAINED).fit(X[:, :2]).score_samples(rows)


@pytest.mark.parametrize(
    "names",
    [
        [0, 1, 2],
        [0.5, 1.5, 2.5],
        pd.date_range("2021", periods=3),
        pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "x")]),
    ],
    ids=["integers", "floats", "times", "levels"],
)
def test_columns_in_other_places_are_refused_whatever_their_names(names):
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)), columns=names)
    imputer = VAEImputer(1, max_epochs=1, random_state=0).fit(table)
    elsewhere = table.iloc[:, [1, 0, 2]]
    other = table.set_axis([0, 1, 3], axis=1) if table.columns[0] == 0 else elsewhere
    for X in (elsewhere, other):
        for method in (imputer.transform, imputer.sample_imputations):
            with pytest.raises(ValueError, match=r"X has the columns .* Give them in that order"):
                method(X)
    # By name they may be anywhere, and some may be left out.
    drawn = imputer.sample_conditional(elsewhere, random_state=0)
    pd.testing.assert_frame_equal(drawn, table)
