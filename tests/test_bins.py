"""Codecs and bins: exact densities in the user's units, and draws that fit them."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skvae.bins import Bins, multiples
from skvae.codecs import Affine, Levels, step_of

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
    "no integer but 0": ("integer", np.zeros(N)),
    "six integers": ("integer", np.array([3.0, 900, -2, 14, 3, 8])),
    "huge integers": ("integer", RANDOM.integers(-(2**62), 2**62, N).astype(float)),
    "one integer and many": (
        "integer",
        np.where(RANDOM.uniform(size=N) < 0.9, 5, RANDOM.poisson(60, N)).astype(float),
    ),
    "half zero": ("number", SPENT),
    "normal": ("number", RANDOM.normal(size=N)),
    "tenths": ("number", np.round(RANDOM.normal(20, 3, N), 1)),
    "heavy tail": ("number", RANDOM.lognormal(3, 1.5, N) + 5),
    "small": ("number", 1e-12 * RANDOM.normal(size=N)),
    "large": ("number", 1e12 * RANDOM.normal(size=N)),
    "far from zero": ("number", 1e6 + RANDOM.normal(size=N)),
    "cents": ("number", np.round(RANDOM.lognormal(3, 1, N), 2)),
    "two decimals": ("number", RANDOM.choice([0.7, 20.7], N)),
    "three of floats": ("number", RANDOM.choice(RANDOM.normal(size=3), N)),
    "halves among floats": (
        "number",
        np.where(RANDOM.uniform(size=N) < 0.3, 0.5, RANDOM.normal(size=N)),
    ),
    "thousands": ("number", 1000.0 * RANDOM.poisson(20, N)),
    "one number": ("number", np.full(N, 7.25)),
    "one third": ("number", np.full(N, 1 / 3)),
    "nothing but 0": ("number", np.zeros(N)),
    "six numbers": ("number", RANDOM.normal(size=6)),
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
        reach = 60 * codec._tail_scale + np.abs(np.nan_to_num(codec.bounds, posinf=0, neginf=0))
        ends = values.min() - reach[0], values.max() + reach[1]
        grid = codec.step * np.arange(*(np.round(end / codec.step) for end in ends))
        codes, log_det = codec.encode(grid)
        return np.bincount(codes.astype(int), np.exp(log_det) * codec.step, codec.n_levels)
    ends = [codec.edges[0] - 60 * codec._tail_scale[0], codec.edges[-1] + 60 * codec._tail_scale[1]]
    bounds = [bound for bound in codec.bounds if np.isfinite(bound)]
    total = np.zeros(codec.n_levels)
    cuts = np.unique(np.concatenate([codec.edges, ends, bounds]))
    for low, high in itertools.pairwise(cuts):
        x = low + (np.arange(20_000) + 0.5) / 20_000 * (high - low)
        codes, log_det = codec.encode(x)
        weight = np.exp(log_det) * (high - low) / 20_000
        total += np.bincount(codes.astype(int), weight, codec.n_levels)
    codes, log_det = codec.encode(codec.atoms)
    return total + np.bincount(codes.astype(int), np.exp(log_det) * codec.step, codec.n_levels)


@pytest.mark.parametrize(
    "name", [name for name in COLUMNS if not name.startswith(("large int", "huge"))]
)
def test_every_code_has_mass_one(name):
    # The sums stop in the tails, and the midpoint rule errs by 1e-7 there.
    codec, values = learn(name)
    assert_allclose(mass(codec, values), 1.0, atol=2e-6)


@pytest.mark.parametrize("name", ["half zero", "tenths", "halves among floats", "days"])
def test_without_atoms_too(name):
    codec, values = learn(name, atoms=False)
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
        slack = (
            1e-4 * np.ptp(COLUMNS[name][1])
            + 1e-5 * np.abs(COLUMNS[name][1]).max()
            + 1e-5 * codec.step
        )
        assert abs(some.mean() - codec.means[code]) < 5 * error + slack


@pytest.mark.parametrize("name", [n for n, (role, _) in COLUMNS.items() if role == "integer"])
def test_integers_stay_integers_in_their_range(name):
    codec, values = learn(name)
    found = draws(codec)[1]
    assert (found == np.round(found)).all()
    assert values.min() <= found.min()
    assert found.max() <= values.max()


@pytest.mark.parametrize("name", ["half zero", "tenths", "heavy tail", "mostly zero integers"])
def test_numbers_that_are_not_negative_stay_so(name):
    assert draws(learn(name)[0])[1].min() >= 0


def test_what_is_next_to_impossible_is_never_drawn():
    one, _ = learn("one integer")
    assert (one.decode(np.zeros(200_000), np.linspace(0, 1, 200_000, endpoint=False)) == 7).all()
    assert one.encode(np.array([8.0, -1.0]))[1].max() < np.log(1e-5)
    three, _ = learn("three integers")
    u = np.linspace(0, 1, 200_000, endpoint=False)
    assert np.unique(three.decode(np.repeat([0.0, 2.0], 100_000), u)).tolist() == [0, 20]


@columns
def test_the_ends_of_a_code_are_its_own(name):
    codec, _ = learn(name)
    codes = np.arange(codec.n_levels, dtype=float)
    for u in (1e-9, 0.5, 1 - 1e-9, np.nextafter(1.0, 0.0)):
        found = codec.encode(codec.decode(codes, np.full(len(codes), u)))[0]
        assert_array_equal(found, codes)


@pytest.mark.parametrize("name", ["three integers", "half zero", "two decimals", "three of floats"])
def test_atoms_are_exact(name):
    codec, values = learn(name)
    distinct, counts = np.unique(values, return_counts=True)
    assert_array_equal(codec.atoms, distinct[counts > 0.01 * N])
    codes, log_det = codec.encode(codec.atoms)
    assert_array_equal(codes, np.arange(len(codec.atoms)))
    # All of a code is at the atom, but for its tail and what is next to impossible.
    assert_allclose(log_det, -np.log(codec.step), atol=2e-3)
    assert_array_equal(codec.decode(codes, np.full(len(codes), 0.5)), codec.atoms)


@pytest.mark.parametrize("values", [[0.1, 0.7], [20.7, 0.3, 1.1], [-0.3, 0.6], [0.1], [0.001, 5.0]])
def test_the_ends_of_decimals_are_found(values):
    # Half a step from an edge is an atom but for rounding.
    values = np.repeat(values, 10)
    codec = Bins.learn(values, "number", n_bins=16, min_share=0.01, atoms=True)
    assert_array_equal(codec.atoms, np.unique(values))
    assert_allclose(mass(codec, values), 1.0, atol=2e-6)


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


@pytest.mark.parametrize(
    ("values", "role", "expected"),
    [
        ([1.0, 2.0, 5.0], "integer", (1.0, True)),
        ([0.1, 0.25, 7.0], "number", (0.01, True)),
        ([100.0, 300.0, 1200.0], "number", (100.0, True)),
        (np.array([0.1, 0.3], dtype=np.float32).astype(float), "number", (0.1, True)),
        ([0.0, 3600.0, 10800.0], "time", (3600.0, True)),
        ([0.0], "number", (1.0, True)),
        # Their standard deviation is 1e-17 and not 0.
        ([0.1, 0.1, 0.1], "number", (0.1, True)),
        ([0.0, 0.0], "time", (1.0, True)),
        ([-0.5, 0.5], "number", (0.1, True)),
        ([1e9 + 0.25, 1e9 + 0.5], "number", (0.01, True)),
        # One in twenty may be no multiple.
        ([1.0] * 10 + [2.0] * 10 + [np.pi], "number", (1.0, True)),
    ],
)
def test_steps(values, role, expected):
    step, on_grid = step_of(np.array(values), role)
    assert (pytest.approx(step), on_grid) == expected


def test_continuous_numbers_have_no_steps():
    step, on_grid = step_of(RANDOM.normal(size=100))
    assert not on_grid
    assert step < 1e-7
    # So many floats are multiples of any step.
    assert not step_of(1e15 + RANDOM.normal(size=100))[1]


def test_three_tenths_are_three_tenths():
    assert multiples(np.array([3.0, 7.0, -11.0]), 0.1).tolist() == [0.3, 0.7, -1.1]
    assert multiples(np.array([3.0]), 100.0).tolist() == [300.0]


def test_levels_are_values_in_order():
    codec = Levels((1.0, 2.5, 7.0), step=0.5)
    codes, log_det = codec.encode(np.array([7.0, 1.0]))
    assert codes.tolist() == [2, 0]
    assert log_det == pytest.approx(np.log(2))
    assert codec.decode(codes, np.zeros(2)).tolist() == [7.0, 1.0]
    assert codec.refuses(np.array([1.0, 3.0])).tolist() == [False, True]
    assert codec.support == "one of 1, 2.5, 7"
    assert codec.n_levels == 3
    # The mass of the two, over the step, is the density times the step.
    assert np.exp(log_det) * codec.mass_over == 1


@pytest.mark.parametrize(
    ("support", "good", "bad"),
    [
        ("numbers", [-1.0, 0.5], []),
        ("numbers > 0", [0.1], [0.0, -1.0]),
        ("numbers strictly between 0 and 1", [0.5], [0.0, 1.0, 2.0]),
        ("integers >= 0", [0.0, 3.0], [-1.0, 0.5]),
        ("0 or 1", [0.0, 1.0], [0.5, 2.0]),
    ],
)
def test_supports(support, good, bad):
    codec = Affine(0.0, 1.0, support)
    assert not codec.refuses(np.array(good)).any()
    assert codec.refuses(np.array(bad)).all()


def test_numbers_are_moved_and_scaled():
    codec = Affine(3.0, 2.0)
    cells, log_det = codec.encode(np.array([5.0]))
    assert cells.tolist() == [1.0]
    assert log_det == -np.log(2)
    assert codec.decode(cells, np.zeros(1)).tolist() == [5.0]
