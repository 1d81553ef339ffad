"""Settings: what an estimator's parameters come down to, typed and checked."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import torch
from torch import nn

from ..core.families.base import Family
from ..core.images import Convolutional, ImageShape
from ..core.inference.proposals import Proposal
from ..core.latents.posteriors import Posterior
from ..core.latents.priors import Prior
from ..core.networks import CorrelatedNoise, Perceptron
from ..core.objectives.bounds import IWAE, Objective
from ..core.recipe import Recipe, resolve
from ..table.telling import warn

#: Parameters that take a recipe, or its name.
RECIPES: dict[str, type[Recipe]] = {
    "prior": Prior,
    "posterior": Posterior,
    "objective": Objective,
    "refit_prior": Prior,
    "proposal": Proposal,
    "likelihood": Family,
}
#: Settings by which a model is built, which a warm start cannot change.
BUILT_BY = (
    "latent_dim",
    "prior",
    "posterior",
    "likelihood",
    "hidden_layer_sizes",
    "activation",
    "image_shape",
    "encoder",
    "decoder",
    "context_features",
    "categorical_features",
)
#: Parameters that are "auto", or a number.
NUMBERS = ("max_epochs", "batch_size", "early_stopping", "validation_fraction", "ensemble")
#: Names of optimisers.
OPTIMIZERS = ("adam", "adamw", "sgd")
#: A network, a recipe for one, or a function that makes one.
Network = nn.Module | Recipe | Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Door:
    """What an estimator is for, as far as a fit has to know.

    Attributes
    ----------
    encodes : bool
        Whether it gives latent vectors of rows.
    needs_density : bool
        Whether all that it does is by a density.
    smooth : Family or None
        Of numbers of all kinds where the likelihood is "auto"; None where it goes by their values.
    density : bool
        Whether numbers have no mass on a value then.
    draws_identifiers : bool
        Whether columns of identifiers are left out of the model, and drawn anew.
    starts_linear : bool
        Whether a table of numbers has the linear start alone where ``init`` is "auto".
    objective : Objective
        What training maximises where the objective is "auto".
    max_epochs : int or None
        Epochs that are planned at most where ``max_epochs`` is "auto".
    unseen : int
        Of how many rows it asks for scores by a model that was not fitted to them, at least: they
        are held out, or where rows are few, out of fold.
    """

    encodes: bool = False
    needs_density: bool = True
    smooth: Family | None = None
    density: bool = False
    draws_identifiers: bool = False
    starts_linear: bool = False
    objective: Objective = dataclasses.field(default_factory=IWAE)
    max_epochs: int | None = None
    unseen: int = 0

    def objective_of(self, given: str | Objective) -> Objective:
        """Return the objective that is given by a name, which may be "auto", or as a recipe."""
        if isinstance(given, str) and given == "auto":
            return self.objective
        return resolve(given, Objective, "objective")  # type: ignore[type-abstract]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the parameters of an estimator come down to; use :func:`read_settings` to make one.

    Names are those of the estimators' parameters: recipes for their names, and None for "auto"
    where a number is meant.
    """

    prior: Prior
    posterior: Posterior
    objective: Objective
    proposal: Proposal
    refit_prior: Prior | None = None
    likelihood: str | Family | Mapping[Any, Any] = "auto"
    categorical_features: Any = "from_dtype"
    context_features: Any = None
    latent_dim: int | tuple[int, int] | None = None
    hidden_layer_sizes: tuple[int, ...] = (128, 128)
    activation: str = "silu"
    dropout: float = 0.0
    image_shape: ImageShape | None = None
    encoder: Network | None = None
    decoder: Network | None = None
    init: str = "auto"
    max_epochs: int | None = None
    max_time: float | None = None
    checkpoint: Any = None
    batch_size: int | None = None
    lr: float = 5e-3
    weight_decay: float = 1e-2
    optimizer: Any = "adamw"
    callbacks: list[Any] | None = None
    early_stopping: bool | None = None
    validation_fraction: float | None = None
    n_iter_no_change: int | None = None
    tol: float = 1e-3
    ensemble: int | None = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009
    verbose: int = 0
    door: Door = Door()

    @property
    def n_layers(self) -> int:
        """Stochastic layers, 1 or 2."""
        return 2 if isinstance(self.latent_dim, tuple) else 1

    @property
    def perceptron(self) -> Perceptron:
        """The built-in networks."""
        return Perceptron(self.hidden_layer_sizes, self.activation, self.dropout)

    @property
    def built_in(self) -> bool:
        """Whether encoder and decoder are the built-in perceptrons."""
        plain = self.encoder is None and isinstance(self.decoder, CorrelatedNoise | None)
        return plain and self.image_shape is None

    @property
    def convolutional(self) -> bool:
        """Whether a network is given as a recipe for a convolutional one."""
        return any(isinstance(given, Convolutional) for given in (self.encoder, self.decoder))

    @property
    def correlated(self) -> bool:
        """Whether the decoder is given as a recipe for one with correlated noise."""
        return isinstance(self.decoder, CorrelatedNoise)

    @property
    def built_by(self) -> dict[str, Setting]:
        """What a model is built by, to be compared with that of another fit."""
        return {name: Setting.of(getattr(self, name)) for name in BUILT_BY}


class Setting(NamedTuple):
    """A setting as a constant, and as it is shown."""

    value: Any
    text: str

    @classmethod
    def of(cls, value: Any) -> Setting:
        """Take a setting as it is now."""
        return cls(by_value(value), reprlib.repr(value))


def by_value(value: Any) -> Any:
    """Return a setting as a constant, equal to that of another one that means the same.

    >>> import numpy as np
    >>> by_value(np.array([True, False])) == by_value([True, False])
    True
    """
    if isinstance(value, Recipe):
        return type(value), by_value(value.get_params(deep=False))
    if isinstance(value, Mapping):
        return {key: by_value(of_key) for key, of_key in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, str | nn.Module) or not isinstance(value, Iterable):
        return value
    return tuple(map(by_value, value))


def changed(before: Mapping[str, Setting], now: Mapping[str, Setting]) -> str | None:
    """Return the first setting by which another model would be built now, None if there is none."""
    return next((name for name in now if before[name].value != now[name].value), None)


def read_settings(parameters: Mapping[str, Any], door: Door) -> Settings:
    """Return what parameters come down to.

    Raises
    ------
    ValueError, TypeError
        If one of them is not what it should be.
    """
    p = dict(parameters)
    recipes = {
        name: None if p[name] is None else resolve(p[name], base, name)
        for name, base in RECIPES.items()
        if name not in ("likelihood", "objective")
    }
    recipes["objective"] = door.objective_of(p["objective"])
    for part in (*recipes.values(), p["encoder"], p["decoder"]):
        if isinstance(part, Recipe):
            part.validate()
    check_layers(p["hidden_layer_sizes"])
    own = {field.name for field in dataclasses.fields(Settings)}
    return Settings(
        **{name: value for name, value in p.items() if name in own}
        | recipes
        | {name: _or_none(p[name]) for name in NUMBERS}
        | {
            "latent_dim": read_latent_dim(p["latent_dim"]),
            "hidden_layer_sizes": tuple(map(int, p["hidden_layer_sizes"])),
            "image_shape": read_image_shape(p["image_shape"]),
            "device": resolve_device(p["device"]),
            "door": door,
        }
    )


def _or_none(value: Any) -> Any:
    # An array compares number by number.
    return None if isinstance(value, str) and value == "auto" else value


def read_latent_dim(latent_dim: Any) -> int | tuple[int, int] | None:
    """Return the dimension of z, or those of its upper and its lower layer; None for "auto".

    Raises
    ------
    ValueError
        If it is neither "auto" nor a positive integer nor two of them.
    """
    if _or_none(latent_dim) is None:
        return None
    sizes = (latent_dim,) if isinstance(latent_dim, Integral) else tuple(latent_dim)
    if len(sizes) not in (1, 2) or not all(_is_positive(d) for d in sizes):
        raise ValueError(
            "latent_dim must be an integer >= 1, or two of them for two layers of latents, the "
            f"upper and the lower, or 'auto'. Got {latent_dim!r}."
        )
    return int(sizes[0]) if len(sizes) == 1 else (int(sizes[0]), int(sizes[1]))


def read_image_shape(image_shape: Any) -> ImageShape | None:
    """Return the shape of the images, None where rows are not.

    Raises
    ------
    ValueError
        If it is not three positive integers.
    """
    if image_shape is None:
        return None
    sizes = tuple(image_shape)
    if len(sizes) != 3 or not all(_is_positive(n) for n in sizes):
        raise ValueError(
            "image_shape must be three integers >= 1, channels, height and width, or None. Got "
            f"{image_shape!r}."
        )
    return ImageShape(*map(int, sizes))


def check_callbacks(callbacks: Sequence[Any] | None) -> None:
    """Raise TypeError unless all are skorch callbacks, classes of them, or pairs with a name."""
    for given in () if callbacks is None else callbacks:
        is_pair = isinstance(given, list | tuple) and len(given) == 2
        callback = given[1] if is_pair else given
        if not (hasattr(callback, "on_epoch_end") and hasattr(callback, "initialize")):
            raise TypeError(
                f"callbacks: expected skorch callbacks, such as skorch.callbacks.EarlyStopping(), "
                f"or pairs (name, callback). Got {given!r}. Those of scikit-learn are for "
                "set_callbacks."
            )


def _is_positive(size: Any) -> bool:
    return isinstance(size, Integral) and int(size) >= 1


def check_layers(sizes: Any) -> None:
    """Raise ValueError unless the sizes of hidden layers are positive integers."""
    wrong = [size for size in sizes if not _is_positive(size)]
    if wrong:
        raise ValueError(
            f"hidden_layer_sizes must be integers >= 1, one a layer. Got {wrong[0]!r} among "
            f"{sizes!r}."
        )


def available_device(device: str | torch.device) -> torch.device:
    """Return the device for a model that is loaded: the CPU where there is no such one here."""
    try:
        return resolve_device(device)
    except ValueError as error:
        warn(f"{error} The model that is loaded is on the CPU.")
        return torch.device("cpu")


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
    if found.type == "meta":
        raise ValueError("device='meta' holds no numbers. Use device='auto' or 'cpu'.")
    return found
