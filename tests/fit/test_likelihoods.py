"""Likelihoods: what models a column, by its dtype and values or by the user's word."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skvae import VAEDensity
from skvae.fit.likelihoods import (
    choose_families,
    column_of,
    marginal_log_prob,
    models,
)
from skvae.likelihoods import (
    Bernoulli,
    Binned,
    Categorical,
    DiscretizedLogistic,
    Gaussian,
    LogNormal,
    NegativeBinomial,
    Ordinal,
    Poisson,
    StudentT,
)
from skvae.model.measures import Likelihoods
from skvae.table.container import Container
from skvae.table.table import Table

N = 1000
RANDOM = np.random.default_rng(0)


def zeros(share, values):
    return np.where(RANDOM.uniform(size=N) < share, 0.0, values)


def chosen(X, likelihood="auto"):
    container = Container.of(X)
    return choose_families(likelihood, container.values(X), container, 0)


DAYS = pd.Timestamp("2020-01-01") + pd.to_timedelta(RANDOM.integers(0, 900, N), unit="D")
NORMAL = RANDOM.normal(3.0, 2.0, N)
COLUMNS = {
    "booleans": (RANDOM.uniform(size=N) < 0.3, Bernoulli()),
    "0/1 integers": (RANDOM.integers(0, 2, N), Bernoulli()),
    "0/1 floats": (RANDOM.integers(0, 2, N).astype(float), Bernoulli()),
    "nearly all 0": ((RANDOM.uniform(size=N) < 0.02).astype(int), Binned()),
    "nearly all true": (RANDOM.uniform(size=N) < 0.98, Bernoulli()),
    "strings": (RANDOM.choice(["a", "b", "c"], N), Categorical()),
    "two strings": (RANDOM.choice(["a", "b"], N), Categorical()),
    "categories": (pd.Categorical(RANDOM.choice([3, 7], N)), Categorical()),
    "ordered": (pd.Categorical(RANDOM.choice(["lo", "hi"], N), ["lo", "hi"], True), Ordinal()),
    "counts": (RANDOM.negative_binomial(2, 0.02, N), NegativeBinomial()),
    "ages": (RANDOM.integers(17, 91, N), Binned()),
    "negative integers": (RANDOM.integers(-9, 9, N), Binned()),
    "times": (DAYS, Binned()),
    "durations": (DAYS - DAYS[0], Binned()),
    "floats, 30 % zeros": (zeros(0.3, RANDOM.lognormal(size=N)), Binned()),
    "floats, few values": (RANDOM.choice([0.5, 1.5, 4.0, 9.25], N), Binned()),
    "floats from 0": (zeros(0.01, RANDOM.lognormal(size=N)), Gaussian(bounded=True)),
    "normal": (NORMAL, Gaussian(bounded=True)),
    "far from zero": (RANDOM.normal(100.0, 5.0, N), Gaussian(bounded=True)),
    "log-normal": (RANDOM.lognormal(0.0, 1.0, N), LogNormal(bounded=True)),
    "pieces": (RANDOM.choice([-9.0, 0.0, 2.0, 7.0], N) + RANDOM.uniform(0, 0.01, N), Binned()),
    "constant": (np.full(N, 2.5), Binned()),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_auto_chooses_by_dtype_and_values(name):
    column, expected = COLUMNS[name]
    assert chosen(pd.DataFrame({"x": column})) == [expected]


@pytest.mark.parametrize("name", ["booleans", "0/1 integers", "strings", "counts", "normal"])
def test_auto_does_not_depend_on_the_library(name):
    polars = pytest.importorskip("polars")
    column, expected = COLUMNS[name]
    assert chosen(polars.DataFrame({"x": column})) == [expected]


OF_FLOATS = ["normal", "log-normal", "floats, 30 % zeros", "floats, few values", "0/1 floats"]


def test_floats_of_an_array_are_seen_as_those_of_a_frame():
    X = np.column_stack([COLUMNS[name][0] for name in OF_FLOATS])
    assert chosen(X) == chosen(pd.DataFrame(X)) == chosen(pl.DataFrame(X))
    assert chosen(X)[1:] == [LogNormal(bounded=True), Binned(), Binned(), Bernoulli()]


def test_numbers_have_no_mass_on_a_value_where_a_density_is_wanted():
    X = np.column_stack([COLUMNS[name][0] for name in OF_FLOATS])
    families = chosen(X, "density")
    assert {type(family) for family in families} == {Gaussian, LogNormal}
    frame = pd.DataFrame({"n": COLUMNS["counts"][0], "k": COLUMNS["strings"][0]})
    assert chosen(frame, {"n": "density"}) == [LogNormal(bounded=True), Categorical()]


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_a_logarithm_that_hides_what_columns_are_to_each_other_is_not_taken(scale):
    rng = np.random.default_rng(0)
    parts = scale * np.exp(0.7 * rng.normal(size=(600, 2)))
    total = parts.sum(1) * (1 + 1e-3 * rng.normal(size=600))
    assert chosen(np.column_stack([parts, total])) == [Gaussian(bounded=True)] * 3
    product = parts.prod(1) * np.exp(1e-3 * rng.normal(size=600))
    assert chosen(np.column_stack([parts, product])) == [LogNormal(bounded=True)] * 3


def test_integers_of_an_array_are_seen_as_those_of_a_frame():
    X = np.column_stack([COLUMNS[name][0] for name in ("counts", "ages", "negative integers")])
    assert chosen(X) == [NegativeBinomial(), Binned(), Binned()]


def test_small_tables_get_the_plainest_candidate():
    frame = pd.DataFrame({name: COLUMNS[name][0] for name in ("ages", "pieces", "log-normal")})
    bounded = [Gaussian(bounded=True), LogNormal(bounded=True)]
    assert chosen(frame[:49]) == [NegativeBinomial(), *bounded]


def test_few_integers_far_from_zero_are_no_counts():
    seconds = 1_700_000_000 + RANDOM.integers(0, 86_400 * 30, 45)
    years = RANDOM.integers(1990, 2024, 45)
    assert chosen(pd.DataFrame({"s": seconds, "y": years})) == [Binned(), Binned()]


def test_large_counts_start_at_their_mean():
    counts = np.random.default_rng(0).negative_binomial(10, 1e-8, size=(400, 1))
    density = VAEDensity(
        1, likelihood="negative_binomial", init="linear", max_epochs=0, random_state=0
    ).fit(counts)
    drawn = density.sample(2000, random_state=0)
    assert drawn.mean() == pytest.approx(counts.mean(), rel=0.1)


def test_a_choice_depends_on_the_seed_alone():
    frame = pd.DataFrame({name: column for name, (column, _) in COLUMNS.items()})
    assert chosen(frame) == chosen(frame)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_do_not_matter(scale):
    names = ["normal", "log-normal", "far from zero", "pieces", "floats, 30 % zeros"]
    frame = pd.DataFrame({name: COLUMNS[name][0] for name in names})
    assert chosen(frame * scale) == chosen(frame)


def test_the_user_overrides_by_name():
    frame = pd.DataFrame({"n": COLUMNS["counts"][0], "x": NORMAL, "k": COLUMNS["strings"][0]})
    given = {"n": "poisson", "x": StudentT(df=4.0)}
    assert chosen(frame, given) == [Poisson(), StudentT(df=4.0), Categorical()]
    assert chosen(frame[["x"]], "student_t") == [StudentT()]
    assert chosen(frame[["n", "x"]], Binned(8)) == [Binned(8), Binned(8)]
    assert chosen(NORMAL.reshape(-1, 2), {1: "log_normal"}) == [Gaussian(bounded=True), LogNormal()]


def test_unknown_columns_and_families_are_refused():
    frame = pd.DataFrame({"x": NORMAL})
    with pytest.raises(ValueError, match=r"likelihood names columns \['y'\].* X has \['x'\]"):
        chosen(frame, {"y": "gaussian"})
    with pytest.raises(ValueError, match=r"likelihood.*'gaussia'"):
        chosen(frame, {"x": "gaussia"})
    with pytest.raises(TypeError, match="likelihood"):
        chosen(frame, {"x": 3})
    with pytest.raises(ValueError, match=r"Binned\(n_bins=0\)"):
        chosen(frame, {"x": Binned(0)})


def test_a_category_cannot_be_gaussian():
    frame = pd.DataFrame({"k": COLUMNS["strings"][0]})
    container = Container.of(frame)
    families = chosen(frame, {"k": "gaussian"})
    with pytest.raises(ValueError, match="Column 'k' holds categories, which Gaussian cannot"):
        Table.learn(container.values(frame), container, models(families))


def test_likelihoods_say_what_a_score_measures():
    names = ["counts", "strings", "normal", "ages", "floats, 30 % zeros"]
    frame = pd.DataFrame({name: COLUMNS[name][0] for name in names})
    frame["tenths"] = np.round(NORMAL, 1)
    container = Container.of(frame)
    families = chosen(frame, {"tenths": "binned", "strings": "categorical"})
    table = Table.learn(container.values(frame), container, models(families))
    found = Likelihoods.of(table, families)
    assert found["counts"] == NegativeBinomial()
    assert found.measures["counts"] == found.measures["strings"] == "probability"
    assert found.measures["ages"] == "probability"
    assert found.measures["normal"] == "density"
    zeros = found.measures["floats, 30 % zeros"]
    assert zeros.startswith("density; of a repeated value, probability over ")
    assert found.measures["tenths"].endswith("probability over 0.1")
    lines = repr(found).splitlines()
    assert len(lines) == len(frame.columns)
    assert lines[0].split() == ["'counts'", "NegativeBinomial(size='column')", "probability"]


def test_scores_of_a_grid_are_probabilities_over_its_step():
    marks = RANDOM.integers(0, 11, N)
    frame = pd.DataFrame({"marks": marks, "tenths": marks / 10, "even": 2 * marks})
    likelihood = {
        "marks": DiscretizedLogistic(high=10),
        "tenths": DiscretizedLogistic(high=1, step=0.1),
        "even": DiscretizedLogistic(high=20, step=2),
    }
    container = Container.of(frame)
    families = chosen(frame, likelihood)
    table = Table.learn(container.values(frame), container, models(families))
    measures = Likelihoods.of(table, families).measures
    assert measures["marks"] == "probability"
    assert measures["tenths"] == "density; of a value, probability over 0.1"
    assert measures["even"] == "density; of a value, probability over 2"
    log_det = table.encode(container.values(frame))[1]
    assert log_det == pytest.approx(-np.log(0.1) - np.log(2))
    # In cells all three are the same.
    assert table.resolution == pytest.approx(1.0)


def test_a_grid_is_checked_before_a_fit():
    with pytest.raises(ValueError, match="whole number of steps"):
        chosen(NORMAL[:, None], DiscretizedLogistic(high=1, step=0.3))


@pytest.mark.parametrize("family", [NegativeBinomial(), Binned(), DiscretizedLogistic()])
def test_held_out_log_densities_are_of_the_column_without_latents(family):
    counts = RANDOM.poisson(4, N).astype(float)
    field = Container.of(pd.DataFrame({"a": counts.astype(int)})).fields[0]
    every = np.arange(0.0, 200.0)
    p = np.exp(marginal_log_prob(family, column_of(family, field, counts), counts, every))
    # What is left is beyond the range, and single precision.
    assert p.sum() == pytest.approx(1, abs=1e-4)
    assert p @ every == pytest.approx(counts.mean(), rel=0.01)
    # A mean of a log-density is at most that of the frequencies.
    observed = np.bincount(counts.astype(int), minlength=200) / N
    seen = observed > 0
    gap = observed[seen] @ np.log(observed[seen] / p[seen])
    assert 0 <= gap < 0.05


def test_two_times_are_binned_and_a_rare_negative_is_seen():
    times = pd.to_datetime(["2020-01-01", "2020-01-02"] * 30).astype("datetime64[s]")
    assert chosen(pd.DataFrame({"t": times})) == [Binned()]
    counts = RANDOM.poisson(3.0, 20_000)
    counts[17] = -1
    assert chosen(pd.DataFrame({"n": counts})) == [Binned()]


@pytest.mark.parametrize("missing", [False, True])
def test_scores_do_not_depend_on_the_container(missing):
    rng = np.random.default_rng(1)
    X = np.column_stack(
        [
            rng.normal(size=120),
            rng.lognormal(size=120),
            rng.integers(0, 9, 120),
            rng.uniform(size=120),
        ]
    ).round(2)
    X[rng.uniform(size=X.shape) < 0.1 * missing] = np.nan
    one, *others = (
        VAEDensity(2, max_epochs=2, random_state=0).fit(table).score_samples(table)
        for table in (X, pd.DataFrame(X), pl.DataFrame(X))
    )
    for other in others:
        np.testing.assert_allclose(other, one, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_numbers_of_all_sizes_are_compared(scale):
    X = scale * np.random.default_rng(0).lognormal(size=(200, 2))
    assert chosen(X) == [LogNormal(bounded=True)] * 2
