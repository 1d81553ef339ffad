"""Table: columns to cells and back."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skvae.fit.likelihoods import models
from skvae.likelihoods import (
    Bernoulli,
    Beta,
    Binned,
    Categorical,
    DiscretizedLogistic,
    Gaussian,
    LogNormal,
    Ordinal,
    Poisson,
)
from skvae.table.container import Container
from skvae.table.table import Table, is_binary, resolution


def table_of(X, *families):
    container = Container.of(X)
    values = container.values(X)
    families = families or [Gaussian()] * values.shape[1]
    return Table.learn(values, container, models(list(families))), values


def random():
    return np.random.RandomState(0)


def test_round_trip_of_an_array():
    X = np.random.default_rng(0).normal(3, 5, size=(50, 3))
    X[:, 1] = 4.0
    table, values = table_of(X)
    cells, log_det = table.encode(values)
    assert_allclose(cells.mean(0), 0, atol=1e-12)
    assert_allclose(cells.std(0), [1, 0, 1], atol=1e-12)
    assert_allclose(log_det, -np.log(X[:, [0, 2]].std(0)).sum())
    assert_allclose(table.container.rows(table.decode(cells, random())), X)
    assert table.n_levels == [1, 1, 1]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_round_trip_of_a_frame(library):
    module = pytest.importorskip(library)
    generator = np.random.default_rng(0)
    frame = module.DataFrame(
        {
            "a": generator.normal(size=20),
            "b": generator.normal(size=20).astype("float32"),
            "c": generator.uniform(size=20) < 0.5,
            "d": generator.integers(0, 2, 20),
            "e": generator.choice(["x", "y", "z"], 20),
            "f": generator.integers(0, 9, 20),
        }
    )
    families = Gaussian(), Gaussian(), Bernoulli(), Bernoulli(), Categorical(), Poisson()
    table, values = table_of(frame, *families)
    assert table.n_levels == [1, 1, 1, 1, 3, 1]
    back = table.container.rows(table.decode(table.encode(values)[0], random()))
    assert type(back) is type(frame)
    dtypes = {"pandas": "dtypes", "polars": "schema"}[library]
    assert dict(getattr(back, dtypes)) == dict(getattr(frame, dtypes))
    assert_allclose(Container.of(frame).values(back), values, rtol=1e-6)


def test_a_log_det_is_the_sum_over_columns():
    """Scales of numbers, and resolutions of levels, which categories do not have."""
    frame = pd.DataFrame({"x": [1.0, 2.0, 4.0], "h": [0.0, 0.5, 2.0], "k": ["a", "b", "a"]})
    table, values = table_of(frame, LogNormal(), Ordinal(), Categorical())
    _, log_det = table.encode(values)
    # The geometric mean of x is 2, the resolution of h 0.1.
    assert_allclose(log_det, np.full(3, -np.log(2.0) - np.log(0.1)))


def test_fractions_in_an_integer_column_stay_fractions():
    table, _ = table_of(pd.DataFrame({"n": [1, 2, 3, 4]}))
    rows = table.container.rows(table.decode(np.array([[0.1], [0.2]]), random()))
    assert rows["n"].dtype == float


@pytest.mark.parametrize("names", [[0, 1], ["1", 1], [("a", 1), ("a", 2)]])
def test_column_names_that_are_no_strings_are_kept(names):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(5, 2)))
    frame.columns = pd.Index(names, tupleize_cols=False)
    table, values = table_of(frame)
    assert (
        table.container.rows(table.decode(table.encode(values)[0], random())).columns.tolist()
        == names
    )


def test_resolutions_are_in_cells():
    frame = pd.DataFrame({"n": [0.0, 2.0, 6.0], "one": [3.0] * 3, "p": [2.0, 4.0, 8.0]})
    table, _ = table_of(frame, Gaussian(), Gaussian(), LogNormal())
    assert_allclose(table.resolution, [2.0 / np.std([0, 2, 6]), 0.0, 0.5])


def test_a_binned_value_comes_back_within_its_bin():
    X = pd.DataFrame({"x": np.random.default_rng(0).lognormal(size=500)})
    table, values = table_of(X, Binned(8))
    cells, _ = table.encode(values)
    drawn = table.container.rows(table.decode(cells, random()))
    assert (drawn["x"] != X["x"]).all()
    assert_array_equal(table.encode(drawn.to_numpy())[0], cells)
    # Where in its bin is all that differs.
    again = table.container.rows(table.decode(cells, random()))
    pd.testing.assert_frame_equal(again, drawn)


REFUSED = [
    (Poisson(), [1.0, 2.0, 3.7], "Poisson, which needs integers >= 0. Got 3.7 in row 2"),
    (LogNormal(), [1.0, 0.0, 3.0], "LogNormal, which needs numbers > 0. Got 0 in row 1"),
    (Beta(), [0.5, 0.2, 1.0], "numbers strictly between 0 and 1. Got 1 in row 2"),
    (
        DiscretizedLogistic(),
        [3.0, 255.0, 256.0],
        "numbers from 0 to 255 in steps of 1. Got 256 in row 2. Correct the row, name the grid",
    ),
    (
        DiscretizedLogistic(high=1, step=0.25),
        [0.25, 0.2, 0.5],
        "numbers from 0 to 1 in steps of 0.25. Got 0.2 in row 1",
    ),
    (Bernoulli(), [2.0, 1.0, 0.0], "Bernoulli, which needs 0 or 1. Got 2 in row 0"),
]


@pytest.mark.parametrize(("family", "values", "message"), REFUSED)
def test_values_that_a_likelihood_cannot_have_are_refused_in_learning(family, values, message):
    with pytest.raises(ValueError, match=f"Column 'x' has likelihood .*{message}"):
        table_of(pd.DataFrame({"x": values}), family)


def test_values_that_a_likelihood_cannot_have_are_refused_in_encoding():
    table, _ = table_of(pd.DataFrame({"n": [0.0, 3.0], "k": [1.0, 4.0]}), Poisson(), Categorical())
    with pytest.raises(ValueError, match=r"'n' .*Got -1 in row 1.*likelihood=\{'n': 'gaussian'\}"):
        table.encode(np.array([[0.0, 1.0], [-1.0, 1.0]]))
    with pytest.raises(ValueError, match=r"'k' has likelihood Categorical, .*one of 1, 4. Got 2"):
        table.encode(np.array([[0.0, 2.0]]))


@pytest.mark.parametrize("family", [Gaussian(), LogNormal(), Poisson(), Bernoulli(), Binned()])
def test_numbers_cannot_model_categories(family):
    frame = pd.DataFrame({"k": ["a", "b"]})
    name = type(family).__name__
    with pytest.raises(ValueError, match=f"Column 'k' holds categories, which {name} cannot"):
        table_of(frame, family)


@pytest.mark.parametrize(
    ("values", "binary"),
    [([0, 1, 1], True), ([0, 0], False), ([1, 1], False), ([0, 1, 2], False), ([0, 0.5, 1], False)],
)
def test_binary_columns_hold_both_values_and_nothing_else(values, binary):
    assert is_binary(np.array(values, dtype=float)) == binary


def test_resolution_is_the_smallest_gap():
    assert resolution(np.array([3.0, 1.0, 1.5, 3.0])) == 0.5
    assert resolution(np.array([2.0, 2.0])) == 0.0
