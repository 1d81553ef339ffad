"""Families of counts: integers from 0 on."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from .base import (
    CellDistribution,
    Family,
    Generator,
    Limits,
    LinearStart,
    Sharing,
    Start,
    between,
    bounded,
    check_scale,
    fixed_or,
    flat,
    standard_gamma,
    unbounded,
)

#: Bounds on the size of a negative binomial; above the upper one it is a Poisson distribution.
MIN_SIZE, MAX_SIZE = 1e-3, 1e6
#: From here on the terms of Stirling's series that are left out are below 1e-9.
LARGE = 100.0
#: Largest rate that counts are drawn at.
MAX_RATE = 1e18


class PoissonCell(CellDistribution):
    """Poisson by the logarithm of its rate."""

    def __init__(self, log_rate: Tensor):
        self.log_rate = log_rate
        super().__init__(log_rate, log_rate.shape)

    @property
    def mean(self) -> Tensor:
        return self.log_rate.exp()

    @property
    def mode(self) -> Tensor:
        return self.mean.floor()

    @property
    def variance(self) -> Tensor:
        return self.mean

    def log_prob(self, value: Tensor) -> Tensor:
        return value * self.log_rate - self.log_rate.exp() - torch.lgamma(value + 1.0)

    def _sample(self, shape: torch.Size, generator: Generator) -> Tensor:
        rate = self.mean.expand(shape)
        return torch.poisson(rate, generator=generator)


def log_choose(value: Tensor, size: Tensor) -> Tensor:
    """Return log Gamma(value + size) / (Gamma(size) Gamma(value + 1)).

    In single precision the first and the larger of the others are off by hundreds each at 1e9, so
    their difference is taken by Stirling's series, term by term.
    """
    few = value < size
    large, more = torch.where(few, size, value + 1.0), torch.where(few, value, size - 1.0)
    ratio = torch.lgamma(large + more) - torch.lgamma(large)
    base = large.clamp_min(LARGE)
    series = more * base.log() + (base + more - 0.5) * torch.log1p(more / base) - more
    series = series + (1.0 / (base + more) - 1.0 / base) / 12.0
    smaller = torch.where(few, value + 1.0, size)
    return torch.where(large < LARGE, ratio, series) - torch.lgamma(smaller)


class _Count(Family):
    """What both families of counts share: features, and a mean that depends on z."""

    kind: ClassVar[str] = "count"
    measure: ClassVar[str] = "mass"

    def features(self, x: Tensor, n_levels: int) -> Tensor:
        return torch.log1p(x.clamp_min(0.0)).unsqueeze(-1)

    def start(self, linear: LinearStart) -> list[Start]:
        log_mean = linear.of.mean.clamp_min(1e-3).log().unsqueeze(-1)
        return [unbounded(linear.weight, log_mean)]


@dataclasses.dataclass
class Poisson(_Count):
    """Counts whose variance is their mean."""

    @property
    def parameters(self) -> tuple[Sharing, ...]:
        return ("cell",)

    def __call__(self, theta: Tensor) -> CellDistribution:
        return PoissonCell(theta[..., 0])

    def constrain(self, raw: list[Tensor], limits: Limits) -> list[Tensor]:
        return [bounded(raw[0])]

    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        return torch.exp(0.5 * theta) * tangent


class NegativeBinomialCell(CellDistribution):
    """Negative binomial by the logarithms of its mean m and size r: variance m + m^2 / r."""

    def __init__(self, log_mean: Tensor, log_size: Tensor):
        self.log_mean, self.log_size = log_mean, log_size
        super().__init__(log_mean, log_mean.shape)

    @property
    def mean(self) -> Tensor:
        return self.log_mean.exp()

    @property
    def mode(self) -> Tensor:
        return (self.mean * (1.0 - torch.exp(-self.log_size))).clamp_min(0.0).floor()

    @property
    def variance(self) -> Tensor:
        return self.mean + self.mean.square() * torch.exp(-self.log_size)

    def log_prob(self, value: Tensor) -> Tensor:
        size = self.log_size.exp()
        choose = log_choose(value, size)
        # Logarithms of size / (mean + size) and of mean / (mean + size), exact for large ones, too.
        zero = -size * softplus(self.log_mean - self.log_size)
        return choose + zero - value * softplus(self.log_size - self.log_mean)

    def _sample(self, shape: torch.Size, generator: Generator) -> Tensor:
        size = self.log_size.exp().expand(shape)
        rate = standard_gamma(size, generator) / size * self.mean
        # torch counts in 64-bit integers, which larger rates overflow.
        rate = rate.clamp_max(MAX_RATE)
        return torch.poisson(rate, generator=generator)


@dataclasses.dataclass
class NegativeBinomial(_Count):
    """Counts that vary more than a Poisson distribution allows.

    Parameters
    ----------
    size : {"column", "shared"} or float, default="column"
        The size r, which does not depend on z: the variance is m + m^2 / r.

    References
    ----------
    "Negative Binomial Regression" (Hilbe, 2011): the form called NB2.
    """

    size: Sharing = "column"

    def validate(self) -> None:
        check_scale(self, "size", self.size, ("column", "shared"))

    @property
    def parameters(self) -> tuple[Sharing, ...]:
        return ("cell", fixed_or(self.size))

    def __call__(self, theta: Tensor) -> CellDistribution:
        return NegativeBinomialCell(*theta.unbind(-1))

    def constrain(self, raw: list[Tensor], limits: Limits) -> list[Tensor]:
        low, high = (raw[1].new_tensor(bound).log() for bound in (MIN_SIZE, MAX_SIZE))
        log_size = raw[1] if not isinstance(self.size, str) else between(raw[1], low, high)
        return [bounded(raw[0]), log_size]

    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        # About the mean alone: the size does not depend on z, and the two are orthogonal.
        log_mean, log_size = theta.unbind(-1)
        information = torch.exp(log_mean + log_size - torch.logaddexp(log_mean, log_size))
        return (information.sqrt() * tangent[..., 0]).unsqueeze(-1)

    def start(self, linear: LinearStart) -> list[Start]:
        of = linear.of
        excess = (of.variance - of.mean).clamp_min(1e-6 * of.mean.square() + 1e-9)
        size = (of.mean.square() / excess).clamp(0.1, 1e3).log().unsqueeze(-1)
        return [*super().start(linear), flat(linear, size)]
