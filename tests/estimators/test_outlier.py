"""VAEOutlierDetector: its threshold, its scores of rows with holes, and what it explains."""

import copy
import inspect
import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal, norm
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV

from skvae import VAEDensity, VAEOutlierDetector
from skvae.fit.fit import Fit
from skvae.likelihoods import Gaussian
from skvae.objectives import IWAE, DReG, Trimmed
from skvae.proposals import LaplaceProposal

from .test_holes import WINE, conditional, in_polars, mixed, moments, with_holes

IRIS = load_iris().data
HOLES = with_holes(IRIS)
#: A linear-Gaussian model in closed form, of all rows.
LINEAR = {
    "objective": "iwae",
    "likelihood": Gaussian("column"),
    "hidden_layer_sizes": (),
    "max_epochs": 0,
    "init": "linear",
    "proposal": LaplaceProposal(),
    "n_draws": 16,
    "random_state": 0,
}


def quick(**parameters):
    return VAEOutlierDetector(2, **{"max_epochs": 4, "random_state": 0, **parameters})


def correlated(n, seed=0):
    """Return rows of a Gaussian whose four columns all follow one number."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, 1)) + 0.3 * generator.normal(size=(n, 4))


@pytest.fixture(scope="module")
def linear():
    """A detector whose model is linear, fitted to rows with holes, with its moments."""
    X = with_holes(WINE)
    detector = VAEOutlierDetector(3, **LINEAR).fit(X)
    return detector.set_params(n_draws=1_000), X, *moments(detector)


@pytest.fixture(scope="module")
def iris():
    return quick(n_draws=16).fit(HOLES)


# -------------------------------------------------------- closed forms


@pytest.mark.slow
def test_surprises_are_conditional_densities(linear):
    detector, X, mean, covariance = linear
    X = X[:30].copy()
    X[::5, 1] += 8 * WINE[:, 1].std()  # where the whole row's draws would be of no use
    found = detector.explain(X)
    expected = np.full(X.shape, np.nan)
    for i, j in np.argwhere(~np.isnan(X)):
        others = np.where(np.arange(X.shape[1]) == j, np.nan, X[i])
        center, spread = conditional(mean, covariance, others)
        at = np.flatnonzero(np.isnan(others)).tolist().index(j)
        expected[i, j] = -norm(center[at], np.sqrt(spread[at, at])).logpdf(X[i, j])
    assert_array_equal(np.isnan(found), np.isnan(X))
    assert np.nanmax(expected) > 20
    # Two estimates from 1,000 draws of a t with many degrees of freedom.
    assert_allclose(found, expected, atol=0.06)


@pytest.mark.slow
def test_rows_with_holes_score_what_is_expected_of_their_completions(linear):
    detector, X, mean, covariance = linear
    X = X[:100]
    found = detector.set_params(n_draws=200).decision_function(X) + detector.offset_
    errors = []
    for x, score in zip(X, found, strict=True):
        missing = np.isnan(x)
        if not missing.any():
            continue
        spread = conditional(mean, covariance, x)[1]
        entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * spread)[1]
        seen = multivariate_normal(mean[~missing], covariance[~missing][:, ~missing])
        log_p = seen.logpdf(x[~missing]) if not missing.all() else 0.0
        # A Gaussian's log-density of its own draws has the variance m / 2; sixteen are averaged.
        errors.append((score - (log_p - entropy)) / np.sqrt(missing.sum() / 32))
    assert len(errors) > 60
    assert abs(np.mean(errors)) < 4 / np.sqrt(len(errors))
    assert 0.8 < np.std(errors) < 1.25


def test_a_row_of_which_nothing_is_known_is_no_outlier(linear):
    detector, _, mean, _ = linear
    unknown = np.full((1, len(mean)), np.nan)
    assert detector.predict(unknown) == [1]
    assert detector.score_samples(unknown) == [0.0]
    assert np.isnan(detector.explain(unknown)).all()


# -------------------------------------------------------- the threshold


@pytest.mark.slow
def test_the_decision_is_the_score_above_the_offset(iris):
    found = iris.decision_function(IRIS)
    assert_array_equal(found, iris.score_samples(IRIS) - iris.offset_)
    assert_array_equal(iris.predict(IRIS), np.where(found < 0, -1, 1))
    assert not np.allclose(iris.decision_function(HOLES), iris.score_samples(HOLES) - iris.offset_)


@pytest.mark.parametrize("X", [IRIS, HOLES], ids=["whole", "with holes"])
@pytest.mark.slow
def test_a_share_of_the_training_rows_are_outliers(X):
    detector = quick(contamination=0.1, n_draws=8)
    assert (detector.fit_predict(X) == -1).sum() == 15
    assert detector.offset_rows_ == "training"


def test_a_threshold_without_rows_to_spare_holds_for_new_ones():
    detector = VAEOutlierDetector(1, **LINEAR).fit(correlated(1_500))
    assert detector.offset_rows_ == "out_of_fold"
    rate = (detector.predict(correlated(10_000, seed=1)) == -1).mean()
    # The 15th of 1,500 ranks, whose standard error is 0.26 %.
    assert 0.003 < rate < 0.018


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_threshold_by_rows_that_were_held_out(early_stopping):
    detector = VAEOutlierDetector(1, **LINEAR, early_stopping=early_stopping)
    detector.fit(correlated(2_000))
    assert detector.offset_rows_ == "held_out"
    # Five of 501 ranks are below the fifth score of 500, four of which are.
    assert detector.validation_outlier_rate_ == 0.008


@pytest.mark.parametrize(
    ("parameters", "n"),
    [
        ({"early_stopping": True, "validation_fraction": 0.1}, 2_000),
        ({}, 9),
    ],
)
def test_a_threshold_is_guessed_where_no_rows_can_tell(parameters, n):
    detector = VAEOutlierDetector(1, **LINEAR, **parameters).fit(correlated(n))
    assert detector.offset_rows_ in ("drawn", "training")


def test_no_rank_among_few_rows_promises_one_in_a_hundred():
    with pytest.warns(UserWarning, match="no rank among 98 rows can promise"):
        few = VAEOutlierDetector(1, **LINEAR).fit(correlated(98))
    enough = VAEOutlierDetector(1, **LINEAR).fit(correlated(99))
    assert few.offset_rows_ == enough.offset_rows_ == "out_of_fold"


def test_each_fold_is_scored_by_a_model_of_the_others(monkeypatch):
    folds = []
    of_fit = Fit._out_of_fold
    monkeypatch.setattr(Fit, "_out_of_fold", lambda fit: folds.extend(of_fit(fit)) or folds)
    X = correlated(100)
    detector = VAEOutlierDetector(3, **{**LINEAR, "n_draws": 500}).fit(X)
    assert_array_equal(np.sort(np.concatenate([fold.rows for fold in folds])), np.arange(100))
    lowest = []
    for fold in folds:
        of_fold = SimpleNamespace(vae_=fold.vae, table_=detector.table_)
        model = multivariate_normal(*moments(of_fold))
        # Three factors and noises fit four columns exactly, about the mean of the table.
        others = np.delete(X, fold.rows, axis=0) - X.mean(0)
        assert_allclose(model.cov, others.T @ others / len(others), atol=1e-5)
        lowest.append(model.logpdf(X[fold.rows]).min())
    # A mean of draws from a t with many degrees of freedom.
    assert_allclose(detector.offset_, min(lowest), atol=0.03)


@pytest.mark.slow
def test_clusters_have_outliers_although_the_model_draws_rows_between_them():
    X = make_blobs(300, random_state=0)[0]
    plain = {"objective": "iwae", "likelihood": "density", "early_stopping": True}
    detector = quick(max_epochs=60, init="random", n_draws=16, contamination=0.01, **plain).fit(X)
    detector.set_params(warm_start=True, max_epochs=1, contamination="auto").fit(X)
    drawn = detector.score_samples(detector.sample(2_000, random_state=0))
    assert (detector.score_samples(X) < np.quantile(drawn, 0.01)).sum() < 3
    assert (detector.predict(X) == -1).sum() == 3
    assert detector.offset_rows_ == "training"


def test_without_held_out_rows_there_is_no_rate_of_theirs():
    assert quick(early_stopping=False).fit(IRIS).validation_outlier_rate_ is None


# -------------------------------------------------------- manners


@pytest.mark.slow
def test_a_row_is_judged_by_itself(iris):
    found, why = iris.decision_function(HOLES), iris.explain(HOLES)
    assert_array_equal(iris.decision_function(HOLES), found)
    order = np.random.default_rng(0).permutation(150)[:40]
    assert_allclose(iris.decision_function(HOLES[order]), found[order], atol=1e-7)
    assert_allclose(iris.explain(HOLES[order]), why[order], atol=1e-7)
    alone = [iris.decision_function(row[None])[0] for row in HOLES[:10]]
    assert_allclose(alone, found[:10], atol=1e-7)


def test_rows_have_noise_of_their_own(iris):
    twice = iris.decision_function(np.vstack([HOLES[:5], HOLES[:5]]))
    assert_allclose(twice[:5], twice[5:], atol=1e-7)
    few = np.array([[5.0, np.nan, np.nan, np.nan], [5.0 + 1e-3, np.nan, np.nan, np.nan]])
    # As rows they are nearly the same, but their completions are different ones.
    assert abs(np.diff(iris.decision_function(few))) > 1e-3


@pytest.mark.slow
def test_a_seed_repeats_everything_and_no_global_state_is_touched(iris):
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    again = clone(iris).fit(HOLES)
    assert again.offset_ == iris.offset_
    assert_array_equal(again.decision_function(HOLES), iris.decision_function(HOLES))
    assert_array_equal(again.explain(HOLES[:9]), iris.explain(HOLES[:9]))
    assert torch.get_rng_state().equal(states[0])
    assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.slow
def test_mixed_frames_with_holes(library):
    frame = mixed() if library == "pandas" else in_polars(mixed())
    detector = quick(n_draws=8, max_epochs=2).fit(frame)
    assert set(detector.predict(frame)) <= {-1, 1}
    found = detector.explain(frame[3:9])
    assert type(found) is type(frame)
    assert list(found.columns) == list(frame.columns)
    assert_array_equal(np.isnan(found.to_numpy()), mixed()[3:9].isna())
    assert library == "polars" or found.index.equals(frame.index[3:9])
    assert_allclose(detector.explain(frame[8:9]), found[5:], atol=1e-7)
    assert_allclose(detector.decision_function(frame[:7]), detector.decision_function(frame)[:7])


@pytest.mark.slow
def test_columns_without_a_value_and_columns_that_are_given():
    frame = mixed().assign(empty=np.nan, place=np.where(np.arange(120) % 2, "x", "y"))
    detector = quick(context_features=["place"], n_draws=8, max_epochs=2)
    with pytest.warns(UserWarning, match="'empty'"):
        detector.fit(frame)
    assert np.isfinite(detector.decision_function(frame)).all()
    assert np.isnan(detector.explain(frame).iloc[:, -2:]).all(axis=None)


@pytest.mark.slow
def test_a_row_may_be_odd_in_its_context_alone():
    generator = np.random.default_rng(0)
    place = generator.integers(2, size=400)
    frame = pd.DataFrame({"place": np.array(["north", "south"])[place]})
    frame["degrees"] = np.where(place, 30.0, 0.0) + generator.normal(size=400)
    detector = quick(context_features=["place"], max_epochs=60, n_draws=16).fit(frame)
    new = pd.DataFrame({"place": ["north", "south", "north"], "degrees": [0.0, 30.0, 30.0]})
    assert detector.predict(new).tolist() == [1, 1, -1]


@pytest.mark.slow
def test_a_wrong_cell_is_found_first():
    X = correlated(400)
    detector = quick(max_epochs=30, n_draws=32).fit(X)
    rows = correlated(60, seed=1)
    column = np.random.default_rng(2).integers(4, size=60)
    # Within the range of its column: it is wrong for its row alone.
    rows[np.arange(60), column] = -np.sign(rows.mean(1)) * 1.5
    assert (np.abs(rows) < 3.5).all()
    assert (detector.explain(rows).argmax(1) == column).mean() > 0.95
    assert (detector.predict(rows) == -1).mean() > 0.8


def test_some_columns_are_explained(iris):
    whole, some = iris.explain(HOLES[:20]), iris.explain(HOLES[:20], columns=[1, 3])
    assert_allclose(some[:, [1, 3]], whole[:, [1, 3]], atol=1e-9)
    assert np.isnan(some[:, [0, 2]]).all()


def test_a_relative_surprise_is_less_the_entropy_of_its_column():
    X = correlated(300)
    whole = VAEOutlierDetector(3, contamination=0.1, **LINEAR).fit(X)
    rows = X[:6] + np.array([0.0, 0.0, 0.0, 4.0])
    relative, inverse = whole.explain(rows, relative=True), np.linalg.inv(moments(whole)[1])
    entropy = 0.5 * np.log(2 * np.pi * np.e / inverse.diagonal())
    usual = whole.explain(rows) - relative
    assert_allclose(usual, np.broadcast_to(usual[0], rows.shape), atol=1e-9)
    # Half of a squared normal number has a deviation of 0.71; 100 are averaged.
    assert_allclose(usual[0], entropy, atol=0.25)
    alone = clone(whole).fit(X).explain(rows[:1], relative=True, columns=[3])
    assert_allclose(alone[0, 3], relative[0, 3], atol=1e-7)
    other_units = clone(whole).fit(1e3 * X).explain(1e3 * rows, relative=True)
    assert_allclose(other_units, relative, atol=0.01)


def test_what_is_usual_follows_the_weights(linear):
    detector, X, _, _ = linear
    edited = copy.deepcopy(detector)
    before = edited.explain(X[:2], relative=True)
    with torch.no_grad():
        next(iter(edited.decoder_.parameters())).mul_(0.5)
    after, absolute = edited.explain(X[:2], relative=True), edited.explain(X[:2])
    fresh = pickle.loads(pickle.dumps(edited))
    assert not np.allclose(after, before, equal_nan=True)
    assert_allclose(fresh.explain(X[:2], relative=True), after, atol=1e-7)
    assert_allclose(fresh.explain(X[:2]), absolute, atol=1e-7)


def test_what_is_usual_given_other_columns_is_refused():
    detector = quick(context_features=[3], n_draws=4, contamination=0.1).fit(IRIS)
    with pytest.raises(ValueError, match=r"context_features\). Use relative=False"):
        detector.explain(IRIS[:2], relative=True)


# -------------------------------------------------------- trimmed bounds


@pytest.fixture(scope="module")
def contaminated():
    """Rows of which a tenth are another cluster, and new ones of both kinds."""
    generator = np.random.default_rng(3)

    def outliers(n):
        return np.array([3.0, -3.0, 3.0, -3.0]) + generator.normal(size=(n, 4))

    X = np.vstack([correlated(540), outliers(60)])
    new = np.vstack([correlated(400, seed=1), outliers(400)])
    return X, new, np.repeat([1, 0], 400)


def test_trimmed_training_does_not_learn_outliers(contaminated):
    X, new, usual = contaminated
    parameters = {"max_epochs": 60, "hidden_layer_sizes": (32,), "n_draws": 16}
    plain, trimmed = (
        quick(**parameters, objective=objective).fit(X) for objective in ("iwae", Trimmed(0.15))
    )
    assert trimmed.score(new[usual == 1]) > plain.score(new[usual == 1])
    assert trimmed.score(new[usual == 0]) < plain.score(new[usual == 0]) - 5
    areas = [roc_auc_score(usual, model.score_samples(new)) for model in (plain, trimmed)]
    assert areas[1] > max(areas[0], 0.99)


def test_trimmed_scores_of_held_out_rows_leave_out_the_same_share():
    X = correlated(200)
    X[::10] += 30 * np.random.default_rng(1).normal(size=(20, 4))
    # The same start, judged by all held-out rows and by four fifths of them.
    plain, trimmed = (
        VAEOutlierDetector(
            1, **LINEAR | {"objective": objective}, early_stopping=True, validation_fraction=0.1
        ).fit(X)
        for objective in ("iwae", Trimmed(0.2))
    )
    assert trimmed.best_validation_score_ > plain.best_validation_score_ + 1


def test_trimmed_bounds_are_searched_and_cloned():
    detector = quick(objective=Trimmed(0.1, DReG(3)), max_epochs=1, n_draws=8)
    assert clone(detector).objective == Trimmed(0.1, DReG(3))
    assert detector.get_params()["objective__objective__n_draws"] == 3
    grid = {"objective__fraction": [0.0, 0.2], "objective__objective": [IWAE(2), DReG(4)]}
    search = GridSearchCV(detector, grid, cv=2).fit(IRIS)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    detector.set_params(objective__objective__n_draws=7)
    assert detector.objective.objective.n_draws == 7


def test_a_prior_that_is_refitted_is_trimmed_too():
    X = correlated(200)
    X[::10] += 30 * np.random.default_rng(1).normal(size=(20, 4))
    plain, trimmed = (
        quick(objective=objective, refit_prior="mixture", n_draws=8, early_stopping=True).fit(X)
        for objective in ("iwae", Trimmed(0.2))
    )
    assert trimmed.best_validation_score_ > plain.best_validation_score_ + 1


def test_nothing_trimmed_is_the_bound_itself():
    one, other = (
        quick(objective=objective, n_draws=8).fit(IRIS).score_samples(IRIS)
        for objective in (IWAE(3), Trimmed(0.0, IWAE(3)))
    )
    assert_allclose(one, other, atol=1e-3)  # sums of float32 in another order


def test_a_linear_start_is_made_without_the_rows_that_are_left_out():
    X = correlated(400)
    X[::8] += np.array([20.0, -20.0, 20.0, -20.0]) * np.resize([1.0, -1.0], (50, 1))
    plain, trimmed = (
        VAEOutlierDetector(1, **LINEAR | {"objective": objective}, contamination=0.1).fit(X)
        for objective in (IWAE(2), Trimmed(0.2, IWAE(2)))
    )
    usual, odd = correlated(200, seed=1), X[::8]
    # The loadings of all rows are those of the odd ones.
    assert trimmed.score(usual) > plain.score(usual) + 2
    assert trimmed.score(odd) < plain.score(odd) - 100


def test_the_defaults_are_those_that_can_be_stated():
    parameters = {"max_epochs": 2, "hidden_layer_sizes": (4,), "contamination": 0.1}
    stated = {"likelihood": Gaussian("column"), "objective": Trimmed(0.3), "init": "linear"}
    scores = (
        VAEOutlierDetector(random_state=0, **parameters, **more).fit(IRIS).decision_function(IRIS)
        for more in ({}, stated)
    )
    assert_array_equal(*scores)
    detector = quick(likelihood={0: "student_t"}, contamination=0.1, n_draws=4).fit(IRIS)
    assert [type(of).__name__ for of in detector.likelihoods_.values()] == [
        *("StudentT", "Gaussian", "Gaussian", "Gaussian")
    ]
    planned = VAEOutlierDetector(random_state=0, n_draws=4, contamination=0.1).fit(IRIS)
    assert planned.n_iter_ == 30


# -------------------------------------------------------- errors


def test_a_failed_fit_loses_nothing(iris):
    detector = quick(n_draws=8).fit(HOLES)
    before = detector.offset_, detector.decision_function(HOLES[:5])
    with pytest.raises(ValueError, match="infinity in column 2, row 0"):
        detector.fit([[1.0, 2.0, np.inf, 3.0], [0.0, 0.0, 0.0, 0.0]])
    with pytest.raises(ValueError, match="'contamination' parameter of VAEOutlierDetector"):
        detector.set_params(contamination=0.7).fit(IRIS + 100)
    detector.set_params(contamination="auto")
    assert detector.offset_ == before[0]
    assert_array_equal(detector.decision_function(HOLES[:5]), before[1])


def test_a_threshold_that_fails_loses_nothing(monkeypatch):
    detector = quick(n_draws=8).fit(HOLES)
    vae, offset = detector.vae_, detector.offset_
    with monkeypatch.context() as patch:
        patch.setattr("skvae.estimators.outlier.ranked", lambda scores: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            detector.fit(IRIS + 100)
    assert detector.vae_ is vae
    assert detector.offset_ == offset


def test_the_signature_shows_every_parameter():
    common = set(VAEDensity().get_params()) - {"relations", "model_missing"}
    parameters = inspect.signature(VAEOutlierDetector).parameters
    assert set(parameters) == set(VAEOutlierDetector().get_params()) == common | {"contamination"}
    assert next(iter(parameters)) == "latent_dim"


def test_too_many_columns_are_refused():
    X = np.random.default_rng(0).normal(size=(20, 201))
    detector = quick(max_epochs=0, n_draws=4).fit(X)
    with pytest.raises(ValueError, match=r"there are 201, more than 200\. Name some, explain\(X"):
        detector.explain(X)
    found = detector.explain(X[:2], columns=[3, 200])
    assert np.isfinite(found).sum() == 4
    with pytest.raises(ValueError, match=r"columns names columns \[201\], which X does not have"):
        detector.explain(X, columns=[201])


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Trimmed(1.0), r"Trimmed\(fraction=1\.0\): expected a number from 0 to below 1"),
        (Trimmed(0.1, "iwea"), "objective='iwea' is unknown"),
        (Trimmed(0.1, IWAE(0)), r"IWAE\(n_draws=0\)"),
        (Trimmed(0.1, Trimmed()), r"give the bound itself, as IWAE\(\)"),
    ],
)
def test_trimming_without_sense_is_refused(recipe, message):
    with pytest.raises(ValueError, match=message):
        quick(objective=recipe).fit(IRIS)
