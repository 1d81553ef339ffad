"""Privacy: copies are found, new rows are not, and the distance is that of SDMetrics."""

import numpy as np
import pandas as pd
import pytest

from skvae.metrics import closest_records, membership_advantage
from skvae.metrics.privacy import Space, advantage
from skvae.metrics.tables import read_tables
from tests.metrics.frames import compared_with_sdmetrics, mixed


def test_the_share_is_that_of_sdmetrics():
    found = closest_records(*compared_with_sdmetrics())
    # DCROverfittingProtection of SDMetrics 0.32.0 has 0.58666..., and counts the one tie as closer
    # to the held-out rows.
    assert found.share == pytest.approx(0.5866666666666667 + 0.5 / 150, abs=1e-12)


def test_copies_and_new_rows():
    real, holdout, other = mixed(400, 0), mixed(400, 1), mixed(400, 2)
    copies = closest_records(real, real, holdout)
    assert (copies.share, copies.copies, copies.copies_held_out) == (1.0, 1.0, 0.0)
    assert closest_records(real, holdout, holdout).share == 0.0
    new = closest_records(real, other, holdout)
    assert new.share == pytest.approx(0.5, abs=4 * new.standard_error)
    assert new.copies == 0.0
    half = pd.concat([real[:200], other[:200]])
    assert closest_records(real, half, holdout).copies == 0.5


def test_few_distinct_rows_are_no_copies():
    rows = pd.DataFrame({"b": [True, False] * 20, "c": [*"uv"] * 20})
    assert closest_records(rows, rows, rows) == (0.5, 0.5 / 40**0.5, 1.0, 1.0)


def test_the_distance_by_hand():
    real = pd.DataFrame(
        {"x": [0.0, 10.0, np.nan], "y": [0, 4, 2], "c": ["u", "v", None], "one": [1, 1, 1]}
    )
    drawn = pd.DataFrame({"x": [5.0, np.nan], "y": [9, 2], "c": ["u", None], "one": [1, 2]})
    space = Space(read_tables(real=real, synthetic=drawn), real=(0,))
    found = space._distances(space.rows(1), space.rows(0))
    # Columns are 0.5 | 1 | 0 | 0 from the first real row: a 9 counts as the largest real one, 4.
    assert found * 4 == pytest.approx(
        np.array([[1.5, 1.5, 1 + 0.5 + 1], [1 + 0.5 + 1 + 1, 1 + 0.5 + 1 + 1, 1]])
    )
    assert space.closest(space.rows(1), space.rows(0)) * 4 == pytest.approx([1.5, 1.0])


def test_the_advantage_of_copies_and_of_new_rows():
    real, holdout, other = mixed(400, 0), mixed(400, 1), mixed(400, 2)
    assert membership_advantage(real, real, holdout) == 1.0
    # The standard error is about 1 / sqrt(400).
    assert abs(membership_advantage(real, other, holdout)) < 0.15
    half = membership_advantage(real, pd.concat([real[:200], other[:200]]), holdout)
    assert 0.3 < half < 0.7


def test_the_threshold_is_judged_on_rows_it_was_not_chosen_by():
    assert advantage(np.array([0.0, 0, 0, 0]), np.array([1.0, 1, 1, 1])) == 1.0
    # The even ones say that a member is below 1, of the odd ones it is the other way round.
    assert advantage(np.array([0.0, 1, 0, 1]), np.array([1.0, 0, 1, 0])) < 0.0
    found = [advantage(*np.random.default_rng(k).normal(size=(2, 50))) for k in range(200)]
    # Without bias: 200 of a standard deviation of 0.1.
    assert abs(np.mean(found)) < 4 * 0.1 / 200**0.5


@pytest.mark.parametrize("function", [closest_records, membership_advantage])
def test_too_few_held_out_rows_are_named(function):
    with pytest.raises(ValueError, match=r"holdout has 19 rows, but an? .* needs 20 or more"):
        function(mixed(50, 0), mixed(50, 1), mixed(19, 2))
