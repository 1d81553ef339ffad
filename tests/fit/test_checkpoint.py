"""Checkpoints: a fit that was killed goes on, and ends as one that was not, bit for bit."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from skorch.callbacks import EpochTimer
from torch import nn

from skvae import VAEClassifier, VAEDensity, VAEImputer, VAEOutlierDetector, VAETransformer
from skvae.files import archive
from skvae.fit import checkpoint
from skvae.fit.checkpoint import Checkpoint, fingerprint
from skvae.objectives import ELBO
from skvae.relations import Order

X, Y = load_iris(return_X_y=True)
X, Y = X[::2], Y[::2]
HOLES = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
QUICK = {"latent_dim": 2, "hidden_layer_sizes": (6,), "max_epochs": 4, "random_state": 0}
QUICK |= {"n_draws": 4}


class Killed(Exception):
    """What a test raises in the place of a kill."""


def network():
    return nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.3), nn.BatchNorm1d(5))


#: Estimators whose trainings have something of their own to go on with.
CASES = {
    "density": (VAEDensity(**QUICK, dropout=0.2, prior="mixture"), HOLES),
    "no held-out rows": (VAEDensity(**QUICK, early_stopping=False), X),
    "relations and holes": (
        VAEDensity(**QUICK, relations=[Order(1, 0)], model_missing=True),
        HOLES,
    ),
    "refitted": (VAEDensity(**QUICK, refit_prior="mixture"), X),
    "few labels": (VAEClassifier(**QUICK), X, np.where(np.arange(75) % 3, -1, Y)),
    "adversarial": (VAETransformer(**QUICK, objective="adversarial"), X),
    "moving average": (VAEDensity(**QUICK, objective=ELBO(gradient="score_function")), X),
    "a user's optimizer": (VAEDensity(**QUICK, optimizer=torch.optim.Adagrad), X),
    "a user's network": (VAEDensity(**QUICK, encoder=network, likelihood="gaussian"), X),
    "detector": (VAEOutlierDetector(**QUICK), X),
    "imputer": (VAEImputer(**QUICK, objective="trimmed", optimizer="sgd", lr=1e-3), HOLES),
    "trouble": (VAEDensity(**QUICK | {"lr": 1e6}, init="random"), X),
}


@pytest.fixture
def kill(monkeypatch):
    """Return what lets fits write at every epoch, and die after so many of these."""
    write = Checkpoint._write
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)

    def after(n_epochs):
        left = [n_epochs]

        def written(self, states):
            write(self, states)
            left[0] -= 1
            if not left[0]:
                raise Killed

        monkeypatch.setattr(Checkpoint, "_write", written)

    return after


def outcome(estimator):
    """Return all that a fit ends with, as text, but for the weights."""
    names = [name for name in vars(estimator) if name.endswith("_") and name != "net_"]
    return {name: repr(vars(estimator)[name]) for name in names if name != "model_"}


def assert_same_fit(one, two):
    state, other = one.vae_.state_dict(), two.vae_.state_dict()
    assert all(torch.equal(state[name], other[name]) for name in state)
    assert outcome(one) == outcome(two)
    if getattr(one, "model_missing", False):
        drawn = [e.sample(9, random_state=0, missing=True) for e in (one, two)]
        np.testing.assert_array_equal(*drawn)


@pytest.mark.filterwarnings("ignore:Training (was not stable|made the model worse)")
@pytest.mark.parametrize("name", CASES)
def test_a_killed_fit_goes_on_to_the_same_weights(name, kill, tmp_path):
    estimator, *data = CASES[name]
    path = tmp_path / "point"
    whole = clone(estimator).fit(*data)
    killed = clone(estimator).set_params(checkpoint=path)
    for n_epochs in (2, 3):  # of the first, and of what is left of it
        kill(n_epochs)
        try:
            clone(killed).fit(*data)
        except Killed:
            assert path.exists()
    kill(10**9)
    assert_same_fit(killed.fit(*data), whole)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Training (was not stable|made the model worse)")
@pytest.mark.parametrize("n_epochs", [1, 2, 5, 8, 11])
@pytest.mark.parametrize("name", CASES)
def test_epochs_can_be_gone_on_from(name, n_epochs, kill, tmp_path):
    estimator, *data = CASES[name]
    whole = clone(estimator).fit(*data)
    killed = clone(estimator).set_params(checkpoint=tmp_path / "point")
    kill(n_epochs)
    try:
        ended = clone(killed).fit(*data)  # in fewer epochs
    except Killed:
        kill(10**9)
        ended = killed.fit(*data)
    assert_same_fit(ended, whole)


def test_a_warm_start_can_be_gone_on_with(kill, tmp_path):
    first = VAEDensity(**QUICK, warm_start=True, checkpoint=tmp_path / "point").fit(X)
    whole = clone(first).set_params(checkpoint=None).fit(X).fit(X)
    kill(2)
    with pytest.raises(Killed):
        first.fit(X)
    kill(10**9)
    assert_same_fit(first.fit(X), whole)


def test_without_a_random_state_the_seeds_are_those_of_the_killed_fit(kill, tmp_path):
    path, ends = tmp_path / "point", []
    density = VAEDensity(**QUICK | {"random_state": None}, checkpoint=path)
    kill(3)
    with pytest.raises(Killed):
        density.fit(X)
    kill(10**9)
    shutil.copy(path, tmp_path / "copy")
    for _ in range(2):
        shutil.copy(tmp_path / "copy", path)
        ends.append(clone(density).fit(X).score_samples(X))
    assert_array_equal(*ends)


@pytest.mark.filterwarnings("ignore:fit was interrupted")
def test_what_ctrl_c_ended_is_gone_on_with(kill, tmp_path, monkeypatch):
    whole, path = VAEDensity(**QUICK).fit(X), tmp_path / "point"
    density = VAEDensity(**QUICK, checkpoint=path)
    kill(2)
    with pytest.raises(Killed):
        density.fit(X)
    monkeypatch.setattr(checkpoint.Checkpoint, "end_epoch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        density.fit(X)
    assert path.exists()
    monkeypatch.undo()
    assert_same_fit(density.fit(X), whole)
    assert not path.exists()


def interrupt(*args):
    raise KeyboardInterrupt


def test_a_checkpoint_of_another_training_is_refused(kill, tmp_path):
    path = tmp_path / "point"
    density = VAEDensity(**QUICK, checkpoint=path)
    kill(2)
    with pytest.raises(Killed):
        density.fit(X)
    kill(10**9)
    document, arrays = archive.read(path)
    states = document["checkpoint"][-1]["dict"]
    names = [name for name, _ in states]
    assert {"tensors", "optimizer", "generators", "history", "best"} < set(names)
    for place, name in enumerate(names):
        if name == "score":
            continue  # the next epoch has its own
        changed = json.loads(json.dumps(document))
        changed["checkpoint"][-1]["dict"][place][1] = {"tuple": [1, "x"]}
        archive.write(path, changed, arrays)
        with pytest.raises(ValueError, match="The checkpoint is not one of this training"):
            density.fit(X)


OTHER = {
    "rows": (VAEDensity(**QUICK), X + 1e-9),
    "parameters": (VAEDensity(**QUICK, weight_decay=0.0), X),
    "seed": (VAEDensity(**QUICK | {"random_state": 1}), X),
    "estimator": (VAEOutlierDetector(**QUICK), X),
}


@pytest.mark.parametrize(("estimator", "rows"), OTHER.values(), ids=OTHER)
def test_other_fits_are_refused(estimator, rows, kill, tmp_path):
    path = tmp_path / "point"
    kill(1)
    with pytest.raises(Killed):
        VAEDensity(**QUICK, checkpoint=path).fit(X)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"of a fit to other rows.*Delete it"):
        clone(estimator).set_params(checkpoint=path).fit(rows)
    assert path.read_bytes() == before


def test_what_is_no_checkpoint_is_refused_and_stays(tmp_path):
    (tmp_path / "notes").write_text("mine")
    VAEDensity(**QUICK).fit(X).save(tmp_path / "saved")
    for name, match in (("notes", "cannot be read"), ("saved", "it is no checkpoint of a fit")):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(ValueError, match=match):
            VAEDensity(**QUICK, checkpoint=tmp_path / name).fit(X)
        assert (tmp_path / name).read_bytes() == before
    with pytest.raises(ValueError, match="folder that is not there"):
        VAEDensity(**QUICK, checkpoint=tmp_path / "none" / "point").fit(X)


def test_what_a_checkpoint_cannot_keep_is_refused(tmp_path):
    path = tmp_path / "point"
    with pytest.raises(ValueError, match="with max_time it ends by the clock"):
        VAEDensity(**QUICK, checkpoint=path, max_time=1.0).fit(X)
    with pytest.raises(ValueError, match="cannot keep what callbacks= know"):
        VAEDensity(**QUICK, checkpoint=path, callbacks=[EpochTimer()]).fit(X)


def test_a_short_fit_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoint, "_write", pytest.fail)
    VAEDensity(**QUICK, checkpoint=tmp_path / "point").fit(X)


def test_fingerprints_tell_values_apart():
    one, two = nn.Linear(2, 2), nn.Linear(2, 2)
    parts = [1, 1.0, "1", None, [1], {"a": 1}, {"a": 2}, np.zeros(2), np.zeros(2, "f4"), one, two]
    parts += [ELBO(), ELBO(2), network, np.array([["a"]], dtype=object), torch.zeros(3)]
    assert len({fingerprint(part) for part in parts}) == len(parts)
    assert fingerprint(*parts) == fingerprint(*parts)


CODE = """
import sys, numpy as np
from sklearn.datasets import load_iris
from skvae import VAEDensity
from skvae.fit import checkpoint
checkpoint.EVERY = 0.0
X = load_iris().data
density = VAEDensity(2, hidden_layer_sizes=(6,), max_epochs=300, n_iter_no_change=300,
                     random_state=0, checkpoint=sys.argv[1]).fit(X)
np.save(sys.argv[2], density.score_samples(X))
"""


def written(path):
    """Return when a file was written, if it is there."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on(tmp_path):
    point, ends = tmp_path / "point", [tmp_path / "whole.npy", tmp_path / "resumed.npy"]
    run = [sys.executable, "-c", CODE, str(point)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*run, str(ends[0])], check=True, env=env)
    source = np.random.default_rng(0)
    n_killed = 0
    for _ in range(3):
        before = written(point)
        process = subprocess.Popen([*run, str(ends[1])], env=env)
        while written(point) == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(source.uniform(0.0, 0.5))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            n_killed += 1
        process.wait()
    assert n_killed
    subprocess.run([*run, str(ends[1])], check=True, env=env)
    assert_array_equal(*map(np.load, ends))
    assert not point.exists()
