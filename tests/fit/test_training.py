"""Training: early stopping, restored weights, callbacks, the schedule, warm start."""

import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EarlyStopping
from threadpoolctl import threadpool_limits

from skvae import VAEClassifier, VAEDensity, VAEImputer, VAEOutlierDetector
from skvae.core import Batch
from skvae.fit import counts, training
from skvae.fit.batches import TensorBatches
from skvae.fit.fit import choose
from skvae.fit.plan import default_batch_size, default_max_epochs
from skvae.fit.training import Trained, VAENet
from skvae.fit.weights import WeightAverage
from skvae.objectives import ELBO

IRIS = load_iris().data


def quick(**changes):
    parameters = {"hidden_layer_sizes": (16,), "max_epochs": 12, "random_state": 0}
    return VAEDensity(**{"latent_dim": 2, "validation_fraction": 0.1, **parameters, **changes})


@contextlib.contextmanager
def double_precision():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_best_weights_are_restored(monkeypatch):
    """The model kept scores its held-out rows as the best epoch did."""
    monkeypatch.setattr(counts, "REFIT_ROWS", 0)
    density = quick(lr=0.05, max_epochs=60, init="random", n_iter_no_change=20).fit(IRIS)
    scores = density.validation_scores_
    assert density.best_validation_score_ == max(scores)
    assert scores[-1] < max(scores)
    assert density.net_.evaluate_rows is not None
    order = np.random.RandomState(density.model_.seeds.split).permutation(150)
    held_out = IRIS[order[:15]]
    restored = density.set_params(n_draws=16, proposal="encoder").score(held_out)
    assert restored == pytest.approx(max(scores), abs=1e-4)


def test_the_start_is_a_candidate(monkeypatch):
    monkeypatch.setattr(counts, "REFIT_ROWS", 0)
    with pytest.warns(ConvergenceWarning, match="best weights so far are kept"):
        density = quick(lr=100.0, optimizer="sgd", init="linear").fit(IRIS)
    start = quick(max_epochs=0, init="linear").fit(IRIS)
    assert_array_equal(density.score_samples(IRIS), start.score_samples(IRIS))


def test_training_stops_when_held_out_rows_stop_improving():
    density = quick(max_epochs=50, tol=10.0, n_iter_no_change=4, init="linear").fit(IRIS)
    # Of 250 steps floors fall for 75; rows are scored every 20 steps, in epoch 16 and in 20.
    assert len(density.validation_scores_) == 20


@pytest.mark.parametrize(
    ("n_rows", "early_stopping", "held_out"),
    [(9, "auto", False), (10, "auto", True), (150, False, False), (9, True, True)],
)
def test_when_rows_are_held_out(n_rows, early_stopping, held_out):
    density = quick(early_stopping=early_stopping).fit(IRIS[:n_rows])
    assert (density.validation_scores_ is not None) == held_out
    assert (density.best_validation_score_ is not None) == held_out


def test_early_stopping_without_rows_to_spare_warns():
    with pytest.warns(UserWarning, match="leaves too few"):
        quick(early_stopping=True).fit(IRIS[:2])


def test_one_row_is_held_out():
    assert len(quick(early_stopping=True).fit(IRIS[:12]).validation_scores_) > 0


def test_small_tables_are_fitted_again_to_all_rows(monkeypatch):
    again = quick(init="linear").fit(IRIS)
    assert again.n_iter_ == int(np.argmax(again.validation_scores_)) + 1
    monkeypatch.setattr(counts, "REFIT_ROWS", 100)
    once = quick(init="linear").fit(IRIS)
    assert once.n_iter_ == len(once.validation_scores_)
    assert once.score(IRIS) != again.score(IRIS)


def test_fitting_again_replays_batches_and_steps():
    X = np.random.default_rng(0).normal(size=(1_024, 2))
    net = quick(init="random", max_epochs=3).fit(X).net_
    assert net.plan_.batch_size == default_batch_size(922) < default_batch_size(1_024)
    assert (net.n_steps_, net.plan_.horizon) == (3 * 29, 3 * 29)  # of the 922 rows


@pytest.mark.slow
def test_training_improves_on_the_start():
    X = load_breast_cancer().data
    common = {"init": "linear", "likelihood": "gaussian", "random_state": 0}
    start = VAEDensity(4, max_epochs=0, **common).fit(X[::2])
    density = VAEDensity(4, max_epochs=150, **common).fit(X[::2])
    assert density.score(X[1::2]) > start.score(X[1::2]) + 5


def test_latents_to_spare_do_not_hide_clusters_from_the_start_of_a_mixture():
    rng = np.random.default_rng(0)
    X = np.repeat(4 * rng.normal(size=(12, 3)), 40, 0) + 0.3 * rng.normal(size=(480, 3))
    enough, many = (
        VAEDensity(d, init="linear", max_epochs=0, random_state=0).fit(X).score(X) for d in (3, 16)
    )
    assert many == pytest.approx(enough, abs=0.1)  # 0.39 less where noise is clustered, too


@pytest.mark.slow
def test_latents_are_as_many_as_the_numbers_of_a_row_up_to_sixteen():
    table = pd.DataFrame({"a": IRIS[:, 0], "level": list("abc") * 50, "yes": [True, False] * 75})
    for X, numbers in (
        (IRIS, 4),
        (table, 4),
        (np.random.default_rng(0).normal(size=(200, 30)), 16),
    ):
        assert quick(latent_dim="auto", init="linear").fit(X).vae_.n_latent == numbers


@pytest.mark.slow
def test_latents_are_as_many_as_columns_where_these_start_better():
    rng = np.random.default_rng(0)

    def cluster():
        axes, _ = np.linalg.qr(rng.normal(size=(20, 20)))
        return (
            2 * rng.normal(size=20) + rng.normal(size=(600, 20)) * np.geomspace(1, 1e-3, 20) @ axes
        )

    start = {"init": "linear", "max_epochs": 0, "random_state": 0}
    X = np.concatenate([cluster(), cluster()])  # two covariances, neither with few factors
    density = VAEDensity(**start).fit(X)
    assert density.vae_.n_latent == 20
    assert density.score(X) > VAEDensity(16, **start).fit(X).score(X)
    assert VAEDensity(**start, early_stopping=False).fit(X).vae_.n_latent == 16  # no row to ask


def test_choosing_asks_for_one_standard_error():
    def trained(rows):
        every_row = SimpleNamespace(module_=SimpleNamespace(counted=lambda value: slice(None)))
        return [Trained(every_row, 1, 1, 1, 0.0, np.array(rows))]

    base = trained([0.0, 0.0, 0.0, 0.0])
    assert choose({"linear": base, "random": trained([1.0, 1.1, 0.9, 1.0])})[0] == "random"
    assert choose({"linear": base, "random": trained([9.0, -8.0, 0.5, 0.0])})[0] == "linear"
    assert choose({"linear": base, "random": trained([-1.0, -1.0, -1.0, -1.0])})[0] == "linear"


def test_curves_add_up():
    density = quick(objective=ELBO(), early_stopping=False).fit(IRIS)
    loss, reconstruction, kl = (
        np.array(curve)
        for curve in (density.loss_curve_, density.reconstruction_curve_, density.kl_curve_)
    )
    assert len(loss) == density.n_iter_ == 12
    np.testing.assert_allclose(-loss, reconstruction - kl, rtol=1e-4)
    assert loss[-1] < loss[0]


class Counter(Callback):
    """Counts what it hears; state is kept on the class because skorch copies nothing."""

    def __init__(self):
        self.heard = {"train": 0, "epoch": 0, "batch": 0}

    def on_train_begin(self, net, **kwargs):
        self.heard["train"] += 1

    def on_epoch_end(self, net, **kwargs):
        self.heard["epoch"] += 1

    def on_batch_end(self, net, **kwargs):
        self.heard["batch"] += 1


def test_callbacks_hear_every_event():
    counter = Counter()
    quick(callbacks=[counter], early_stopping=False, batch_size=50).fit(IRIS)
    assert counter.heard == {"train": 1, "epoch": 12, "batch": 36}


@pytest.mark.parametrize("callbacks", [[1], ["EarlyStopping"], [("name", 1)], (Counter(), 2)])
def test_what_is_no_callback_is_refused(callbacks):
    with pytest.raises(TypeError, match=r"callbacks: expected skorch callbacks.*Got"):
        quick(callbacks=callbacks).fit(IRIS)


@pytest.mark.parametrize("callbacks", [(Counter(),), [Counter], [("count", Counter())]])
def test_callbacks_may_be_classes_or_have_names(callbacks):
    assert quick(callbacks=callbacks, max_epochs=1).fit(IRIS).net_.callbacks_


def test_a_callback_can_end_training():
    patience = EarlyStopping(monitor="train_loss", patience=2, threshold=1e9)
    assert quick(callbacks=[patience], early_stopping=False).fit(IRIS).n_iter_ == 3


def test_an_interrupt_ends_the_fit_and_keeps_the_model_of_before(monkeypatch):
    density = quick().fit(IRIS)
    before = density.score_samples(IRIS)
    take = VAENet.train_step

    def interrupted(net, batch, **params):
        if net.n_steps_ == 5:
            raise KeyboardInterrupt
        return take(net, batch, **params)

    monkeypatch.setattr(VAENet, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        density.set_params(random_state=1).fit(IRIS)
    assert_array_equal(density.score_samples(IRIS), before)


def test_the_progress_bar_shows_held_out_nats(capsys):
    quick(verbose=1).fit(IRIS)
    error = capsys.readouterr().err
    assert "held-out" in error
    assert "nats/row" in error
    quick(verbose=0).fit(IRIS)
    assert capsys.readouterr().err == ""


def test_warm_start_continues():
    density = quick(warm_start=True, early_stopping=False, max_epochs=20).fit(IRIS)
    first = density.score(IRIS)
    codecs = [column.codec for column in density.table_.columns]
    density.set_params(max_epochs=1, lr=1e-6).fit(IRIS)
    assert density.score(IRIS) == pytest.approx(first, abs=0.01)
    assert density.init_ == "warm"
    assert [column.codec for column in density.table_.columns] == codecs
    cold = density.set_params(warm_start=False, max_epochs=0).fit(IRIS)
    assert cold.init_ == "linear"


def test_a_warm_start_refuses_another_table():
    density = quick(warm_start=True).fit(IRIS)
    with pytest.raises(ValueError, match="X has 3 features, but VAEDensity is expecting 4"):
        density.fit(IRIS[:, :3])
    with pytest.raises(ValueError, match=r"1 sample.*minimum of 2"):
        density.fit(IRIS[:1])


@pytest.mark.parametrize(
    ("name", "value"),
    [("latent_dim", 3), ("prior", "standard_normal"), ("hidden_layer_sizes", (8,))],
)
def test_a_warm_start_refuses_what_would_build_another_model(name, value):
    density = quick(warm_start=True, max_epochs=1).fit(IRIS)
    with pytest.raises(ValueError, match=f"built with {name}=.*Set warm_start=False, or {name}"):
        density.set_params(**{name: value}).fit(IRIS)


@pytest.mark.parametrize("block", [torch.no_grad, torch.inference_mode, double_precision])
def test_what_torch_is_told_elsewhere_does_not_matter(block):
    expected = quick(max_epochs=2).fit(IRIS).score_samples(IRIS)
    with block():
        found = quick(max_epochs=2).fit(IRIS).score_samples(IRIS)
    assert_array_equal(found, expected)


@pytest.mark.parametrize("sizes", [(-3,), (12.5,), ("a",), (8, 0)])
def test_layers_of_no_size_are_refused(sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes must be integers >= 1"):
        quick(hidden_layer_sizes=sizes).fit(IRIS)


def test_a_prior_without_parameters_takes_the_place_of_another():
    density = quick(refit_prior="standard_normal", max_epochs=3).fit(IRIS)
    assert np.isfinite(density.score(IRIS))
    assert not list(density.vae_.prior.parameters())
    assert density.best_validation_score_ is not None


def test_a_failed_warm_start_leaves_the_weights():
    class Boom(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError("boom")

    density = quick(warm_start=True).fit(IRIS)
    before = density.score_samples(IRIS)
    with pytest.raises(RuntimeError, match="boom"):
        density.set_params(callbacks=[Boom()]).fit(IRIS)
    assert_array_equal(density.score_samples(IRIS), before)


def test_batches_cover_every_row_once():
    rows = Batch(torch.arange(10.0).unsqueeze(1))
    batches = TensorBatches(rows, 4, torch.Generator().manual_seed(0))
    first, second = ([b.x[:, 0] for b in batches] for _ in range(2))
    assert [len(part) for part in first] == [4, 4, 2]
    assert torch.cat(first).sort().values.tolist() == list(range(10))
    assert not torch.equal(torch.cat(first), torch.cat(second))


def test_the_weight_average_is_one_of_copies():
    layer = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(0.0)
    average = WeightAverage(layer, decay=0.5)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    average.update()
    # The horizon grows with the steps: the first update moves by 1 - 2/11.
    assert average.average[0].item() == pytest.approx(9 / 11)
    with average.applied():
        assert layer.weight.item() == pytest.approx(9 / 11)
    assert layer.weight.item() == 1.0


def test_sizes_by_number_of_rows():
    assert [default_batch_size(n) for n in (2, 500, 2000, 10**6)] == [32, 32, 64, 512]
    assert default_max_epochs(10**6, 512) == 5
    assert [default_max_epochs(n, 32) for n in (10, 100, 200, 2_000)] == [500, 256, 256, 64]


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", torch.optim.RMSprop])
def test_optimizers(optimizer):
    density = quick(optimizer=optimizer).fit(IRIS)
    assert np.isfinite(density.score(IRIS))


def test_callbacks_find_an_optimizer_of_torch_that_moves_alike():
    plain, watched = (quick(callbacks=given, max_epochs=3).fit(IRIS) for given in (None, []))
    assert isinstance(watched.net_.optimizer_, torch.optim.AdamW)
    assert_array_equal(plain.score_samples(IRIS), watched.score_samples(IRIS))


@pytest.mark.parametrize("early_stopping", [True, False])
def test_divergence_is_told_and_the_best_weights_stay(early_stopping):
    parameters = {"init": "linear", "early_stopping": early_stopping}
    with pytest.warns(ConvergenceWarning, match=r"not finite; training ended early.*Lower lr=1e"):
        density = quick(optimizer="sgd", lr=1e30, **parameters).fit(IRIS)
    start = quick(max_epochs=0, **parameters).fit(IRIS)
    assert_array_equal(density.score_samples(IRIS), start.score_samples(IRIS))
    assert density.loss_curve_


@pytest.mark.parametrize("lr", [10.0, 1000.0])
@pytest.mark.parametrize("init", ["auto", "linear", "random"])
def test_a_rate_that_is_too_high_is_told(lr, init):
    with pytest.warns(ConvergenceWarning, match=f"Lower lr={lr:g}"):
        density = quick(lr=lr, init=init, objective=ELBO(), hidden_layer_sizes=(64,)).fit(IRIS)
    assert np.isfinite(density.score_samples(IRIS)).all()
    assert density.loss_curve_


def test_a_start_that_cannot_be_improved_is_no_trouble():
    X = np.random.default_rng(0).normal(size=(60, 3))
    density = quick(max_epochs=30).fit(X)  # warnings are errors
    assert density.loss_curve_
    assert quick(max_epochs=0).fit(X).loss_curve_ == []


class Poisoned(ELBO):
    """A bound that is not a number in some steps."""

    def build(self, vae, n_train):
        module = super().build(vae, n_train)
        take, calls = module.forward, iter(range(10**6))

        def forward(batch, generator=None):
            bound = take(batch, generator)
            wrong = next(calls) in self.wrong
            return bound._replace(value=bound.value * np.nan) if wrong else bound

        module.forward = forward
        return module


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", torch.optim.RMSprop])
def test_a_step_that_is_not_finite_is_skipped_and_the_rate_lowered(optimizer):
    rates = []

    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            rates.append(net.brake_.rate)

    objective = Poisoned()
    objective.wrong = {7}
    parameters = {"optimizer": optimizer, "early_stopping": False, "init": "linear"}
    density = quick(objective=objective, callbacks=[Watch], **parameters).fit(IRIS)
    assert rates[0] == 1.0
    assert rates[-1] == 0.3
    assert np.isfinite(density.loss_curve_).all()
    assert np.isfinite(density.score_samples(IRIS)).all()


def interrupt_after(monkeypatch, n_steps):
    """Interrupt a training, from the keyboard as it were, after some of its steps."""
    take = VAENet.train_step

    def interrupted(net, batch, **params):
        if net.n_steps_ == n_steps:
            raise KeyboardInterrupt
        return take(net, batch, **params)

    monkeypatch.setattr(VAENet, "train_step", interrupted)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_an_interrupt_keeps_the_best_weights_so_far_and_is_raised(monkeypatch, early_stopping):
    interrupt_after(monkeypatch, 33)
    density = quick(early_stopping=early_stopping, init="random")
    with (
        pytest.warns(ConvergenceWarning, match="fit was interrupted after 6 epochs"),
        pytest.raises(KeyboardInterrupt),
    ):
        density.fit(IRIS)
    assert len(density.loss_curve_) == 6
    start = quick(early_stopping=early_stopping, init="random", max_epochs=0).fit(IRIS)
    assert density.score(IRIS) > start.score(IRIS)


@pytest.mark.parametrize("kind", [VAEOutlierDetector, VAEClassifier, VAEImputer])
def test_an_interrupted_estimator_is_whole(monkeypatch, kind):
    interrupt_after(monkeypatch, 33)
    estimator = kind(2, hidden_layer_sizes=(16,), max_epochs=12, random_state=0)
    with pytest.warns(ConvergenceWarning), pytest.raises(KeyboardInterrupt):
        estimator.fit(IRIS, load_iris().target)
    found = estimator.transform(IRIS) if kind is VAEImputer else estimator.predict(IRIS)
    assert len(found) == 150


def test_an_interrupt_keeps_a_model_of_before_that_is_better(monkeypatch):
    density = quick(max_epochs=60).fit(IRIS)
    before = density.score_samples(IRIS)
    interrupt_after(monkeypatch, 33)
    with pytest.raises(KeyboardInterrupt):
        density.set_params(init="random", max_epochs=12).fit(IRIS)
    assert_array_equal(density.score_samples(IRIS), before)


def test_an_interrupt_ends_a_grid_search(monkeypatch):
    interrupt_after(monkeypatch, 33)
    search = GridSearchCV(quick(init="random"), {"latent_dim": [1, 2]}, cv=2)
    with pytest.warns(ConvergenceWarning), pytest.raises(KeyboardInterrupt):
        search.fit(IRIS)


class Pressed(Callback):
    """Somebody presses Ctrl-C while a callback of the user is busy."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def listens():
    """Python's own answer to Ctrl-C, which a process in the background does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listens")
def test_an_interrupt_within_a_callback_is_raised_too():
    before = signal.getsignal(signal.SIGINT)
    density = quick(callbacks=[Pressed()], init="random")
    with (
        pytest.warns(ConvergenceWarning, match="fit was interrupted after 3 epochs"),
        pytest.raises(KeyboardInterrupt),
    ):
        density.fit(IRIS)
    assert signal.getsignal(signal.SIGINT) is before
    assert np.isfinite(density.score_samples(IRIS)).all()


def test_a_fit_in_another_thread_has_no_signals():
    with ThreadPoolExecutor(1) as pool:
        density = pool.submit(quick(max_epochs=2).fit, IRIS).result()
    assert len(density.loss_curve_) > 0


def test_small_networks_train_on_one_thread_and_give_the_others_back(monkeypatch):
    class Threads(Callback):
        seen: ClassVar[list[int]] = []

        def on_epoch_end(self, net, **kwargs):
            self.seen.append(torch.get_num_threads())

    with threadpool_limits(2, user_api="openmp"):
        before = torch.get_num_threads()
        quick(callbacks=[Threads()], max_epochs=1).fit(IRIS)
        assert torch.get_num_threads() == before
        assert set(Threads.seen) == {1}
        Threads.seen.clear()
        monkeypatch.setattr(training, "ONE_THREAD_PARAMETERS", 0)
        quick(callbacks=[Threads()], max_epochs=1).fit(IRIS)
        assert set(Threads.seen) == {before}


@pytest.mark.parametrize(
    ("fraction", "n", "held_out"),
    [(None, 20, 4), (None, 150, 30), (None, 300, 30), (None, 600, 60), (0.5, 20, 10), (0.1, 4, 1)],
)
def test_of_few_rows_a_greater_share_is_held_out(fraction, n, held_out):
    assert counts.n_held_out(fraction, n) == held_out


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_rate_that_is_no_single_number_is_refused(optimizer):
    with pytest.raises(ValueError, match="lr"):
        quick(lr=1e300, optimizer=optimizer).fit(IRIS)
