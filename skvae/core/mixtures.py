"""Mixtures of latent distributions."""

from __future__ import annotations

import torch
from torch import Tensor

from .distributions import (
    DiagonalNormal,
    LatentDistribution,
    Moved,
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
        eye = torch.eye(self.event_shape[0]).to(self.root).expand_as(self.root)
        inverse = torch.linalg.solve_triangular(self.root, eye, upper=False)
        second = inverse.square().sum(-1) + self.means.square()
        variance: Tensor = self.log_weight.exp() @ second - self.mean.square()
        return variance

    @property
    def n_noise(self) -> int:
        return self.event_shape[0] + 1

    def rsample(self, noise: Tensor) -> Tensor:  # type: ignore[override]
        chosen = choose(self.log_weight, noise[..., -1])
        root, means = self.root.to(noise)[chosen], self.means.to(noise)[chosen]
        away = torch.linalg.solve_triangular(root, noise[..., :-1, None], upper=False)
        moved: Tensor = means + away.squeeze(-1)
        return moved

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        z = self.rsample(noise)
        return z, self.log_prob(z)

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.logsumexp(self._joint(value), -1)

    def curvature(self, z: Tensor) -> Tensor:
        """Return the precisions, weighed by the responsibilities of their components."""
        share = torch.softmax(self._joint(z), -1)
        root = self.root.to(z)
        return torch.einsum("...k,kij->...ij", share, root.mT @ root)

    def moved(self, loc: Tensor, log_scale: Tensor) -> PriorDistribution:
        return Moved(self, loc, log_scale)

    def __getitem__(self, rows: Tensor) -> PriorDistribution:
        return self  # one for all rows

    def _joint(self, z: Tensor) -> Tensor:
        """Return the log-density of each component times its weight, (..., k)."""
        root = self.root.to(z)
        offset = (root @ self.means.to(z).unsqueeze(-1)).squeeze(-1)  # (k, d)
        # One matrix product for all components.
        noise = (z @ root.flatten(0, 1).T).unflatten(-1, offset.shape) - offset
        log_density = standard_normal_log_prob(noise) + self.log_diagonal.sum(-1)
        return self.log_weight + log_density


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

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        z = self.rsample(noise)
        return z, self.log_prob(z)

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.logsumexp(self._joint(value), -1)

    def curvature(self, z: Tensor) -> Tensor:
        """Return the components' curvatures, weighed by their responsibilities."""
        share = torch.softmax(self._joint(z), -1)
        of_each = self.components.curvature(self._beside(z))
        return torch.einsum("...k,...kij->...ij", share, of_each.to(z))

    def moved(self, loc: Tensor, log_scale: Tensor) -> PriorDistribution:
        return Moved(self, loc, log_scale)

    def __getitem__(self, rows: Tensor) -> PriorDistribution:
        return self  # one for all rows

    def _joint(self, z: Tensor) -> Tensor:
        """Return the log-density of each component times its weight, (..., k)."""
        return self.log_weight + self.components.log_prob(self._beside(z)).to(z)

    def _beside(self, z: Tensor) -> Tensor:
        """Return z for each of the components, (..., k, d)."""
        return z.unsqueeze(-2).expand(*z.shape[:-1], len(self.log_weight), z.shape[-1])


class Mixture(LatentDistribution):
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

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        z = self.rsample(noise)
        return z, self.log_prob(z)

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.logaddexp(
            self.share.log() + self.first.log_prob(value),
            torch.log1p(-self.share) + self.second.log_prob(value),
        )


def mixture_of(components: PriorDistribution, logits: Tensor) -> PriorDistribution:
    """Return the mixture of the k distributions of a batch.

    Of normals by their precisions: one matrix product for all components and draws.
    """
    if isinstance(components, DiagonalNormal):
        below = components.loc.new_zeros(*components.loc.shape, components.event_shape[0])
        return NormalMixture(logits, components.loc, -components.log_scale, below)
    if isinstance(components, TriangularNormal):
        tril = components.scale_tril
        root = torch.linalg.solve_triangular(
            tril, torch.eye(tril.shape[-1]).to(tril).expand_as(tril), upper=False
        )
        return NormalMixture(logits, components.loc, -components.log_diagonal, root.tril(-1))
    return MixtureOf(components, torch.log_softmax(logits, -1))


def choose(log_weight: Tensor, noise: Tensor) -> Tensor:
    """Return components (...) chosen by standard normal numbers (...)."""
    u = torch.special.ndtr(noise.unsqueeze(-1))
    passed = log_weight.exp().cumsum(-1)[:-1].to(u)
    chosen: Tensor = (u > passed).sum(-1)
    return chosen
