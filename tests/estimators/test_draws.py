"""Drawn rows look like the table, in its columns, dtypes and supports."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from skvae import VAETransformer
from skvae.likelihoods import Categorical, DiscretizedLogistic

from .models import QUICK, causes_and_effects, quick


@pytest.mark.slow
def test_samples_look_like_the_table():
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "height": generator.normal(170, 10, 400).astype("float32"),
            "weight": generator.normal(70, 5, 400),
            "member": generator.uniform(size=400) < 0.3,
            "flag": (generator.uniform(size=400) < 0.5).astype("int64"),
        }
    )
    density = quick(max_epochs=40).fit(frame)
    rows = density.sample(4000, random_state=0)
    assert isinstance(rows, pd.DataFrame)
    assert rows.dtypes.equals(frame.dtypes)
    assert rows["height"].mean() == pytest.approx(170, abs=2)
    assert rows["weight"].std() == pytest.approx(5, rel=0.15)
    assert rows["member"].mean() == pytest.approx(0.3, abs=0.06)
    assert set(rows["flag"]) == {0, 1}
    assert np.isfinite(density.score_samples(rows)).all()
    assert list(density.likelihoods_) == list(frame.columns)


@pytest.mark.parametrize("likelihood", ["auto", "poisson", "negative_binomial", "binned"])
def test_integers_stay_integers_and_in_range(likelihood):
    table = pd.DataFrame({"n": np.random.default_rng(0).poisson(2.0, 300).astype("int16")})
    density = quick(likelihood=likelihood).fit(table)
    drawn = density.sample(5000, random_state=0)["n"]
    assert drawn.dtype == "int16"
    assert drawn.min() >= 0
    if likelihood in ("auto", "binned"):
        assert drawn.max() <= table["n"].max()


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [("uint8", "cell"), ("uint8", 20.0), ("float64", "shared"), ("float32", 0.1)],
)
def test_a_grid_of_grey_levels_holds_all_mass(dtype, scale):
    grey = np.random.default_rng(0).normal(200.0, 60.0, 300).round().clip(0, 255)
    unit = 1.0 if dtype == "uint8" else 255.0
    family = DiscretizedLogistic(high=255.0 / unit, step=1.0 / unit, scale=scale)
    table = pd.DataFrame({"x": (grey / unit).astype(dtype)})
    density = quick(likelihood=family, latent_dim=1, n_draws=1000).fit(table)
    every = pd.DataFrame({"x": (np.arange(256) / unit).astype(dtype)})
    log_p = density.score_samples(every) - np.log(unit)
    # Each score has an error of its own, by 1,000 draws.
    assert np.exp(log_p).sum() == pytest.approx(1.0, abs=0.01)
    drawn = density.sample(2000, random_state=0)
    assert drawn["x"].dtype == dtype
    assert drawn["x"].isin(every["x"]).all()
    assert drawn["x"].mean() == pytest.approx(grey.mean() / unit, rel=0.1)


def test_digits_are_drawn_scored_and_completed_on_their_grid():
    X = load_digits().data
    family = DiscretizedLogistic(high=16)
    density = quick(likelihood=family, latent_dim=4, max_epochs=3).fit(X[:500])
    assert density.likelihoods_.measures[0] == "probability"
    holes = X[500:540].copy()
    holes[:, 32:] = np.nan
    scores, of_halves = density.score_samples(X[500:540]), density.score_samples(holes)
    assert np.isfinite(scores).all()
    assert (scores < of_halves).all()  # a probability of more cells
    assert (of_halves < 0).all()
    for drawn in (density.sample(50, random_state=0), density.sample_conditional(holes)):
        assert np.isin(drawn, np.arange(17.0)).all()
    with pytest.raises(ValueError, match=r"numbers from 0 to 16 in steps of 1. Got 17 in row 0"):
        density.score_samples(np.full((1, 64), 17.0))


@pytest.mark.slow
def test_a_grid_works_with_holes_and_other_columns():
    table = causes_and_effects(400)
    table["mark"] = np.random.default_rng(0).integers(0, 11, 400).astype("float32") / 10
    table.loc[::7, "mark"] = np.nan
    likelihood = {"mark": DiscretizedLogistic(high=1, step=0.1)}
    density = quick(likelihood=likelihood).fit(table)
    assert np.isfinite(density.score_samples(table)).all()
    completed = density.sample_conditional(table, random_state=0)
    assert completed["mark"].dtype == "float32"
    steps = completed["mark"].to_numpy() * 10
    np.testing.assert_allclose(steps, steps.round(), atol=1e-5)
    high = density.sample_conditional(
        table[table["mark"].isna()], where={"mark": (0.5, 1.0)}, random_state=0
    )
    assert (high["mark"] > 0.45).all()


@pytest.mark.parametrize("likelihood", ["log_normal", "gamma", "binned", "auto"])
def test_positive_numbers_stay_positive(likelihood):
    table = pd.DataFrame({"x": np.random.default_rng(0).lognormal(0, 1, 300)})
    drawn = quick(likelihood=likelihood).fit(table).sample(5000, random_state=0)["x"]
    assert (drawn > 0).all()


@pytest.mark.slow
def test_categories_come_in_proportion():
    table = causes_and_effects(1000)
    drawn = quick(max_epochs=40).fit(table).sample(10_000, random_state=0)
    assert drawn.dtypes.equals(table.dtypes)
    for name in ("city", "size", "member", "visits"):
        real, found = (t[name].value_counts(normalize=True) for t in (table, drawn))
        assert (found.reindex(real.index) - real).abs().max() < 0.05


def test_integers_of_an_array_come_back_as_integers():
    X = np.random.default_rng(0).integers(-3, 9, size=(200, 2)).astype(np.int16)
    density = quick().fit(X)
    assert density.sample(3).dtype == np.int16
    assert np.isfinite(density.score_samples(X)).all()


@pytest.mark.parametrize("marked", [["code"], [1], [False, True]])
def test_integers_that_are_names_are_marked(marked):
    generator = np.random.default_rng(0)
    table = pd.DataFrame(
        {"x": generator.normal(size=80), "code": generator.choice([3, 10, 40], 80)}
    )
    density = quick(categorical_features=marked).fit(table)
    assert density.likelihoods_["code"] == Categorical()
    assert density.sample(4)["code"].dtype == table["code"].dtype
    as_array = quick(categorical_features=[1]).fit(table.to_numpy())
    assert as_array.likelihoods_[1] == Categorical()
    assert set(as_array.sample(50)[:, 1]) <= {3.0, 10.0, 40.0}


def test_likelihoods_say_their_measure():
    density = quick().fit(causes_and_effects())
    assert "'city'    Categorical(unseen=False)" in repr(density.likelihoods_)
    assert density.likelihoods_.measures["visits"] == "probability"


@pytest.mark.slow
def test_means_of_numbers_and_modes_of_categories():
    table = causes_and_effects().assign(x=np.random.default_rng(1).normal(5, 1, 400))
    vae = VAETransformer(**{**QUICK, "max_epochs": 40}).fit(table)
    back = vae.inverse_transform(vae.transform(table))
    assert set(back["city"]) <= {"Bern", "Oslo", "Rome"}
    assert back["size"].dtype == table["size"].dtype
    assert back["x"].mean() == pytest.approx(5, abs=0.3)
    assert back["visits"].mean() == pytest.approx(table["visits"].mean(), abs=0.3)
