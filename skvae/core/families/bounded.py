"""Families of bounded numbers: positive ones, and those between 0 and 1."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import torch
from torch import Tensor

from .base import (
    MIN_SCALE,
    CellDistribution,
    Family,
    Generator,
    Limits,
    LinearStart,
    Sharing,
    Start,
    Statistics,
    above,
    bounded,
    check_bounded,
    check_scale,
    cholesky_2x2,
    excess_log_scale,
    fixed_or,
    flat,
    log_standard_gamma,
    standard_gamma,
    unbounded,
)
from .normal import MayBeBounded, Normal

SHARED = ("cell", "column", "shared")
#: Shapes and precisions are held below this: the narrowest distribution they stand for has a
#: relative width of 1e-3, as the floor of scales.
MAX_SHAPE = 1.0 / MIN_SCALE**2


class LogNormalCell(CellDistribution):
    """exp of a normal number."""

    def __init__(self, normal: Normal):
        self.normal = normal
        super().__init__(normal.loc, normal.loc.shape)

    @property
    def mean(self) -> Tensor:
        return self.normal.log_mean_of_exp(1).exp()

    @property
    def mode(self) -> Tensor:
        return self.normal.log_mode_of_exp.exp()

    @property
    def variance(self) -> Tensor:
        log_mean = self.normal.log_mean_of_exp(1)
        return torch.expm1(self.normal.log_mean_of_exp(2) - 2.0 * log_mean) * (2.0 * log_mean).exp()

    def log_prob(self, value: Tensor) -> Tensor:
        log_value = value.log()
        return self.normal.log_prob(log_value) - log_value

    def _sample(self, shape: torch.Size, generator: Generator) -> Tensor:
        return positive(self.normal._sample(shape, generator).exp())


@dataclasses.dataclass
class LogNormal(MayBeBounded):
    """Positive numbers whose logarithm is normal: amounts, sizes, durations.

    Parameters
    ----------
    scale : {"cell", "column"} or float, default="cell"
        The standard deviation of the logarithm given z, as in :class:`Gaussian`.
    bounded : bool, default=False
        Whether the distribution is cut off at the ends of the column, as in :class:`Gaussian`,
        with distances taken of logarithms.
    """

    scale: Sharing = "cell"
    bounded: bool = False

    kind: ClassVar[str] = "positive"
    measure: ClassVar[str] = "density"

    def validate(self) -> None:
        check_scale(self, "scale", self.scale, ("cell", "column"))
        check_bounded(self, self.bounded)

    def on_line(self, cells: Tensor) -> Tensor:
        return _log(cells)

    def __call__(self, theta: Tensor) -> CellDistribution:
        return LogNormalCell(self.normal(theta))

    def features(self, x: Tensor, n_levels: int) -> Tensor:
        return self.on_line(x).unsqueeze(-1)

    def rounding(self, of: Statistics, resolution: Tensor) -> Tensor:
        # A resolution r is one of r / x in the logarithm.
        return super().rounding(of, resolution) * torch.exp(-of.center[:, 0])

    def start(self, linear: LinearStart) -> list[Start]:
        log_scale = excess_log_scale(linear, linear.floor)
        return [(linear.weight, linear.of.center), flat(linear, log_scale)]


class GammaCell(CellDistribution):
    """Gamma by the logarithms of its mean and of its shape."""

    def __init__(self, log_mean: Tensor, log_shape: Tensor):
        self.log_mean, self.log_shape = log_mean, log_shape
        super().__init__(log_mean, log_mean.shape)

    @property
    def mean(self) -> Tensor:
        return self.log_mean.exp()

    @property
    def mode(self) -> Tensor:
        return self.mean * (1.0 - torch.exp(-self.log_shape)).clamp_min(0.0)

    @property
    def variance(self) -> Tensor:
        return torch.exp(2.0 * self.log_mean - self.log_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        k, ratio = self.log_shape.exp(), value.log() - self.log_mean
        # k (log(x / m) - x / m) is at most -k; together with k log k - lgamma(k) it stays small.
        return k * (ratio - torch.expm1(ratio)) + _stirling(k, self.log_shape) - value.log()

    def _sample(self, shape: torch.Size, generator: Generator) -> Tensor:
        k = self.log_shape.exp().expand(shape)
        return positive(standard_gamma(k, generator) / k * self.mean)


def _stirling(k: Tensor, log_k: Tensor) -> Tensor:
    """Return k log k - k - lgamma(k)."""
    return k * log_k - k - torch.lgamma(k)


@dataclasses.dataclass
class Gamma(Family):
    """Positive numbers with a gamma distribution: waiting times, amounts.

    Parameters
    ----------
    shape : {"cell", "column", "shared"} or float, default="cell"
        The shape k given z: the standard deviation is the mean over sqrt(k).
    """

    shape: Sharing = "cell"

    kind: ClassVar[str] = "positive"
    measure: ClassVar[str] = "density"

    def validate(self) -> None:
        check_scale(self, "shape", self.shape, SHARED)

    @property
    def parameters(self) -> tuple[Sharing, ...]:
        return ("cell", fixed_or(self.shape))

    def __call__(self, theta: Tensor) -> CellDistribution:
        return GammaCell(*theta.unbind(-1))

    def features(self, x: Tensor, n_levels: int) -> Tensor:
        return _log(x).unsqueeze(-1)

    def unit(self, of: Statistics) -> Tensor:
        return torch.ones_like(of.mean)

    def rounding(self, of: Statistics, resolution: Tensor) -> Tensor:
        mean = of.mean.clamp_min(torch.finfo(of.mean.dtype).tiny)
        return super().rounding(of, resolution) / mean

    def constrain(self, raw: list[Tensor], limits: Limits) -> list[Tensor]:
        log_shape = raw[1]
        if isinstance(self.shape, str):
            log_shape = -above(-log_shape, limits.floor.square())
        return [bounded(raw[0]), log_shape]

    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        k = theta[..., 1].exp()
        of_shape = k.square() * torch.polygamma(1, k) - k
        root: Tensor = torch.stack([k, of_shape.clamp_min(0.0)], -1).sqrt()
        return root * tangent

    def start(self, linear: LinearStart) -> list[Start]:
        of, tiny = linear.of, torch.finfo(linear.of.mean.dtype).tiny
        mean = of.mean.clamp_min(tiny).unsqueeze(-1)
        variance = of.variance.unsqueeze(-1) * linear.noise_scale.square()
        shape = (mean.square() / variance.clamp_min(tiny)).clamp(1e-2, MAX_SHAPE)
        return [unbounded(linear.weight, mean.log()), flat(linear, shape.log())]


class BetaCell(CellDistribution):
    """Beta by the log-odds of its mean m and the logarithm of its precision a + b."""

    def __init__(self, logit: Tensor, log_precision: Tensor):
        self.logit, self.log_precision = logit, log_precision
        super().__init__(logit, logit.shape)

    @property
    def concentrations(self) -> tuple[Tensor, Tensor]:
        """A and b."""
        precision = self.log_precision.exp()
        # At least so much that their logarithms are finite.
        tiny = torch.finfo(precision.dtype).tiny
        return (
            (precision * torch.sigmoid(self.logit)).clamp_min(tiny),
            (precision * torch.sigmoid(-self.logit)).clamp_min(tiny),
        )

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(self.logit)

    @property
    def mode(self) -> Tensor:
        """The peak inside, or where there is none the end with more of the mass."""
        a, b = self.concentrations
        return torch.where((a > 1.0) & (b > 1.0), (a - 1.0) / (a + b - 2.0), (a > b).to(a))

    @property
    def variance(self) -> Tensor:
        return self.mean * torch.sigmoid(-self.logit) / (self.log_precision.exp() + 1.0)

    def log_prob(self, value: Tensor) -> Tensor:
        a, b = self.concentrations
        constant = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
        return constant + (a - 1.0) * value.log() + (b - 1.0) * torch.log1p(-value)

    def _sample(self, shape: torch.Size, generator: Generator) -> Tensor:
        one, two = (log_standard_gamma(c.expand(shape), generator) for c in self.concentrations)
        tiny = torch.finfo(one.dtype).eps
        # one / (one + two), of which both may be too small for the dtype.
        return torch.sigmoid(one - two).clamp(tiny, 1.0 - tiny)


@dataclasses.dataclass
class Beta(Family):
    """Numbers strictly between 0 and 1: shares, rates.

    Parameters
    ----------
    precision : {"cell", "column", "shared"} or float, default="cell"
        a + b given z: the variance is m (1 - m) / (precision + 1).

    References
    ----------
    "Beta Regression for Modelling Rates and Proportions" (Ferrari and Cribari-Neto, 2004).
    """

    precision: Sharing = "cell"

    kind: ClassVar[str] = "unit"
    measure: ClassVar[str] = "density"

    def validate(self) -> None:
        check_scale(self, "precision", self.precision, SHARED)

    @property
    def parameters(self) -> tuple[Sharing, ...]:
        return ("cell", fixed_or(self.precision))

    def __call__(self, theta: Tensor) -> CellDistribution:
        return BetaCell(*theta.unbind(-1))

    def features(self, x: Tensor, n_levels: int) -> Tensor:
        return torch.logit(x, 1e-6).unsqueeze(-1)

    def unit(self, of: Statistics) -> Tensor:
        return torch.ones_like(of.mean)

    def constrain(self, raw: list[Tensor], limits: Limits) -> list[Tensor]:
        if not isinstance(self.precision, str):
            return raw
        return [raw[0], -above(-raw[1], limits.floor.square())]

    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        p = self(theta)
        assert isinstance(p, BetaCell)
        a, b = p.concentrations
        both = torch.polygamma(1, a + b)
        i_aa, i_bb = torch.polygamma(1, a) - both, torch.polygamma(1, b) - both
        # da = by (d logit) + a (d log precision), db = -by (d logit) + b (d log precision).
        by = p.mean * b
        one = by.square() * (i_aa + i_bb + 2.0 * both)
        cross = by * (a * i_aa - b * i_bb + (a - b) * both)
        two = a.square() * i_aa + b.square() * i_bb - 2.0 * a * b * both
        return cholesky_2x2(one, cross, two, tangent[..., 0], tangent[..., 1])

    def start(self, linear: LinearStart) -> list[Start]:
        of = linear.of
        precision = of.mean * (1.0 - of.mean) / of.variance.clamp_min(1e-6) - 1.0
        log_precision = precision.clamp(1.0, MAX_SHAPE).log().unsqueeze(-1)
        center = torch.logit(of.mean, 1e-6).unsqueeze(-1)
        return [(linear.weight, center), flat(linear, log_precision)]


def _log(x: Tensor) -> Tensor:
    """Return the logarithm of positive cells; an unused cell may hold 0."""
    return x.clamp_min(torch.finfo(x.dtype).tiny).log()


def positive(x: Tensor) -> Tensor:
    """Keep draws from rounding to 0 or overflowing, where no density is."""
    limits = torch.finfo(x.dtype)
    return x.clamp(limits.tiny, limits.max)
