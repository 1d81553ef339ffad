"""BaseVAE: what every estimator shares - parameters, fit, device."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import inspect
from abc import ABC
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..core.families.base import Family
from ..core.images import Convolutional
from ..core.inference.proposals import Proposal
from ..core.latents.posteriors import Posterior
from ..core.latents.priors import Prior
from ..core.networks import ACTIVATIONS, CorrelatedNoise
from ..core.objectives.bounds import Objective
from ..core.recipe import recipes
from ..core.vae import VAE
from ..fit.columns import learn_columns
from ..fit.combinations import refuse
from ..fit.fit import Fit, curve
from ..fit.settings import RECIPES, Door, Settings, changed, read_settings
from ..fit.training import OPTIMIZERS, Trained
from ..model.measures import Likelihoods
from ..model.model import Model, Seeds
from ..model.rows import as_rows
from ..model.scoring import Scoring, latent_use
from ..table.codecs import Float
from ..table.labels import Labels
from ..table.reading import read, read_context
from ..table.sets import read_sets
from ..table.table import Table

#: Rows whose use of the latents is measured.
MAX_ROWS_OF_USE = 10_000


class BaseVAE(BaseEstimator, ABC):  # type: ignore[misc]
    """Parameters and machinery common to the estimators; each documents them in full."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "latent_dim": [
            Interval(Integral, 1, None, closed="left"),
            "array-like",
            StrOptions({"auto"}),
        ],
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "likelihood": [str, Family, dict],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "context_features": ["array-like", None],
        "prior": [str, Prior],
        "posterior": [str, Posterior],
        "objective": [str, Objective],
        "refit_prior": [str, Prior, None],
        "init": [StrOptions({"auto", "random", "linear"})],
        "max_epochs": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "proposal": [str, Proposal],
        "device": [str, torch.device],
        "callbacks": ["array-like", None],
        "image_shape": ["array-like", None],
        "encoder": [nn.Module, Convolutional, callable, None],
        "decoder": [nn.Module, Convolutional, CorrelatedNoise, callable, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    #: What the estimator is for.
    _door: ClassVar[Door] = Door()

    model_: Model

    def __init__(
        self,
        latent_dim: int | tuple[int, int] | str = 16,
        *,
        hidden_layer_sizes: Any = (128, 128),
        activation: str = "silu",
        dropout: float = 0.0,
        likelihood: Any = "auto",
        prior: str | Prior = "standard_normal",
        posterior: str | Posterior = "full_gaussian",
        objective: str | Objective = "iwae",
        refit_prior: str | Prior | None = None,
        categorical_features: Any = "from_dtype",
        context_features: Any = None,
        init: str = "auto",
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        lr: float = 5e-3,
        weight_decay: float = 1e-2,
        optimizer: Any = "adamw",
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = None,
        tol: float = 1e-3,
        n_draws: int = 64,
        proposal: str | Proposal = "defensive",
        device: str | torch.device = "auto",
        callbacks: Any = None,
        image_shape: Any = None,
        encoder: Any = None,
        decoder: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.latent_dim = latent_dim
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.likelihood = likelihood
        self.prior = prior
        self.posterior = posterior
        self.objective = objective
        self.refit_prior = refit_prior
        self.categorical_features = categorical_features
        self.context_features = context_features
        self.init = init
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.n_draws = n_draws
        self.proposal = proposal
        self.device = device
        self.callbacks = callbacks
        self.image_shape = image_shape
        self.encoder = encoder
        self.decoder = decoder
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, also those of a recipe: ``objective__n_draws=10``.

        Raises
        ------
        ValueError
            If a name is unknown, or reaches into a part that was given by name.
        """
        for key in params:
            outer, _, inner = key.partition("__")
            value = params.get(outer, getattr(self, outer, None))
            if inner and outer in RECIPES and isinstance(value, str):
                known = recipes(RECIPES[outer])
                name = known[value].__name__ if value in known else RECIPES[outer].__name__
                raise ValueError(
                    f"Cannot set {key}: {outer}={value!r} is a name and has no parameters of its "
                    f"own. Give the recipe: {outer}={name}({inner}=...)."
                )
        return super().set_params(**params)  # type: ignore[no-any-return]

    # ------------------------------------------------------------------ fit

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Keep what was fitted before if a block raises."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            self.__dict__ = before
            raise

    def _fit(self, X: Any, labels: Labels | None = None, y: Any = None) -> Fit:
        settings = self._settings()
        sets = read_sets(settings.objective.traits.n_groups, X, y)
        warm = self._warm(settings)
        seeds = Seeds.of(random_stream(self.random_state))
        values, container = read(self, X, None if warm is None else self.table_.container, n_min=2)
        if warm is None:
            table, families = learn_columns(values, container, seeds.split, settings)
        else:
            table, families = self.table_, list(self.likelihoods_.values())
        rows, log_det = as_rows(table, values)
        of_sets = None if sets is None else torch.as_tensor(sets)
        rows = dataclasses.replace(rows.to("cpu", torch.float32), sets=of_sets)
        fit = Fit(settings, table, families, seeds, labels)
        with torch_as_usual():
            self._keep(fit, fit.run(rows, log_det, copy.deepcopy(warm)))
        self._has_holes = np.isnan(values).any(0)
        self._range = np.fmin.reduce(values), np.fmax.reduce(values)  # NaN of an empty column
        some = fit.rows[:: -(-len(rows) // MAX_ROWS_OF_USE)].to(settings.device)
        self.active_units_, self.kl_per_unit_ = (
            use.cpu().numpy() for use in latent_use(self.vae_, some)
        )
        return fit

    def _settings(self) -> Settings:
        """Return what the parameters come down to; what cannot work is refused before training."""
        settings = read_settings(vars(self), self._door)
        refuse(settings)
        return settings

    def _warm(self, settings: Settings) -> VAE | None:
        """Return the model that a fit goes on with, if it does.

        Raises
        ------
        ValueError
            If the parameters of now would build another one.
        """
        if not (self.warm_start and hasattr(self, "model_")):
            return None
        if self.vae_.deterministic != settings.objective.traits.deterministic:
            of_x = "makes z a function of x, which a bound of log p(x) cannot train"
            spread = "gives z a spread, which an objective without a density has no use for"
            raise ValueError(
                "warm_start=True goes on with an encoder that "
                f"{of_x if self.vae_.deterministic else spread}. Set warm_start=False."
            )
        now = settings.built_by
        if name := changed(self._built_by, now):
            raise ValueError(
                f"warm_start=True goes on with a model that was built with {name}="
                f"{self._built_by[name].text}, but now it is {now[name].text}. Set "
                f"warm_start=False, or {name} back."
            )
        return self.vae_

    def _keep(self, fit: Fit, stages: list[Trained]) -> None:
        settings, net = fit.settings, stages[-1].net
        self.model_ = Model(net.module_.vae, fit.table, fit.seeds, settings.device)
        self.net_ = net
        self.likelihoods_ = Likelihoods.of(fit.table, fit.families)
        self.init_ = fit.init
        self.n_iter_ = sum(stage.n_epochs for stage in stages)
        self.loss_curve_ = curve(stages, "train_loss")
        self.reconstruction_curve_ = curve(stages, "reconstruction")
        self.kl_curve_ = curve(stages, "kl")
        self.validation_scores_ = fit.validation_scores
        self.best_validation_score_ = fit.best_validation_score
        self._built_by = settings.built_by
        self._sample_stream = np.random.RandomState(fit.seeds.sampling)

    # ------------------------------------------------------------------ fitted

    @property
    def vae_(self) -> VAE:
        """The torch module."""
        return self.model_.vae

    @property
    def encoder_(self) -> nn.Module | None:
        """q(z | x)."""
        return self.vae_.encoder

    @property
    def decoder_(self) -> nn.Module:
        """p(x | z)."""
        return self.vae_.decoder

    @property
    def table_(self) -> Table:
        """What is known of the columns."""
        return self.model_.table

    @property
    def device_(self) -> str:
        """Where the model is."""
        return str(self.model_.device)

    @property
    def _scoring(self) -> Scoring:
        """How rows are scored by the parameters of now."""
        return self.model_.scoring(self.n_draws, self.proposal)

    def _values(self, X: Any) -> Float:
        """Return rows as numbers (n, columns of the user)."""
        check_is_fitted(self)
        return read(self, X, self.table_.container)[0]

    def _given(self, context: Any) -> Float:
        """Return values of the columns conditioned on (n, c), one row of NaN where none are."""
        if context is None and self.table_.context is None:
            return np.full((1, len(self.table_.container.fields)), np.nan)
        return read_context(context, self.table_)

    def _rows_of(self, values: Float) -> Any:
        """Return values (n, c) in the user's container."""
        return self.table_.container.rows(values)

    def _draw_seed(self, random_state: Any) -> int:
        """Return a seed: of the estimator's own stream, or of the one given."""
        stream = self._sample_stream if random_state is None else random_stream(random_state)
        return int(stream.randint(2**31 - 1))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def with_common_parameters(init: Callable[..., None]) -> Callable[..., None]:
    """Show, in the signature of an ``__init__`` that passes them on, what BaseVAE takes too."""
    common = inspect.signature(BaseVAE.__init__).parameters
    parameters = inspect.signature(init).parameters.values()
    own = {p.name: p for p in parameters if p.kind is not p.VAR_KEYWORD}
    signature = inspect.Signature((common | own).values())  # one's own default where there is one
    init.__signature__ = signature  # type: ignore[attr-defined]
    return init


@contextlib.contextmanager
def torch_as_usual() -> Iterator[None]:
    """Run a block in single precision and with gradients, whatever torch is told elsewhere."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)


def random_stream(random_state: Any) -> np.random.RandomState:
    """Return scikit-learn's random state, but for None a fresh one: the global stays as it is."""
    return np.random.RandomState() if random_state is None else check_random_state(random_state)
