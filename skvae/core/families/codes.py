"""Families of codes: cells that are one of several levels, numbered from 0."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, one_hot

from .base import CellDistribution, Family, Generator, Limits, LinearStart, Sharing, Start, flat

#: The logit of a level that a column does not have. Finite, so that 0 times it is 0.
NEVER = -1e30
#: Largest slope of a logit by a latent at a linear start: to first order the logits of rare levels
#: would follow a latent so steeply that they ruled two deviations from where they were fitted.
MAX_SLOPE = 1.0


class BernoulliLogits(CellDistribution):
    """A 0/1 cell given its log-odds."""

    def __init__(self, logits: Tensor):
        self.logits = logits
        super().__init__(logits, logits.shape)

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(self.logits)

    @property
    def mode(self) -> Tensor:
        return (self.logits > 0).to(self.logits)

    @property
    def variance(self) -> Tensor:
        return self.mean * torch.sigmoid(-self.logits)

    def log_prob(self, value: Tensor) -> Tensor:
        # log sigmoid((2 x - 1) logit), stable for any logit.
        return logsigmoid((2.0 * value - 1.0) * self.logits)

    def _sample(self, shape: torch.Size, generator: Generator) -> Tensor:
        return (self._uniform(shape, generator) < self.mean).to(self.logits)


@dataclasses.dataclass
class Bernoulli(Family):
    """Cells that are 0 or 1, by log-odds that depend on z. Scores are probabilities (a pmf)."""

    kind: ClassVar[str] = "binary"
    measure: ClassVar[str] = "mass"

    @property
    def parameters(self) -> tuple[Sharing, ...]:
        return ("cell",)

    def __call__(self, theta: Tensor) -> CellDistribution:
        return BernoulliLogits(theta[..., 0])

    def standard(self, features: Tensor, frequency: Tensor) -> tuple[Tensor, Tensor]:
        # Laplace's rule of succession keeps the log-odds of a rare value finite.
        center = (features.sum(0) + 1.0) / (len(features) + 2.0)
        return center, (center * (1.0 - center)).sqrt()

    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        return BernoulliLogits(theta).variance.sqrt() * tangent

    def start(self, linear: LinearStart) -> list[Start]:
        # First order in z: d logit = d mean / (mean (1 - mean)) = d mean / spread^2.
        of = linear.of
        slope = linear.loadings / of.spread.unsqueeze(-1)
        # E sigmoid(b + s z) is about sigmoid(b / sqrt(1 + pi s^2 / 8)) for a normal z.
        flatter = torch.sqrt(1.0 + math.pi / 8.0 * slope.square().sum(-1))
        return [(slope, torch.logit(of.center, 1e-6) * flatter)]


class CategoricalLogits(CellDistribution):
    """A code from 0 to L - 1 given unnormalised log-probabilities (..., L)."""

    def __init__(self, logits: Tensor):
        self.logits = logits
        super().__init__(logits, logits.shape[:-1])

    @property
    def probs(self) -> Tensor:
        """Probability of every level, (..., L)."""
        return torch.softmax(self.logits, -1)

    @property
    def mean(self) -> Tensor:
        return self.probs @ self._codes()

    @property
    def summary(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return self.logits.argmax(-1).to(self.logits)

    @property
    def variance(self) -> Tensor:
        return self.probs @ self._codes().square() - self.mean.square()

    def log_prob(self, value: Tensor) -> Tensor:
        # Not by torch.broadcast_shapes, whose first call takes over a second to import sympy.
        value, _ = torch.broadcast_tensors(value, self.logits[..., 0])
        codes = value.long().unsqueeze(-1)
        chosen = self.logits.expand(*value.shape, -1).gather(-1, codes).squeeze(-1)
        return chosen - torch.logsumexp(self.logits, -1)

    def _sample(self, shape: torch.Size, generator: Generator) -> Tensor:
        # The cumulative probabilities, up to a factor, that a uniform number has passed.
        cumulative = self.probs.cumsum(-1)
        u = self._uniform(shape, generator) * cumulative[..., -1]
        return (u.unsqueeze(-1) >= cumulative[..., :-1]).sum(-1).to(self.logits)

    def _codes(self) -> Tensor:
        return torch.arange(self.logits.shape[-1]).to(self.logits)


class Codes(Family):
    """What the families of codes share: probabilities, one-hot features, and information."""

    measure: ClassVar[str] = "mass"

    def __call__(self, theta: Tensor) -> CategoricalLogits:
        return CategoricalLogits(theta)

    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        # I = diag(p) - p p^T = S^T S for S = diag(sqrt(p)) (1 - 1 p^T).
        p = torch.softmax(theta, -1)
        return p.sqrt() * (tangent - (p * tangent).sum(-1, keepdim=True))

    def features(self, x: Tensor, n_levels: int) -> Tensor:
        return one_hot(x.long().clamp(0, n_levels - 1), n_levels).to(x)

    def standard(self, features: Tensor, frequency: Tensor) -> tuple[Tensor, Tensor]:
        # An indicator stays one: in units of its deviation that of a rare level would be huge.
        return frequency, torch.ones_like(frequency)


class _FreeCodes(Codes):
    """Codes whose levels all have a logit of their own that depends on z."""

    @property
    def parameters(self) -> tuple[Sharing, ...]:
        return ("cell",)

    def sizes(self, n_levels: int) -> tuple[int, ...]:
        return (n_levels,)

    def constrain(self, raw: list[Tensor], limits: Limits) -> list[Tensor]:
        return [raw[0] if limits.full else torch.where(limits.valid, raw[0], NEVER)]

    def start(self, linear: LinearStart) -> list[Start]:
        # First order in z: p_k (1 + slope_k z), and the slopes, weighed by p, add up to 0.
        frequency = linear.of.frequency
        slope = linear.weight / frequency.unsqueeze(-1)
        steepness = slope.norm(dim=-1, keepdim=True).clamp_min(MAX_SLOPE)
        return [(slope * (MAX_SLOPE / steepness), frequency.log())]


@dataclasses.dataclass
class Categorical(_FreeCodes):
    """Categories without an order, each with log-odds that depend on z. Scores are a pmf.

    Parameters
    ----------
    unseen : bool, default=False
        Whether categories that a column declares, as dtypes of pandas and polars do, but that no
        row of ``fit`` had are drawn. If not they share a millionth of the mass.
    """

    unseen: bool = False

    kind: ClassVar[str] = "categorical"

    @property
    def options(self) -> dict[str, Any]:
        return {"unseen": self.unseen}


@dataclasses.dataclass
class Binned(_FreeCodes):
    """Numbers by the bin they are in: for repeated values, many modes and heavy tails.

    A value that is repeated often has a probability of its own, an atom; the others are in bins of
    equal counts, whose probabilities depend on z, and spread evenly within a bin. Outer bins have
    tails, so that no finite value is impossible. Scores are exact densities in the units of the
    column; mass on an atom counts as mass over the column's resolution, and that of an integer is
    a probability.

    Parameters
    ----------
    n_bins : int, default=64
        Bins for the values that are not repeated, if none were; repeated ones take their share.
        Fewer where a bin would have less than 10 training rows.
    min_share : float, default=0.004
        Share of rows above which a value is an atom; at least 5 rows.
    atoms : bool, default=True
        Whether there are any; without them scores are densities throughout.
    """

    n_bins: int = 64
    min_share: float = 0.004
    atoms: bool = True

    kind: ClassVar[str] = "binned"

    def validate(self) -> None:
        if not isinstance(self.n_bins, int) or self.n_bins < 1:
            raise ValueError(f"Binned(n_bins={self.n_bins!r}): expected an integer >= 1.")
        if not 0 < self.min_share <= 1:
            raise ValueError(f"Binned(min_share={self.min_share!r}): expected a share in (0, 1].")

    @property
    def options(self) -> dict[str, Any]:
        return self.get_params()


@dataclasses.dataclass
class Ordinal(Codes):
    """Ordered categories: a number that depends on z, cut at learned thresholds. Scores are a pmf.

    P(x <= k) = sigmoid(threshold_k - location(z)), thresholds rising and one set a column.

    Parameters
    ----------
    unseen : bool, default=False
        Whether categories that are declared but were not seen are drawn, as in
        :class:`Categorical`.

    References
    ----------
    "Regression Models for Ordinal Data" (McCullagh, 1980).
    """

    unseen: bool = False

    kind: ClassVar[str] = "ordinal"

    @property
    def options(self) -> dict[str, Any]:
        return {"unseen": self.unseen}

    @property
    def parameters(self) -> tuple[Sharing, ...]:
        return ("cell", "column")

    def sizes(self, n_levels: int) -> tuple[int, ...]:
        return (1, max(n_levels - 1, 1))

    def constrain(self, raw: list[Tensor], limits: Limits) -> list[Tensor]:
        location, steps = raw
        # The first number is a threshold, the others are logarithms of steps to the next ones.
        first, more = steps[..., :1], steps[..., 1:].exp()
        threshold = torch.cat([first, first + more.cumsum(-1)], -1)
        threshold = threshold[..., : limits.valid.shape[-1] - 1]  # of a single level there is none
        upper = torch.where(limits.valid[:, 1:], threshold - location, -NEVER)
        last = torch.full_like(location[..., :1], -NEVER)
        log_prob = _log_difference(
            torch.cat([upper, last], -1), torch.cat([-last, threshold - location], -1)
        )
        return [torch.where(limits.valid, log_prob, NEVER)]

    def start(self, linear: LinearStart) -> list[Start]:
        below = linear.of.frequency.cumsum(-1)[:, :-1]
        if not below.shape[-1]:  # a single level
            below = below.new_full((len(below), 1), 0.5)
        threshold = torch.logit(below, 1e-6)
        steps = threshold.diff(dim=-1).clamp_min(1e-3).log()
        # First order in z: d mean code = sum of the logistic densities at the thresholds.
        codes = torch.arange(linear.weight.shape[1]).to(linear.weight)
        # Where only one level occurs there is no slope: not 0 / 0.
        by_location = (below * (1.0 - below)).sum(-1).clamp_min(1e-12)[:, None, None]
        slope = torch.einsum("k,ckd->cd", codes, linear.weight).unsqueeze(1) / by_location
        zero = slope.new_zeros(slope.shape[:2])
        return [(slope, zero), flat(linear, torch.cat([threshold[:, :1], steps], -1))]


def _log_difference(upper: Tensor, lower: Tensor) -> Tensor:
    """Return log(sigmoid(upper) - sigmoid(lower)) for upper > lower.

    sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)).
    """
    gap = (upper - lower).clamp_min(1e-6)
    return logsigmoid(upper) + logsigmoid(-lower) + torch.log(-torch.expm1(-gap))
