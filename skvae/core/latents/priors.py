"""Priors p(z), or p(z | context)."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..networks import MLP, Unset, ZeroLinear, zeros
from ..recipe import Recipe
from .distributions import DiagonalNormal, PriorDistribution
from .flows import FlowDistribution, FlowMap, check_flow
from .mixtures import NormalMixture, mixture_of
from .posteriors import Encoder

#: Share of the variance of a mixture that is between its components before anything is known.
SPREAD = 0.5
#: Components of a mixture where nothing better is known.
COMPONENTS = 20
#: Rows, near each other, of which a pseudo-input starts as the mean.
NEAR_ROWS = 5
#: Bound on the log-scale by which a context moves a prior: one far from any seen is no reason for
#: latents beyond all bounds, or without any.
MOVED_LOG_SCALE = 4.0


class Prior(Recipe, ABC):
    """A recipe for p(z)."""

    #: Whether its module can be started from a mixture of normals.
    starts_from_mixture: ClassVar[bool] = False
    #: Whether it is made of what the encoder says.
    needs_encoder: ClassVar[bool] = False

    @abstractmethod
    def build(self, n_latent: int, encoder: Encoder | None = None) -> PriorModule:
        """Return a module: context (n, m) or None -> distribution over (n_latent,).

        Most have no use for the encoder of the model.
        """


class PriorModule(nn.Module, ABC):
    """A prior with its parameters."""

    @abstractmethod
    def forward(self, context: Tensor | None = None) -> PriorDistribution:
        """Return p(z), given a context where there is one."""

    def unmoved(self) -> PriorModule:
        """Return the prior without what a context does to it."""
        return self

    def start_from_rows(self, inputs: Tensor, generator: torch.Generator) -> None:
        """Start from the encoder's inputs of rows (n, f); most priors have no use for them."""


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

    def unmoved(self) -> PriorModule:
        return self.base


@dataclasses.dataclass
class StandardNormal(Prior):
    """p(z) = N(0, I)."""

    def build(self, n_latent: int, encoder: Encoder | None = None) -> PriorModule:
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
    n_components : "auto" or int, default="auto"
        Components, each with a full covariance. "auto" is 20, but as many as are best where
        training starts from a mixture of the columns themselves.

    References
    ----------
    "Deep Unsupervised Clustering with Gaussian Mixture Variational Autoencoders" (Dilokthanakul et
    al., 2016); "The EM Algorithm for Mixtures of Factor Analyzers" (Ghahramani and Hinton, 1996).
    """

    n_components: int | str = "auto"

    starts_from_mixture: ClassVar[bool] = True

    def validate(self) -> None:
        if self.n_components != "auto":
            _check_components(self)

    def build(self, n_latent: int, encoder: Encoder | None = None) -> PriorModule:
        n = self.n_components
        return MixtureModule(n if isinstance(n, int) else COMPONENTS, n_latent)


class MixtureModule(PriorModule, Unset):
    """Weights, means and the triangular roots of precisions."""

    def __init__(self, n_components: int, n_latent: int):
        super().__init__()
        self.n_components = n_components
        self.logits = zeros(n_components)
        self.means = zeros(n_components, n_latent)
        self.log_diagonal = zeros(n_components, n_latent)
        self.below = zeros(n_components, n_latent, n_latent)

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


@dataclasses.dataclass
class Vamp(Prior):
    """p(z) = sum_k w_k q(z | u_k): a mixture of the posteriors of pseudo-inputs, which are learned.

    The pseudo-inputs start at means of five rows that are near each other, and are kept in the
    model and in its pickle: what few rows have in common may be read from them, and rows that are
    repeated, or alike in a table of levels, are kept as they are. Where rows are nobody else's
    business take ``Mixture()``, which keeps moments of latents.

    Parameters
    ----------
    n_components : int, default=50
        Pseudo-inputs.

    References
    ----------
    "VAE with a VampPrior" (Tomczak and Welling, 2018).
    """

    n_components: int = 50

    needs_encoder: ClassVar[bool] = True

    def validate(self) -> None:
        _check_components(self)

    def build(self, n_latent: int, encoder: Encoder | None = None) -> PriorModule:
        assert encoder is not None
        return _Vamp(self.n_components, encoder)


class _Vamp(PriorModule, Unset):
    # DIFF: the weights w_k are learned too; the paper's are all 1 / K.
    def __init__(self, n_components: int, encoder: Encoder):
        super().__init__()
        # In a tuple, for the encoder is a part of the model already, with its parameters.
        self.shared = (encoder,)
        self.logits = zeros(n_components)
        self.pseudo_inputs = zeros(n_components, encoder.n_inputs)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator | None) -> None:
        self.pseudo_inputs.normal_(generator=generator)

    @torch.no_grad()
    def start_from_rows(self, inputs: Tensor, generator: torch.Generator) -> None:
        chosen = torch.randint(len(inputs), (len(self.logits),), generator=generator)
        near = torch.cdist(inputs[chosen], inputs).topk(min(NEAR_ROWS, len(inputs)), largest=False)
        self.pseudo_inputs.copy_(inputs[near.indices].mean(1))

    def forward(self, context: Tensor | None = None) -> PriorDistribution:
        (encoder,) = self.shared
        return mixture_of(encoder(self.pseudo_inputs), self.logits)


@dataclasses.dataclass
class FlowPrior(Prior):
    """p(z): a normalizing flow, learned together with the networks.

    Affine autoregressive transforms: every latent is moved and scaled by what those before it
    say, in an order that turns from one transform to the next. It starts as the standard normal.
    Needs zuko: ``pip install skvae[flows]``.

    Parameters
    ----------
    n_transforms : int, default=3
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Of the network of every transform.

    References
    ----------
    "Masked Autoregressive Flow for Density Estimation" (Papamakarios et al., 2017); "Variational
    Lossy Autoencoder" (Chen et al., 2017).
    """

    n_transforms: int = 3
    hidden_layer_sizes: Sequence[int] = (64, 64)

    def validate(self) -> None:
        check_flow(self, self.n_transforms, self.hidden_layer_sizes)

    def build(self, n_latent: int, encoder: Encoder | None = None) -> PriorModule:
        return _FlowPrior(n_latent, FlowMap(n_latent, self.n_transforms, self.hidden_layer_sizes))


class _FlowPrior(PriorModule):
    def __init__(self, n_latent: int, flow: FlowMap):
        super().__init__()
        self.n_latent, self.flow = n_latent, flow

    def forward(self, context: Tensor | None = None) -> PriorDistribution:
        return FlowDistribution(self.flow, self.n_latent)


def _check_components(recipe: Mixture | Vamp) -> None:
    if not isinstance(recipe.n_components, int) or recipe.n_components < 1:
        raise ValueError(
            f"{type(recipe).__name__}(n_components={recipe.n_components!r}): expected an "
            "integer >= 1."
        )
