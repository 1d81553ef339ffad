"""Files of estimators: whole when they are loaded, and refused where they cannot be."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

import skvae
from skvae import VAEClassifier, VAEDensity
from skvae.files import archive
from skvae.likelihoods import Gaussian

from .kept import CASES, FEW, NUMBERS, QUICK, fitted

#: The kinds of relations.
RELATIONS = ("EmptyWhen", "Function", "Order", "Sum")
#: Asked without a seed, these are equal at every call.
ASKED = ("score_samples", "encode", "transform", "decision_function", "predict_proba")
#: One of each part; the others are slow by their number.
MANY = ("auto", "binned", "mixture in context", "vamp", "flow", "flow refitted", "two layers")
MANY += ("images", "pandas", "pandas in context", "polars", "levels", "mmd refitted", "imputer")
MANY += ("detector", "classifier", "few labels", "correlated", "related", "related array")
FIRST = Path(__file__).parent / "files"


def named(names, slow=False):
    marks = [pytest.mark.slow] if slow else []
    return [pytest.param(name, marks=marks, id=name) for name in names]


@pytest.fixture
def kept(tmp_path):
    """Return an estimator as it is after a file."""

    def keep(estimator):
        estimator.save(tmp_path / "estimator.skvae")
        return skvae.load(tmp_path / "estimator.skvae")

    return keep


def assert_same(one, two):
    """Arrays, pandas' frames or polars' are the same, dtypes included."""
    assert type(one) is type(two)
    if isinstance(one, np.ndarray):
        assert one.dtype == two.dtype
        assert_array_equal(one, two)
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, two)
    else:
        assert one.schema == two.schema
        assert one.equals(two)


def shown(estimator):
    """Return the repr of an estimator, where a stream stands for any."""
    return re.sub(r" at 0x\w+", "", repr(estimator))


def context_of(estimator, X):
    """Return what a draw is given."""
    given = estimator.context_features
    if given is None:
        return {}
    return {"context": X[:1][:, given] if isinstance(X, np.ndarray) else X[:2][given]}


@pytest.mark.parametrize(
    "name", [*named(MANY), *named([name for name in CASES if name not in MANY], slow=True)]
)
def test_what_is_loaded_answers_as_what_was_saved(name, kept):
    estimator, X = fitted(name)
    loaded = kept(estimator)
    asked = [method for method in ASKED if hasattr(estimator, method)]
    assert asked == [method for method in ASKED if hasattr(loaded, method)] != []
    for method in asked:
        assert_same(getattr(estimator, method)(X), getattr(loaded, method)(X))
    assert set(vars(estimator)) - set(vars(loaded)) == {"net_"}
    assert shown(loaded) == shown(estimator)
    assert repr(loaded.likelihoods_) == repr(estimator.likelihoods_)
    state = pickle.loads(pickle.dumps(estimator))
    for _ in range(2 if hasattr(estimator, "sample") else 0):  # on from the stream
        rows = [e.sample(3, **context_of(estimator, X)) for e in (state, loaded)]
        assert_same(*rows)


@pytest.mark.parametrize("name", [*named(["pandas in context", "few labels", "images"])])
def test_a_warm_start_goes_on_from_a_file_as_from_the_model(name, kept):
    estimator, *data = CASES[name]
    more = {"warm_start": True, "max_epochs": 2}
    fits = clone(estimator).fit(*data)
    loaded = kept(fits)
    one, two = (e.set_params(**more).fit(*data) for e in (fits, loaded))
    assert one.init_ == two.init_ == "warm"
    assert_array_equal(one.score_samples(data[0]), two.score_samples(data[0]))
    with pytest.raises(ValueError, match="built with latent_dim=2, but now it is 3"):
        kept(two).set_params(latent_dim=3).fit(*data)


def test_curves_thresholds_and_parameters_are_kept(kept):
    names = [f"x{i}" for i in range(4)]
    X = pd.DataFrame(NUMBERS, columns=names)
    detector = skvae.VAEOutlierDetector(**FEW, max_epochs=2, contamination=0.2, lr=1e-3).fit(X)
    loaded = kept(detector)
    assert loaded.get_params() == detector.get_params()
    assert loaded.feature_names_in_.tolist() == names
    for name in ("offset_", "offset_rows_", "loss_curve_", "validation_scores_", "n_iter_"):
        assert getattr(loaded, name) == getattr(detector, name)
    assert loaded.best_validation_score_ == detector.best_validation_score_


@pytest.mark.slow
def test_another_process_scores_to_the_bit(tmp_path):
    estimator, X = fitted("few labels")
    estimator.save(tmp_path / "classifier.skvae")
    np.save(tmp_path / "rows.npy", X)
    code = (
        "import sys, numpy as np, skvae; folder = sys.argv[1]\n"
        "rows = np.load(folder + '/rows.npy')\n"
        "loaded = skvae.load(folder + '/classifier.skvae')\n"
        "np.save(folder + '/scores.npy', loaded.predict_log_proba(rows))\n"
        "assert 'skorch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert_array_equal(np.load(tmp_path / "scores.npy"), estimator.predict_log_proba(X))


def test_frozen_parts_and_double_precision_stay(kept):
    density = clone(CASES["auto"][0]).fit(NUMBERS)
    density.encoder_.requires_grad_(False)
    density.vae_.double()
    loaded = kept(density)
    frozen = [not p.requires_grad for p in loaded.vae_.parameters()]
    assert frozen == [not p.requires_grad for p in density.vae_.parameters()]
    assert {p.dtype for p in loaded.vae_.state_dict().values()} >= {torch.float64}
    assert_array_equal(loaded.score_samples(NUMBERS), density.score_samples(NUMBERS))


def test_a_recipe_that_is_changed_after_fit_is_that_of_the_next_one(kept):
    density = VAEDensity(**QUICK, prior=skvae.priors.Mixture(3)).fit(NUMBERS)
    density.set_params(prior__n_components=5)
    loaded = kept(density)
    assert loaded.prior.n_components == 5
    assert loaded.vae_.prior.n_components == 3


def test_relations_holes_and_identifiers_are_kept(kept):
    density, X = fitted("related")
    loaded = kept(density)
    assert loaded.relations == density.relations
    assert list(loaded.relations_) == list(density.relations_)
    assert {type(relation).__name__ for relation in loaded.relations_} == set(RELATIONS)
    assert repr(loaded.relations_) == repr(density.relations_)
    drawn = loaded.sample(500, random_state=0, missing=True)
    assert_same(drawn, density.sample(500, random_state=0, missing=True))
    assert drawn["income"].isna().mean() > 0.05
    assert not {*drawn["id"]} & {*X["id"]}
    assert all(relation.holds(drawn).all() for relation in loaded.relations_)
    given = X[["area", "country", "remodelled", "status"]][:50]
    completed = loaded.sample_conditional(given, random_state=0)
    assert_same(completed, density.sample_conditional(given, random_state=0))
    with pytest.warns(UserWarning, match="hold a string of its own"):
        assert_same(kept(loaded.fit(X)).sample(9), density.sample(9))


def test_the_path_of_a_checkpoint_is_not_kept(kept, tmp_path):
    density = VAEDensity(**QUICK, checkpoint=tmp_path / "point").fit(NUMBERS)
    assert kept(density).checkpoint is None
    assert density.checkpoint == tmp_path / "point"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    estimator, _ = fitted("auto")
    path = tmp_path / "estimator.skvae"
    estimator.save(path)
    before = path.read_bytes()

    def fails(*args):
        Path(args[1]).write_bytes(b"half of it")
        raise OSError("no space left")

    monkeypatch.setattr("skvae.files.archive.save_file", fails)
    with pytest.raises(OSError, match="no space"):
        estimator.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# ---------------------------------------------------------------- refused


class Mine(VAEDensity):
    """A class of a user's."""


class Wide(Gaussian):
    """A recipe of a user's."""


class Label:
    """A name of a user's, which no file knows."""


def network():
    return nn.Linear(2, 3)


def with_a_name():
    frame = pd.DataFrame(NUMBERS[:, :2], columns=[Label(), Label()])
    return VAEDensity(**QUICK).fit(frame)


def edited():
    density = VAEDensity(**QUICK).fit(NUMBERS)
    density.vae_.decoder.body.hidden.append(nn.Tanh())
    return density


def noted():
    density = VAEDensity(**QUICK).fit(NUMBERS)
    density.note = "mine"
    return density


REFUSED = {
    "module": (lambda: VAEDensity(**QUICK, decoder=network()).fit(NUMBERS), "decoder is"),
    "function": (lambda: VAEDensity(**QUICK, decoder=network).fit(NUMBERS), "decoder is"),
    "optimizer": (lambda: VAEDensity(**QUICK, optimizer=torch.optim.SGD).fit(NUMBERS), "optimizer"),
    "class": (lambda: Mine(**QUICK).fit(NUMBERS), "Mine is a class of your own"),
    "recipe": (lambda: VAEDensity(**QUICK, likelihood=Wide()).fit(NUMBERS), "likelihood is Wide"),
    "name": (with_a_name, "the columns of the DataFrame is <.*Label"),
    "edited": (edited, "changed after fit"),
    "attribute": (noted, "VAEDensity has note"),
}


@pytest.mark.parametrize(("made", "match"), REFUSED.values(), ids=REFUSED)
def test_what_is_a_users_own_is_refused_with_the_way_out(made, match, tmp_path):
    with pytest.raises(TypeError, match=rf"(?s){match}.*pickle.dump or joblib.dump"):
        made().save(tmp_path / "estimator.skvae")
    assert not list(tmp_path.iterdir())


def test_what_is_not_fitted_is_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        VAEDensity().save(tmp_path / "estimator.skvae")


def test_a_device_that_is_not_there_is_told_of(kept):
    density = VAEDensity(**QUICK).fit(NUMBERS)
    scores = density.score_samples(NUMBERS)
    density.device = "cuda:77"
    with pytest.warns(UserWarning, match="cuda:77.*The model that is loaded is on the CPU"):
        loaded = kept(density)
    assert loaded.device == "cuda:77"
    assert loaded.device_ == "cpu"
    assert_array_equal(loaded.score_samples(NUMBERS), scores)


def test_a_file_cannot_ask_for_a_device_without_memory(tmp_path):
    path = tmp_path / "estimator.skvae"
    fitted("auto")[0].save(path)
    document, arrays = archive.read(path)
    document["parameters"]["device"] = "meta"
    archive.write(path, document, arrays)
    with pytest.warns(UserWarning, match="holds no numbers.*on the CPU"):
        assert skvae.load(path).device_ == "cpu"


def test_a_device_may_be_given(tmp_path):
    fitted("auto")[0].save(tmp_path / "estimator.skvae")
    loaded = skvae.load(tmp_path / "estimator.skvae", device="cpu")
    assert (loaded.device, loaded.device_) == ("cpu", "cpu")


# ---------------------------------------------------------------- pickles


def test_pickles_say_which_version_made_them(monkeypatch):
    density, X = fitted("auto")
    saved = pickle.dumps(density)
    assert not hasattr(pickle.loads(saved), "_skvae_version")
    monkeypatch.setattr("skvae.estimators.base.__version__", "9.9")
    with pytest.warns(UserWarning, match=r"pickled by skvae 0.*loaded by 9\.9"):
        loaded = pickle.loads(saved)
    assert_array_equal(loaded.score_samples(X), density.score_samples(X))


def test_pickles_hold_neither_the_optimiser_nor_rows():
    X = np.random.default_rng(0).normal(size=(5_000, 4))
    sizes = [len(pickle.dumps(VAEDensity(**QUICK).fit(X[:n]))) for n in (50, 5_000)]
    assert sizes[1] < sizes[0] + 2_000
    density = VAEDensity(**FEW, max_epochs=2).fit(X[:50])
    assert len(pickle.dumps(density)) < sizes[0] + 2_000
    loaded = pickle.loads(pickle.dumps(density))
    assert not hasattr(loaded, "net_")
    assert hasattr(density, "net_")
    loaded.set_params(warm_start=True).fit(X[:50])


def test_a_pickle_of_a_device_that_is_not_there_is_loaded_on_the_cpu():
    density = clone(CASES["auto"][0]).fit(NUMBERS)
    scores = density.score_samples(NUMBERS)
    density.device = "cuda:77"
    with pytest.warns(UserWarning, match="The model that is loaded is on the CPU"):
        loaded = pickle.loads(pickle.dumps(density))
    assert_array_equal(loaded.score_samples(NUMBERS), scores)


@pytest.mark.numeric
def test_a_file_and_a_pickle_go_from_device_to_device(device, tmp_path):
    density = VAEDensity(**FEW, max_epochs=3, device=device).fit(NUMBERS)
    scores = density.score_samples(NUMBERS)
    density.save(tmp_path / "density.skvae")
    same, other = (skvae.load(tmp_path / "density.skvae", device=to) for to in (None, "cpu"))
    again = pickle.loads(pickle.dumps(density))
    assert same.device_ == again.device_ == density.device_
    for loaded in (same, again):
        np.testing.assert_allclose(loaded.score_samples(NUMBERS), scores, rtol=1e-12)
    assert other.device_ == "cpu"
    # In float32 on a GPU, in float64 on a CPU.
    np.testing.assert_allclose(other.score_samples(NUMBERS), scores, rtol=1e-4)


# ---------------------------------------------------------------- the first schema


ROWS = pd.DataFrame(
    {
        "number": [0.3, -1.2, np.nan],
        "flag": [True, False, True],
        "text": ["a", "b", "c"],
        "ordered": pd.Categorical([1, 3, None], categories=[1, 2, 3], ordered=True),
        "time": pd.to_datetime(["2020-01-05", "2020-01-09", "2020-02-01"]).as_unit("us"),
        "nullable": pd.array([3, pd.NA, 7], dtype="Int16"),
    }
)
#: As version 0.1.0 scored these rows, and another one of two columns.
SCORES, HIGH = (
    [-6.210533882197, -3.3513328731566685, -4.253118179424673],
    [0.488788456, 0.135439486],
)


def test_a_density_of_the_first_schema_is_read():
    density = skvae.load(FIRST / "density_1.skvae")
    assert isinstance(density, VAEDensity)
    assert density.context_features == ["text", "time"]
    np.testing.assert_allclose(density.score_samples(ROWS), SCORES, rtol=1e-6)
    rows = density.sample(2, random_state=0, context=ROWS[["text", "time"]])
    assert rows.dtypes.equals(ROWS.dtypes)
    assert rows["text"].tolist() == ["a", "a", "b", "b", "c", "c"]


def test_a_classifier_of_the_first_schema_is_read():
    classifier = skvae.load(FIRST / "classifier_1.skvae")
    assert isinstance(classifier, VAEClassifier)
    assert classifier.classes_.tolist() == ["high", "low"]
    found = classifier.predict_proba([[0.5, np.nan, 0.1, -1.0], [-0.5, 0.2, np.nan, 1.0]])
    np.testing.assert_allclose(found[:, 0], HIGH, rtol=1e-6)
