"""Normalizing flows of latent vectors: invertible networks between them and standard noise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.overrides import TorchFunctionMode

from ..networks import Unset, uniform
from ..recipe import Recipe
from .distributions import PriorDistribution, gram, moments, standard_normal_log_prob


class FlowMap(nn.Module, Unset):
    """T, z -> standard noise, invertible: zuko's transforms one after the other.

    Parameters
    ----------
    n_latent : int
    n_transforms : int
    hidden_layer_sizes : sequence of int
        Of the network of every transform.
    n_features : int
        Numbers that T is given beside z.
    coupling : bool
        Whether half of the latents are moved by what the other half says, so that T and its inverse
        cost the same. If not, every latent is moved by what those before it say: a stronger T,
        whose inverse takes a pass for each latent.

    Raises
    ------
    ImportError
        If zuko is not installed.
    """

    def __init__(
        self,
        n_latent: int,
        n_transforms: int,
        hidden_layer_sizes: Sequence[int],
        n_features: int = 0,
        coupling: bool = False,
    ):
        super().__init__()
        order = torch.arange(n_latent)
        with _building() as flows:
            self.transforms = nn.ModuleList(
                flows.MaskedAutoregressiveTransform(
                    n_latent,
                    n_features,
                    passes=2 if coupling else None,
                    order=order.flip(0) if i % 2 else order,
                    hidden_features=tuple(hidden_layer_sizes),
                    activation=nn.SiLU,
                )
                for i in range(n_transforms)
            )

    @torch.no_grad()
    def initialize(self, generator: torch.Generator | None) -> None:
        """Draw the networks' hidden layers; T starts as the identity."""
        for transform in self.transforms:
            layers = [part for part in transform.modules() if isinstance(part, nn.Linear)]
            for layer in layers[:-1]:
                uniform(layer, generator)
            last = layers[-1] if layers else transform  # one latent alone has no network
            for parameter in last.parameters():
                parameter.zero_()

    def forward(self, z: Tensor, features: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return noise T(z) (..., d) and log |det dT/dz| (...)."""
        log_det = torch.zeros_like(z[..., 0])
        for transform in self.transforms:
            z, change = transform(features).call_and_ladj(z)
            log_det = log_det + change
        return z, log_det

    def inverse(self, noise: Tensor, features: Tensor | None = None) -> Tensor:
        """Return z (..., d)."""
        for transform in reversed(self.transforms):
            noise = transform(features).inv(noise)
        return noise


class FlowDistribution(PriorDistribution):
    """The distribution of the z for which T(z) is standard normal.

    Parameters
    ----------
    flow : FlowMap
    features : Tensor of shape (n, f), optional
        What T is given, a row each; then the batch shape is (n,).
    """

    def __init__(self, flow: FlowMap, n_latent: int, features: Tensor | None = None):
        self.flow, self.features = flow, features
        shape = torch.Size() if features is None else features.shape[:-1]
        super().__init__(shape, torch.Size((n_latent,)), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """By quasi-random draws."""
        return moments(self, next(self.flow.parameters()))[0]

    @property
    def variance(self) -> Tensor:
        """By quasi-random draws."""
        return moments(self, next(self.flow.parameters()))[1]

    def rsample(self, noise: Tensor) -> Tensor:  # type: ignore[override]
        return self.flow.inverse(*self._inputs(noise)).to(noise)

    def log_prob(self, value: Tensor) -> Tensor:
        noise, log_det = self.flow(*self._inputs(value))
        log_prob: Tensor = standard_normal_log_prob(noise) + log_det
        return log_prob.to(value)

    def curvature(self, z: Tensor) -> Tensor:
        """Return J^T J of T: the precision if T were linear."""
        return gram(lambda z: self.flow(*self._inputs(z))[0].to(z), z)

    def __getitem__(self, rows: Tensor) -> PriorDistribution:
        assert self.features is not None
        return FlowDistribution(self.flow, self.event_shape[0], self.features[rows])

    def _inputs(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return z and what T is given, in the dtype of its networks."""
        dtype = next(self.flow.parameters()).dtype
        return z.to(dtype), None if self.features is None else self.features.to(dtype)


def check_flow(recipe: Recipe, n_transforms: int, hidden_layer_sizes: Sequence[int]) -> None:
    """Raise ValueError where fields have no meaning, ImportError without zuko."""
    if not isinstance(n_transforms, int) or n_transforms < 1:
        raise ValueError(
            f"{type(recipe).__name__}(n_transforms={n_transforms!r}): expected an integer >= 1."
        )
    if not all(isinstance(size, int) and size >= 1 for size in hidden_layer_sizes):
        raise ValueError(
            f"{type(recipe).__name__}(hidden_layer_sizes={hidden_layer_sizes!r}): expected "
            "integers >= 1."
        )
    with _building():
        pass


class _WithoutInit(TorchFunctionMode):
    """Leaves new layers unset, so that building them reads no global random state.

    Parameters that would be drawn are zero.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in (torch.randn, torch.rand):
            return torch.zeros(*args, **kwargs)
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


@contextlib.contextmanager
def _building() -> Iterator[ModuleType]:
    """Lend zuko's flows, whose layers are born unset and whose import changes nothing else."""
    validates = Distribution._validate_args
    try:
        from zuko import flows
    except ImportError as error:
        raise ImportError(
            "A flow needs zuko, which is not installed. Install it with: pip install skvae[flows]"
        ) from error
    finally:
        # Importing zuko turns validation off for all distributions of the process.
        Distribution.set_default_validate_args(validates)
    with _WithoutInit():
        yield flows
