"""Ends: natural ones, and a margin elsewhere."""

import numpy as np
import pytest

from skvae.table.ends import ends_of, ends_of_positive, with_margin

RANDOM = np.random.default_rng(0)
U = RANDOM.uniform(size=500)


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        (U, (0.0, 1.0)),
        (100.0 * U, (0.0, 100.0)),
        (-U, (None, 0.0)),
        (3.0 * U, (0.0, None)),
        (40.0 + 20.0 * U, (None, None)),
        (np.array([0.0, 1.0]), (0.0, 1.0)),
        (np.array([-1e150, 1e150]), (None, None)),
        (np.array([7.0]), (0.0, None)),
    ],
)
def test_natural_ends_or_a_margin(values, ends):
    found = ends_of(values)
    for end, natural in zip(found, ends, strict=True):
        assert end == natural if natural is not None else end not in (0.0, 1.0, 100.0)
    assert np.isfinite(found).all()
    assert found[0] <= values.min()
    assert values.max() <= found[1]


def test_a_margin_is_as_wide_as_that_side_of_the_column():
    values = np.array([*np.linspace(-1.0, 1.0, 999), 1e9])  # a sentinel moves one side alone
    low, high = with_margin(values)
    assert low == pytest.approx(-2.0, abs=0.02)
    assert high == pytest.approx(2e9, rel=0.02)


def test_few_rows_go_farther():
    values = np.array([-1.0, 0.0, 1.0])
    assert with_margin(values)[1] == pytest.approx(1.0 + 1.0 + 10.0 / 3.0)


def test_distances_of_positive_numbers_are_those_of_logarithms():
    low, high = ends_of_positive(np.exp(np.linspace(3.0, 7.0, 1001)))
    assert low == pytest.approx(np.exp(1.0), rel=0.03)
    assert high == pytest.approx(np.exp(9.0), rel=0.03)
    assert ends_of_positive(np.geomspace(0.01, 0.9, 500))[1] == 1.0
