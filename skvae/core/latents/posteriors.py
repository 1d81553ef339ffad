"""Posteriors q(z | x): an encoder and the heads on its features."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from ..networks import Body, Linear
from ..recipe import Recipe
from .distributions import DiagonalNormal, Moved, PriorDistribution, TriangularNormal
from .flows import FlowDistribution, FlowMap, check_flow

#: Bound on a posterior's log-scales: beyond it exp overflows, on rows far from any seen.
LOG_SCALE_LIMIT = 15.0
#: Log-scale of what stands for a point: finite, so that its density is, and below float32's eyes.
POINT_LOG_SCALE = -LOG_SCALE_LIMIT


class Posterior(Recipe, ABC):
    """A recipe for q(z | x)."""

    @abstractmethod
    def build(self, n_features: int, n_latent: int) -> PosteriorHead:
        """Return a module: features (n, n_features) -> distribution over (n_latent,)."""


class EncoderHead(nn.Module, ABC):
    """The last step of an encoder: features of a row -> distribution of z."""

    @abstractmethod
    def forward(self, h: Tensor, dtype: torch.dtype | None = None) -> PriorDistribution:
        """Features (n, f) -> q(z | x), in ``dtype``."""


class Encoder(nn.Module):
    """q(z | x): features of a row -> distribution of z.

    Parameters
    ----------
    body : Body
        (n, n_inputs) -> (n, features).
    posterior : EncoderHead
        (n, features) -> distribution of z.
    n_inputs : int
        Features of the cells, and numbers conditioned on.
    """

    def __init__(self, body: Body, posterior: EncoderHead, n_inputs: int):
        super().__init__()
        self.body, self.posterior, self.n_inputs = body, posterior, n_inputs

    def forward(self, inputs: Tensor, dtype: torch.dtype | None = None) -> PriorDistribution:
        """Rows (n, n_inputs) -> q(z | x), batch shape (n,), event shape (d,)."""
        distribution: PriorDistribution = self.posterior(self.body(inputs), dtype)
        return distribution


class PosteriorHead(EncoderHead):
    """A linear layer whose output is read as a distribution.

    The first ``n_latent`` outputs are the mean, the next ``n_scales`` log-scales, one for each
    latent or one for all; whatever follows is the posterior's own business and starts at zero.
    """

    def __init__(self, n_features: int, n_latent: int, n_scales: int, n_extra: int = 0):
        super().__init__()
        self.n_latent, self.n_scales = n_latent, n_scales
        self.linear = Linear(n_features, n_latent + n_scales + n_extra)

    def forward(self, h: Tensor, dtype: torch.dtype | None = None) -> PriorDistribution:
        raw = self.linear(h).to(dtype or h.dtype)
        sizes = (self.n_latent, self.n_scales, raw.shape[-1] - self.n_latent - self.n_scales)
        loc, log_scale, extra = raw.split(sizes, -1)
        return self.read(loc, self.bounded(log_scale), extra, h)

    @abstractmethod
    def read(self, loc: Tensor, log_scale: Tensor, extra: Tensor, h: Tensor) -> PriorDistribution:
        """Return q(z | x) by its mean (n, d), log-scales, raw numbers and the features."""

    def bounded(self, log_scale: Tensor) -> Tensor:
        """Bound log-scales when not training, where no row is that far and a step is cheaper."""
        if self.training:
            return log_scale
        return log_scale.clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)

    @torch.no_grad()
    def start(self, weight: Tensor, bias: Tensor, log_scale: Tensor, n_hidden: int) -> None:
        """Set the mean to ``weight`` (d, f) times the input part of the features, and a bias."""
        d = len(weight)
        if self.n_scales == 1:
            log_scale = log_scale.mean(0, keepdim=True)
        self.linear.weight.zero_()
        self.linear.bias.zero_()
        self.linear.weight[:d, n_hidden : n_hidden + weight.shape[1]] = weight.to(
            self.linear.weight
        )
        self.linear.bias[:d] = bias.to(self.linear.bias)
        self.linear.bias[d : d + self.n_scales] = log_scale.to(self.linear.bias)


@dataclasses.dataclass
class DiagonalGaussian(Posterior):
    """q(z | x) = N(m(x), diag(s(x))^2).

    References
    ----------
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2014).
    """

    def build(self, n_features: int, n_latent: int) -> PosteriorHead:
        return _DiagonalHead(n_features, n_latent, n_latent)


@dataclasses.dataclass
class IsotropicGaussian(Posterior):
    """q(z | x) = N(m(x), s(x)^2 I), one scale for all latents."""

    def build(self, n_features: int, n_latent: int) -> PosteriorHead:
        return _DiagonalHead(n_features, n_latent, 1)


class _DiagonalHead(PosteriorHead):
    def read(self, loc: Tensor, log_scale: Tensor, extra: Tensor, h: Tensor) -> PriorDistribution:
        return DiagonalNormal(loc, log_scale.expand_as(loc))


class PointHead(PosteriorHead):
    """z as a function of x: a normal distribution without any spread to speak of.

    No recipe builds it: a bound of log p(x) has no use for it.
    """

    def __init__(self, n_features: int, n_latent: int):
        super().__init__(n_features, n_latent, 1)

    def read(self, loc: Tensor, log_scale: Tensor, extra: Tensor, h: Tensor) -> PriorDistribution:
        return DiagonalNormal(loc, torch.full_like(loc, POINT_LOG_SCALE))


@dataclasses.dataclass
class FullGaussian(Posterior):
    """q(z | x) = N(m(x), L(x) L(x)^T), L lower triangular with a positive diagonal.

    References
    ----------
    "An Introduction to Variational Autoencoders" (Kingma and Welling, 2019), section 2.5.1.
    """

    def build(self, n_features: int, n_latent: int) -> PosteriorHead:
        return _FullHead(n_features, n_latent)


class _FullHead(PosteriorHead):
    rows: Tensor
    columns: Tensor

    def __init__(self, n_features: int, n_latent: int):
        super().__init__(n_features, n_latent, n_latent, n_latent * (n_latent - 1) // 2)
        rows, columns = torch.tril_indices(n_latent, n_latent, -1)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    def read(self, loc: Tensor, log_scale: Tensor, extra: Tensor, h: Tensor) -> PriorDistribution:
        strict = loc.new_zeros(*loc.shape, self.n_latent)
        strict[..., self.rows, self.columns] = extra
        return TriangularNormal(loc, log_scale, strict)


@dataclasses.dataclass
class FlowPosterior(Posterior):
    """q(z | x): a diagonal Gaussian bent by couplings that are given the features of x.

    Needs zuko: ``pip install skvae[flows]``.

    Parameters
    ----------
    n_transforms : int, default=2
        Couplings, in each of which half of the latents move by what the other half says.
    hidden_layer_sizes : tuple of int, default=(64,)
        Of the network of every coupling.

    References
    ----------
    "Variational Inference with Normalizing Flows" (Rezende and Mohamed, 2015); "Density estimation
    using Real NVP" (Dinh et al., 2017).
    """

    n_transforms: int = 2
    hidden_layer_sizes: tuple[int, ...] = (64,)

    def validate(self) -> None:
        check_flow(self, self.n_transforms, self.hidden_layer_sizes)

    def build(self, n_features: int, n_latent: int) -> PosteriorHead:
        flow = FlowMap(
            n_latent, self.n_transforms, self.hidden_layer_sizes, n_features, coupling=True
        )
        return _FlowHead(n_features, n_latent, flow)


class _FlowHead(PosteriorHead):
    def __init__(self, n_features: int, n_latent: int, flow: FlowMap):
        super().__init__(n_features, n_latent, n_latent)
        self.flow = flow

    def read(self, loc: Tensor, log_scale: Tensor, extra: Tensor, h: Tensor) -> PriorDistribution:
        return Moved(FlowDistribution(self.flow, self.n_latent, h), loc, log_scale)
