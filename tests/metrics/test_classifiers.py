"""Classifiers: like rows are not told apart and teach as much, shuffled ones are and do not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from skvae.metrics import train_on_synthetic, two_sample_auc
from tests.metrics.frames import mixed, shuffled


@pytest.fixture(scope="module")
def tables():
    return mixed(600, 0), mixed(600, 1), mixed(600, 2)


def test_auc_of_like_and_of_shuffled_rows(tables):
    train, test, other = tables
    # The standard error of an AUC of 600 rows a side is 0.017.
    assert two_sample_auc(test, other) == pytest.approx(0.5, abs=0.06)
    assert two_sample_auc(test, shuffled(train)) > 0.75


def test_auc_of_the_longer_table_takes_random_rows():
    rows = mixed(1000, 0).sort_values("x")
    # Its first rows alone are the lowest ones.
    assert two_sample_auc(mixed(200, 1), rows) < 0.6


def test_auc_sees_missing_cells(tables):
    _, test, other = tables
    holes = other.assign(x=other.x.mask(np.arange(600) % 2 == 0))
    assert two_sample_auc(test, holes) > 0.7


def test_strings_that_are_all_distinct_tell_nothing():
    real, drawn = (
        mixed(300, k).assign(id=[f"{kind}{i}" for i in range(300)]) for k, kind in enumerate("ab")
    )
    # The standard error of an AUC of 300 rows a side is 0.024.
    assert two_sample_auc(real, drawn) == pytest.approx(0.5, abs=0.08)


def test_levels_that_only_drawn_rows_have_tell_them():
    cities = [f"city {k}" for k in range(300)] * 10
    real = pd.DataFrame({"city": cities[:1500]})
    assert two_sample_auc(real, pd.DataFrame({"city": cities[:750] + ["Atlantis"] * 750})) > 0.7


def test_too_few_rows_are_named(tables):
    with pytest.raises(
        ValueError, match="synthetic has 24 rows, but telling tables apart needs 25"
    ):
        two_sample_auc(tables[0], tables[1][:24])


@pytest.mark.parametrize("target", ["sold", "x", "colour"])
def test_prediction_is_learnt_from_like_rows_only(tables, target):
    train, test, other = tables
    learnt = train_on_synthetic(test, other, target)
    assert learnt == pytest.approx(train_on_synthetic(test, train, target), abs=0.07)
    assert learnt > train_on_synthetic(test, shuffled(train), target) + 0.2


def test_prediction_of_numbers_is_r_squared_of_boosting():
    train, test = (mixed(200, seed)[["x", "count"]] for seed in (0, 1))
    model = HistGradientBoostingRegressor(random_state=0).fit(train[["count"]], train["x"])
    expected = model.score(test[["count"]], test["x"])
    assert train_on_synthetic(test, train, "x") == pytest.approx(expected)


def test_the_names_and_the_sign_of_classes_do_not_matter(tables):
    train, test, _ = tables
    named = [t.assign(sold=t.sold.map({False: "yes", True: "no"})) for t in (test, train)]
    integers = [t.assign(sold=t.sold.astype(int)) for t in (test, train)]
    found = train_on_synthetic(test, train, "sold")
    assert train_on_synthetic(*named, "sold") == pytest.approx(found, abs=0.01)
    assert train_on_synthetic(*integers, "sold") == pytest.approx(found)


def test_one_class_teaches_nothing_and_an_absent_one_counts_as_a_guess(tables):
    train, test, _ = tables
    assert train_on_synthetic(test, train[train.sold], "sold") == 0.5
    two = train[train.colour != "blue"]
    assert 0.5 < train_on_synthetic(test, two, "colour") < train_on_synthetic(test, train, "colour")


def test_rows_without_the_target_are_left_out(tables):
    train, test, _ = tables
    some = np.arange(600) < 300
    holes = train.assign(x=train.x.where(some))
    found = train_on_synthetic(test, holes, "x")
    assert found == train_on_synthetic(test, train[some], "x")


@pytest.mark.parametrize(
    ("target", "change", "words"),
    [
        ("price", {}, "target is 'price', but the columns are"),
        ("x", {"x": 1.0}, "Column 'x' has one value in real"),
        ("name", {"name": [f"n{k}" for k in range(600)]}, "Column 'name' has 600 classes"),
    ],
)
def test_targets_that_cannot_be_are_refused(tables, target, change, words):
    rows = tables[0].assign(**change)
    with pytest.raises(ValueError, match=words):
        train_on_synthetic(rows, rows, target)
