"""VAEClassifier: Bayes' rule against discriminant analysis, and what unlabelled rows are for."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skvae
from skvae import VAEClassifier
from skvae.fit.spreading import spread
from skvae.likelihoods import Gaussian
from skvae.table.labels import Labels, read_labels

LINEAR = {
    "hidden_layer_sizes": (),
    "likelihood": Gaussian("column"),
    "max_epochs": 0,
    "init": "linear",
    "random_state": 0,
}


def gaussian_classes(n=600, seed=0):
    """Return rows of three classes with a shared covariance that one factor explains."""
    generator = np.random.default_rng(seed)
    y = generator.choice(3, n, p=[0.5, 0.3, 0.2])
    means = np.array([[0.0, 0.0, 0.0], [1.5, -1.0, 0.5], [0.0, 2.0, 1.0]])
    z = generator.normal(size=(n, 1))
    X = means[y] + z @ [[1.0, 0.8, -0.5]] + 0.7 * generator.normal(size=(n, 3))
    return X * [1.0, 10.0, 0.1] + [5.0, 0.0, 0.0], y


def moons(n=400, n_labels=4, seed=0):
    X, y = make_moons(n, noise=0.08, random_state=seed)
    labels = np.full(n, -1)
    for label in (0, 1):
        labels[np.flatnonzero(y == label)[: n_labels // 2]] = label
    return X, y, labels


def quick(**parameters):
    return VAEClassifier(2, **{"max_epochs": 5, "n_draws": 16, "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


# -------------------------------------------------------------------- oracles


@pytest.mark.slow
def test_a_linear_model_is_linear_discriminant_analysis():
    """Three columns and one factor: the pooled covariance is met exactly."""
    X, y = gaussian_classes()
    lda = LinearDiscriminantAnalysis(solver="lsqr").fit(X, y)
    ours = VAEClassifier(1, n_draws=2048, **LINEAR).fit(X, y)
    np.testing.assert_array_equal(ours.classes_, lda.classes_)
    X, y = X[::3], y[::3]
    np.testing.assert_allclose(ours.class_prior_, lda.priors_)
    np.testing.assert_allclose(ours.predict_proba(X), lda.predict_proba(X), atol=0.01)
    assert (ours.predict(X) == lda.predict(X)).mean() > 0.99
    np.testing.assert_allclose(ours.predict_log_proba(X), np.log(ours.predict_proba(X)))


@pytest.mark.slow
def test_scores_are_those_of_the_classes_and_of_their_mixture():
    X, y = gaussian_classes()
    ours = VAEClassifier(1, n_draws=2048, **LINEAR).fit(X, y)
    lda = LinearDiscriminantAnalysis(solver="lsqr", store_covariance=True).fit(X, y)
    X, y = X[::3], y[::3]
    precision = np.linalg.inv(lda.covariance_)
    away = X[:, None] - lda.means_
    log_given = -0.5 * np.einsum("nci,ij,ncj->nc", away, precision, away)
    log_given -= 0.5 * np.linalg.slogdet(2 * np.pi * lda.covariance_)[1]
    of_class = ours.score_samples(X, y)
    np.testing.assert_allclose(of_class, log_given[np.arange(200), y], atol=0.02)
    whole = logsumexp(log_given + np.log(lda.priors_), axis=1)
    np.testing.assert_allclose(ours.score_samples(X), whole, atol=0.02)
    some = np.where(y == 0, -1, y)
    expected = np.where(y == 0, ours.score_samples(X), of_class)
    np.testing.assert_allclose(ours.score_samples(X, some), expected, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(ours.score_samples(X[:5], 2), ours.score_samples(X[:5], [2] * 5))


def test_a_prior_multiplies_the_odds():
    X, y = gaussian_classes()
    shares, given = (
        VAEClassifier(1, class_prior=prior, **LINEAR).fit(X, y) for prior in (None, [0.2, 0.2, 0.6])
    )
    ratio = given.class_prior_ / shares.class_prior_
    expected = shares.predict_proba(X) * ratio
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(given.predict_proba(X), expected, rtol=1e-6)


@pytest.mark.slow
def test_a_missing_cell_is_marginalised():
    X, y = gaussian_classes()
    ours = VAEClassifier(1, n_draws=2048, **LINEAR).fit(X, y)
    lda = LinearDiscriminantAnalysis(solver="lsqr").fit(X[:, :2], y)
    holes = X.copy()
    holes[:, 2] = np.nan
    np.testing.assert_allclose(ours.predict_proba(holes), lda.predict_proba(X[:, :2]), atol=0.02)
    nothing = np.full((2, 3), np.nan)
    np.testing.assert_allclose(ours.predict_proba(nothing), [ours.class_prior_] * 2)


# ------------------------------------------------------------ unlabelled rows


@pytest.mark.slow
def test_unlabelled_rows_show_where_the_classes_are():
    X, y, labels = moons()
    ours = VAEClassifier(2, max_epochs=60, random_state=0).fit(X, labels)
    linear = LogisticRegression().fit(X[labels >= 0], y[labels >= 0])
    test, of_test = make_moons(400, noise=0.08, random_state=1)
    assert ours.score(test, of_test) > 0.93
    assert linear.score(test, of_test) < 0.9
    assert ours.validation_scores_ is not None


def test_rows_held_out_are_unlabelled_where_there_are_enough(monkeypatch):
    from skvae.fit import training

    seen = []
    train = training.train

    def spy(objective, rows, settings, plan, seed, held_out, *others):
        seen.append(None if held_out is None else held_out.rows.context)
        return train(objective, rows, settings, plan, seed, held_out, *others)

    monkeypatch.setattr(training, "train", spy)
    X, y, labels = moons()
    labels[: len(y) // 2] = y[: len(y) // 2]
    quick(init="random").fit(X, labels)
    # Held out at both stages, and all rows at the end.
    assert [context is None for context in seen] == [False, False, True, True]
    assert ((seen[1] > 0).sum(1) > 1).any()  # still open
    assert (seen[0].max(1).values == 1.0).all()  # decided
    assert (seen[1] > 0).sum(1).min() > 1  # none of them has a label


def test_a_guess_follows_the_graph_and_keeps_what_is_known():
    X, y, labels = moons(n_labels=10)
    known = read_labels(labels)
    guess = spread(known, StandardScaler().fit_transform(X))
    np.testing.assert_allclose(guess.sum(1), 1.0)
    assert (guess.argmax(1) == y).mean() > 0.95
    np.testing.assert_array_equal(guess[labels >= 0], np.eye(2)[labels[labels >= 0]])


def test_rows_that_no_label_reaches_have_the_prior():
    X = np.concatenate(
        [np.random.default_rng(0).normal(size=(20, 2)), 50.0 + np.eye(2).repeat(5, 0)]
    )
    codes = np.full(30, -1)
    codes[:4] = [0, 1, 0, 0]
    labels = Labels(codes, np.arange(2), np.array([0.75, 0.25]))
    features = X * [0.02, 0.02]  # within the bounds of a feature
    np.testing.assert_allclose(spread(labels, features)[-3:], [[0.75, 0.25]] * 3)


@pytest.mark.parametrize(
    ("y", "classes", "unknown"),
    [
        ([0, 1, -1, 1], [0, 1], [2]),
        ([-1, 1, -1, 1], [-1, 1], []),
        ([2, 2, -1, 2], [-1, 2], []),
        ([1, 1, 1, 1], [1], []),
        (["a", None, "b", "a"], ["a", "b"], [1]),
        (["a", np.nan, "b", "a"], ["a", "b"], [1]),
        ([0.0, np.nan, 1.0, 1.0], [0, 1], [1]),
        (pd.Series(["a", pd.NA, "b", "a"], dtype="string"), ["a", "b"], [1]),
        (pd.Series(pd.Categorical(["a", None, "b", "a"])), ["a", "b"], [1]),
        (pl.Series(["a", None, "b", "a"]), ["a", "b"], [1]),
        ([True, False, True, True], [False, True], []),
        ([True, None, False, True], [False, True], [1]),
        (pd.Series([2, None, -1, 3], dtype="Int64"), [2, 3], [1, 2]),
        (np.array([2, pd.NA, -1, 3], object), [2, 3], [1, 2]),
        (["a", "b", -1, "a"], ["a", "b"], [2]),
        (np.array(["a", "b", -1, None], object), ["a", "b"], [2, 3]),
        (np.array([np.int64(2), None, np.int64(-1), np.int64(3)], object), [2, 3], [1, 2]),
    ],
)
def test_what_an_unlabelled_row_is(y, classes, unknown):
    labels = read_labels(y)
    assert labels.classes.tolist() == classes
    assert np.flatnonzero(labels.unknown).tolist() == unknown


@pytest.mark.slow
def test_strings_come_back(iris):
    X, y = iris
    names = np.array(["setosa", "versicolor", "virginica"], dtype=object)[y]
    few = names.copy()
    few[np.arange(150) % 5 != 0] = None
    classifier = quick(max_epochs=60).fit(X, few)
    assert classifier.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert classifier.score(X, names) > 0.85
    scores = classifier.score_samples(X, few)
    assert np.isfinite(scores).all()
    assert np.isfinite(classifier.score_samples(X, "setosa")).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([-1, -1, -1, -1], "every row is unlabelled"),
        ([None] * 4, "every row is unlabelled"),
        ([np.nan] * 4, "every row is unlabelled"),
        ([0.5, 1.5, 2.5, 3.7], "Unknown label type"),
        (["a", "b", 3, 3], "mixes strings with other labels"),
        ([0, 1, 2], "inconsistent numbers of samples"),
        (None, "requires y to be passed"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(y, message):
    X = np.arange(8.0).reshape(4, 2)
    with pytest.raises(ValueError, match=message):
        quick().fit(X, y)


@pytest.mark.parametrize(
    "prior",
    [[0.5, 0.5], [0.5] * 3, [1.0, 0.0, 0.0], [0.5, 0.7, -0.2], [np.nan, 0.5, 0.5], list("abc")],
)
def test_a_bad_prior_is_refused(iris, prior):
    with pytest.raises(ValueError, match="class_prior must have 3 probabilities"):
        quick(class_prior=prior).fit(*iris)


def test_a_failed_fit_leaves_the_last_one(iris):
    classifier = quick().fit(*iris)
    before = classifier.predict_proba(iris[0])
    with pytest.raises(ValueError, match="unlabelled"):
        classifier.fit(iris[0], [None] * 150)
    np.testing.assert_array_equal(classifier.predict_proba(iris[0]), before)


def test_the_objective_is_one_of_the_densities(iris):
    with pytest.raises(
        ValueError, match=r"Expected one of \['adversarial', .* 'monte_carlo', 'trimmed'\]"
    ):
        quick(objective="labelled").fit(*iris)


# ---------------------------------------------------------------------- draws


def test_draws_of_a_class_are_its_normal_distribution():
    X, y = gaussian_classes()
    ours = VAEClassifier(1, **LINEAR).fit(X, y)
    for label in range(3):
        of_class = X[y == label]
        drawn = ours.sample(20_000, random_state=0, y=label)
        scale = of_class.std(0)
        np.testing.assert_allclose((drawn.mean(0) - of_class.mean(0)) / scale, 0.0, atol=0.04)
    pooled = sum(np.cov(X[y == k].T, bias=True) * (y == k).mean() for k in range(3))
    np.testing.assert_allclose(
        np.corrcoef(drawn.T)[0, 1], pooled[0, 1] / np.sqrt(pooled[0, 0] * pooled[1, 1]), atol=0.03
    )


def test_labels_to_draw_are_one_for_all_one_for_each_or_left_to_the_prior():
    X, y = gaussian_classes()
    ours = VAEClassifier(1, **LINEAR).fit(X, y)
    assert ours.sample(y=1).shape == (1, 3)
    wanted = np.repeat([0, 2], 2_000)
    drawn = ours.sample(4_000, random_state=1, y=wanted)
    apart = (drawn[2_000:].mean(0) - X[y == 2].mean(0)) / X.std(0)
    np.testing.assert_allclose(apart, 0.0, atol=0.08)
    whole = ours.sample(20_000, random_state=2)
    np.testing.assert_allclose((whole.mean(0) - X.mean(0)) / X.std(0), 0.0, atol=0.03)
    np.testing.assert_array_equal(ours.sample(5, random_state=3), ours.sample(5, random_state=3))
    for bad, message in ((7, "label 7"), ([0, 1], "one label, or 3"), ("a", "label 'a'")):
        with pytest.raises(ValueError, match=message):
            ours.sample(3, y=bad)
    with pytest.raises(ValueError, match="label 9"):
        ours.score_samples(X[:2], [0, 9])


# --------------------------------------------------------------- mixed tables


def shop(n=300, seed=0):
    """Return a mixed table with holes and the class that everything depends on."""
    generator = np.random.default_rng(seed)
    y = generator.integers(2, size=n)
    table = pd.DataFrame(
        {
            "price": 3.0 * y + generator.normal(size=n),
            "colour": np.where(generator.random(n) < 0.2 + 0.6 * y, "red", "blue"),
            "count": generator.poisson(1.0 + 4.0 * y),
            "city": generator.choice(["Rome", "Oslo"], n),
        }
    )
    table.loc[:, "price"] += 10.0 * (table["city"] == "Oslo")
    for j, name in enumerate(["price", "colour", "count"]):
        table[name] = table[name].mask(generator.random(n) < 0.1 + 0.1 * j)
    return table, np.where(y == 1, "good", "bad")


@pytest.mark.slow
def test_mixed_tables_with_holes_are_classified():
    table, y = shop()
    few = np.where(np.arange(300) % 3 == 0, y, None)
    classifier = quick(max_epochs=60).fit(table, few)
    assert classifier.score(*shop(seed=1)) > 0.85
    drawn = classifier.sample(200, random_state=0, y="good")
    assert list(drawn.columns) == list(table.columns)
    assert drawn["count"].mean() == pytest.approx(5.0, abs=0.8)
    assert (drawn["colour"] == "red").mean() == pytest.approx(0.8, abs=0.12)


@pytest.mark.slow
def test_context_and_label_go_together():
    table, y = shop()
    classifier = quick(max_epochs=60, context_features=["city"]).fit(table, y)
    assert classifier.score(*shop(seed=1)) > 0.9
    drawn = classifier.sample(2, random_state=0, y="bad", context={"city": ["Rome", "Oslo"]})
    assert drawn["city"].tolist() == ["Rome", "Rome", "Oslo", "Oslo"]
    with pytest.raises(ValueError, match="give them as context="):
        classifier.sample(2, y="bad")
    each = classifier.sample(1, y=["good", "bad"], context={"city": ["Rome", "Oslo"]})
    assert len(each) == 2


# -------------------------------------------------------------------- manners


def test_a_fit_is_repeated_and_no_global_state_is_touched():
    X, _, labels = moons()
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    first, second = (quick().fit(X, labels).predict_proba(X[:20]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_row_has_its_probabilities_alone_and_in_company(iris):
    X, y = iris
    classifier = quick().fit(X, y)
    whole = classifier.predict_proba(X)
    np.testing.assert_allclose(classifier.predict_proba(X[7:8]), whole[7:8], atol=1e-9)


def test_it_drops_into_pipelines_and_searches(iris):
    X, y = iris
    search = GridSearchCV(
        make_pipeline(StandardScaler(), quick()), {"vaeclassifier__latent_dim": [1, 2]}, cv=2
    ).fit(X, y)
    assert search.best_score_ > 0.7
    assert clone(quick(class_prior=[0.2, 0.3, 0.5])).class_prior == [0.2, 0.3, 0.5]


def test_a_prior_that_nearly_adds_up_is_made_to(iris):
    given = [0.3333333, 0.3333333, 0.3333333]
    classifier = quick(class_prior=given).fit(*iris)
    assert classifier.class_prior_.sum() == pytest.approx(1.0, abs=1e-12)
    assert classifier.sample(9, random_state=0).shape == (9, 4)


@pytest.mark.slow
def test_a_rare_class_is_not_held_out():
    X = np.random.default_rng(0).normal(size=(2_100, 2))
    y = np.arange(2_100) % 2
    X, y = np.vstack([X, [[20.0, -20.0]]]), np.append(y, 2)
    for seed in range(2):
        classifier = quick(max_epochs=20, init="random", random_state=seed).fit(X, y)
        assert classifier.predict(X[-1:]) == [2]


def test_epochs_of_both_stages_add_up():
    X, _, labels = moons()
    for max_epochs in (0, 1, 5):
        classifier = quick(max_epochs=max_epochs, early_stopping=False).fit(X, labels)
        assert classifier.n_iter_ == max_epochs


def test_labels_spread_as_far_as_there_are_neighbours():
    X, _, labels = moons(4_000, 4)
    guess = spread(read_labels(labels), StandardScaler().fit_transform(X))
    assert (guess[labels < 0].min(1) > 0.0).all()  # of two classes none is ruled out
    assert (np.abs(guess[labels < 0] - 0.5).min(1) > 0.0).mean() > 0.999


def test_warm_start_takes_rows_without_a_value_in_a_column():
    X, _, labels = moons()
    classifier = quick(warm_start=True).fit(X, labels)
    X = X.copy()
    X[:, 1] = np.nan
    assert np.isfinite(classifier.fit(X, labels).predict_proba(X)).all()


def test_warm_start_goes_on_with_the_labels_there_are():
    X, _, labels = moons()
    classifier = quick(warm_start=True).fit(X, labels)
    classifier.fit(X, labels)
    assert classifier.init_ == "warm"
    with pytest.raises(ValueError, match="goes on with the classes"):
        classifier.fit(X, np.arange(400) % 3)


@pytest.mark.parametrize("unlabelled", [-1, None, np.nan])
def test_without_any_label_there_is_nothing_to_learn(unlabelled):
    y = np.full(20, unlabelled, dtype=object)
    y[0] = -1
    with pytest.raises(ValueError, match=r"y has no label: every row is unlabelled \(-1, None or"):
        VAEClassifier(1).fit(np.random.default_rng(0).normal(size=(20, 1)), y)


@pytest.mark.parametrize("unlabelled", [-1, None, np.nan])
def test_a_score_counts_the_labelled_rows_and_says_so(unlabelled):
    X, y = gaussian_classes(200)
    classifier = VAEClassifier(1, **LINEAR).fit(X, y)
    some = y.astype(object)
    some[:150] = unlabelled
    weight = np.arange(200.0)
    with pytest.warns(UserWarning, match="150 of 200 rows of y are unlabelled.*other 50"):
        found = classifier.score(X, some, weight)
    assert found == pytest.approx(classifier.score(X[150:], y[150:], weight[150:]))
    assert set(classifier.predict(X)) <= set(classifier.classes_)
    with pytest.raises(ValueError, match="no label to count: all 150 rows"):
        classifier.score(X[:150], some[:150])


def test_minus_one_counts_where_it_is_a_class():
    X, y = gaussian_classes(100)
    y = np.where(y == 0, -1, 1)
    assert VAEClassifier(1, **LINEAR).fit(X, y).score(X, y) > 0.6  # a warning is an error


def test_masked_labels_are_unknown():
    X, y = gaussian_classes(60)
    masked = np.ma.MaskedArray(y, np.arange(60) % 3 == 0)
    masked.data[masked.mask] = 9
    classifier = VAEClassifier(1, **LINEAR).fit(X, masked)
    assert classifier.classes_.tolist() == [0, 1, 2]
    with pytest.warns(UserWarning, match="20 of 60 rows of y are unlabelled"):
        classifier.score(X, masked)
    assert np.isfinite(classifier.score_samples(X, masked)).all()
    with pytest.raises(ValueError, match="y has no label"):
        classifier.fit(X, np.ma.MaskedArray(y, True))


@pytest.mark.parametrize("dtype", [object, np.dtypes.StringDType()], ids=["objects", "strings"])
def test_what_labels_are_fitted_to_can_be_scored(dtype):
    X, y = gaussian_classes(60)
    classifier = VAEClassifier(1, **LINEAR).fit(X, y)
    labels = y.astype(dtype)
    assert VAEClassifier(1, **LINEAR).fit(X, labels).score(X, labels) == classifier.score(X, y)


@pytest.mark.parametrize("weight", [0.0, np.nan])
def test_weights_that_weigh_nothing_are_refused(weight):
    X, y = gaussian_classes(60)
    classifier = VAEClassifier(1, **LINEAR).fit(X, y)
    for labels in (y, np.where(np.arange(60) < 3, -1, y)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
                classifier.score(X, labels, np.full(60, weight))


# ------------------------------------------------------------------ all rows labelled


def noisy_classes(n=300, seed=0):
    """Return rows of two classes whose columns say the same thing over and over, with errors."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 2, n)
    told = np.where(generator.random(n) < 0.1, 1 - y, y)
    return 3.0 * told[:, None] + 0.5 * generator.normal(size=(n, 6)), y


def test_probabilities_are_as_sure_as_held_out_rows_allow(tmp_path):
    X, y = noisy_classes()
    linear = {**LINEAR, "likelihood": Gaussian(0.5)}
    ours = VAEClassifier(1, **linear).fit(X, y)
    assert ours.temperature_ > 1.5
    log_proba = ours.predict_log_proba(X[:20])
    given = np.stack([ours.score_samples(X[:20], label) for label in (0, 1)], 1)
    by_bayes = (given + np.log(ours.class_prior_)) / ours.temperature_
    expected = by_bayes - logsumexp(by_bayes, axis=1, keepdims=True)
    np.testing.assert_allclose(log_proba, expected, atol=1e-6)
    ours.save(tmp_path / "kept.skvae")
    kept = [skvae.load(tmp_path / "kept.skvae"), pickle.loads(pickle.dumps(ours))]
    assert [one.temperature_ for one in kept] == [ours.temperature_] * 2


@pytest.mark.parametrize("changes", [{"early_stopping": False}, {"validation_fraction": 0.05}])
def test_without_enough_held_out_rows_nothing_is_tempered(changes):
    X, y = noisy_classes()
    assert VAEClassifier(1, **{**LINEAR, **changes}).fit(X, y).temperature_ == 1.0


def test_held_out_rows_without_labels_temper_nothing():
    X, y = noisy_classes()
    few = np.where(np.arange(300) % 10, -1, y)
    assert quick(max_epochs=1).fit(X, few).temperature_ == 1.0


def test_with_all_labels_what_is_watched_is_the_class():
    X, y = noisy_classes()
    ours = quick(max_epochs=3).fit(X, y)
    assert ours.init_ == "linear"
    assert -np.log(2) < ours.best_validation_score_ < 0
    units = quick(max_epochs=3).fit(1e3 * X, y)
    assert units.best_validation_score_ == pytest.approx(ours.best_validation_score_, abs=1e-4)
