"""BaseVAE: what every estimator shares - parameters, fit, device."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import inspect
import warnings
from abc import ABC
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from ..core.families import Bernoulli, Family, Gaussian
from ..core.images import Convolutional
from ..core.inference.proposals import Proposal
from ..core.latents.posteriors import Posterior
from ..core.latents.priors import Prior
from ..core.networks import ACTIVATIONS, CorrelatedNoise
from ..core.objectives.bounds import Objective
from ..core.objectives.labelled import Labelled
from ..core.recipe import recipes, resolve
from ..core.vae import VAE
from ..fit.combinations import Parts, refuse
from ..fit.fit import Fit, Seeds, curve, latent_dims
from ..fit.images import check_image, read_image_shape
from ..fit.likelihoods import Likelihoods, choose_families, models
from ..fit.training import OPTIMIZERS, Trained
from ..model.model import Fitted, random_stream
from ..model.scoring import latent_use
from ..table.codecs import Float
from ..table.container import Container, column_mask
from ..table.labels import Labels
from ..table.reading import as_rows, read
from ..table.sets import read_sets
from ..table.table import Table, is_binary, observed

#: Parameters by which a model is built, which a warm start cannot change.
BUILT_BY = (
    "latent_dim",
    "prior",
    "posterior",
    "likelihood",
    "hidden_layer_sizes",
    "activation",
    "image_shape",
    "context_features",
    "categorical_features",
)
#: Rows whose use of the latents is measured.
MAX_ROWS_OF_USE = 10_000
#: Parameters that take a recipe, or its name.
RECIPES = {
    "prior": Prior,
    "posterior": Posterior,
    "objective": Objective,
    "refit_prior": Prior,
    "proposal": Proposal,
    "likelihood": Family,
}


class BaseVAE(Fitted, BaseEstimator, ABC):  # type: ignore[misc]
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

    #: Whether numbers of all kinds are Gaussian where the likelihood is "auto".
    _smooth: ClassVar[bool] = False
    #: Whether latent vectors of rows are asked for.
    _encodes: ClassVar[bool] = False
    #: Whether all that it does is by a density.
    _needs_density: ClassVar[bool] = True

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
                known = recipes(RECIPES[outer])  # type: ignore[type-abstract]
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
        parts = self._parts(labels)
        sets = read_sets(parts.objective, X, y)
        warm = self._warm(parts)
        seeds = Seeds(random_stream(self.random_state))
        values, container = read(self, X, None if warm is None else self.table_.container, n_min=2)
        if warm is None:
            table, families = self._learn(values, container, seeds.split, parts)
        else:
            table, families = self.table_, list(self.likelihoods_.values())
        rows, log_det = as_rows(table, values)
        rows = dataclasses.replace(rows.to("cpu", torch.float32), sets=sets)
        device = resolve_device(self.device)
        fit = Fit(self, parts, table, families, seeds, device, labels)
        with torch_as_usual():
            self._keep(fit, fit.run(rows, log_det, copy.deepcopy(warm)))
        self._has_holes = np.isnan(values).any(0)
        self._range = np.fmin.reduce(values), np.fmax.reduce(values)  # NaN of an empty column
        some = fit.rows[:: -(-len(rows) // MAX_ROWS_OF_USE)].to(fit.device)
        self.active_units_, self.kl_per_unit_ = (
            use.cpu().numpy() for use in latent_use(self.vae_, some)
        )
        return fit

    def _warm(self, parts: Parts) -> VAE | None:
        """Return the model that a fit goes on with, if it does.

        Raises
        ------
        ValueError
            If the parameters of now would build another one.
        """
        if not (self.warm_start and hasattr(self, "vae_")):
            return None
        if self.vae_.deterministic != parts.objective.deterministic:
            of_x = "makes z a function of x, which a bound of log p(x) cannot train"
            spread = "gives z a spread, which an objective without a density has no use for"
            raise ValueError(
                "warm_start=True goes on with an encoder that "
                f"{of_x if self.vae_.deterministic else spread}. Set warm_start=False."
            )
        for name, before in self._built_by.items():
            if repr(now := getattr(self, name)) != before:
                raise ValueError(
                    f"warm_start=True goes on with a model that was built with {name}={before}, "
                    f"but now it is {now!r}. Set warm_start=False, or {name} back."
                )
        return self.vae_

    def _plain(self, parts: Parts, values: Float) -> Family | None:
        """Return the family of numbers of all kinds where the likelihood is "auto", if they agree.

        Where z is a function of x that has one scale for the table: with more, some columns would
        be copied to the latents to the last digit, and the others left. Pixels of an image are of
        one kind.
        """
        if parts.image_shape is not None and is_binary(observed(values)):
            return Bernoulli()
        if parts.objective.deterministic or parts.image_shape is not None:
            return Gaussian(scale="shared")
        return Gaussian() if self._smooth else None

    def _learn(
        self, values: Float, container: Container, seed: int, parts: Parts
    ) -> tuple[Table, list[Family]]:
        """Learn the columns of which a value was observed, and choose their families."""
        names, image_shape = container.names, parts.image_shape
        if not names:
            raise ValueError("X has no columns: 0 feature(s), at least one is wanted.")
        mask = np.asarray(column_mask(self.context_features, names, "context_features"))
        given = np.flatnonzero(mask).tolist()
        if len(given) == len(names):
            raise ValueError("context_features names every column of X: none is left to model.")
        if image_shape is not None:
            check_image(image_shape, values[:, ~mask])
        plain = self._plain(parts, values[:, ~mask])
        of_image = image_shape is not None and self.likelihood == "auto"
        likelihood = plain if of_image else self.likelihood
        families = choose_families(likelihood, values, container, seed, plain, given)
        empty = [
            name
            for j, (name, family) in enumerate(zip(names, families, strict=True))
            if family is None and j not in given
        ]
        if len(empty) + len(given) == len(families):
            raise ValueError("X has no observed value to model: every cell is missing.")
        if empty:
            warnings.warn(
                f"Columns {empty} have no observed value and are left out of the model.",
                stacklevel=5,
            )
        alike = image_shape is not None
        table = Table.learn(values, container, models(families), given, alike)
        return table, [family for family in families if family is not None]

    def _parts(self, labels: Labels | None) -> Parts:
        """Resolve names to recipes, and refuse what cannot work before training starts."""
        found = {
            name: resolve(getattr(self, name), base, name)  # type: ignore[type-abstract]
            for name, base in RECIPES.items()
            if name != "likelihood" and getattr(self, name) is not None
        }
        for part in found.values():
            part.validate()
        networks = (self.encoder, self.decoder)
        for network in networks:
            if isinstance(network, Convolutional):
                network.validate()
        check_layers(self.hidden_layer_sizes)
        perceptrons = self.encoder is None and isinstance(self.decoder, CorrelatedNoise | None)
        image_shape = read_image_shape(self.image_shape)
        parts = Parts(
            **found,
            n_layers=1 if isinstance(latent_dims(self.latent_dim), int) else 2,
            init=self.init,
            encodes=self._encodes,
            needs_density=self._needs_density,
            built_in=perceptrons and image_shape is None,
            convolutional=any(isinstance(network, Convolutional) for network in networks),
            correlated=isinstance(self.decoder, CorrelatedNoise),
            image_shape=image_shape,
        )
        refuse(parts)
        if labels is None:
            return parts
        objective = Labelled(parts.objective, labels.prior)
        return dataclasses.replace(parts, objective=objective)

    def _keep(self, fit: Fit, stages: list[Trained]) -> None:
        net = stages[-1].net
        vae: VAE = net.module_.vae
        self.vae_, self.net_, self.table_ = vae, net, fit.table
        self.encoder_, self.decoder_ = vae.encoder, vae.decoder
        self.device_ = str(fit.device)
        self.likelihoods_ = Likelihoods.of(fit.table, fit.families)
        self.init_ = fit.init
        self.n_iter_ = sum(stage.n_epochs for stage in stages)
        self.loss_curve_ = curve(stages, "train_loss")
        self.reconstruction_curve_ = curve(stages, "reconstruction")
        self.kl_curve_ = curve(stages, "kl")
        self.validation_scores_ = fit.validation_scores
        self.best_validation_score_ = fit.best_validation_score
        self._seeds = fit.seeds
        self._built_by = {name: repr(getattr(self, name)) for name in BUILT_BY}
        self._sample_stream = np.random.RandomState(fit.seeds.sampling)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "vae_")

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


def check_layers(sizes: Any) -> None:
    """Raise ValueError unless the sizes of hidden layers are positive integers."""
    wrong = [size for size in sizes if not isinstance(size, Integral) or size < 1]
    if wrong:
        raise ValueError(
            f"hidden_layer_sizes must be integers >= 1, one a layer. Got {wrong[0]!r} among "
            f"{sizes!r}."
        )


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device; ``"auto"`` takes CUDA where there is one.

    Raises
    ------
    ValueError
        If there is no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device={device!r} is not available here ({reason}). Use device='auto' or 'cpu'."
        ) from error
    return found
