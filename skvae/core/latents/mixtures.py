"""Mixtures of latent distributions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

from .distributions import (
    DiagonalNormal,
    LatentDistribution,
    MultivariateT,
    PriorDistribution,
    TriangularNormal,
    standard_normal_log_prob,
)


class NormalMixture(PriorDistribution):
    """A mixture of k normals over latent vectors, by triangular roots of their precisions.

    R (z - m) is standard normal within a component, R lower triangular with the diagonal
    exp(log_diagonal). The last number of noise chooses the component.
    """

    def __init__(self, logits: Tensor, means: Tensor, log_diagonal: Tensor, below: Tensor):
        # means, log_diagonal  # (k, d);  below  # (k, d, d), strictly lower triangular
        self.log_weight = torch.log_softmax(logits, -1)
        self.means, self.log_diagonal = means, log_diagonal
        self.root = below + torch.diag_embed(torch.exp(log_diagonal))
        super().__init__(torch.Size(), means.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.log_weight.exp() @ self.means

    @property
    def variance(self) -> Tensor:
        second = inverted(self.root).square().sum(-1) + self.means.square()
        variance: Tensor = self.log_weight.exp() @ second - self.mean.square()
        return variance

    @property
    def n_noise(self) -> int:
        return self.event_shape[0] + 1

    def rsample(self, noise: Tensor) -> Tensor:  # type: ignore[override]
        chosen = choose(self.log_weight, noise[..., -1])
        # Of every component, in one matrix product: a root for every draw takes far longer.
        away = _map_each(noise[..., :-1], inverted(self.root.to(noise)))
        index = chosen[..., None, None].expand(*chosen.shape, 1, away.shape[-1])
        moved: Tensor = self.means.to(noise)[chosen] + away.gather(-2, index).squeeze(-2)
        return moved

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.logsumexp(self._joint(value), -1)

    def curvature(self, z: Tensor) -> Tensor:
        """Return the precisions, weighed by the responsibilities of their components."""
        return self._mean_precision(torch.softmax(self._joint(z), -1))

    def second_derivative(self, z: Tensor) -> Tensor:
        """Return the covariance of the components' gradients, less their mean precision."""
        share = torch.softmax(self._joint(z), -1)
        gradients = -torch.einsum("...ki,kij->...kj", self._noise(z), self.root.to(z))
        mean = torch.einsum("...k,...ki->...i", share, gradients)
        apart = gradients - mean.unsqueeze(-2)
        spread = torch.einsum("...k,...ki,...kj->...ij", share, apart, apart)
        return spread - self._mean_precision(share)

    def __getitem__(self, rows: Tensor) -> PriorDistribution:
        return self  # one for all rows

    def _joint(self, z: Tensor) -> Tensor:
        """Return the log-density of each component times its weight, (..., k)."""
        log_density = standard_normal_log_prob(self._noise(z)) + self.log_diagonal.sum(-1)
        return self.log_weight + log_density

    def _noise(self, z: Tensor) -> Tensor:
        """Return what of each component would have made z, (..., k, d)."""
        root = self.root.to(z)
        offset = (root @ self.means.to(z).unsqueeze(-1)).squeeze(-1)  # (k, d)
        return _map_each(z, root, -offset)

    def _mean_precision(self, share: Tensor) -> Tensor:
        root = self.root.to(share)
        return torch.einsum("...k,kij->...ij", share, root.mT @ root)


class MixtureOf(PriorDistribution):
    """A mixture of the k distributions of a batch.

    The last number of noise chooses the component.

    Parameters
    ----------
    components : PriorDistribution
        Batch shape (k,).
    log_weight : Tensor of shape (k,)
    """

    def __init__(self, components: PriorDistribution, log_weight: Tensor):
        self.components, self.log_weight = components, log_weight
        super().__init__(torch.Size(), components.event_shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        mean: Tensor = self.log_weight.exp() @ self.components.mean
        return mean

    @property
    def variance(self) -> Tensor:
        second = self.components.variance + self.components.mean.square()
        variance: Tensor = self.log_weight.exp() @ second - self.mean.square()
        return variance

    @property
    def n_noise(self) -> int:
        return self.components.n_noise + 1

    def rsample(self, noise: Tensor) -> Tensor:  # type: ignore[override]
        chosen = choose(self.log_weight, noise[..., -1])
        return self.components[chosen].rsample(noise[..., :-1])

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.logsumexp(self._joint(value), -1)

    def curvature(self, z: Tensor) -> Tensor:
        """Return the components' curvatures, weighed by their responsibilities."""
        share = torch.softmax(self._joint(z), -1)
        of_each = self.components.curvature(self._beside(z))
        return torch.einsum("...k,...kij->...ij", share, of_each.to(z))

    def __getitem__(self, rows: Tensor) -> PriorDistribution:
        return self  # one for all rows

    def _joint(self, z: Tensor) -> Tensor:
        """Return the log-density of each component times its weight, (..., k)."""
        return self.log_weight + self.components.log_prob(self._beside(z)).to(z)

    def _beside(self, z: Tensor) -> Tensor:
        """Return z for each of the components, (..., k, d)."""
        return z.unsqueeze(-2).expand(*z.shape[:-1], len(self.log_weight), z.shape[-1])


class MixtureOfTwo(LatentDistribution):
    """A share of the draws from one distribution, the rest from another.

    The last number of noise chooses; stretched, it is then the last one ``first`` takes.

    Parameters
    ----------
    first : LatentDistribution
    second : LatentDistribution
    share : Tensor of shape (n,)
        Probability of ``first``, row by row; 0 and 1 are allowed.
    """

    def __init__(self, first: LatentDistribution, second: LatentDistribution, share: Tensor):
        self.first, self.second, self.share = first, second, share
        super().__init__(first.batch_shape, first.event_shape, validate_args=False)

    @property
    def n_noise(self) -> int:
        return max(self.first.n_noise, self.second.n_noise + 1)

    def rsample(self, noise: Tensor) -> Tensor:  # type: ignore[override]
        u = torch.special.ndtr(noise[..., -1])
        in_first = u < self.share
        # Where the second is chosen any number will do for the first, if it is finite.
        stretched = torch.special.ndtri(torch.where(in_first, u / self.share, 0.5))
        own = noise[..., : self.first.n_noise - 1]
        z = (
            self.first.rsample(torch.cat([own, stretched.unsqueeze(-1)], -1)),
            self.second.rsample(noise[..., : self.second.n_noise]),
        )
        return torch.where(in_first.unsqueeze(-1), *z)

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.logaddexp(
            self.share.log() + self.first.log_prob(value),
            torch.log1p(-self.share) + self.second.log_prob(value),
        )


def of_rows(distribution: LatentDistribution, rows: Tensor) -> LatentDistribution:
    """Return the distributions of some of the rows of a batch; one for all rows is as it is."""
    if not distribution.batch_shape:
        return distribution
    if isinstance(distribution, MixtureOfTwo):
        first, second = of_rows(distribution.first, rows), of_rows(distribution.second, rows)
        return MixtureOfTwo(first, second, distribution.share[rows])
    assert isinstance(distribution, MultivariateT | PriorDistribution)
    return distribution[rows]


def mixture_of(components: PriorDistribution, logits: Tensor) -> PriorDistribution:
    """Return the mixture of the k distributions of a batch.

    Of normals by their precisions: one matrix product for all components and draws.
    """
    if isinstance(components, DiagonalNormal):
        below = components.loc.new_zeros(*components.loc.shape, components.event_shape[0])
        return NormalMixture(logits, components.loc, -components.log_scale, below)
    if isinstance(components, TriangularNormal):
        root = inverted(components.scale_tril)
        return NormalMixture(logits, components.loc, -components.log_diagonal, root.tril(-1))
    return MixtureOf(components, torch.log_softmax(logits, -1))


def inverted(tril: Tensor) -> Tensor:
    """Invert lower triangular matrices (k, d, d)."""
    eye = torch.eye(tril.shape[-1]).to(tril).expand_as(tril)
    inverse: Tensor = torch.linalg.solve_triangular(tril, eye, upper=False)
    return inverse


def _map_each(z: Tensor, matrices: Tensor, bias: Tensor | None = None) -> Tensor:
    """Map z (..., d) by each of k matrices (k, d, d) and biases (k, d), (..., k, d).

    In one product.
    """
    flat = linear(z, matrices.flatten(0, 1), None if bias is None else bias.flatten())
    mapped: Tensor = flat.unflatten(-1, matrices.shape[:-1])
    return mapped


def choose(log_weight: Tensor, noise: Tensor) -> Tensor:
    """Return components (...) chosen by standard normal numbers (...)."""
    u = torch.special.ndtr(noise.unsqueeze(-1))
    passed = log_weight.exp().cumsum(-1)[:-1].to(u)
    chosen: Tensor = (u > passed).sum(-1)
    return chosen
