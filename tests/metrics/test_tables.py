"""Tables read alike: pandas, polars and arrays, in any order of columns; and what is refused."""

import re

import numpy as np
import pandas as pd
import pytest

from skvae.metrics import column_distances, pair_distances
from skvae.metrics.tables import read_tables
from tests.metrics.frames import in_polars, mixed

REAL = pd.DataFrame({"a": [1.0, 2.0, np.nan], "c": ["u", "v", None]})


def test_the_container_and_the_order_of_columns_do_not_matter():
    real, synthetic = mixed(60, 0), mixed(50, 1)
    columns, pairs = column_distances(real, synthetic), pair_distances(real, synthetic)
    turned = synthetic[synthetic.columns[::-1]]
    assert column_distances(real, turned) == columns
    given = [in_polars(table) for table in (real, turned)]
    # Levels are in another order: sums are rounded otherwise.
    assert column_distances(*given) == pytest.approx(columns)
    assert pair_distances(*given) == pytest.approx(pairs)
    assert column_distances(real, given[1]) == pytest.approx(columns)


def test_arrays_are_named_by_position():
    real, synthetic = (mixed(60, seed)[["x", "count"]] for seed in (0, 1))
    found = column_distances(real.to_numpy(), synthetic.to_numpy())
    assert list(found) == [0, 1]
    assert [*found.values()] == [*column_distances(real, synthetic).values()]
    assert column_distances(real.to_numpy().tolist(), synthetic.to_numpy()) == found


def test_levels_are_those_of_all_tables():
    synthetic = pd.DataFrame({"a": [3, 1, 1], "c": pd.Categorical(["new", "v", None])})
    a, c = read_tables(real=REAL, synthetic=synthetic)
    assert c.levels == ("u", "v", "new")
    np.testing.assert_array_equal(c.parts, [[0, 1, np.nan], [2, 1, np.nan]])
    assert a.parts[1].tolist() == [3, 1, 1]


def test_categories_written_as_integers_meet_their_dtype():
    real = pd.DataFrame({"k": pd.Categorical([1, 2, 2, 3])})
    assert column_distances(real, pd.DataFrame({"k": [1, 2, 2, 4]})) == {"k": 0.25}
    numbers = pd.DataFrame({"k": [1, 2, 2, 3]})
    given = {"categorical_features": ["k"]}
    assert column_distances(numbers, pd.DataFrame({"k": [1, 2, 2, 40]}), **given) == {"k": 0.25}
    assert column_distances(numbers.to_numpy(), [[1], [2], [2], [4]], categorical_features=[0]) == {
        0: 0.25
    }


def test_times_count_from_one_origin_whatever_the_unit():
    days = pd.date_range("2024-01-01", periods=4)
    real = pd.DataFrame({"t": days.astype("datetime64[ns]")})
    synthetic = pd.DataFrame({"t": (days + pd.Timedelta(days=2)).astype("datetime64[s]")})
    assert column_distances(real, synthetic) == {"t": 0.5}


def test_a_column_without_a_value_takes_the_kind_of_the_other_table():
    empty, full = pd.DataFrame({"c": [None, None]}), pd.DataFrame({"c": ["u", "v"]})
    assert column_distances(empty, full) == column_distances(full, empty) == {"c": 1.0}
    assert column_distances(empty, empty) == {"c": 0.0}


@pytest.mark.parametrize(
    ("synthetic", "words"),
    [
        (REAL[["a"]], "synthetic lacks the columns ['c']"),
        (REAL.assign(b=1), "synthetic has ['b'] besides"),
        (REAL[:0], "synthetic has no rows"),
        (REAL[[]], "synthetic has no columns"),
        ("drawn.csv", "synthetic is a str, but expected a DataFrame"),
        (REAL["a"], "synthetic is a Series of shape (3,), but expected a DataFrame"),
        (REAL.to_numpy(), "real is a DataFrame and synthetic is an array"),
        (REAL.assign(a="1"), "Column 'a' holds numbers in real, but strings in synthetic"),
        (REAL.assign(c=1), "Column 'c' holds strings in real, but categories in synthetic"),
        (REAL.assign(a=np.inf), "synthetic: Input X contains infinity in column 'a', row 0"),
        (in_polars(REAL[["a"]]).lazy(), "lazy"),
        (REAL.assign(a=[[1], [2], [3]]), "synthetic: Column 'a' holds objects of types ['list']"),
    ],
)
def test_what_does_not_compare_is_refused_with_its_name(synthetic, words):
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        column_distances(REAL, synthetic)


def test_zones_that_differ_are_told_with_the_table():
    real = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=3, tz="UTC")})
    with pytest.raises(
        TypeError, match=r"synthetic: Column 't' .* held times of the zone UTC in real"
    ):
        column_distances(real, real.assign(t=real.t.dt.tz_localize(None)))
