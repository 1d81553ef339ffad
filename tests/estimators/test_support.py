"""Support: what was never seen is not drawn, and yet is not impossible."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skvae import VAEDensity, VAEImputer, VAEOutlierDetector
from skvae.likelihoods import Categorical, Gaussian, Ordinal
from skvae.table.codecs import UNSEEN

RANDOM = np.random.default_rng(0)
N = 300
X = RANDOM.normal(size=N)
GAMMA = RANDOM.gamma(2.0, 3.0, N)
SHARE = RANDOM.beta(0.8, 3.0, N)
#: Columns of numbers, and what no draw is beyond.
NUMBERS = {
    "never positive": (-GAMMA, -np.inf, 0.0),
    "never negative": (GAMMA, 0.0, np.inf),
    "shares": (SHARE, 0.0, 1.0),
    "shares in full": (np.r_[0.0, 1.0, SHARE[2:]], 0.0, 1.0),
    "mostly one": (1.0 - SHARE**4, 0.0, 1.0),
    "per cent": (100.0 * SHARE, 0.0, 100.0),
    "per cent, to a tenth": (np.round(100.0 * SHARE, 1), 0.0, 100.0),
    "far from zero": (1000.0 + X, 900.0, 1100.0),
    "a sentinel": (np.where(np.arange(N) < 2, -999.0, GAMMA), -5000.0, 100.0),
    "whole numbers": (np.floor(GAMMA), 0.0, 100.0),
}


def fitted(column, dtype=None, **parameters):
    column = pd.Series(column) if dtype is None else pd.Series(column).astype(dtype)
    table = pd.DataFrame({"x": X, "c": column})
    parameters = {"max_epochs": 8, "random_state": 0} | parameters
    return VAEDensity(2, **parameters).fit(table), table


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NUMBERS)
def test_no_number_is_drawn_beyond_the_ends(name, dtype):
    column, low, high = NUMBERS[name]
    model, table = fitted(column, dtype)
    drawn = model.sample(20_000, random_state=0)["c"]
    assert low <= drawn.min()
    assert drawn.max() <= high
    far = table.assign(c=np.array(1e6, dtype=dtype))
    assert np.isfinite(model.score_samples(far)).all()
    assert model.score_samples(far).max() < model.score_samples(table).min()


@pytest.mark.parametrize("name", ["never positive", "shares", "per cent"])
def test_no_completion_is_beyond_the_ends(name):
    column, low, high = NUMBERS[name]
    table = pd.DataFrame({"x": X, "c": np.where(np.arange(N) % 3 == 0, np.nan, column)})
    imputer = VAEImputer(2, max_epochs=8, random_state=0).fit(table)
    for filled in (imputer.transform(table), *imputer.sample_imputations(table, 3)):
        assert low <= filled["c"].min()
        assert filled["c"].max() <= high


@pytest.mark.parametrize(
    "column",
    [
        np.where(X > 0, 1.0, SHARE),
        np.where(X > 0, 0.0, GAMMA),
        np.where(X > 0, 0, 255).astype("uint8"),
        5 * np.floor(8 * SHARE).astype(int),
        -np.floor(GAMMA),
    ],
    ids=["mostly one", "mostly zero", "two values", "steps", "never positive"],
)
def test_no_mean_is_beyond_the_ends(column):
    model, table = fitted(column, max_epochs=3)
    ends = {1.0: 1.0, 255: 255.0, 0.0: 0.0}
    for far in (-1e3, 1e3):
        for found in (model.traverse(table[:1], 0, [far]), model.edit(table[:9], [far, far])):
            assert found["c"].min() >= (0.0 if column.min() >= 0.0 else -np.inf)
            assert found["c"].max() <= ends.get(column.max(), np.inf)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("family", ["auto", Gaussian(bounded=True)])
def test_no_duration_is_drawn_beyond_zero(sign, family):
    hours = pd.Series(pd.to_timedelta(sign * RANDOM.integers(0, 9, N), unit="h"))
    drawn = fitted(hours, likelihood={"c": family})[0].sample(20_000, random_state=0)["c"]
    assert (sign * drawn).min() >= pd.Timedelta(0)
    far = fitted(hours + sign * pd.Timedelta("1000h"))[0].sample(2000, random_state=0)["c"]
    assert abs(far.median()) > pd.Timedelta("990h")


def test_a_bounded_gaussian_draws_dates_before_the_first_one():
    column = days("us")
    drawn = fitted(column, likelihood={"c": Gaussian(bounded=True)})[0].sample(20_000)["c"]
    assert drawn.min() < column.min()


@pytest.mark.parametrize("ordered", [False, True])
def test_no_declared_category_is_drawn_that_was_never_seen(ordered):
    names = ["u", "v", *(f"w{i}" for i in range(300))]
    seen = RANDOM.choice(["w7", "v"], N)
    model, table = fitted(pd.Categorical(seen, categories=names, ordered=ordered))
    drawn = model.sample(5000, random_state=0)["c"]
    assert set(drawn) == {"w7", "v"}
    assert drawn.dtype == table["c"].dtype
    # All that it costs is the mass that the others have.
    alone = fitted(pd.Categorical(seen, categories=["v", "w7"], ordered=ordered))[0]
    expected = alone.score_samples(table.astype({"c": alone.sample(1)["c"].dtype}))
    np.testing.assert_allclose(model.score_samples(table), expected + np.log1p(-UNSEEN), atol=1e-9)


@pytest.mark.parametrize("ordered", [False, True])
def test_a_category_that_was_never_seen_has_a_floor_of_mass(ordered):
    column = pd.Categorical(RANDOM.choice(["u", "v"], N), ["u", "v", "w", "z"], ordered=ordered)
    model, table = fitted(column)
    new = table.head(5).assign(c=pd.Categorical(["w"] * 5, dtype=column.dtype))
    of_rest = model.score_samples(new.assign(c=pd.Categorical([None] * 5, dtype=column.dtype)))
    expected = of_rest + np.log(UNSEEN / 2)
    np.testing.assert_allclose(model.score_samples(new), expected, atol=1e-9)
    detector = VAEOutlierDetector(2, max_epochs=8, random_state=0).fit(table)
    surprise = detector.explain(new).iloc[:, 1]
    np.testing.assert_allclose(surprise, -np.log(UNSEEN / 2), atol=1e-6)


@pytest.mark.parametrize("family", [Categorical(unseen=True), Ordinal(unseen=True)])
def test_it_is_drawn_where_the_user_asks(family):
    column = pd.Categorical(RANDOM.choice(["u", "v"], N), [*"uv", *"abcdefgh"], ordered=True)
    model, _ = fitted(column, likelihood={"c": family}, max_epochs=0)
    assert set(model.sample(5000, random_state=0)["c"]) - {"u", "v"}


def test_the_other_truth_value_is_not_drawn_where_one_was_seen():
    assert fitted(np.ones(N, dtype=bool))[0].sample(5000, random_state=0)["c"].all()


def days(unit, zone=None):
    start = pd.Timestamp("2021-03-01", tz=zone)
    times = start + pd.to_timedelta(RANDOM.integers(0, 500, N), unit="D")
    return pd.Series(times).dt.as_unit(unit)


@pytest.mark.parametrize("unit", ["s", "ns"])
@pytest.mark.parametrize("n_odd", [0, 5])
def test_days_stay_days_where_a_few_times_are_odd(unit, n_odd):
    column = days(unit)
    column[:n_odd] += pd.to_timedelta(np.arange(n_odd) * 4567 + 1234, unit="s")
    drawn = fitted(column)[0].sample(3000, random_state=0)["c"]
    assert (drawn == drawn.dt.floor("D")).all()


def test_an_imputer_fills_in_days_too():
    column = days("us", "UTC")
    column[::4] = pd.NaT
    table = pd.DataFrame({"x": X, "c": column})
    filled = VAEImputer(2, max_epochs=8, random_state=0).fit_transform(table)["c"]
    assert (filled == filled.dt.floor("D")).all()


@pytest.mark.parametrize("end", ["min", "max"])
@pytest.mark.parametrize("share", [1, 12])
def test_sentinels_at_the_end_of_time_do_not_move_the_others(end, share):
    column = days("ns")
    sentinel = pd.Timestamp.max.floor("D") if end == "max" else pd.Timestamp.min.ceil("D")
    column[:share] = sentinel
    drawn = fitted(column)[0].sample(20_000, random_state=0)["c"]
    if end == "max":
        assert drawn.min() > pd.Timestamp("2019")
    else:
        assert drawn.max() < pd.Timestamp("2025")


def test_dates_and_durations_of_polars():
    first = pl.date(2020, 1, 1)
    table = pl.DataFrame({"x": X, "k": RANDOM.integers(0, 900, N)}).select(
        "x", day=first + pl.duration(days="k"), time=pl.duration(hours="k")
    )
    drawn = VAEDensity(2, max_epochs=8, random_state=0).fit(table).sample(3000, random_state=0)
    assert drawn.schema == table.schema
    assert (drawn["time"].dt.total_seconds() % 3600 == 0).all()
    assert drawn["day"].min().year >= 2018


def test_a_column_of_zeros_has_no_density_without_a_bound():
    X = np.column_stack([np.zeros(60), np.random.default_rng(0).normal(size=60)])
    density = VAEDensity(1, likelihood="density", max_epochs=0, init="linear").fit(X)
    assert density.score(X) < 10.0


def test_a_third_value_of_a_column_that_was_nearly_all_zero_has_a_score():
    X = np.c_[np.arange(200) % 50 == 0, RANDOM.normal(size=200)]
    density = VAEDensity(1, max_epochs=2, random_state=0).fit(X)
    found = density.score_samples([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    assert found[2] < found[1] < found[0]
    assert np.isfinite(found).all()
