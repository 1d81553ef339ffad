"""Measures of synthetic rows: tables whose answers are known, and controls at both ends."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.data.frames import CODES, read  # noqa: E402
from benchmarks.measures import fidelity as f  # noqa: E402
from benchmarks.synthetic import applies, mixture, shuffled_columns  # noqa: E402
from skvae.metrics import column_distances, two_sample_auc  # noqa: E402


def mixed(n, seed):
    """Rows of all types that hang together through one normal variable."""
    generator = np.random.default_rng(seed)
    z = generator.normal(size=n)
    codes = np.digitize(z + 0.5 * generator.normal(size=n), [-0.5, 0.5])
    return pd.DataFrame(
        {
            "x": z + 0.1 * generator.normal(size=n),
            "count": generator.poisson(np.exp(z / 2)),
            "colour": pd.Categorical.from_codes(codes, ["red", "green", "blue"]),
            "sold": z + 0.5 * generator.normal(size=n) > 0,
        }
    )


def shuffled(table):
    return shuffled_columns(table, table, 0)[0]


@pytest.fixture(scope="module")
def tables():
    return mixed(1000, 0), mixed(1000, 1), mixed(1000, 2)


def test_the_kinds_of_columns_have_means_of_their_own():
    real = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0], "b": [True, False]})
    synthetic = pd.DataFrame({"x": [0.0, 1.0], "y": [2.0, 3.0], "b": [True, True]})
    summary = f.column_summary(real, column_distances(real, synthetic))
    assert summary == {"ks": 0.5, "tv": 0.5, "worst_column": "y", "worst_distance": 1.0}
    numbers = f.column_summary(real, {"x": 0.0})
    assert (numbers["ks"], numbers["tv"]) == (0.0, None)


def test_associations_are_those_of_the_textbook(tables):
    table = tables[0].assign(constant=1.0)
    found = dict(zip(f.combinations(table, 2), f.associations(table), strict=True))
    assert found["x", "count"] == pytest.approx(np.corrcoef(table.x, table["count"])[0, 1])
    counts = pd.crosstab(table.colour, table.sold).to_numpy()
    expected = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert found["colour", "sold"] == pytest.approx((chi2 / counts.sum()) ** 0.5)
    between = table.groupby("colour", observed=True).x.transform("mean").var()
    assert found["x", "colour"] == pytest.approx((between / table.x.var()) ** 0.5)
    assert found["colour", "constant"] == found["x", "constant"] == 0.0


def test_a_category_determined_by_another_has_association_one():
    a = pd.Series([*"uuvvww"], dtype="category")
    table = pd.DataFrame({"a": a, "b": a.cat.rename_categories([*"xyz"]), "c": a == "u"})
    assert f.associations(table) == pytest.approx([1.0, 1.0, 1.0])


def test_correlation_error_of_like_and_of_shuffled_rows(tables):
    train, test, other = tables
    assert f.correlation_error(test, test) == 0.0
    assert f.correlation_error(test, other) < 0.05
    assert f.correlation_error(test, shuffled(train)) > 0.4


def test_nearest_share_of_copies_and_of_new_rows(tables):
    train, test, other = tables
    # No two rows agree in the continuous column, so that each copy finds its original.
    assert f.nearest_share(train, test, train) == 1.0
    assert f.nearest_share(train, test, test) == 0.0
    assert f.nearest_share(train, test, other) == pytest.approx(0.5, abs=0.06)


def test_nearest_share_counts_ties_half():
    rows = pd.DataFrame({"b": [True, False] * 20, "c": pd.Categorical([*"uv"] * 20)})
    assert f.nearest_share(rows, rows, rows) == 0.5


def test_nearest_share_weighs_a_mismatch_as_one_standard_deviation():
    levels = pd.CategoricalDtype(["u", "v"])

    def row(x, c, b):
        return pd.DataFrame({"x": [x], "c": pd.Series([c], dtype=levels), "b": [b]})

    scale = pd.Series({"x": 2.0})
    origin = f._coordinates(row(0.0, "u", True), scale)
    for other in (row(2.0, "u", True), row(0.0, "v", True), row(0.0, "u", False)):
        assert f._squared_distances(f._coordinates(other, scale), origin) == pytest.approx(1.0)


def test_fidelity_has_all_measures_and_takes_columns_in_any_order_and_dtype(tables):
    train, test, other = tables
    drawn = other[other.columns[::-1]].astype({"colour": object, "sold": object, "x": "float32"})
    found = f.fidelity(train, test, drawn.sample(frac=1, random_state=0), "sold")
    assert set(found) == {
        *("two_sample_auc", "tstr", "trtr", "ks", "tv", "worst_column", "worst_distance"),
        *("correlation_error", "nearest_share"),
    }
    assert found["two_sample_auc"] < 0.55


def test_an_unknown_category_is_refused(tables):
    train, _, other = tables
    with pytest.raises(ValueError, match="'colour'"):
        f.in_dtypes_of(train, other.assign(colour="pink"))


def test_integer_columns_are_left_as_drawn(tables):
    train, _, other = tables
    drawn = other.assign(count=0.5)
    assert (f.in_dtypes_of(train, drawn)["count"] == 0.5).all()


def test_reading_types_categories_and_fills_missing_ones(tmp_path):
    table = pd.DataFrame(
        {
            "Month": ["May", "Jun", None, "Dec"],
            **{name: [1, 2, 3, 1] for name in CODES["shoppers"]},
            "Revenue": [True, False, True, False],
            "split": ["train", "train", "test", "not_in_tabsyn"],
        }
    )
    table.to_csv(tmp_path / "shoppers.csv.gz", index=False)
    train, test = read(tmp_path, "shoppers")
    assert (len(train), len(test)) == (2, 1)
    assert "split" not in train
    assert train.dtypes.equals(test.dtypes)
    assert test.Month[0] == "?"
    assert train.Region.dtype == pd.CategoricalDtype([1, 2, 3])
    assert train.Revenue.dtype == bool


def test_a_mixture_for_each_category_draws_as_many_of_each(tables):
    train = tables[0][["x", "count", "sold"]]
    rows, details, _ = mixture(train, train, 0)
    assert rows.sold.sum() == train.sold.sum()
    assert set(details["components"]) == {"False", "True"}
    assert two_sample_auc(train[["x", "sold"]], rows[["x", "sold"]]) < 0.6
    assert applies("GaussianMixture", train)
    assert not applies("GaussianMixture", tables[0])
