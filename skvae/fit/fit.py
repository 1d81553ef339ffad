"""Fitting: from cells to a trained model - split, start, train, choose, refit."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from ..core.batch import Batch, in_chunks
from ..core.build import with_prior
from ..core.families.base import Family
from ..core.networks import frozen, initialize
from ..core.noise import KeyedNoise
from ..core.objectives.around import Around
from ..core.objectives.bounds import ELBO, Objective, ObjectiveModule
from ..core.objectives.labelled import Labelled, decided, with_label
from ..core.objectives.regularised import JointModule
from ..core.tempering import FEWEST_JUDGES
from ..core.vae import VAE
from ..model.model import Model, Seeds
from ..table.codecs import Float
from ..table.labels import Labels
from ..table.table import Table
from ..table.telling import warn
from . import counts
from .batches import HeldOut
from .budget import Budget
from .checkpoint import Checkpoint
from .choosing import counted_gains, is_ahead
from .cost import Cost
from .plan import Plan
from .prior_start import start_prior
from .progress import Listener
from .resuming import outcome_of
from .settings import Settings
from .starts import LATENTS, MAX_LATENTS, MIXTURE, Starts
from .trained import Interrupted, Trained, curve
from .trouble import tell

#: Rows that say which of them a linear start leaves out.
MAX_STARTED_ROWS = 10_000
#: Share of the planned steps below which it is told that time cut them.
CUT = 0.25


class Fold(NamedTuple):
    """Some rows, and a model that was fitted to the others.

    Attributes
    ----------
    rows : ndarray of int
        Positions.
    vae : VAE
    """

    rows: NDArray[np.intp]
    vae: VAE


class Fit:
    """One run of ``fit``: rows are split, candidates trained, the better one kept.

    Parameters
    ----------
    settings : Settings
    table : Table
    families : list of Family
        One a column.
    seeds : Seeds
    labels : Labels, optional
        Of the rows, some of them perhaps unknown. These rows train in two stages: given their
        likeliest classes by the labels around them, and then with the label summed out. A last
        stage fits ``refit_prior``, if there is one, to what the encoder draws.
    budget : Budget, optional
        The time there is, by default as much as it takes.
    listener : Listener, optional
        Who is told of stages and epochs, by default nobody.
    checkpoint : Checkpoint, optional
        Where its trainings are kept, and what it goes on from.

    Attributes
    ----------
    init : str
        The start that was used: "linear", "random", "mixture" or "warm".
    validation_scores : list of float or None
        Held-out nats per row in the user's units, one an epoch; None without held-out rows.
    best_validation_score : float or None
    unseen : ndarray of int
        Positions of the held-out rows that the model was not fitted to in the end; none of an
        ensemble, whose members hold out rows of their own.
    watched : ndarray of int
        Positions of all held-out rows.
    others : list of list of Trained
        The stages of the other members of an ensemble.
    by_class : bool
        Whether held-out rows judge by log p(y | x), and not by log p(x, y).
    folds : list of Fold
        Of all rows, where so many were asked for and no rows were spared; their models were fitted
        as that to all rows was, for as many steps.
    interrupted : bool
        Whether training was ended from the keyboard.
    rows : Batch
        What was trained on; rows with an unknown label have the likeliest by those around them.
    """

    rows: Batch

    def __init__(
        self,
        settings: Settings,
        table: Table,
        families: list[Family],
        seeds: Seeds,
        labels: Labels | None = None,
        budget: Budget | None = None,
        listener: Listener | None = None,
        checkpoint: Checkpoint | None = None,
    ):
        self.checkpoint, self.n_trained = checkpoint, 0
        self.budget, self.listener = budget or Budget(None), listener or Listener()
        self.settings, self.labels, self.seeds = settings, labels, seeds
        self.table, self.families = table, families
        self.objective: Objective | Labelled = settings.objective
        if labels is not None:
            self.objective = Labelled(settings.objective, labels.prior.tolist())
        self.validation_scores: list[float] | None = None
        self.best_validation_score: float | None = None
        self.init = ""
        self.interrupted = self.by_class = False
        self.tried: list[Trained] = []
        self.kept: list[Trained] = []
        self.others: list[list[Trained]] = []
        self.member = 0
        traits = self.objective.traits
        self.starts = Starts(settings, table, families, traits, seeds.init)
        self.watched = self.unseen = np.empty(0, dtype=np.intp)
        self.folds: list[Fold] = []

    def run(self, rows: Batch, log_det: Float, warm: VAE | None = None) -> list[Trained]:
        """Train on rows with log-Jacobians (n,), from a model of before or anew.

        Returns the stages of what was kept, and tells of trouble they had.
        """
        self.kept = self._run(rows, log_det, warm)
        others = [stage for stages in self.others for stage in stages]
        if not self.interrupted and counts.n_folds(self.settings, len(rows), warm is not None):
            self.folds = self._out_of_fold()
        tell(stage.trouble for stage in [*self.tried, *self.kept, *others])
        if (share := min(stage.share for stage in [*self.tried, *others])) < CUT:
            warn(
                f"max_time={self.settings.max_time:g} was enough for {share:.0%} of the steps that "
                "are planned without it: the model may be far from as good as it could be.",
                ConvergenceWarning,
            )
        return self.kept

    def model(self, vae: VAE) -> Model:
        """Return the model that networks and the table make, with others of an ensemble."""
        others = tuple(stages[-1].net.module_.vae for stages in self.others)
        return dataclasses.replace(self.alone(vae), others=others)

    def alone(self, vae: VAE) -> Model:
        """Return the model that networks make without others, of a fold or before a last fit."""
        return Model(vae, self.table, self.seeds, self.settings.device)

    def is_ahead_of(self, score: float | None) -> bool:
        """Whether what was kept improved on its start, and on a model with another best score."""
        if not any(stage.best_epoch for stage in self.kept):
            return False
        own = self.best_validation_score
        return own is None or score is None or own > score

    @property
    def curves(self) -> list[Trained]:
        """The stages whose curves are kept: the last that had an epoch."""
        return self.kept if any(stage.n_epochs for stage in self.kept) else self.tried

    def _run(self, rows: Batch, log_det: Float, warm: VAE | None) -> list[Trained]:
        is_warm = warm is not None
        inits = self.starts.kinds(rows, is_warm)
        # Another start may know classes while its density is none yet.
        self.by_class = inits[0] == "linear" and self._can_be_judged_by_class(len(rows))
        if self.by_class:
            assert isinstance(self.objective, Labelled)
            self.objective = dataclasses.replace(self.objective, by_class=True)
            inits = inits if self.starts.has_levels else inits[:1]
        if self.settings.built_in:
            self._tell_of_cost(inits, len(rows), warm)
        self.rows = rows
        if self.labels is not None:
            rows = with_label(rows, self._guess(rows, self.labels, warm))
            self.rows = decided(rows, len(self.labels.classes))
        training, held_out = self._split(rows, log_det)
        n_members = counts.n_models(self.settings, len(rows))
        if held_out is None:
            # Without rows to decide on, the start with a closed form is the safe one.
            self.init = inits[0]
            n_folds = counts.n_folds(self.settings, len(rows), is_warm)
            self._expect(len(training), warm, n_members + n_folds)
            stages = self._alone(training, warm)
            self._train_others(rows, log_det, n_members - 1)
            return stages
        again = counts.n_again(self.settings, len(rows), is_warm)
        self._expect(len(training), warm, len(inits) + again)
        self.listener.begin("start")
        if self.settings.latent_dim is None and "linear" in inits:
            self.starts.latent_dim = self._latents_to_start_with(training, held_out)
        self.init, stages = choose(self._candidates(training, inits, warm, held_out))
        self.validation_scores = curve(stages, "valid_score")
        self.best_validation_score = stages[-1].best_score
        self.tried = stages
        if n_members > 1:
            self._train_others(rows, log_det, n_members - 1)
            scores = [stages[-1].best_score, *(of[-1].best_score for of in self.others)]
            self.best_validation_score = float(np.mean([s for s in scores if s is not None]))
            return stages
        if self.interrupted or not counts.is_fitted_again(len(rows), is_warm):
            self.unseen = self.watched
            return stages
        return self._fitted_again(rows, stages)

    def _expect(self, n_rows: int, warm: VAE | None, n_times: int) -> None:
        """Say how many trainings there will be, at most how long."""
        plans = self._plans(n_rows, warm) * n_times
        self.listener.expect([plan.n_steps for plan in plans])
        self.budget.n_trainings = len(plans)

    def _plans(self, n_rows: int, warm: VAE | None, init: str = "") -> list[Plan]:
        """Return the plans of the stages of a training."""
        settings, n = self.settings, counts.n_stages(self.labels, warm is not None)
        is_new = warm is None and init != MIXTURE
        plans = [Plan.of(settings, n_rows, i, n, is_new=is_new) for i in range(n)]
        refit = [Plan.of(settings, n_rows, is_new=False)] * (settings.refit_prior is not None)
        return [*plans, *refit]

    def _tell_of_cost(self, inits: list[str], n: int, warm: VAE | None) -> None:
        chooses = counts.holds_out(self.settings, n)
        tried = inits if chooses else inits[:1]
        n_refits = counts.n_again(self.settings, n, warm is not None) if chooses else 0
        Cost.of(self.settings, self.table, self.families, n, tried, n_refits).tell(self.table)

    def _alone(self, rows: Batch, warm: VAE | None) -> list[Trained]:
        """Train without held-out rows, from one start."""
        try:
            self.tried = self._train(rows, self.init, warm)
        except Interrupted as interrupt:
            self.interrupted, self.tried = True, interrupt.stages
        return self.tried

    def _candidates(
        self, rows: Batch, inits: list[str], warm: VAE | None, held_out: HeldOut
    ) -> dict[str, list[Trained]]:
        """Train from every start; an interrupted one counts where there is no other."""
        found: dict[str, list[Trained]] = {}
        try:
            for init in inits:
                start = warm
                if init == MIXTURE:
                    start = self._mixture_to_train(rows, held_out, found.values())
                    if start is None:
                        again = counts.n_again(self.settings, len(self.rows), is_warm=False)
                        self._expect(len(rows), warm, max(again, 1))
                        continue
                found[init] = self._train(rows, init, start, held_out)
        except Interrupted as interrupt:
            self.interrupted = True
            found = found or {init: interrupt.stages}
        return found

    def _train_others(self, rows: Batch, log_det: Float, n: int) -> None:
        """Train the other members of an ensemble: from one start, each held to rows of its own."""
        for i in range(1, n + 1) if not self.interrupted else ():
            member = self._another(i)
            training, held_out = member._split(rows, log_det)
            try:
                self.others.append(member._train(training, self.init, held_out=held_out))
            except Interrupted:
                self.interrupted = True
                return
            self.n_trained = member.n_trained

    def _another(self, i: int) -> Fit:
        """Return this fit with the seeds of another member."""
        member, starts = copy.copy(self), copy.copy(self.starts)
        states = (np.random.SeedSequence([s, i]) for s in (self.seeds.init, self.seeds.training))
        init, training = (int(state.generate_state(1)[0] >> 1) for state in states)
        member.seeds = dataclasses.replace(self.seeds, init=init, training=training)
        starts.seed, member.starts, member.member = init, starts, i
        return member

    def _fitted_again(self, rows: Batch, stages: list[Trained]) -> list[Trained]:
        """Fit to all rows for as long as was best; if that is interrupted, keep what was found."""
        try:
            return self._train(rows, self.init, plans=[stage.replay for stage in stages])
        except Interrupted:
            self.interrupted = True
            self.unseen = self.watched
            return stages

    def _out_of_fold(self) -> list[Fold]:
        """Fit to all rows but those of a fold, fold by fold; none if that is interrupted."""
        order = self._shuffled(len(self.rows))
        plans, folds = [stage.replay for stage in self.kept], []
        try:
            for fold in np.array_split(order, counts.N_FOLDS):
                rest = torch.as_tensor(np.setdiff1d(order, fold))
                stages = self._train(self.rows[rest], self.init, plans=plans)
                folds.append(Fold(fold, stages[-1].net.module_.vae))
        except Interrupted:
            self.interrupted = True
            return []
        return folds

    def _latents_to_start_with(self, rows: Batch, held_out: HeldOut) -> int | tuple[int, int]:
        """Return the usual number of latents, or as many as columns if these start better."""
        many = min(self.starts.n_numbers, MAX_LATENTS)
        real = not self.starts.has_levels and not self.objective.traits.deterministic
        if many <= LATENTS or not real:
            return self.starts.latent_dim
        vaes = [self.starts.build(rows, "linear", n) for n in (LATENTS, many)]
        (start, few), (_, more) = (self._watched(vae, len(rows), held_out) for vae in vaes)
        return many if _is_ahead(start, few, more) else LATENTS

    def _watched(self, vae: VAE, n_rows: int, held_out: HeldOut) -> tuple[ObjectiveModule, Float]:
        """Return an objective of a model that is not trained, and bounds of held-out rows (n,)."""
        start = self.objective.build(vae.to(self.settings.device), n_rows).eval()
        first, *_ = self._stages(warm=False)
        watched = held_out.map(first)
        return start, watched.watched_by(start, watched.noise_for(start)).double().cpu().numpy()

    def _mixture_to_train(
        self, rows: Batch, held_out: HeldOut, found: Iterable[list[Trained]]
    ) -> VAE | None:
        """Return a model that is a mixture of normals, if it is behind none of those trained."""
        if not self.starts.choose_mixture(rows):
            return None
        vae = self.starts.build(rows, MIXTURE)
        start, as_it_is = self._watched(vae, len(rows), held_out)
        trained = (stages[-1].held_out_rows for stages in found)
        behind = any(rows is not None and _is_ahead(start, as_it_is, rows) for rows in trained)
        return None if behind else vae

    def _guess(self, rows: Batch, labels: Labels, warm: VAE | None) -> Tensor:
        """Return how likely every class is thought to be for each row, (n, n_classes)."""
        if not labels.unknown.any():
            return torch.as_tensor(labels.indicators())
        rows = rows.to("cpu", torch.float64)
        cells = self.starts.cells(rows) if warm is None else copy.deepcopy(warm.cells)
        from .spreading import spread  # imports much

        seen = [cells.cpu().double().masked_features(rows)]
        seen += [] if rows.context is None else [rows.context]
        return torch.as_tensor(spread(labels, torch.cat(seen, 1).numpy()))

    def _split(self, rows: Batch, log_det: Float) -> tuple[Batch, HeldOut | None]:
        """Return training rows and held-out rows."""
        settings, n = self.settings, len(rows)
        if not counts.holds_out(settings, n):
            return self._spare(rows), None
        fraction = settings.validation_fraction
        if self.by_class and fraction is None and n < counts.REFIT_ROWS:
            fraction = counts.JUDGED_HELD_OUT
        n_held_out = counts.n_held_out(fraction, n)
        if n >= counts.REFIT_ROWS and fraction is None:
            n_held_out = max(n_held_out, settings.door.unseen)
        if n - n_held_out < 2:
            warn(
                f"early_stopping=True, but holding out {n_held_out} of {n} rows leaves too few "
                "to train on: training on all of them for max_epochs."
            )
            return rows, None
        order, n_free = self._shuffled(n), n
        if self.labels is not None:
            last = self._wanted_to_train(self.labels, n_held_out)
            order = order[np.argsort(last[order], kind="stable")]
            n_free = max(int((~last).sum()), n_held_out)
        order[:n_free] = np.roll(order[:n_free], -self.member * n_held_out)
        self.watched = order[:n_held_out]
        if self.by_class:
            log_det = np.zeros_like(log_det)
        held_out, training = (torch.as_tensor(part) for part in np.split(order, [n_held_out]))
        return rows[training], self._held_out(rows[held_out], log_det[self.watched])

    def _can_be_judged_by_class(self, n: int) -> bool:
        """Whether all rows have a class to be told by, and enough of them are to be held out."""
        known = self.labels is not None and not self.labels.unknown.any()
        # Trimming by log p(y | x) would leave out the rows that are told wrongly.
        plain = not isinstance(self.settings.objective, Around)
        fraction = self.settings.validation_fraction
        share = counts.JUDGED_HELD_OUT if fraction is None else fraction
        many = counts.n_held_out(share, n) >= FEWEST_JUDGES
        return known and plain and many and counts.holds_out(self.settings, n)

    def _spare(self, rows: Batch) -> Batch:
        """Return rows to train on, all unless some are wanted that the model was not fitted to."""
        settings, n = self.settings, len(rows)
        if not (settings.door.unseen and n >= counts.REFIT_ROWS):
            return rows
        n_spared = max(counts.n_held_out(settings.validation_fraction, n), settings.door.unseen)
        self.watched, training = np.split(self._shuffled(n), [n_spared])
        self.unseen = self.watched
        return rows[torch.as_tensor(training)]

    def _shuffled(self, n: int) -> NDArray[np.intp]:
        """Return the positions of rows in the order in which they are held out."""
        return np.random.RandomState(self.seeds.split).permutation(n)

    def _wanted_to_train(self, labels: Labels, n_held_out: int) -> NDArray[np.bool_]:
        """Return which rows are held out last: one of each class, or all that have a label."""
        if 2 * n_held_out <= labels.unknown.sum():
            return ~labels.unknown  # the bound needs no label
        first = np.zeros(len(labels.codes), dtype=bool)
        known = np.flatnonzero(~labels.unknown)
        first[known[np.unique(labels.codes[known], return_index=True)[1]]] = True
        return first

    def _train(
        self,
        rows: Batch,
        init: str,
        start: VAE | None = None,
        held_out: HeldOut | None = None,
        plans: Sequence[Plan] = (),
    ) -> list[Trained]:
        """Train stage after stage; the start and the plans are made unless they are given."""
        vae = self._start(rows, init) if start is None else start
        objective = self.objective.build(vae.to(self.settings.device), len(rows))
        warm = start if init == "warm" else None
        stages = self._stages(warm is not None)
        todo = iter(plans or self._plans(len(rows), warm, init))
        name = "fitting again" if plans else f"training from the {init} start"
        name += f", model {self.member + 1}" if self.member else ""
        trained: list[Trained] = []
        try:
            for stage in stages:
                watched = None if held_out is None else held_out.map(stage)
                of_stage = stage(rows).to(self.settings.device)
                trained.append(self._trained(name, objective, of_stage, next(todo), watched))
            if self.settings.refit_prior is not None:
                trained.append(self._refit(vae, rows, held_out, next(todo)))
        except Interrupted as interrupt:
            interrupt.stages = [*trained, *interrupt.stages]
            raise
        return trained

    @torch.no_grad()
    def _start(self, rows: Batch, init: str) -> VAE:
        """Build a start; a linear one again without the rows that the objective leaves out."""
        vae = self.starts.build(rows, init)
        if init != "linear":
            return vae
        some = rows[:: -(-len(rows) // MAX_STARTED_ROWS)]
        start = self.objective.build(vae, len(rows)).eval()
        if isinstance(start.counted(torch.zeros(len(some))), slice):
            return vae
        generator = torch.Generator().manual_seed(self.seeds.init)
        bounds = [
            start.monitor(part, start.noise(part, start.n_monitored, generator))
            for part in in_chunks(some, counts.MAX_HELD_OUT)
        ]
        counted = start.counted(torch.cat(bounds))
        assert not isinstance(counted, slice)
        return self.starts.build(some[counted.sort().values], init)

    def _refit(self, vae: VAE, rows: Batch, held_out: HeldOut | None, plan: Plan) -> Trained:
        """Put a prior in the place of the one trained with, and fit it to draws of q(z | x)."""
        if self.labels is not None:
            settle = partial(decided, n_classes=len(self.labels.classes))
            rows, held_out = settle(rows), None if held_out is None else held_out.map(settle)
        rows = rows.to(self.settings.device)
        assert self.settings.refit_prior is not None
        with_prior(vae, self.settings.refit_prior)
        initialize(vae.prior, self.starts.generator())
        vae.prior.to(self.settings.device)
        start_prior(vae, rows, self.seeds.init, of_latents=True)
        objective = self.objective.around(ELBO()).build(vae, len(rows))
        if vae.deterministic:
            objective = JointModule(vae)
        # Nothing but the prior moves, so that the bound rises with its density of the latents.
        with frozen(vae.encoder, vae.decoder):
            return self._trained("fitting the prior", objective, rows, plan, held_out)

    def _trained(
        self,
        name: str,
        objective: ObjectiveModule,
        rows: Batch,
        plan: Plan,
        held_out: HeldOut | None,
    ) -> Trained:
        from .training import train  # imports skorch

        self.listener.begin(name, plan.n_steps, plan.n_epochs(len(rows)))
        given = objective, rows, self.settings, plan, self.seeds.training, held_out
        checkpoint, turn = self.checkpoint, self.n_trained
        state = None if checkpoint is None else checkpoint.state_of(turn)
        trained = train(*given, self.budget.take(), self.listener, checkpoint, state)
        self.n_trained += 1
        if checkpoint is not None:
            checkpoint.end_training(outcome_of(trained))
        return trained

    def _stages(self, warm: bool) -> list[Callable[[Batch], Batch]]:
        """Return what is made of the rows, stage by stage."""
        labels = self.labels
        if labels is None or counts.n_stages(labels, warm) == 1:
            return [lambda rows: rows]
        return [lambda rows: decided(rows, len(labels.classes)), lambda rows: rows]

    def _held_out(self, rows: Batch, log_det: Float) -> HeldOut:
        x = rows.x.double()

        def noise(n_draws: int, n_noise: int) -> Tensor:
            keyed = KeyedNoise(self.seeds.scoring, x, n_draws)
            return keyed.of()(n_noise).to(self.settings.device, torch.float32)

        return HeldOut(rows.to(self.settings.device), noise, torch.as_tensor(log_det))


def choose(candidates: dict[str, list[Trained]]) -> tuple[str, list[Trained]]:
    """Choose between trainings by their held-out rows.

    The first is the plainest. Another must be ahead by one standard error of the paired
    difference.
    """
    (name, best), *others = candidates.items()
    for other, stages in others:
        one, two = best[-1].held_out_rows, stages[-1].held_out_rows
        assert one is not None
        assert two is not None
        if _is_ahead(stages[-1].net.module_, one, two):
            name, best = other, stages
    return name, best


def _is_ahead(module: ObjectiveModule, one: Float, two: Float) -> bool:
    """Return whether two is ahead of one, bounds of the same rows (n,)."""
    return is_ahead(counted_gains(module, one, two))
