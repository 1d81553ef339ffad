"""Networks: modules that turn rows of numbers into features, on which the heads are linear.

A body maps (..., n_in) to (..., n_out) and says neither what goes in nor what the features are
for; any torch module that does so can take its place.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from .recipe import Recipe

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


class Unset(ABC):
    """A module that is born unset, so that building it reads no global random state."""

    @abstractmethod
    def initialize(self, generator: torch.Generator | None) -> None:
        """Draw the parameters."""


class Linear(nn.Linear, Unset):
    """A linear layer that is born unset."""

    def reset_parameters(self) -> None:
        pass

    def initialize(self, generator: torch.Generator | None) -> None:
        """Draw weights and biases uniformly within 1 / sqrt(fan in)."""
        uniform(self, generator)


@torch.no_grad()
def uniform(layer: nn.Linear | nn.Conv2d, generator: torch.Generator | None) -> None:
    """Draw weights and biases of a layer uniformly within 1 / sqrt(fan in)."""
    bound = 1.0 / math.sqrt(max(layer.weight.shape[1:].numel(), 1))
    layer.weight.uniform_(-bound, bound, generator=generator)
    assert layer.bias is not None
    layer.bias.uniform_(-bound, bound, generator=generator)


def zeros(*size: int) -> nn.Parameter:
    """Return a parameter of zeros, without memory where a model is built for its shapes alone."""
    return nn.Parameter(torch.empty(size).zero_())


class ZeroLinear(Linear):
    """A linear layer that starts at zero."""

    def initialize(self, generator: torch.Generator | None) -> None:
        """Set weights and biases to zero."""
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


class Dropout(nn.Module):
    """Dropout that draws from a generator handed to it (see :func:`set_generator`)."""

    generator: torch.Generator | None = None

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        keep = torch.empty_like(x).bernoulli_(1.0 - self.p, generator=self.generator)
        return x * keep.div_(1.0 - self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Body(nn.Module):
    """A network from numbers of rows to features of theirs, (..., n_in) -> (..., n_out).

    The first ``n_hidden`` features are what it makes; others are its inputs as they are.
    """

    n_hidden: int
    n_out: int

    @property
    def n_live(self) -> int:
        """How many numbers of a row a derivative needs at once."""
        return self.n_out


@dataclasses.dataclass(frozen=True)
class Perceptron:
    """The multi-layer perceptrons of a model, all with the same hidden layers."""

    hidden_layer_sizes: Sequence[int] = (128, 128)
    activation: str = "silu"
    dropout: float = 0.0

    def __call__(self, n_in: int, bypass: range = range(0)) -> MLP:
        """Build one for so many inputs."""
        return MLP(n_in, self.hidden_layer_sizes, self.activation, self.dropout, bypass)


class MLP(Body):
    """Hidden layers whose output is joined with the input.

    The heads are linear on ``[hidden(x), x]``, so a linear model is always within reach: it is
    what remains when a head's weights on the hidden part are zero. Inputs in ``bypass`` do not
    enter the hidden layers: heads see them linearly alone.
    """

    def __init__(
        self,
        n_in: int,
        hidden_layer_sizes: Sequence[int] = (128, 128),
        activation: str = "silu",
        dropout: float = 0.0,
        bypass: range = range(0),
    ):
        super().__init__()
        layers: list[nn.Module] = []
        self.through = [i for i in range(n_in) if i not in bypass] if bypass else None
        width = n_in - len(bypass)
        for size in hidden_layer_sizes:
            layers += [Linear(width, size), ACTIVATIONS[activation]()]
            layers += [Dropout(dropout)] if dropout else []
            width = size
        self.hidden = nn.Sequential(*layers)
        self.n_hidden = width if layers else 0
        self.n_out = self.n_hidden + n_in

    def forward(self, x: Tensor) -> Tensor:
        """(..., n_in) -> (..., n_hidden + n_in)."""
        if not self.n_hidden:
            return x
        through = x if self.through is None else x[..., self.through]
        return torch.cat([self.hidden(through), x], -1)


@dataclasses.dataclass
class CorrelatedNoise(Recipe):
    """A decoder whose noise is correlated between columns: low rank plus diagonal, given z.

    The last ``rank`` of the latents reach the cells by a linear map W alone, past the hidden
    layers. With a Gaussian likelihood and a standard normal prior the cells given the other latents
    then are normal with the covariance W W^T + diag(s^2); scores, samples and completions integrate
    over all latents as ever.

    Parameters
    ----------
    rank : int, default=2
        Less than ``latent_dim``.
    """

    rank: int = 2

    def bypass(self, n_latent: int) -> range:
        """Return which latents do not enter the hidden layers.

        Raises
        ------
        ValueError
            If there are not more latents than ``rank``.
        """
        if not (isinstance(self.rank, int) and 1 <= self.rank < n_latent):
            raise ValueError(
                f"CorrelatedNoise(rank={self.rank!r}): expected an integer from 1 to latent_dim - "
                f"1. Got latent_dim={n_latent}."
            )
        return range(n_latent - self.rank, n_latent)


class Features(Body):
    """A user's module in the place of a body, with the size of its output found by trial."""

    def __init__(self, module: nn.Module, n_in: int, role: str):
        super().__init__()
        self.module = module
        self.n_hidden = self.n_out = _output_size(module, n_in, role)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.module(x)
        return out


def _output_size(module: nn.Module, n_in: int, role: str) -> int:
    was_training = module.training
    try:
        with torch.no_grad():
            out = module.eval()(torch.zeros(2, n_in))
    except Exception as error:
        raise ValueError(
            f"{role}: the module must map a float tensor of shape (n, {n_in}) to (n, features). "
            f"It raised {type(error).__name__}: {error}"
        ) from error
    finally:
        module.train(was_training)
    if not isinstance(out, Tensor) or out.ndim != 2 or out.shape[0] != 2:
        shape = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise ValueError(
            f"{role}: the module must map shape (2, {n_in}) to (2, features). Got {shape}."
        )
    return out.shape[1]


def initialize(module: nn.Module, generator: torch.Generator | None) -> None:
    """Draw the parameters of every part of ours below ``module``."""
    for part in module.modules():
        if isinstance(part, Unset):
            part.initialize(generator)


@contextlib.contextmanager
def frozen(*modules: nn.Module | None) -> Iterator[None]:
    """Hold the parameters of modules still for a block."""
    moving = [p for module in modules if module for p in module.parameters() if p.requires_grad]
    for parameter in moving:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in moving:
            parameter.requires_grad_(True)


@contextlib.contextmanager
def measuring(module: nn.Module) -> Iterator[None]:
    """Take a module for a block as it is where it does not train: nothing is dropped."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)


def set_generator(module: nn.Module, generator: torch.Generator | None) -> None:
    """Hand the generator of a fit to every dropout below ``module``."""
    for part in module.modules():
        if isinstance(part, Dropout):
            part.generator = generator
