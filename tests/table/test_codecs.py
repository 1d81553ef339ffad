"""Codecs: the resolution of a column, levels, and numbers moved and scaled."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skvae.likelihoods import Categorical, DiscretizedLogistic, Gaussian
from skvae.table.bins import Bins
from skvae.table.codecs import SUPPORTS, Affine, Codec, Grid, Levels, Positive, step_of

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("values", "role", "step"),
    [
        ([1.0, 2.0, 5.0], "integer", 1.0),
        ([1000.0, 3000.0], "integer", 1.0),
        ([0.5, 2.0], "number", 0.1),
        ([0.25, 2.0, 3.5], "number", 0.01),
        ([100.0, 300.0, 1200.0], "number", 100.0),
        ([-0.003, 0.001], "number", 0.001),
        ([1e-12, 4e-12], "number", 1e-12),
        ([1e15 + 1.0, 1e15 + 2.0], "number", 1.0),
        ([7.0], "number", 1.0),
        ([0.3] * 4000, "number", 0.1),
        ([0.0, 0.0], "number", 1.0),
        ([0.0, 3600.0, 10800.0], "time", 3600.0),
        ([0.0, 6.0, 9.0], "time", 3.0),
        ([5.0], "time", 5.0),
        ([0.0], "time", 1.0),
    ],
)
def test_steps_of_columns_on_a_grid(values, role, step):
    found, on_grid = step_of(np.array(values), role)
    assert on_grid
    assert found == pytest.approx(step, rel=1e-12)


def test_decimals_of_a_shorter_float_are_on_a_grid():
    values = np.round(RANDOM.normal(20, 3, 500), 1).astype(np.float32).astype(float)
    assert step_of(values) == (0.1, True)


def test_a_few_values_off_the_grid_do_not_matter():
    values = np.round(RANDOM.normal(20, 3, 5000), 1)
    values[:2] += 0.0123456789
    assert step_of(values) == (0.1, True)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.97])
def test_numbers_off_a_grid_are_continuous_however_many_are_zero(share):
    """By 97 % of zeros any power of ten explains most values, and would round the others."""
    values = np.where(RANDOM.uniform(size=4000) < share, 0.0, RANDOM.lognormal(size=4000))
    step, on_grid = step_of(values)
    assert not on_grid
    assert 0 < step < 1e-8 * max(values.std(), 1.0)
    codec = Bins.learn(values, "number", n_bins=16, min_share=0.004, atoms=True)
    codes, _ = codec.encode(values)
    drawn = codec.decode(codes, RANDOM.uniform(size=4000))
    assert ((drawn == 0) == (values == 0)).all()
    assert len(np.unique(drawn)) > 0.9 * (values != 0).sum()


def test_levels_are_the_values_in_order():
    codec = Levels((1.0, 2.5, 7.0), step=0.5)
    codes, log_det = codec.encode(np.array([7.0, 1.0]))
    assert codes.tolist() == [2, 0]
    assert log_det == pytest.approx(np.log(2))
    assert codec.mass_over == 0.5
    assert codec.decode(codes, np.zeros(2)).tolist() == [7.0, 1.0]
    assert codec.refuses(np.array([1.0, 3.0, np.nan])).tolist() == [False, True, True]
    assert codec.support == "one of 1, 2.5, 7"
    logits = torch.tensor([[0.0, 3.0, 1.0], [2.0, 0.0, 1.0]])
    assert codec.expect(Categorical()(logits)).tolist() == [2.5, 1.0]


SUPPORTED = {
    "numbers": ([-1.0, 0.5], []),
    "numbers > 0": ([0.1], [0.0, -1.0]),
    "numbers strictly between 0 and 1": ([0.5, 1e-300], [0.0, 1.0, 2.0, -0.1]),
    "integers >= 0": ([0.0, 3.0, 1e15], [-1.0, 0.5]),
    "0 or 1": ([0.0, 1.0], [0.5, 2.0, -1.0]),
}


@pytest.mark.parametrize("support", SUPPORTS)
def test_what_is_outside_a_support_is_refused(support):
    codec, (good, bad) = Affine(0.0, 1.0, support), SUPPORTED[support]
    assert codec.support == support
    assert_array_equal(codec.refuses(np.array(good + bad)), [False] * len(good) + [True] * len(bad))


def test_numbers_are_moved_and_scaled():
    codec = Affine(3.0, 2.0)
    values = np.array([5.0, -1.0])
    cells, log_det = codec.encode(values)
    assert cells.tolist() == [1.0, -2.0]
    assert log_det == -np.log(2)
    assert_allclose(codec.decode(cells, np.zeros(2)), values)
    assert codec.expect(Gaussian()(torch.tensor([[1.0, 0.0]]))).tolist() == [5.0]
    assert codec.mass_over is None


GRIDS = {
    "grey levels": Grid(0.0, 255.0, 256),
    "grey levels over 255": Grid(0.0, 1.0, 256),
    "tenths": Grid(0.0, 10.0, 101),
    "below zero": Grid(-3.5, 4.0, 16),
    "0 and 1": Grid(0.0, 1.0, 2),
}


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_comes_back_as_it_was(name):
    codec = GRIDS[name]
    n_steps = np.arange(codec.n)
    values = codec.low + n_steps * (codec.high - codec.low) / (codec.n - 1)
    cells, log_det = codec.encode(values)
    assert_array_equal(cells, n_steps)
    assert log_det == -np.log(codec.scale)
    assert codec.n_levels == 1
    assert codec.mass_over == codec.scale
    assert not codec.refuses(values).any()
    assert_array_equal(codec.decode(cells, np.zeros(codec.n)), values)


def test_decimals_of_a_grid_are_the_nearest_floats():
    tenths = GRIDS["tenths"].decode(np.arange(101.0), np.empty(0))
    assert_array_equal(tenths, np.round(np.arange(101) / 10, 1))
    assert_array_equal(
        GRIDS["grey levels over 255"].decode(np.arange(256.0), np.empty(0)), np.arange(256) / 255
    )


@pytest.mark.parametrize(
    "values",
    [
        np.arange(256, dtype=np.float32) / np.float32(255),
        np.arange(256, dtype=np.float32) * np.float32(1 / 255),
        np.arange(256) * (1 / 255),
    ],
)
def test_rounded_values_are_on_their_grid(values):
    codec = GRIDS["grey levels over 255"]
    assert not codec.refuses(values.astype(float)).any()
    assert_array_equal(codec.encode(values.astype(float))[0], np.arange(256))


def test_what_is_off_a_grid_is_refused():
    values = np.array([-1.0, 0.0, 0.5, 2.001, 255.0, 256.0, np.inf, np.nan])
    codec = GRIDS["grey levels"]
    expected = [True, False, True, True, False, True, True, True]
    assert codec.refuses(values).tolist() == expected
    assert codec.support == "numbers from 0 to 255 in steps of 1"
    assert GRIDS["tenths"].refuses(np.array([0.3, 0.31, 10.0, 10.1])).tolist() == [0, 1, 0, 1]


def test_a_mean_on_a_grid_is_in_the_units_of_the_column():
    codec = GRIDS["grey levels over 255"]
    p = DiscretizedLogistic(high=1.0, step=1 / 255)(torch.tensor([[102.0, 1.0]]))
    assert codec.expect(p) == pytest.approx(0.4)


@pytest.mark.parametrize(
    "codec",
    [
        Affine(3.0, 2.0),
        Levels((1.0, 2.0)),
        Grid(0.0, 255.0, 256),
        Bins.learn(RANDOM.normal(size=50), "number", n_bins=4, min_share=0.1, atoms=True),
    ],
    ids=lambda codec: type(codec).__name__,
)
def test_no_rows_are_no_cells(codec: Codec):
    cells, log_det = codec.encode(np.empty(0))
    assert len(cells) == 0
    assert np.shape(log_det) in ((), (0,))
    assert len(codec.decode(cells, np.empty(0))) == 0


def test_positive_numbers_go_on_below_their_end():
    codec = Positive(0.0, 2.0, ends=(0.5, 8.0))
    x = np.linspace(-3.0, 7.0, 40_001)
    cells, log_det = codec.encode(x)
    assert_allclose(np.log(np.gradient(cells, x))[1:-1], log_det[1:-1], atol=2e-4)
    assert_allclose(cells[x > 0.5], x[x > 0.5] / 2.0)
    assert not codec.refuses(np.array([-1e30, 0.0, 1.0])).any()
    far, log_det = codec.encode(np.array([-1e30]))
    assert far > 0.0
    assert -np.inf < log_det < -1e29
