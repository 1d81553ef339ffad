"""Neighbours: what other columns say of one, against the closed form of normal rows."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skvae.fit.likelihoods import choose_families
from skvae.fit.neighbours import MOST, Neighbours
from skvae.table.container import Container

RANDOM = np.random.default_rng(0)
COVARIANCE = np.array([[1.0, 0.9, 0.3], [0.9, 1.0, 0.0], [0.3, 0.0, 1.0]])


def rows(n):
    return RANDOM.multivariate_normal(np.zeros(3), COVARIANCE, n)


def given_rest(x):
    weight = np.linalg.solve(COVARIANCE[1:, 1:], COVARIANCE[1:, 0])
    deviation = (COVARIANCE[0, 0] - weight @ COVARIANCE[1:, 0]) ** 0.5
    return stats.norm(x[:, 1:] @ weight, deviation)


@pytest.mark.parametrize("warp", [np.array, np.exp])
def test_gains_are_those_of_normal_rows_whatever_the_units(warp):
    fit, held_out = rows(20_000), rows(300)
    neighbours = Neighbours(warp(fit), warp(held_out))
    expected = given_rest(held_out).logpdf(held_out[:, 0]) - stats.norm.logpdf(held_out[:, 0])
    found = neighbours.gain_of_value(0)
    inside = np.abs(held_out).max(1) < 2  # scores of few rows out there are rough
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.15)
    low, high = np.floor(held_out[:, 0]), np.floor(held_out[:, 0]) + 1.0
    given = given_rest(held_out)
    expected = np.log(given.cdf(high) - given.cdf(low))
    expected -= np.log(stats.norm.cdf(high) - stats.norm.cdf(low))
    found = neighbours.gain_of_range(0, warp(low), warp(high))
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.15)


def test_columns_that_have_nothing_to_do_with_each_other_gain_nothing():
    x = RANDOM.uniform(size=(4000, 3))
    neighbours = Neighbours(x[:3000], x[3000:])
    assert abs(neighbours.gain_of_value(1).mean()) < 0.01
    assert abs(neighbours.gain_of_range(1, x[3000:, 1] - 0.1, x[3000:, 1] + 0.1).mean()) < 0.01


def test_missing_constant_and_equal_columns_have_bounded_gains():
    x = rows(200)
    x = np.c_[x, x[:, 0], np.ones(200)]
    x[RANDOM.uniform(size=x.shape) < 0.2] = np.nan
    neighbours = Neighbours(x[:150], x[150:])
    for j in range(5):
        for gain in (
            neighbours.gain_of_value(j),
            neighbours.gain_of_range(j, np.full(50, -np.inf), np.full(50, np.inf)),
        ):
            assert (np.abs(gain) <= MOST).all()


def family_of(table):
    container = Container.of(table)
    return type(choose_families("auto", container.values(table), container, 0)[0]).__name__


def test_a_column_that_the_others_nearly_determine_is_not_binned():
    # By itself better in bins, of which the others would tell no more than which.
    z = 3.0 * RANDOM.integers(0, 12, 8000) + RANDOM.uniform(-0.2, 0.2, 8000)
    assert family_of(pd.DataFrame({"a": z, "b": RANDOM.normal(size=8000)})) == "Binned"
    near = z + 1e-3 * RANDOM.normal(size=8000)
    assert family_of(pd.DataFrame({"a": z, "b": near})) == "Gaussian"


def test_bins_must_be_worth_what_is_learned_of_them():
    z = 3.0 * RANDOM.integers(0, 12, 8000) + RANDOM.uniform(-0.2, 0.2, 8000)
    others = {str(j): RANDOM.normal(size=8000) for j in range(16)}
    table = pd.DataFrame({"a": z, **others})
    assert family_of(table) == "Binned"
    assert family_of(table[:300]) == "Gaussian"
