"""Likelihoods: which family a column gets, by its dtype and values or as the user says."""

import numpy as np
import pandas as pd
import pytest

from skvae.container import Container
from skvae.core import (
    Bernoulli,
    Binned,
    Categorical,
    Gaussian,
    LogNormal,
    NegativeBinomial,
    Ordinal,
    Poisson,
    StudentT,
)
from skvae.likelihoods import (
    MAX_ROWS,
    Likelihoods,
    choose_families,
    marginal_log_prob,
    models,
)
from skvae.table import Table

RANDOM = np.random.default_rng(0)
N = 1000
NORMAL = RANDOM.normal(size=N)
SKEWED = RANDOM.lognormal(0, 1, N)


def chosen(X, likelihood="auto"):
    container = Container.of(X)
    return choose_families(likelihood, container.values(X), container, seed=0)


def choice(values, **options):
    return chosen(pd.DataFrame({"a": values}), **options)[0]


@pytest.mark.parametrize(
    ("values", "family"),
    {
        "booleans": (NORMAL > 0, Bernoulli),
        "only true": (np.ones(N, dtype=bool), Bernoulli),
        "0/1 floats": ((NORMAL > 0).astype(float), Bernoulli),
        "0/1 integers": ((NORMAL > 0).astype(int), Bernoulli),
        "strings": (np.where(NORMAL > 0, "a", "b"), Categorical),
        "one string": (["a"] * N, Categorical),
        "categories": (pd.Categorical(np.where(NORMAL > 0, 1, 2)), Categorical),
        "ordered": (pd.Categorical(np.where(NORMAL > 0, 1, 2), ordered=True), Ordinal),
        "a small table of integers": (RANDOM.poisson(4, 40), NegativeBinomial),
        "negative integers": (RANDOM.integers(-5, 5, N), Binned),
        "a small table of negative integers": (RANDOM.integers(-5, 5, 40), Binned),
        "integers in a range": (RANDOM.integers(17, 91, N), Binned),
        "mostly zero integers": (RANDOM.poisson(0.1, N) * RANDOM.integers(1, 9000, N), Binned),
        "30 % zeros": (np.where(RANDOM.uniform(size=N) < 0.3, 0, SKEWED), Binned),
        "30 % of another value": (np.where(RANDOM.uniform(size=N) < 0.3, 7.5, NORMAL), Binned),
        "discrete floats": (RANDOM.choice([0.5, 1.5, 2.0, 7.0, 9.25, 11.5, 12.0], N), Binned),
        "a constant": (np.full(N, 2.5), Gaussian),
        "normal floats": (NORMAL, Gaussian),
        "normal floats far from zero": (50 + NORMAL, Gaussian),
        "a small table of normal floats": (NORMAL[:40], Gaussian),
        "a small table of skewed floats": (SKEWED[:40], LogNormal),
        "positive skewed floats": (SKEWED, (LogNormal, Binned)),
        "positive floats": (RANDOM.gamma(2, 3, N), (LogNormal, Binned)),
        "floats down to zero": (SKEWED - SKEWED.min(), Binned),
        "sharp edges": (
            np.where(NORMAL > 0, RANDOM.uniform(0, 1, N), RANDOM.uniform(5, 5.01, N)),
            Binned,
        ),
        "times": (pd.date_range("2020", periods=N, freq="h"), Binned),
        "two days": (pd.to_datetime(np.where(NORMAL > 0, "2020-01-01", "2020-01-02")), Binned),
        "durations": (pd.to_timedelta(RANDOM.integers(0, 99, N), unit="s"), Binned),
    }.values(),
)
def test_what_a_column_is_given(values, family):
    assert isinstance(choice(values), family)


def test_counts_are_counts_or_bins():
    # A count with a tail must earn it against bins, which keep to the range.
    assert isinstance(choice(RANDOM.poisson(4, N)), NegativeBinomial | Binned)
    few = RANDOM.poisson(200, 60)
    assert isinstance(choice(few), NegativeBinomial)


@pytest.mark.parametrize("values", [NORMAL, SKEWED, np.round(NORMAL), np.full(N, 2.5)])
def test_floats_of_an_array_are_gaussian(values):
    assert isinstance(chosen(values[:, None])[0], Gaussian)


def test_arrays_of_other_dtypes_are_as_in_a_frame():
    assert isinstance(chosen((NORMAL > 0)[:, None])[0], Bernoulli)
    assert isinstance(chosen((NORMAL > 0).astype(float)[:, None])[0], Bernoulli)
    assert isinstance(chosen(RANDOM.integers(-5, 5, (N, 1)))[0], Binned)


def test_enum_of_polars_is_ordered():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {
            "a": polars.Series(["lo", "hi"] * 30, dtype=polars.Enum(["lo", "hi"])),
            "b": ["x", "y"] * 30,
        }
    )
    assert [type(family) for family in chosen(frame)] == [Ordinal, Categorical]


def test_one_negative_integer_among_many_rows_is_seen():
    # The rows that decide close calls need not have it.
    values = RANDOM.poisson(200, 3 * MAX_ROWS)
    values[RANDOM.permutation(len(values))[0]] = -1
    for seed in range(3):
        container = Container.of(pd.DataFrame({"a": values}))
        families = choose_families("auto", values[:, None].astype(float), container, seed)
        Table.learn(values[:, None].astype(float), container, models(families))
        assert isinstance(families[0], Binned)


def test_the_choice_is_the_same_each_time():
    frame = pd.DataFrame({"a": NORMAL, "b": SKEWED, "c": RANDOM.poisson(3, N)})
    assert chosen(frame) == chosen(frame)


def test_a_dictionary_overrides_columns():
    frame = pd.DataFrame({"a": NORMAL, "b": RANDOM.integers(0, 9, N), 3: NORMAL})
    families = chosen(frame, {"a": "student_t", "b": Poisson()})
    assert [type(family) for family in families] == [StudentT, Poisson, Gaussian]
    families = chosen(frame, {3: Binned(n_bins=7)})
    assert families[2] == Binned(n_bins=7)


def test_one_likelihood_is_that_of_every_column():
    frame = pd.DataFrame({"a": NORMAL, "b": RANDOM.integers(0, 9, N)})
    assert [type(family) for family in chosen(frame, "gaussian")] == [Gaussian] * 2
    assert [type(family) for family in chosen(frame, Binned())] == [Binned] * 2


@pytest.mark.parametrize(
    ("likelihood", "error", "message"),
    [
        ({"z": "gaussian"}, ValueError, r"names columns \['z'\], which X does not have. X has"),
        ("normal", ValueError, "likelihood='normal' is unknown. Expected one of"),
        ({"a": "normal"}, ValueError, "likelihood='normal' is unknown"),
        ({"a": 3}, TypeError, "likelihood must be one of"),
        (Gaussian, TypeError, "likelihood must be one of"),
        (Binned(n_bins=0), ValueError, r"Binned\(n_bins=0\)"),
        ({"a": Binned(min_share=0.0)}, ValueError, r"Binned\(min_share=0.0\)"),
    ],
)
def test_what_is_unknown_is_refused(likelihood, error, message):
    with pytest.raises(error, match=message):
        choice(NORMAL, likelihood=likelihood)


def test_categories_cannot_be_gaussian():
    frame = pd.DataFrame({"a": NORMAL, "city": np.where(NORMAL > 0, "Oslo", "Rome")})
    container = Container.of(frame)
    values = container.values(frame)
    families = choose_families("gaussian", values, container, 0)
    with pytest.raises(ValueError, match="Column 'city' holds categories, which Gaussian cannot"):
        Table.learn(values, container, models(families))


def test_repr_tells_families_and_measures():
    frame = pd.DataFrame(
        {
            "normal": NORMAL,
            "city": np.where(NORMAL > 0, "Oslo", "Rome"),
            "visits": RANDOM.integers(-3, 3, N),
            "spent": np.where(NORMAL > 0, 0.0, np.round(SKEWED, 2)),
            "smooth": RANDOM.normal(size=N),
            7: NORMAL > 0,
        }
    )
    container = Container.of(frame)
    values = container.values(frame)
    families = choose_families({"smooth": Binned(atoms=False)}, values, container, 0)
    found = Likelihoods.of(Table.learn(values, container, models(families)), families)
    assert list(found) == list(frame.columns)
    assert list(found.values()) == families
    lines = [line.split("  ") for line in repr(found).splitlines()]
    assert [(line[0], line[-1].strip()) for line in lines] == [
        ("'normal'", "density"),
        ("'city'", "probability"),
        ("'visits'", "probability"),
        ("'spent'", "density; of a repeated value, probability over 0.01"),
        ("'smooth'", "density"),
        ("7", "probability"),
    ]
    assert "Binned(n_bins=64, min_share=0.004, atoms=False)" in repr(found)


@pytest.mark.parametrize("family", [NegativeBinomial(), Binned()])
def test_held_out_log_densities_are_of_the_column_without_latents(family):
    counts = RANDOM.poisson(4, N).astype(float)
    field = Container.of(pd.DataFrame({"a": counts.astype(int)})).fields[0]
    every = np.arange(0.0, 200.0)
    p = np.exp(marginal_log_prob(family, field, counts, every))
    # What is left is beyond the range, and single precision.
    assert p.sum() == pytest.approx(1, abs=1e-4)
    assert p @ every == pytest.approx(counts.mean(), rel=0.01)
    # A mean of a log-density is at most that of the frequencies.
    observed = np.bincount(counts.astype(int), minlength=200) / N
    seen = observed > 0
    gap = observed[seen] @ np.log(observed[seen] / p[seen])
    assert 0 <= gap < 0.05
