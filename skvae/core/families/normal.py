"""Normal: the normal distribution of a cell, and the one that keeps between two ends."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.special import erfcx, log_ndtr, ndtr, ndtri

from ..noise import HALF_LOG_2PI
from .base import (
    ENDS,
    CellDistribution,
    Family,
    Generator,
    Limits,
    Sharing,
    above,
    cholesky_2x2,
    fixed_or,
)

#: Mass beyond the ends of a column, half of it at each, in an exponential tail of scale 1: no
#: sample has a number there, and yet none is impossible.
BEYOND = 1e-6
LOG_WITHIN = math.log1p(-BEYOND)
#: So many scales within a tail draws are those of an exponential distribution.
DEEP = 30.0


class Normal(CellDistribution):
    """Univariate normal with a logarithmic scale."""

    def __init__(self, loc: Tensor, log_scale: Tensor):
        self.loc, self.log_scale = loc, log_scale
        super().__init__(loc, loc.shape)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return torch.exp(2.0 * self.log_scale)

    def log_prob(self, value: Tensor) -> Tensor:
        standard = (value - self.loc) * torch.exp(-self.log_scale)
        return -0.5 * standard.square() - self.log_scale - HALF_LOG_2PI

    def log_mean_of_exp(self, k: int) -> Tensor:
        """Return the logarithm of the mean of exp(k x)."""
        return k * self.loc + 0.5 * k**2 * self.variance

    @property
    def log_mode_of_exp(self) -> Tensor:
        """Where exp(x) has its highest density, as a logarithm."""
        return self.loc - self.variance

    def fisher_sqrt(self, tangent: Tensor) -> Tensor:
        """Return S t for S^T S the information about the mean and the logarithm of the scale."""
        by_loc = torch.exp(-self.log_scale) * tangent[..., 0]
        return torch.stack([by_loc, math.sqrt(2.0) * tangent[..., 1]], -1)

    def _sample(self, shape: torch.Size, generator: Generator) -> Tensor:
        return self.loc + torch.exp(self.log_scale) * self._normal(shape, generator)


class TruncatedNormal(Normal):
    """A normal distribution cut off at two ends, and :data:`BEYOND` for what is not between them.

    Parameters
    ----------
    loc, log_scale : Tensors
        Of the normal distribution.
    low, high : Tensors
        The ends.
    """

    def __init__(self, loc: Tensor, log_scale: Tensor, low: Tensor, high: Tensor):
        self.low, self.high = low.detach(), high.detach()
        super().__init__(loc, log_scale)

    @property
    def mean(self) -> Tensor:
        return self._within(self.loc + self.log_scale.exp() * self._moments(1)[0])

    @property
    def mode(self) -> Tensor:
        return self._within(self.loc)

    @property
    def variance(self) -> Tensor:
        first, second = self._moments(2)
        return torch.exp(2.0 * self.log_scale) * (second - first.square()).clamp_min(0.0)

    def log_prob(self, value: Tensor) -> Tensor:
        # Where the mean and the value are between the ends, as nearly all are, this is enough.
        inverse = torch.exp(-self.log_scale)
        ends = (torch.stack([self.high, self.low]) - self.loc) * inverse
        at_high, at_low = ndtr(ends).unbind()
        mass = (at_high - at_low).clamp_min(torch.finfo(at_high.dtype).tiny)
        square = ((value - self.loc) * inverse).square()
        inside = -0.5 * square - self.log_scale - torch.log(mass) - (HALF_LOG_2PI - LOG_WITHIN)
        index = self._is_odd(value).flatten().nonzero().squeeze(-1)
        if not len(index):
            return inside
        parts = torch.broadcast_tensors(value, self.loc, self.log_scale, self.low, self.high)
        value, *theta = (part.flatten()[index] for part in parts)
        found = TruncatedNormal(*theta)._log_prob(value)
        return inside.flatten().index_put((index,), found).view(inside.shape)

    @torch.no_grad()
    def _is_odd(self, value: Tensor) -> Tensor:
        """Return where the mean or the value is beyond the ends."""
        return (self.loc.minimum(value) < self.low) | (self.loc.maximum(value) > self.high)

    def _log_prob(self, value: Tensor) -> Tensor:
        cut, inverse = self._cut(), torch.exp(-self.log_scale)
        away = torch.where(cut.mirrored, self.low - value, value - self.high)
        # x^2 - near^2 by the distance from the end, or in a tail a few digits would be left of it.
        from_end = away * inverse
        square = torch.where(
            cut.near < 0.0,
            from_end * (from_end + 2.0 * cut.near),
            ((value - self.loc) * inverse).square(),
        )
        inside = -0.5 * square - self.log_scale - HALF_LOG_2PI - cut.log_mass
        beyond = torch.maximum(self.low - value, value - self.high)
        tail = math.log(0.5 * BEYOND) - beyond
        return torch.where(beyond > 0.0, tail, inside + LOG_WITHIN)

    def log_mean_of_exp(self, k: int) -> Tensor:
        uncut = Normal(self.loc, self.log_scale)
        moved = self.loc + k * uncut.variance
        other = TruncatedNormal(moved, self.log_scale, self.low, self.high)
        return uncut.log_mean_of_exp(k) + other._cut().whole - self._cut().whole

    @property
    def log_mode_of_exp(self) -> Tensor:
        return self._within(Normal(self.loc, self.log_scale).log_mode_of_exp)

    def fisher_sqrt(self, tangent: Tensor) -> Tensor:
        one, two, three, four = self._moments(4)
        cut = self._cut()
        # Deep in a tail digits are lost, but the variance is about 1 / near^2.
        least = torch.minimum(1.0 / (1.0 + cut.near.square()), (cut.near - cut.far).square())
        of_loc = (two - one.square()).maximum(0.1 * least.where(cut.near < 0.0, 1e-6))
        of_scale = (four - two.square()).clamp_min(1e-6)
        most = (of_loc * of_scale).sqrt()
        cross = (three - one * two).minimum(most).maximum(-most)
        by_loc = tangent[..., 0] * torch.exp(-self.log_scale)
        return cholesky_2x2(of_loc, cross, of_scale, by_loc, tangent[..., 1])

    def _sample(self, shape: torch.Size, generator: Generator) -> Tensor:
        mirrored, near, far, _ = self._cut()
        u = self._uniform(shape, generator).double()
        near, far = near.double(), far.double()
        least = ndtr(far)
        inner = ndtri(least + u * (ndtr(near) - least))
        deep = near + torch.log1p(-u) / near.abs().clamp_min(1.0)
        drawn = torch.where(near < -DEEP, deep, inner).maximum(far).minimum(near)
        drawn = torch.where(mirrored, -drawn, drawn).to(self._like)
        found = self.loc + torch.exp(self.log_scale) * drawn
        # Where the scale is no number any more the density is flat; so far out the mean is an end.
        flat = self.low + u.to(found) * (self.high - self.low)
        found = torch.where(found.isnan(), flat, found)
        return self._within(torch.where(self.loc.isinf(), self.loc, found))

    def _within(self, x: Tensor) -> Tensor:
        return x.clamp(self.low, self.high)

    def _moments(self, n: int) -> list[Tensor]:
        """Return the means of y, y^2, ... for y in scales from the mean of the normal."""
        cut = self._cut()
        far, near = cut.far.clamp_min(-1e6), cut.near.clamp_max(1e6)
        inside = near > 0.0
        log_density = (
            torch.where(inside, far.square(), (far - near) * (far + near)),
            torch.where(inside, near.square(), 0.0),
        )
        at_far, at_near = (torch.exp(-0.5 * d - HALF_LOG_2PI - cut.log_mass) for d in log_density)
        moments = [torch.zeros_like(far), torch.ones_like(far)]  # of the orders -1 and 0
        for k in range(n):
            moments.append(k * moments[-2] + at_far * far**k - at_near * near**k)
        return [
            torch.where(cut.mirrored, (-1.0) ** (k + 1) * moment, moment)
            for k, moment in enumerate(moments[2:])
        ]

    def _cut(self) -> _Cut:
        inverse = torch.exp(-self.log_scale)
        return _Cut.at((self.low - self.loc) * inverse, (self.high - self.loc) * inverse)


class MayBeBounded(Family):
    """What families share whose cells, or their logarithms, are normal and may be cut off."""

    scale: Sharing
    bounded: bool

    @property
    def options(self) -> dict[str, Any]:
        return {"bounded": self.bounded}

    @property
    def parameters(self) -> tuple[Sharing, ...]:
        return ("cell", fixed_or(self.scale), *(ENDS if self.bounded else ()))

    def common(self, floor: Tensor) -> Tensor:
        """Return the floor of scales that columns have together, or each its own."""
        return floor

    def on_line(self, cells: Tensor) -> Tensor:
        """Return cells as the numbers that are normal."""
        return cells

    def constrain(self, raw: list[Tensor], limits: Limits) -> list[Tensor]:
        floor = self.common(limits.floor)
        loc, log_scale, *ends = raw
        if isinstance(self.scale, str):
            log_scale = above(log_scale, floor)
        if ends:
            low, high = map(self.on_line, ends)
            loc = held(loc, log_scale, low, high, floor)
        return [loc, log_scale, *ends]

    def normal(self, theta: Tensor) -> Normal:
        """Return the distribution of the numbers that are normal."""
        loc, log_scale, *ends = theta.unbind(-1)
        if not ends:
            return Normal(loc, log_scale)
        return TruncatedNormal(loc, log_scale, *map(self.on_line, ends))

    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        return self.normal(theta).fisher_sqrt(tangent)


def log_mass(low: Tensor, high: Tensor) -> Tensor:
    """Return the logarithm of a standard normal's mass between two ends, low < high."""
    return _Cut.at(low, high).whole


def held(loc: Tensor, log_scale: Tensor, low: Tensor, high: Tensor, floor: Tensor) -> Tensor:
    """Hold a mean so near to the ends that what is left between them is no narrower than a floor.

    Far beyond an end a normal distribution falls off as an exponential one of the scale
    ``scale^2 / distance``: without a bound, rows at the end would have any density.
    """
    farthest = torch.exp(2.0 * log_scale) / floor
    return loc.clamp(low - farthest, high + farthest)


class _Cut(NamedTuple):
    """Where a normal distribution is cut off, in scales from its mean.

    As a mirror image where the ends are above the mean, so that small probabilities are those of
    the lower tail, which floats tell apart.
    """

    mirrored: Tensor
    near: Tensor  # the upper end, which is nearer to the mean, or on its side
    far: Tensor  # the lower one
    log_mass: Tensor  # between them, plus near^2 / 2 where near < 0

    @classmethod
    def at(cls, low: Tensor, high: Tensor) -> _Cut:
        """Cut a standard normal distribution off at two ends, low < high."""
        mirrored = high > -low  # as a sum of infinite ends would be none
        near, far = torch.where(mirrored, -low, high), torch.where(mirrored, -high, low)
        return cls(mirrored, near, far, _log_mass(near, far))

    @property
    def whole(self) -> Tensor:
        """The logarithm of the mass between them."""
        return self.log_mass - 0.5 * self.near.clamp_max(0.0).square()


def _log_mass(near: Tensor, far: Tensor) -> Tensor:
    """Return log(Phi(near) - Phi(far)), plus near^2 / 2 where near < 0."""
    in_tail = near < 0.0
    # Each branch is computed at numbers where it and its gradient are finite.
    below = near.clamp_max(0.0)
    scaled_near = _log_scaled_tail(below)
    gap_in_tail = (
        scaled_near - _log_scaled_tail(far.clamp_max(0.0)) + 0.5 * (far - below) * (far + below)
    )
    of_near = log_ndtr(near.clamp_min(0.0))
    gap_around = of_near - log_ndtr(far)
    gap = torch.where(in_tail, gap_in_tail, gap_around).clamp_min(torch.finfo(near.dtype).eps)
    return torch.where(in_tail, scaled_near, of_near) + torch.log(-torch.expm1(-gap))


def _log_scaled_tail(x: Tensor) -> Tensor:
    """Return log Phi(x) + x^2 / 2 for x <= 0."""
    return torch.log(0.5 * erfcx(-x * math.sqrt(0.5)))
