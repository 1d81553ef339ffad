"""Ensembles: the density is the mean of the members', whatever is asked of it."""

import copy
import dataclasses
import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from sklearn.exceptions import NotFittedError

from skvae import VAEClassifier, VAEOutlierDetector, VAETransformer, load

from .models import IRIS, causes_and_effects, quick

MANY = {"ensemble": 3, "max_epochs": 3}


@pytest.fixture(scope="module")
def density():
    return quick(**MANY).fit(IRIS)


@pytest.fixture(scope="module")
def table():
    """A density of a table that can be enumerated."""
    return quick(**MANY, n_draws=512).fit(causes_and_effects())


def members(estimator):
    """Return an estimator of each member alone."""
    found = []
    for vae in estimator.vaes_:
        found.append(copy.copy(estimator))
        found[-1].model_ = dataclasses.replace(estimator.model_, vae=vae, others=())
    return found


def every_row(frame):
    """Return all rows that a table of few levels can have, in its dtypes."""
    levels = [sorted(frame[name].unique()) for name in frame.columns]
    rows = pd.DataFrame(list(itertools.product(*levels)), columns=frame.columns)
    return rows.astype(frame.dtypes)


def test_scores_are_means_of_the_densities_of_members(density):
    found = [one.score_samples(IRIS) for one in members(density)]
    assert len(found) == 3
    assert np.ptp(found, axis=0).min() > 0
    expected = logsumexp(found, axis=0) - np.log(3)
    assert_allclose(density.score_samples(IRIS), expected, rtol=0, atol=1e-10)


def test_it_adds_up_to_one(table):
    rows = every_row(causes_and_effects())
    assert_allclose(np.exp(table.score_samples(rows)).sum(), 1.0, atol=0.02)


def test_it_integrates_to_one():
    X = np.random.default_rng(0).normal(size=(120, 2)) @ [[1.0, 0.5], [0.0, 0.5]]
    density = quick(**MANY, likelihood="gaussian").fit(X)
    grid = np.linspace(-7, 7, 57)
    points = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    cell = (grid[1] - grid[0]) ** 2
    assert_allclose(np.exp(density.score_samples(points)).sum() * cell, 1.0, atol=0.02)


def test_completions_match_enumeration(table):
    rows = every_row(causes_and_effects())
    p = np.exp(table.score_samples(rows))
    row = rows.iloc[[0]].astype(object)
    row[["size", "visits"]] = None
    row = row.assign(size=pd.Categorical([None], rows["size"].cat.categories, ordered=True))
    row = row.assign(visits=np.nan)
    drawn = table.sample_conditional(row.astype({"member": bool}), 4000, random_state=0)
    same = (rows["city"] == rows["city"][0]) & (rows["member"] == rows["member"][0])
    for size, visits in itertools.product("SML", range(4)):
        of = (rows["size"] == size) & (rows["visits"] == visits) & same
        share = ((drawn["size"] == size) & (drawn["visits"] == visits)).mean()
        assert abs(share - p[of].sum() / p[same].sum()) < 0.03


def test_rows_are_drawn_from_the_mean_of_members(table):
    rows = every_row(causes_and_effects())
    p = np.exp(table.score_samples(rows))
    drawn = table.sample(4000, random_state=0)
    for city in ("Bern", "Oslo", "Rome"):
        assert abs((drawn["city"] == city).mean() - p[rows["city"] == city].sum()) < 0.03


def test_explanations_are_differences_of_the_mean(table):
    frame = causes_and_effects()
    detector = VAEOutlierDetector(
        2, hidden_layer_sizes=(16,), random_state=0, n_draws=512, contamination=0.1, **MANY
    ).fit(frame)
    rows = every_row(frame)
    p = np.exp(detector.score_samples(rows))
    row = rows.iloc[[5]]
    found = detector.explain(row)
    rest = [name for name in rows.columns if name != "visits"]
    same = (rows[rest] == row[rest].iloc[0]).all(axis=1)
    expected = -np.log(p[5] / p[same].sum())
    assert_allclose(np.asarray(found)[0, rows.columns.get_loc("visits")], expected, atol=0.03)


def test_latents_and_curves_are_of_the_first(density):
    first = members(density)[0]
    transformer = VAETransformer(2, hidden_layer_sizes=(16,), random_state=0, **MANY).fit(IRIS)
    assert transformer.transform(IRIS).shape == (150, 2)
    assert_array_equal(
        transformer.transform(IRIS), members(transformer)[0].transform(IRIS), strict=True
    )
    assert density.vae_ is density.vaes_[0]
    assert_array_equal(density.reconstruct(IRIS[:3]), first.reconstruct(IRIS[:3]))
    assert len(density.loss_curve_) == 3


def test_members_hold_out_rows_of_their_own():
    density = quick(**MANY, validation_fraction=0.2).fit(IRIS)
    assert density.best_validation_score_ != max(density.validation_scores_)
    one = quick(max_epochs=3, validation_fraction=0.2).fit(IRIS)
    assert_array_equal(density.validation_scores_, one.validation_scores_)


def test_classes_are_told_by_all_members():
    y = np.repeat([0, 1, 2], 50)
    found = VAEClassifier(2, hidden_layer_sizes=(16,), random_state=0, **MANY).fit(IRIS, y)
    given = np.stack([one.score_samples(IRIS, y) for one in members(found)])
    expected = logsumexp(given, axis=0) - np.log(3)
    assert_allclose(found.score_samples(IRIS, y), expected, atol=1e-10)
    proba = found.predict_proba(IRIS)[np.arange(150), y]
    assert_allclose(np.log(proba), expected - np.log(3) - found.score_samples(IRIS), atol=1e-6)


def test_pickles_and_files_hold_all_members(density, tmp_path):
    density.save(tmp_path / "density.skvae")
    for kept in (pickle.loads(pickle.dumps(density)), load(tmp_path / "density.skvae")):
        assert len(kept.vaes_) == 3
        assert_array_equal(kept.score_samples(IRIS), density.score_samples(IRIS))
        other = copy.deepcopy(density)
        assert_array_equal(kept.sample(9), other.sample(9))
    assert len(pickle.dumps(density)) < 2**22


def test_a_checkpoint_changes_nothing(tmp_path):
    whole = quick(**MANY).fit(IRIS)
    again = quick(**MANY, checkpoint=tmp_path / "fit.checkpoint").fit(IRIS)
    assert_array_equal(again.score_samples(IRIS), whole.score_samples(IRIS))


@pytest.mark.parametrize(("n", "expected"), [(40, 1), (120, 4)])
def test_auto_is_four_where_rows_are_few_but_not_too_few(n, expected):
    density = quick(ensemble="auto", max_epochs=1).fit(IRIS[:n])
    assert len(density.vaes_) == expected


def test_one_is_the_model_of_before():
    assert_array_equal(
        quick(ensemble=1).fit(IRIS).score_samples(IRIS), quick().fit(IRIS).score_samples(IRIS)
    )


def test_without_held_out_rows_members_differ_by_their_seeds():
    density = quick(**MANY, early_stopping=False, init="random").fit(IRIS)
    found = [one.score_samples(IRIS[:5]) for one in members(density)]
    assert np.ptp(found, axis=0).min() > 0


@pytest.mark.parametrize("ensemble", [0, 1.5, "four"])
def test_other_numbers_are_refused(ensemble):
    with pytest.raises(ValueError, match="'ensemble' parameter"):
        quick(ensemble=ensemble).fit(IRIS)


def test_what_has_no_density_or_goes_on_is_refused():
    with pytest.raises(ValueError, match="ensemble= is the mean of several densities"):
        VAETransformer(2, objective="autoencoder", ensemble=2).fit(IRIS)
    density = quick(**MANY, warm_start=True).fit(IRIS)
    before = density.score_samples(IRIS)
    with pytest.raises(ValueError, match="goes on with one model"):
        density.fit(IRIS)
    assert_array_equal(density.score_samples(IRIS), before)
    with pytest.raises(NotFittedError):
        quick(**MANY).score_samples(IRIS)
