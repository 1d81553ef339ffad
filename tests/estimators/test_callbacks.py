"""scikit-learn's callbacks: a fit as tasks within tasks, and scores of the epochs."""

import copy
import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAEClassifier, VAEDensity, VAEImputer, VAEOutlierDetector, VAETransformer
from skvae.fit.training import VAENet

callback = pytest.importorskip("sklearn.callback")
skorch_callbacks = pytest.importorskip("skorch.callbacks")

IRIS, SPECIES = load_iris(return_X_y=True)
SMALL = {"latent_dim": 2, "hidden_layer_sizes": (8,), "n_draws": 4, "random_state": 0}
STAGES = [
    "columns",
    "start",
    "training from the linear start",
    "training from the random start",
    "fitting again",
]
EVERY = [VAEClassifier, VAEDensity, VAEImputer, VAEOutlierDetector, VAETransformer]


def small(estimator=VAEDensity, **changes):
    return estimator(**{**SMALL, "max_epochs": 3, **changes})


def nats(estimator, X, y=None):
    return estimator.score(X)


def monitor():
    return callback.ScoringMonitor(scoring={"nats": nats})


def path(context):
    """Return the names of the tasks from the outermost on."""
    above = () if context.parent is None else path(context.parent)
    return (*above, context.task_name)


class Recorder:
    """What a callback is told that asks for nothing."""

    def __init__(self, stop_after=None):
        self.begun, self.ended, self.totals, self.lives = [], [], [], []
        self.stop_after = stop_after

    def setup(self, estimator, context):
        self.lives.append("setup")

    def teardown(self, estimator, context):
        self.lives.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(path(context))
        self.totals.append(context.max_subtasks)

    def on_fit_task_end(self, estimator, context):
        self.ended.append(path(context))
        return context.task_name == "epoch" and context.task_id == self.stop_after

    def total(self, *task):
        """Return how many parts a task was said to have."""
        return self.totals[self.begun.index(task)]

    def stages(self):
        """Return the names of the stages, how many epochs each had, and was said to have."""
        stages = []
        for task, total in zip(self.begun, self.totals, strict=True):
            if len(task) == 2:
                stages.append([task[1], 0, total])
            elif task[2:] == ("epoch",):
                stages[-1][1] += 1
        return [tuple(stage) for stage in stages]


class Propagated(Recorder):
    """The same, for estimators within estimators."""

    max_propagation_depth = None


class Curious(Recorder):
    """One that keeps the estimators that it is given."""

    def __init__(self):
        super().__init__()
        self.fitted, self.given = {}, []

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        super().on_fit_task_end(estimator, context)
        self.given.append((X, y))
        if fitted_estimator is not None:
            self.fitted.setdefault(path(context), []).append(fitted_estimator)


class Averages(skorch_callbacks.Callback):
    """The averaged weights after every epoch, as a callback of the training loop sees them."""

    def on_train_begin(self, net, **kwargs):
        self.of_epochs = []

    def on_epoch_end(self, net, **kwargs):
        with net.average_.applied():
            self.of_epochs.append(copy.deepcopy(net.module_.vae).eval())


# ------------------------------------------------------------------ tasks


def test_a_fit_is_told_as_tasks_within_tasks():
    recorder = Recorder()
    density = small().set_callbacks(recorder).fit(IRIS)
    assert recorder.lives == ["setup", "teardown"]
    assert recorder.total("fit") == 5
    assert [name for name, _, _ in recorder.stages()] == STAGES
    linear, random, again = recorder.stages()[2:]
    assert linear[1:] == random[1:] == (3, 3)
    assert again[1] == again[2] == density.n_iter_
    assert sorted(recorder.begun) == sorted(recorder.ended)
    assert recorder.begun[0] == recorder.ended[-1] == ("fit",)


FEW = np.where(np.arange(150) % 10 == 0, SPECIES, -1)


@pytest.mark.parametrize(
    ("estimator", "X", "y", "names"),
    [
        (small(early_stopping=False), IRIS, None, STAGES[:1] + STAGES[2:3]),
        (small(max_epochs=0), IRIS, None, STAGES),
        (small(init="random"), IRIS, None, STAGES[:2] + STAGES[3:]),
        (
            small(init="random", refit_prior="mixture"),
            IRIS,
            None,
            [*STAGES[:2], STAGES[3], "fitting the prior", STAGES[4], "fitting the prior"],
        ),
        (
            small(VAEClassifier, init="random"),
            IRIS,
            FEW,
            [*STAGES[:2], STAGES[3], STAGES[3], STAGES[4], STAGES[4]],
        ),
        (small(max_epochs=1), np.tile(IRIS, (14, 1)), None, STAGES[:3]),
    ],
    ids=["no held-out rows", "no epochs", "one start", "a prior after", "labels", "many rows"],
)
def test_totals_are_the_truth(estimator, X, y, names):
    recorder = Recorder()
    estimator.set_callbacks(recorder).fit(X, y)
    stages = recorder.stages()
    assert [name for name, _, _ in stages] == names
    assert len(stages) == recorder.total("fit")
    assert all(n <= total for _, n, total in stages)


def test_totals_are_bounds_where_the_columns_settle_the_stages():
    recorder = Recorder()
    X = np.column_stack([np.tile(IRIS[:, 0], 14), np.tile(SPECIES, 14)])
    model = small(VAEDensity, prior="standard_normal", max_epochs=1, categorical_features=[1])
    model.set_callbacks(recorder).fit(X)
    assert [name for name, _, _ in recorder.stages()] == [*STAGES[:2], STAGES[3]]
    assert recorder.total("fit") == 4


def test_a_fit_that_goes_on_has_one_training():
    recorder = Recorder()
    density = small(warm_start=True).fit(IRIS)
    density.set_callbacks(recorder).fit(IRIS)
    assert recorder.stages() == [
        ("columns", 0, 0),
        ("start", 0, 0),
        ("training from the warm start", 3, 3),
    ]
    assert recorder.total("fit") == 3


def test_a_callback_ends_each_training():
    recorder = Recorder(stop_after=1)
    density = small(max_epochs=9).set_callbacks(recorder).fit(IRIS)
    assert [n for _, n, _ in recorder.stages()[2:4]] == [2, 2]
    assert density.n_iter_ <= 2
    assert len(density.validation_scores_) == 2


def test_no_copy_is_made_where_no_callback_asks(monkeypatch):
    monkeypatch.setattr(VAENet, "copied", None)
    small().set_callbacks(Recorder()).fit(IRIS)


def test_callbacks_change_no_fit():
    plain, watched = small().fit(IRIS), small().set_callbacks(monitor(), Curious()).fit(IRIS)
    for one, two in zip(plain.vae_.parameters(), watched.vae_.parameters(), strict=True):
        assert torch.equal(one, two)
    assert plain.validation_scores_ == watched.validation_scores_
    assert np.array_equal(plain.score_samples(IRIS), watched.score_samples(IRIS))
    assert np.array_equal(plain.sample(5), watched.sample(5))


# ------------------------------------------------------------------ scores


def test_scoring_monitor_scores_the_model_of_each_epoch():
    watching, averages = monitor(), Averages()
    density = small(early_stopping=False, max_epochs=5, callbacks=[averages])
    density.set_callbacks(watching).fit(IRIS)
    logs = watching.get_logs().data
    of_epochs = [log["nats"] for log in logs if log["task_name"] == "epoch"]
    as_it_was = copy.copy(density)
    expected = []
    for vae in averages.of_epochs:
        as_it_was.model_ = dataclasses.replace(density.model_, vae=vae)
        expected.append(as_it_was.score(IRIS))
    assert of_epochs == expected
    assert len(set(of_epochs)) == 5
    (of_fit,) = [log["nats"] for log in logs if log["task_name"] == "fit"]
    assert of_fit == density.score(IRIS) == pytest.approx(of_epochs[-1], abs=1e-12)


@pytest.mark.parametrize("estimator", EVERY)
def test_a_fitted_copy_can_be_asked_all(estimator):
    curious = Curious()
    model = small(estimator, max_epochs=2, dropout=0.1, early_stopping=True)
    model.set_callbacks(curious).fit(IRIS, SPECIES)
    assert curious.given[0] == (IRIS, SPECIES)
    *_, last = curious.fitted[("fit", STAGES[2], "epoch")]
    (end,) = curious.fitted[("fit",)]
    asked = {"predict", "decision_function", "transform", "score_samples", "sample"}
    asked = [name for name in asked if hasattr(model, name)]
    assert len(asked) > 1
    rows = np.where(np.arange(4) == 1, np.nan, IRIS[:3])
    for name in asked:
        given = 3 if name == "sample" else rows
        found = getattr(last, name)(given)
        assert len(found) == 3
        assert not np.array_equal(found, getattr(model, name)(given)) or name == "predict"
    drawn = end.sample(3)  # from a stream of its own
    assert np.array_equal(drawn, clone(model).set_callbacks().fit(IRIS, SPECIES).sample(3))


def test_x_stands_for_a_y_that_there_is_not():
    curious = Curious()
    small().set_callbacks(curious).fit(IRIS)
    assert all(X is y is IRIS for X, y in curious.given)


# ------------------------------------------------------------------ within others


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_propagates_and_clones(n_jobs):
    recorder, watching = Propagated(), monitor()
    density = small(init="linear").set_callbacks(watching)
    search = GridSearchCV(density, {"latent_dim": [1, 2]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(recorder).fit(IRIS)
    refitted = ("fit", "fit", "training from the linear start")
    assert recorder.total(*refitted) == recorder.begun.count((*refitted, "epoch")) == 3
    searched = ("fit", "search", "fit", "training from the linear start", "epoch")
    assert recorder.begun.count(searched) == (12 if n_jobs == 1 else 0)  # else in the workers
    logs = watching.get_logs().data
    paths = [log["task_id_path"] for log in logs if log["task_name"] == "epoch"]
    for candidate in range(4):
        assert sum(p[:4] == (0, 0, candidate, 2) for p in paths) == 3
    ends = {log["task_id_path"]: log["nats"] for log in logs if log["task_name"] == "fit"}
    assert ends[(0, 1)] == search.best_estimator_.score(IRIS)


def test_pipelines_propagate():
    recorder = Propagated()
    make_pipeline(StandardScaler(), small(init="linear")).set_callbacks(recorder).fit(IRIS)
    assert ("fit", "fit", STAGES[2], "epoch") in recorder.begun
    told = zip(recorder.begun, recorder.totals, strict=True)
    assert [total for task, total in told if task == ("fit", "fit")] == [0, 4]  # scaler, density
    assert recorder.lives == ["setup", "teardown"]


# ------------------------------------------------------------------ manners


def test_clones_share_and_pickles_keep_callbacks():
    recorder = Recorder()
    density = small().set_callbacks(recorder)
    assert clone(density)._skl_callbacks == [recorder]
    density.fit(IRIS)
    assert not {"_callback_fit_ctx", "_skl_callbacks_to_teardown"} & set(vars(density))
    loaded = pickle.loads(pickle.dumps(density))
    assert loaded._skl_callbacks[0].begun == recorder.begun
    assert not hasattr(density.set_callbacks(), "_skl_callbacks")


def test_a_failed_fit_tears_down_and_keeps_the_old_model():
    class Failing(Recorder):
        def on_fit_task_begin(self, estimator, context):
            super().on_fit_task_begin(estimator, context)
            if context.task_name == "epoch":
                raise RuntimeError("no")

    failing, density = Failing(), small().fit(IRIS)
    before = dict(vars(density))
    with pytest.raises(RuntimeError, match="no"):
        density.set_callbacks(failing).fit(IRIS)
    assert failing.lives == ["setup", "teardown"]
    assert vars(density.set_callbacks()) == before


def test_an_interrupt_within_a_callback_is_one():
    class Interrupted(Recorder):
        def on_fit_task_end(self, estimator, context):
            super().on_fit_task_end(estimator, context)
            if context.task_name == "epoch":
                raise KeyboardInterrupt

    interrupted, density = Interrupted(), small()
    with pytest.raises(KeyboardInterrupt), pytest.warns(match="after 1 epochs"):
        density.set_callbacks(interrupted).fit(IRIS)
    assert interrupted.stages() == [("columns", 0, 0), ("start", 0, 0), (STAGES[2], 1, 3)]
    assert interrupted.lives == ["setup", "teardown"]
    assert np.isfinite(density.score(IRIS))


def test_callbacks_of_one_kind_are_not_the_other():
    with pytest.raises(TypeError, match="FitCallback"):
        small().set_callbacks(skorch_callbacks.Callback())
    with pytest.raises(TypeError, match="scikit-learn are for set_callbacks"):
        small(callbacks=[Recorder()]).fit(IRIS)


def test_progress_bar_shows_the_trainings(capsys):
    pytest.importorskip("rich")
    small().set_callbacks(callback.ProgressBar()).fit(IRIS)
    shown = capsys.readouterr().out
    assert "VAEDensity - training from the random start" in shown
    assert shown.count("100%") >= 3


#: What scikit-learn before 1.9 is to skvae.
WITHOUT = """
import sklearn, sys, sklearn.model_selection, sklearn.linear_model, sklearn.mixture
sys.modules["sklearn.callback"] = None
import numpy, skvae
X = numpy.arange(40.0).reshape(20, 2) ** 2
density = skvae.VAEDensity(1, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(X)
print(hasattr(density, "set_callbacks"), density.score(X))
"""


def test_all_else_works_without_callbacks():
    command = [sys.executable, "-c", WITHOUT]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    has, score = found.stdout.split()
    X = np.arange(40.0).reshape(20, 2) ** 2
    density = VAEDensity(1, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(X)
    assert has == "False"
    assert float(score) == pytest.approx(density.score(X), abs=1e-9)
