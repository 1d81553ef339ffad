"""Bins: exact densities in the user's units, and draws that fit them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skvae.table.bins import Bins

RANDOM = np.random.default_rng(0)
N = 4000
SPENT = np.where(RANDOM.uniform(size=N) < 0.5, 0.0, RANDOM.exponential(10, N))
COLUMNS = {
    "few integers": ("integer", RANDOM.integers(17, 91, N).astype(float)),
    "mostly zero integers": (
        "integer",
        np.where(RANDOM.uniform(size=N) < 0.8, 0, np.floor(RANDOM.exponential(3000, N))),
    ),
    "three integers": ("integer", RANDOM.choice([0.0, 10.0, 20.0], N)),
    "negative integers": ("integer", RANDOM.integers(-100_000, 100_000, N).astype(float)),
    "large integers": ("integer", RANDOM.normal(1e9, 1e4, N).round()),
    "one integer": ("integer", np.full(N, 7.0)),
    "half zero": ("number", SPENT),
    "normal": ("number", RANDOM.normal(size=N)),
    "tenths": ("number", np.round(RANDOM.normal(20, 3, N), 1)),
    "heavy tail": ("number", RANDOM.lognormal(3, 1.5, N) + 5),
    "one number": ("number", np.full(N, 7.25)),
    "six numbers": ("number", RANDOM.normal(size=6)),
    # Half a step from either, and back, is not the same float.
    "two numbers": ("number", RANDOM.choice([-1.0, 0.25], N)),
    "negative thousandths": ("number", np.round(RANDOM.normal(-0.2, 0.05, N), 3)),
    "shorter floats": ("number", np.round(RANDOM.normal(20, 3, N), 1).astype("f4").astype(float)),
    "hundreds": ("number", 100 * RANDOM.poisson(3, N).astype(float)),
    "gaps": ("number", RANDOM.choice([-9.0, 0.0, 7.0], N) + RANDOM.uniform(0, 0.01, N)),
    "nearly all zero": (
        "number",
        np.where(RANDOM.uniform(size=N) < 0.97, 0.0, RANDOM.lognormal(0, 2, N)),
    ),
    "one number off a grid": ("number", np.full(N, np.pi)),
    "zeros": ("number", np.zeros(N)),
    "tiny numbers": ("number", RANDOM.lognormal(-12, 1, N)),
    "huge numbers": ("number", RANDOM.lognormal(300, 1, N)),
    "one row": ("integer", np.array([3.0])),
    "seconds": ("time", RANDOM.integers(0, 10**5, N).astype(float)),
    "days": ("time", 86400.0 * RANDOM.integers(0, 400, N)),
}
columns = pytest.mark.parametrize("name", COLUMNS)


def learn(name, **options):
    role, values = COLUMNS[name]
    options = {"n_bins": 16, "min_share": 0.01, "atoms": True, **options}
    return Bins.learn(values, role, **options), values


def mass(codec, values):
    """Return the integral of the density of every code, (L,)."""
    if codec.on_grid:
        # Sixty lengths of the tails hold all but e^-60 of them.
        ends = values.min() - 60 * codec._tail_scale[0], values.max() + 60 * codec._tail_scale[1]
        grid = codec.step * np.arange(*(np.round(end / codec.step) for end in ends))
        codes, log_det = codec.encode(grid)
        return np.bincount(codes.astype(int), np.exp(log_det) * codec.step, codec.n_levels)
    ends = [codec.edges[0] - 60 * codec._tail_scale[0], codec.edges[-1] + 60 * codec._tail_scale[1]]
    beyond = codec.bounds + np.array([-60, 60]) * codec._tail_scale
    total = np.zeros(codec.n_levels)
    cuts = np.unique(np.concatenate([codec.edges, ends, codec.bounds, beyond]))
    for low, high in itertools.pairwise(cuts):
        x = low + (np.arange(20_000) + 0.5) / 20_000 * (high - low)
        codes, log_det = codec.encode(x)
        weight = np.exp(log_det) * (high - low) / 20_000
        total += np.bincount(codes.astype(int), weight, codec.n_levels)
    codes, log_det = codec.encode(codec.atoms)
    return total + np.bincount(codes.astype(int), np.exp(log_det) * codec.step, codec.n_levels)


@columns
def test_every_code_has_mass_one(name):
    # The sums stop in the tails, and the midpoint rule errs by 1e-7 there.
    codec, values = learn(name)
    assert_allclose(mass(codec, values), 1.0, atol=2e-6)


def test_without_atoms_too():
    codec, values = learn("half zero", atoms=False)
    assert len(codec.atoms) == 0
    assert codec.mass_over is None
    assert_allclose(mass(codec, values), 1.0, atol=2e-6)


def draws(codec, n=100_000):
    generator = np.random.default_rng(1)
    codes = generator.integers(0, codec.n_levels, n).astype(float)
    return codes, codec.decode(codes, generator.uniform(size=n))


@columns
def test_draws_are_of_their_code_and_have_a_density(name):
    codec, _ = learn(name)
    codes, values = draws(codec)
    again, log_det = codec.encode(values)
    assert_array_equal(again, codes)
    assert np.isfinite(log_det).all()


@columns
def test_no_finite_value_is_impossible(name):
    codec, values = learn(name)
    assert np.isfinite(codec.encode(values)[1]).all()
    far = np.array([-1e300, -1e30, -1.0, -0.5, 0.0, 0.5, 1e30, 1e300])
    assert np.isfinite(codec.encode(far)[1]).all()


@columns
def test_means_are_those_of_draws(name):
    codec, _ = learn(name)
    codes, values = draws(codec, 200_000)
    for code in range(codec.n_levels):
        some = values[codes == code]
        error = some.std() / len(some) ** 0.5
        # What is beyond a bound, with a share of 1e-6, no draw shows.
        slack = 3e-6 * np.abs(COLUMNS[name][1]).max()
        assert abs(some.mean() - codec.means[code]) <= 5 * error + slack


@pytest.mark.parametrize("name", [n for n, (role, _) in COLUMNS.items() if role == "integer"])
def test_integers_stay_integers_in_their_range(name):
    codec, values = learn(name)
    found = draws(codec, 20_000)[1]
    assert (found == np.round(found)).all()
    assert values.min() <= found.min()
    assert found.max() <= values.max()


@pytest.mark.parametrize("name", ["half zero", "tenths", "heavy tail", "mostly zero integers"])
def test_numbers_that_are_not_negative_stay_so(name):
    assert draws(learn(name)[0])[1].min() >= 0


def test_a_column_is_drawn_as_it_is():
    codec, values = learn("half zero", n_bins=64)
    codes = codec.encode(values)[0].astype(int)
    generator = np.random.default_rng(2)
    drawn = codec.decode(generator.permutation(codes).astype(float), generator.uniform(size=N))
    assert (drawn == 0).sum() == (values == 0).sum()
    quantiles = [0.6, 0.7, 0.8, 0.9, 0.95]
    assert_allclose(np.quantile(drawn, quantiles), np.quantile(values, quantiles), rtol=0.02)


def test_decimals_come_back_as_the_same_floats():
    codec, values = learn("tenths")
    found = draws(codec)[1]
    assert (np.round(found, 1) == found).all()
    codes, _ = codec.encode(values)
    is_atom = codes < len(codec.atoms)
    assert_array_equal(codec.decode(codes, np.full(N, 0.5))[is_atom], values[is_atom])


def test_days_stay_days():
    assert (draws(learn("days")[0])[1] % 86400 == 0).all()


NUMBERS = st.one_of(
    st.floats(-1e9, 1e9).filter(lambda x: abs(x) > 1e-9),
    st.integers(-5000, 5000).map(lambda i: i / 100),
    st.sampled_from([0.0, 1.0, 2.5]),
)
INTEGERS = st.one_of(st.integers(-(10**9), 10**9), st.integers(0, 3)).map(float)
LEARNED = st.one_of(
    st.tuples(st.lists(NUMBERS, min_size=1, max_size=60), st.just("number")),
    st.tuples(st.lists(INTEGERS, min_size=1, max_size=60), st.sampled_from(["integer", "time"])),
)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(LEARNED, st.integers(1, 9), st.sampled_from([1, 3, 10]), st.booleans())
def test_draws_are_of_their_code_for_any_column(learned, n_bins, repeats, atoms):
    values, role = learned
    values = np.repeat(values, repeats)
    codec = Bins.learn(values, role, n_bins=n_bins, min_share=0.05, atoms=atoms)
    codes = np.repeat(np.arange(codec.n_levels), 51).astype(float)
    # None so round that what is drawn off a grid is an atom, and the largest there is.
    u = np.tile([*(np.arange(50) + np.pi / 4) / 50, 1 - 2**-53], codec.n_levels)
    drawn = codec.decode(codes, u)
    again, log_det = codec.encode(drawn)
    assert_array_equal(again, codes)
    assert np.isfinite(log_det).all()
    assert np.isfinite(codec.encode(values)[1]).all()
    if role == "integer":
        assert (drawn == np.round(drawn)).all()
    if values.min() >= 0 and role != "time":
        # One draw in a million is beyond a bound.
        assert np.mean(drawn < 0) <= 0.5 / 51


@pytest.mark.parametrize("name", ["one number", "one number off a grid", "zeros"])
def test_of_one_number_no_other_is_drawn(name):
    codec, values = learn(name)
    assert np.unique(draws(codec, 20_000)[1]).tolist() == [values[0]]


def test_what_is_next_to_impossible_is_never_drawn():
    one, _ = learn("one integer")
    assert (one.decode(np.zeros(200_000), np.linspace(0, 1, 200_000, endpoint=False)) == 7).all()
    assert one.encode(np.array([8.0, -1.0]))[1].max() < np.log(1e-5)
    three, _ = learn("three integers")
    u = np.linspace(0, 1, 200_000, endpoint=False)
    assert np.unique(three.decode(np.repeat([0.0, 2.0], 100_000), u)).tolist() == [0, 20]


@pytest.mark.parametrize("values", [[0.1, 0.7], [20.7, 0.3, 1.1], [-0.3, 0.6], [0.1], [0.001, 5.0]])
def test_the_ends_of_decimals_are_found(values):
    # Half a step from an edge is an atom but for rounding.
    values = np.repeat(values, 10)
    codec = Bins.learn(values, "number", n_bins=16, min_share=0.01, atoms=True)
    assert_array_equal(codec.atoms, np.unique(values))
    assert_allclose(mass(codec, values), 1.0, atol=2e-6)


def test_one_row_and_the_largest_numbers_have_a_density():
    codec = Bins.learn(np.array([3.5]), "number", n_bins=16, min_share=0.01, atoms=True)
    extremes = np.array([3.5, -1.7e308, 1.7e308])
    assert np.isfinite(codec.encode(extremes)[1]).all()
