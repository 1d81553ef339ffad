"""Mixtures of latent distributions."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from torch.nn.functional import linear

from .distributions import (
    DiagonalNormal,
    LatentDistribution,
    Moved,
    MultivariateT,
    PriorDistribution,
    TriangularNormal,
    log_det,
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
        share, root = torch.softmax(self._joint(z), -1), self.root.to(z)
        return torch.einsum("...k,kij->...ij", share, root.mT @ root)

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


class MixtureOfEach(LatentDistribution):
    """For each of n rows a mixture of k distributions of its own.

    The last number of noise chooses the component.

    Parameters
    ----------
    components : MultivariateT
        Batch shape (n, k).
    log_weight : Tensor of shape (n, k)
    """

    def __init__(self, components: MultivariateT, log_weight: Tensor):
        self.components, self.log_weight = components, log_weight
        super().__init__(log_weight.shape[:-1], components.event_shape, validate_args=False)

    @property
    def n_noise(self) -> int:
        return self.components.n_noise + 1

    def rsample(self, noise: Tensor) -> Tensor:  # type: ignore[override]
        chosen = choose(self.log_weight, noise[..., -1])
        of_each = self.components.rsample(noise[..., None, :-1])  # (..., n, k, d)
        index = chosen[..., None, None].expand(*chosen.shape, 1, of_each.shape[-1])
        return of_each.gather(-2, index).squeeze(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        of_each = self.components.log_prob(value.unsqueeze(-2))
        return torch.logsumexp(self.log_weight + of_each, -1)

    def __getitem__(self, rows: Tensor) -> MixtureOfEach:
        return MixtureOfEach(self.components[rows], self.log_weight[rows])


@dataclasses.dataclass(frozen=True)
class Normals:
    """Weighted normals by triangular roots of their precisions, R (z - loc) is standard normal."""

    log_weight: Tensor  # (...)
    loc: Tensor  # (..., d)
    root: Tensor  # (..., d, d)

    @property
    def log_height(self) -> Tensor:
        """The logarithm of each weighted density at its loc, without the constant of d."""
        return self.log_weight + log_det(self.root)

    def noise(self, z: Tensor) -> Tensor:
        """Return what of each normal would have made z, (..., d)."""
        return torch.einsum("...ij,...j->...i", self.root, z - self.loc)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return each weighted density at z, (...)."""
        return self.log_height + standard_normal_log_prob(self.noise(z))

    def __getitem__(self, of: Tensor | int) -> Normals:
        return Normals(self.log_weight[of], self.loc[of], self.root[of])


@dataclasses.dataclass(frozen=True)
class Components:
    """The k normals of a mixture, which a context may have moved for each of n rows."""

    normals: Normals  # (k,)
    moved: tuple[Tensor, Tensor] | None = None  # (n, d), (n, d): by what, and by what scaled

    def __len__(self) -> int:
        return len(self.normals.log_weight)

    def of(self, rows: Tensor, component: Tensor | int) -> Normals:
        """Return a component for each of some rows (m,): its own one (m,), or one for all."""
        chosen = self.normals[component]
        if self.moved is None:
            return chosen
        loc, scale = (of_row[rows] for of_row in self.moved)
        moved = loc + scale * chosen.loc
        return Normals(chosen.log_weight, moved, chosen.root / scale.unsqueeze(-2))


def components(distribution: PriorDistribution, like: Tensor) -> Components | None:
    """Return the normals of a mixture, or of a moved one; others have none."""
    if isinstance(distribution, Moved):
        base = components(distribution.base, like)
        if base is None:
            return None
        moved = distribution.loc.to(like), distribution.log_scale.to(like).exp()
        return Components(base.normals, moved)
    if isinstance(distribution, NormalMixture):
        parts = distribution.log_weight, distribution.means, distribution.root
        return Components(Normals(*(part.to(like) for part in parts)))
    return None


def of_rows(distribution: LatentDistribution, rows: Tensor) -> LatentDistribution:
    """Return the distributions of some of the rows of a batch; one for all rows is as it is."""
    if not distribution.batch_shape:
        return distribution
    if isinstance(distribution, MixtureOfTwo):
        first, second = of_rows(distribution.first, rows), of_rows(distribution.second, rows)
        return MixtureOfTwo(first, second, distribution.share[rows])
    assert isinstance(distribution, MultivariateT | MixtureOfEach | PriorDistribution)
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
    passed = log_weight.exp().cumsum(-1)[..., :-1].to(u)
    chosen: Tensor = (u > passed).sum(-1)
    return chosen
