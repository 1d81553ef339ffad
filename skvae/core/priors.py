"""Priors p(z), or p(z | context)."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from .distributions import DiagonalNormal, NormalMixture, PriorDistribution
from .networks import MLP, Unset, ZeroLinear
from .recipe import Recipe

#: Share of the variance of a mixture that is between its components before anything is known.
SPREAD = 0.5
#: Bound on the log-scale by which a context moves a prior: one far from any seen is no reason for
#: latents beyond all bounds, or without any.
MOVED_LOG_SCALE = 4.0


class Prior(Recipe, ABC):
    """A recipe for p(z)."""

    #: Whether its module can be started from a mixture of normals.
    starts_from_mixture: ClassVar[bool] = False

    def validate(self) -> None:
        """Raise ValueError where a field has no meaning."""

    @abstractmethod
    def build(self, n_latent: int) -> PriorModule:
        """Return a module: context (n, m) or None -> distribution over (n_latent,)."""


class PriorModule(nn.Module, ABC):
    """A prior with its parameters."""

    @abstractmethod
    def forward(self, context: Tensor | None = None) -> PriorDistribution:
        """Return p(z), given a context where there is one."""


class ConditionalPrior(PriorModule):
    """p(z | context): a prior that is moved and scaled by what a network makes of the context.

    z = m(context) + s(context) e, e from the prior that is moved. It starts unmoved.

    Parameters
    ----------
    base : PriorModule
    body : MLP
        (n, m) -> (n, features).
    n_latent : int

    References
    ----------
    "Learning Structured Output Representation using Deep Conditional Generative Models" (Sohn et
    al., 2015).
    """

    def __init__(self, base: PriorModule, body: MLP, n_latent: int):
        super().__init__()
        self.base, self.body = base, body
        self.linear = ZeroLinear(body.n_out, 2 * n_latent)

    def forward(self, context: Tensor | None = None) -> PriorDistribution:
        assert context is not None
        loc, log_scale = self.linear(self.body(context)).chunk(2, -1)
        log_scale = log_scale.clamp(-MOVED_LOG_SCALE, MOVED_LOG_SCALE)
        distribution: PriorDistribution = self.base(None)
        return distribution.moved(loc, log_scale)


@dataclasses.dataclass
class StandardNormal(Prior):
    """p(z) = N(0, I)."""

    def build(self, n_latent: int) -> PriorModule:
        return _StandardNormal(n_latent)


class _StandardNormal(PriorModule):
    zero: Tensor

    def __init__(self, n_latent: int):
        super().__init__()
        self.register_buffer("zero", torch.zeros(n_latent), persistent=False)

    def forward(self, context: Tensor | None = None) -> PriorDistribution:
        return DiagonalNormal(self.zero, self.zero)


@dataclasses.dataclass
class Mixture(Prior):
    """p(z) = sum_k w_k N(m_k, C_k), learned together with the networks.

    Where training starts from factor analysis (``init``), the mixture starts from the one that
    expectation-maximisation fits to its latents: the model then is a mixture of factor analysers.

    Parameters
    ----------
    n_components : int, default=20
        Components, each with a full covariance.

    References
    ----------
    "Deep Unsupervised Clustering with Gaussian Mixture Variational Autoencoders" (Dilokthanakul et
    al., 2016); "The EM Algorithm for Mixtures of Factor Analyzers" (Ghahramani and Hinton, 1996).
    """

    n_components: int = 20

    starts_from_mixture: ClassVar[bool] = True

    def validate(self) -> None:
        if not isinstance(self.n_components, int) or self.n_components < 1:
            raise ValueError(
                f"Mixture(n_components={self.n_components!r}): expected an integer >= 1."
            )

    def build(self, n_latent: int) -> PriorModule:
        return _Mixture(self.n_components, n_latent)


class _Mixture(PriorModule, Unset):
    """Weights, means and the triangular roots of precisions."""

    def __init__(self, n_components: int, n_latent: int):
        super().__init__()
        self.n_components = n_components
        self.logits = nn.Parameter(torch.zeros(n_components))
        self.means = nn.Parameter(torch.zeros(n_components, n_latent))
        self.log_diagonal = nn.Parameter(torch.zeros(n_components, n_latent))
        self.below = nn.Parameter(torch.zeros(n_components, n_latent, n_latent))

    @torch.no_grad()
    def initialize(self, generator: torch.Generator | None) -> None:
        self.means.normal_(0.0, math.sqrt(SPREAD), generator=generator)
        self.log_diagonal.fill_(-0.5 * math.log(1.0 - SPREAD))

    @torch.no_grad()
    def start(self, weights: Tensor, means: Tensor, precision_roots: Tensor) -> None:
        """Set the mixture; roots (k, d, d) are lower triangular, R^T R the precision."""
        self.logits.copy_(weights.log())
        self.means.copy_(means)
        self.log_diagonal.copy_(torch.diagonal(precision_roots, dim1=-2, dim2=-1).log())
        self.below.copy_(precision_roots.tril(-1))

    def forward(self, context: Tensor | None = None) -> PriorDistribution:
        return NormalMixture(self.logits, self.means, self.log_diagonal, self.below.tril(-1))
