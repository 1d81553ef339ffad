"""Training: fast batches, the skorch net, the schedule, early stopping."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from ..core.batch import Batch
from ..core.networks import set_generator
from ..core.objectives.bounds import ObjectiveModule
from ..core.vae import VAE
from .batches import HeldOut, TensorBatches
from .budget import Allowance
from .checkpoint import Checkpoint
from .choosing import counted_gains
from .epochs import Epochs, Score
from .floors import FallingFloors
from .interrupts import Interrupts
from .optimizers import make_optimizer
from .plan import Plan
from .progress import Listener
from .resuming import restore, restore_outcome, state_of
from .settings import Settings
from .trained import Interrupted, Trained
from .trouble import Brake, told_of_fall
from .weights import WeightAverage

CLIP_NORM = 10.0
AVERAGE_DECAY = 0.999

#: Steps below which a run is too short to be blamed for a fall: a good start may be lost in the
#: first hundred and found again after two hundred.
FEWEST_STEPS = 300
#: Steps after which held-out rows are scored at the end of an epoch: shorter ones are passed over.
SCORED_EVERY = 20
#: Rows that training is held against where it did not improve on the start.
FEW_ROWS = 256

#: Networks up to this many parameters train on one thread of a CPU.
ONE_THREAD_PARAMETERS = 200_000


class _Ended(Exception):
    """A callback ended training."""


class VAENet(NeuralNet):
    """A skorch net whose module is an objective and whose loss is minus its bound.

    Epochs are lean: the loss of a batch is never read back, so a GPU is never waited for, and
    batch events are sent only where a user's callback listens.
    """

    def __init__(
        self,
        module: ObjectiveModule,
        *,
        settings: Settings,
        plan: Plan,
        n_epochs: int,
        generator: torch.Generator,
        held_out: HeldOut | None = None,
        allowance: Allowance | None = None,
        listener: Listener | None = None,
        checkpoint: Checkpoint | None = None,
        **kwargs: Any,
    ):
        self.settings_, self.plan_ = settings, plan
        self.generator_ = generator
        self.held_out_ = held_out
        self.allowance_, self.listener_ = allowance, listener or Listener()
        self.checkpoint_ = checkpoint
        self.score_: Score | None = None  # the last one there was
        self.interrupts_ = Interrupts()
        super().__init__(
            module=module,
            criterion=nn.Identity,
            optimizer=settings.optimizer,
            lr=settings.lr,
            max_epochs=n_epochs,
            batch_size=plan.batch_size,
            callbacks=None if settings.callbacks is None else list(settings.callbacks),
            train_split=None,
            verbose=0,
            device=str(settings.device),
            **kwargs,
        )

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return [("keep_best", KeepBest())] if self.held_out_ is not None else []

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> VAENet:
        """Build the optimiser: weight decay on weights of layers alone, fused where it can be."""
        named = [(name, p) for name, p in self.module_.named_parameters() if p.requires_grad]
        parameters = [p for _, p in named]
        matrices = [p for name, p in named if name.endswith("weight") and p.ndim > 1]
        others = [p for name, p in named if not (name.endswith("weight") and p.ndim > 1)]
        groups: list[dict[str, object]] = [
            {"params": matrices, "weight_decay": self.settings_.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        nothing: dict[str, object] = {
            "params": [nn.Parameter(torch.zeros(0))]
        }  # no optimizer takes none at all
        self.optimizer_ = make_optimizer(self.settings_, groups or [nothing])
        self.parameters_ = parameters
        self.average_ = WeightAverage(self.module_, AVERAGE_DECAY)
        self.n_steps_ = self.scored_step_ = 0
        self.whole_plan_ = self.plan_
        self.floors_ = FallingFloors(self.module_.vae.cells)
        self.brake_ = Brake(self.device)
        self.safe_ = WeightAverage.snapshot(self.average_.average)
        if self.held_out_ is not None:
            module: ObjectiveModule = self.module_
            self.noise_: Tensor | None = self.held_out_.noise_for(module)
        return self

    def partial_fit(self, X: Batch, y: Any = None, state: Any = None, **params: Any) -> VAENet:
        """Train until the epochs are over or a callback ends it, perhaps from a state on.

        skorch's own takes every interrupt for such an end, one from the keyboard too.
        """
        super().notify("on_train_begin", X=X, y=y)
        if state is not None:
            restore(self, state)
        with contextlib.suppress(_Ended), Interrupts() as self.interrupts_:
            self.fit_loop(X, y, self.max_epochs - len(self.history), **params)
        super().notify("on_train_end", X=X, y=y)
        return self

    def notify(self, method_name: str, **params: Any) -> None:
        """Tell the callbacks and the listener, and end training where one of them or the plan does.

        Callbacks do it by a KeyboardInterrupt; one from the keyboard while one of them is busy is
        none of these.
        """
        ends = False
        try:
            super().notify(method_name, **params)
        except KeyboardInterrupt:
            if self.interrupts_.any:
                raise
            ends = True
        if method_name == "on_epoch_begin":
            self.listener_.begin_epoch()
        if method_name == "on_epoch_end":
            told = self.n_steps_, self.plan_.n_steps, self._said(), self.copied
            ends |= self.listener_.end_epoch(*told) or self.n_steps_ >= self.plan_.n_steps
        if ends:
            raise _Ended
        if method_name == "on_epoch_end" and self.checkpoint_ is not None:
            self.checkpoint_.end_epoch(partial(state_of, self))

    def on_epoch_end(self, net: VAENet, **kwargs: Any) -> None:
        """End training where there was too much trouble."""
        super().on_epoch_end(net, **kwargs)
        if self.brake_.ends:
            raise KeyboardInterrupt  # skorch's way to end training

    def copied(self) -> VAE:
        """Return a copy of the model as it is now, of the averaged weights."""
        with self.average_.applied():
            vae: VAE = copy.deepcopy(self.module_.vae, {id(self.generator_): None})
        return vae.eval()

    def _said(self) -> str:
        """Return what there is to say of an epoch."""
        held_out = self.held_out_ is not None
        name, value = ("held-out", "valid_score") if held_out else ("training loss", "train_loss")
        return f"{name} {self.history[-1, value]:.3f} nats/row"

    def get_split_datasets(self, X: Batch, y: Any = None, **params: Any) -> tuple[Batch, Any]:
        """Return the training rows and the held-out rows."""
        return X, self.held_out_

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Return batches of the training rows, or the held-out rows as one batch."""
        if not training:
            return [dataset]
        return TensorBatches(dataset, self.batch_size, self.generator_)

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **params: Any
    ) -> None:
        """Run an epoch and record its mean bound, reconstruction and divergence."""
        if iterator is None:
            return
        if not training:
            self._score_epoch()
            return
        self.module_.train()
        total, n_rows = torch.zeros(3, device=self.device), 0
        for batch in iterator:
            self._notify_batch("on_batch_begin", batch=batch, training=True)
            step = step_fn(batch)
            of_batch = torch.stack([term.sum() for term in step["terms"]])
            total += of_batch.masked_fill(step.pop("skipped"), 0.0)
            n_rows += len(step["terms"][0])
            self._notify_batch("on_batch_end", batch=batch, training=True, **step)
            self._plan_by_time()
            if self.n_steps_ >= self.plan_.n_steps:
                break
        n_skipped = self._look_for_trouble()
        value, log_px, kl = (total / (n_rows - n_skipped)).tolist()
        self.history.record("train_loss", -value)
        self.history.record("reconstruction", log_px)
        self.history.record("kl", kl)

    def _score_epoch(self) -> None:
        """Score the held-out rows, but not after every one of the shortest epochs."""
        assert self.score_ is not None
        last = self.n_steps_ >= self.plan_.n_steps or len(self.history) >= self.max_epochs
        self.is_scored_ = last or self.n_steps_ - self.scored_step_ >= SCORED_EVERY
        if self.is_scored_:
            self.score_, self.scored_step_ = self.evaluate(), self.n_steps_
        self.history.record("valid_score", self.score_.mean)

    def _plan_by_time(self) -> None:
        """Plan again for the steps that there is time for; what is replayed only ends."""
        if self.allowance_ is None or not self.allowance_.is_timed(self.n_steps_):
            return
        n_steps = int(self.allowance_.n_steps(self.n_steps_))
        whole = self.whole_plan_
        again = whole.within if whole.n_steps == whole.horizon else whole.until
        self.plan_ = again(min(n_steps, whole.n_steps))

    def train_step(self, batch: Batch, **params: Any) -> dict[str, Any]:
        """Take one step up the bound."""
        self.module_.advance(self.plan_.progress(self.n_steps_))
        self.floors_.set(self.plan_.fallen(self.n_steps_))
        self._set_rate()
        self.optimizer_.zero_grad(set_to_none=True)
        bound = self.module_(batch, self.generator_)
        if bound.value.shape != (len(batch),):
            raise ValueError(
                f"objective: expected a bound of shape ({len(batch)},), one value a row. "
                f"Got shape {tuple(bound.value.shape)}."
            )
        counted = self.module_.counted(bound.value.detach())
        loss = -bound.value[counted].mean()
        if bound.penalty is not None:
            loss = loss + bound.penalty
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters_, CLIP_NORM)
        skipped = self.brake_.judge(loss, norm, len(bound.value[counted]))
        self._step_unless(skipped)
        self.average_.update()
        value = bound.value if bound.penalty is None else bound.value - bound.penalty
        terms = [term.detach()[counted] for term in (value, bound.log_px, bound.kl)]
        return {"loss": loss.detach(), "terms": terms, "y_pred": None, "skipped": skipped}

    def _step_unless(self, skipped: Tensor) -> None:
        """Move the parameters, unless a step is to be skipped: decided on the device."""
        if self._is_fused:
            self.optimizer_.found_inf = skipped.float()  # as a gradient scaler has it
        else:
            for parameter in self.parameters_:
                if parameter.grad is not None:
                    parameter.grad.masked_fill_(skipped, 0.0)
        self.optimizer_.step()

    @property
    def _is_fused(self) -> bool:
        return isinstance(self.settings_.optimizer, str)

    def _look_for_trouble(self) -> int:
        """Go back to good weights, at a lower rate, where an epoch lost them; count its rows."""
        trouble, n_skipped = self.brake_.read(self.average_.average)
        if trouble:
            self.brake_.lower()
            self.average_.restart(self.safe_)
            self.optimizer_.state.clear()
        elif self.held_out_ is None:
            torch._foreach_copy_(self.safe_, self.average_.average)
        return n_skipped

    def evaluate(self) -> Score:
        """Return the held-out bound of the averaged weights.

        Its mean is in nats per row in the user's units, that of every row in cells.
        """
        assert self.held_out_ is not None
        rows = self.evaluate_rows().double().cpu()
        counted = self.module_.counted(rows)
        mean = float(rows[counted].mean()) + float(self.held_out_.log_det[counted].mean())
        return Score(mean, rows.numpy())

    @torch.no_grad()
    def evaluate_rows(self) -> Tensor:
        """Return the held-out bound of every held-out row, in cells."""
        assert self.held_out_ is not None
        assert self.noise_ is not None
        self.module_.eval()
        with self.average_.applied():
            return self.held_out_.watched_by(self.module_, self.noise_)

    def _set_rate(self) -> None:
        for group in self.optimizer_.param_groups:
            group["lr"] = self.lr * self.brake_.rate * self.plan_.rate(self.n_steps_)
        self.n_steps_ += 1

    @property
    def is_settled(self) -> bool:
        """Whether the last step was by what the model is judged by in the end."""
        return self.plan_.fallen(self.n_steps_ - 1) >= 1.0 and self.module_.settled

    def _notify_batch(self, event: str, **kwargs: Any) -> None:
        if self.settings_.callbacks:
            self.notify(event, **kwargs)


class KeepBest(Callback):
    """Keep a copy of the best averaged weights, and of the start; stop by the rule of epochs."""

    def on_train_begin(self, net: VAENet, **kwargs: Any) -> None:
        """Take the start as the first candidate."""
        gains = partial(counted_gains, net.module_)
        patience, tol = net.plan_.patience, net.settings_.tol
        net.score_ = net.evaluate()
        self.epochs_ = Epochs(net.score_, patience, tol, gains)
        self.start_ = self.trained_ = net.safe_ = WeightAverage.snapshot(net.average_.average)
        self.best_step_ = 0

    def on_epoch_end(self, net: VAENet, **kwargs: Any) -> None:
        """Compare the epoch with the best so far."""
        if not net.is_scored_:
            return
        assert net.score_ is not None
        done = net.plan_.progress(net.n_steps_)
        if self.epochs_.see(len(net.history), net.score_, done, net.is_settled):
            self.best_step_ = net.n_steps_
            self.trained_ = net.safe_ = WeightAverage.snapshot(net.average_.average)
        if self.epochs_.ended:
            raise KeyboardInterrupt  # skorch's way to end training

    @property
    def weights(self) -> list[Tensor]:
        """Of what is kept."""
        return self.trained_ if self.epochs_.best_epoch else self.start_

    @property
    def n_steps(self) -> int:
        """Behind what is kept."""
        return self.best_step_ if self.epochs_.best_epoch else 0


def train(
    module: ObjectiveModule,
    rows: Batch,
    settings: Settings,
    plan: Plan,
    seed: int,
    held_out: HeldOut | None = None,
    allowance: Allowance | None = None,
    listener: Listener | None = None,
    checkpoint: Checkpoint | None = None,
    state: Any = None,
) -> Trained:
    """Train an objective's model in place.

    Parameters
    ----------
    module : ObjectiveModule
    rows : Batch
        Training rows, on the device.
    settings : Settings
    plan : Plan
    seed : int
        Of shuffling, noise and dropout.
    held_out : HeldOut, optional
        With it, the weights that were best on these rows are restored; the start counts too.
    allowance : Allowance, optional
        The time there is: the plan gets shorter where it would take longer.
    listener : Listener, optional
        Who is told of the epochs.
    checkpoint : Checkpoint, optional
        Where its state is kept from time to time.
    state : optional
        What to go on from, of a checkpoint: a training that is over is not done again.
    """
    generator = torch.Generator(settings.device).manual_seed(seed)
    set_generator(module, generator)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        plan = plan.until(0)  # as where a standard normal takes the place of the prior
    net = VAENet(
        module,
        settings=settings,
        plan=plan,
        n_epochs=plan.n_epochs(len(rows)),
        generator=generator,
        held_out=held_out,
        allowance=allowance,
        listener=listener,
        checkpoint=checkpoint,
    )
    net.initialize()
    if state is not None and "trained" in state:
        set_generator(module, None)
        module.advance(1.0)
        trained = restore_outcome(net, state)
        module.eval()
        _forget(net)
        return trained
    interrupted = False
    with _threads(module, settings.device), _lent_generators(settings, seed):
        try:
            net.partial_fit(rows, state=state)
        except KeyboardInterrupt:
            interrupted = True
    set_generator(module, None)
    module.advance(1.0)
    if held_out is not None or not interrupted:  # else it is made for the floors of now
        net.floors_.set(1.0)
    result = _finish(net, rows)
    module.eval()
    if interrupted:
        raise Interrupted(result)
    return result


def _threads(module: nn.Module, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Hold small networks to one thread while they train.

    A second thread gains them little (a tenth of an epoch at most on two idle cores) and makes
    steps four times slower where cores are shared. The limit is that of the calling thread alone.
    """
    small = sum(p.numel() for p in module.parameters()) <= ONE_THREAD_PARAMETERS
    if device.type == "cpu" and small:
        return threadpool_limits(1, user_api="openmp")
    return contextlib.nullcontext()


@contextlib.contextmanager
def _lent_generators(settings: Settings, seed: int) -> Iterator[None]:
    """Lend a user's own networks torch's global generators: their dropout knows of no others."""
    if settings.built_in:
        yield
        return
    on_gpu = settings.device.type == "cuda"
    with torch.random.fork_rng(devices=[settings.device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(settings.device):
                torch.cuda.manual_seed(seed)
        yield


def _finish(net: VAENet, rows: Batch) -> Trained:
    n_epochs = sum("train_loss" in row for row in net.history)  # an interrupted one has none
    net.optimizer_.found_inf = None
    trouble = net.brake_.told(net.lr, n_epochs)
    if net.held_out_ is None:
        net.average_.write(net.average_.average)
        _forget(net)
        return Trained(net, n_epochs, n_epochs, net.n_steps_, None, None, trouble)
    keep = dict(net.callbacks_)["keep_best"]
    if net.n_steps_ >= FEWEST_STEPS and not keep.n_steps:
        trouble = trouble or _compared_with_start(net, rows, keep.weights)
    net.average_.restart(keep.weights)
    epochs, n_steps = keep.epochs_, keep.n_steps
    _forget(net)
    best = epochs.best
    return Trained(net, n_epochs, epochs.best_epoch, n_steps, best.mean, best.rows, trouble)


def _forget(net: VAENet) -> None:
    """Forget the rows of the training table, and whoever is told of the training."""
    net.allowance_, net.listener_, net.checkpoint_ = None, Listener(), None
    net.interrupts_ = Interrupts()
    if net.held_out_ is not None:
        net.held_out_, net.noise_, net.score_ = None, None, None
        dict(net.callbacks_)["keep_best"].epochs_ = None


def _compared_with_start(net: VAENet, rows: Batch, start: list[Tensor]) -> str:
    """Return what to say where training did not even serve the rows it had."""
    some = rows[:: -(-len(rows) // FEW_ROWS)]
    end = _mean_bound(net, some)
    net.average_.restart(start)
    return told_of_fall(_mean_bound(net, some), end, rows.x.shape[1], net.lr)


@torch.no_grad()
def _mean_bound(net: VAENet, rows: Batch) -> float:
    """Return what early stopping would watch of some rows, with the averaged weights."""
    module: ObjectiveModule = net.module_.eval()
    generator = torch.Generator(rows.x.device).manual_seed(0)
    with net.average_.applied():
        bound = module.monitor(rows, module.noise(rows, module.n_monitored, generator))
    return float(bound[module.counted(bound)].mean())
