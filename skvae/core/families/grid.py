"""Families of numbers on a known grid: grey levels, marks, scores."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from .base import (
    MIN_SCALE,
    SCALES,
    CellDistribution,
    Family,
    Generator,
    Limits,
    LinearStart,
    Sharing,
    Start,
    Statistics,
    between,
    check_scale,
    cholesky_2x2,
    flat,
)
from .real import LOGISTIC_DEVIATION

#: Bounds on learned scales, in steps and in half ranges: below the first all mass is on one point
#: or on two, and above the second it is on the ends.
MIN_STEPS, MAX_RANGES = 0.02, 1e4
#: Smallest scale of a linear start, in steps: narrower ones, wrong by a step, cost 20 nats.
START_STEPS = 0.05
#: Variance of rounding to whole steps.
ROUNDING = 1.0 / 12.0
#: Sums over levels take as many of them at a time as makes so many numbers.
AT_ONCE = 2**18


class GridLogistic(CellDistribution):
    """A logistic number rounded to 0 .. n - 1, whose ends take what is beyond them."""

    def __init__(self, loc: Tensor, log_scale: Tensor, n: int):
        self.loc, self.log_scale, self.n = loc, log_scale, n
        super().__init__(loc, torch.broadcast_tensors(loc, log_scale)[0].shape)

    @property
    def rate(self) -> Tensor:
        """Scales a step: what the two bounds of a cell are apart in the standard logistic."""
        return torch.exp(-self.log_scale)

    @property
    def mean(self) -> Tensor:
        # The sum of P(x > k).
        return self._total(self.n - 1, lambda k: torch.sigmoid((self.loc - k - 0.5) * self.rate))

    @property
    def mode(self) -> Tensor:
        """The point nearest to the location, or an end."""
        nearest = self.loc.round().clamp(1.0, self.n - 2.0)
        points = torch.stack([torch.zeros_like(nearest), nearest, nearest * 0.0 + self.n - 1.0])
        return points.gather(0, self.log_prob(points).argmax(0, keepdim=True))[0]

    @property
    def variance(self) -> Tensor:
        mean = self.mean
        return self._total(self.n, lambda k: self.log_prob(k).exp() * (k - mean).square())

    def log_prob(self, value: Tensor) -> Tensor:
        # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)), and u - l is the rate.
        upper, lower, is_first, is_last = self._bounds(value)
        width = torch.log(-torch.expm1(-self.rate))
        return (
            torch.where(is_last, 0.0, logsigmoid(upper))
            + torch.where(is_first, 0.0, logsigmoid(-lower))
            + torch.where(is_first | is_last, 0.0, width)
        )

    def information(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the Fisher information about loc / scale and log scale: I_11, I_12, I_22."""

        def products(k: Tensor) -> Tensor:
            by_loc, by_log_scale = self._score(k)
            p = self.log_prob(k).exp()
            both = (by_loc.square(), by_loc * by_log_scale, by_log_scale.square())
            return torch.stack([p * product for product in both], 1)

        first, off, second = self._total(self.n, products)
        return first, off, second

    def _bounds(self, value: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return both bounds of a value in the standard logistic, and which values are ends."""
        away = value - self.loc
        upper, lower = (away + 0.5) * self.rate, (away - 0.5) * self.rate
        return upper, lower, value <= 0.0, value >= self.n - 1.0

    def _score(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return the derivative of log P by loc, times the scale, and by the log scale."""
        upper, lower, is_first, is_last = self._bounds(value)
        below = torch.where(is_last, 0.0, torch.sigmoid(-upper))
        above = torch.where(is_first, 0.0, torch.sigmoid(lower))
        width = torch.where(is_first | is_last, 0.0, self.rate / torch.expm1(self.rate))
        return above - below, lower * above - upper * below - width

    def _sample(self, shape: torch.Size, generator: Generator) -> Tensor:
        tiny = torch.finfo(self.loc.dtype).eps
        u = self._uniform(shape, generator).clamp(tiny, 1.0 - tiny)
        number = self.loc + torch.exp(self.log_scale) * torch.logit(u)
        return number.round().clamp(0.0, self.n - 1.0)

    def _total(self, n: int, of: Callable[[Tensor], Tensor]) -> Tensor:
        """Sum what is ``of`` levels (L, 1, ..) over 0 .. n - 1, few at a time."""
        return functools.reduce(torch.add, (of(levels).sum(0) for levels in self._levels(n)))

    def _levels(self, n: int) -> Iterator[Tensor]:
        size = max(AT_ONCE // max(self.batch_shape.numel(), 1), 1)
        levels = torch.arange(n, dtype=self.loc.dtype, device=self.loc.device)
        return iter(levels.view(-1, *(1 for _ in self.batch_shape)).split(size))


@dataclasses.dataclass
class DiscretizedLogistic(Family):
    """Numbers on an even grid, as grey levels: a logistic distribution cut midway between them.

    P(x) = sigmoid((x + step / 2 - m) / s) - sigmoid((x - step / 2 - m) / s), and ``low`` and
    ``high`` take the tails; m and s depend on z. Scores are exact: with steps of 1 probabilities,
    else probabilities over the step, as densities are.

    Parameters
    ----------
    low, high : float, default=0.0, 255.0
        The ends of the grid, in the units of the column.
    step : float, default=1.0
        Its step, of which there is a whole number. Grey levels that were divided by 255 are
        ``DiscretizedLogistic(high=1, step=1 / 255)``.
    scale : {"cell", "row", "column", "shared"} or float, default="cell"
        The scale s of a cell given z, as in :class:`Gaussian`; a float is in the units of the
        column. Learned ones stay above 0.02 steps.

    References
    ----------
    "Improved Variational Inference with Inverse Autoregressive Flow" (Kingma et al., 2016);
    "PixelCNN++" (Salimans et al., 2017), here without the mixture.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAEDensity
    >>> from skvae.likelihoods import DiscretizedLogistic
    >>> X = load_digits().data  # grey levels from 0 to 16
    >>> density = VAEDensity(8, likelihood=DiscretizedLogistic(high=16), max_epochs=1)
    >>> drawn = density.fit(X).sample(100, random_state=0)
    >>> sorted(set(drawn.ravel())) == list(range(17))
    True
    """

    low: float = 0.0
    high: float = 255.0
    step: float = 1.0
    scale: Sharing = "cell"

    kind: ClassVar[str] = "grid"
    measure: ClassVar[str] = "mass"

    def validate(self) -> None:
        if not -math.inf < self.low < self.high < math.inf:
            raise ValueError(
                f"DiscretizedLogistic(low={self.low!r}, high={self.high!r}): expected two numbers, "
                "low below high."
            )
        if not 0 < self.step < math.inf:
            raise ValueError(f"DiscretizedLogistic(step={self.step!r}): expected a number > 0.")
        n_steps = (self.high - self.low) / self.step
        if round(n_steps) < 1 or abs(n_steps - round(n_steps)) > 1e-6 * n_steps:
            raise ValueError(
                f"DiscretizedLogistic(low={self.low!r}, high={self.high!r}, step={self.step!r}): "
                f"expected a whole number of steps from low to high. Got {n_steps:g}."
            )
        check_scale(self, "scale", self.scale, SCALES)

    @property
    def n_points(self) -> int:
        """Points of the grid."""
        return round((self.high - self.low) / self.step) + 1

    @property
    def options(self) -> dict[str, Any]:
        return {"low": float(self.low), "high": float(self.high), "n": self.n_points}

    @property
    def parameters(self) -> tuple[Sharing, ...]:
        scale = self.scale
        return ("cell", scale if isinstance(scale, str) else math.log(scale / self.step))

    def __call__(self, theta: Tensor) -> GridLogistic:
        loc, log_scale = theta.unbind(-1)
        return GridLogistic(loc, log_scale, self.n_points)

    @property
    def isotropic(self) -> bool:
        return self.scale in ("row", "shared")

    @property
    def _half(self) -> float:
        # Raw numbers are in half ranges from the middle, for steps of training of a like size.
        return 0.5 * (self.n_points - 1)

    def standard(self, features: Tensor, frequency: Tensor) -> tuple[Tensor, Tensor]:
        center, spread = super().standard(features, frequency)
        # Columns that share a scale are compared in the same units.
        common = spread.square().mean().sqrt().expand_as(spread)
        return center, common if self.isotropic else spread

    def floor(
        self, of: Statistics, resolution: Tensor, least: Tensor | float = MIN_SCALE
    ) -> Tensor:
        # However narrow the logistic, what is rounded deviates from a linear model by that much.
        return torch.full_like(of.mean, math.sqrt(ROUNDING))

    def constrain(self, raw: list[Tensor], limits: Limits) -> list[Tensor]:
        loc, log_scale = self._half * (1.0 + raw[0]), raw[1]
        if isinstance(self.scale, str):
            low, high = (
                log_scale.new_tensor(bound).log() for bound in (MIN_STEPS, MAX_RANGES * self._half)
            )
            log_scale = between(log_scale + math.log(self._half), low, high)
        return [loc, log_scale]

    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        p = self(theta)
        first, off, second = p.information()
        # All mass on one point tells nothing: 0 over a root of 0 is to be 0.
        first = first.clamp_min(torch.finfo(first.dtype).tiny)
        return cholesky_2x2(first, off, second, p.rate * tangent[..., 0], tangent[..., 1])

    def start(self, linear: LinearStart) -> list[Start]:
        variance = (linear.noise_scale * linear.of.spread).square() - ROUNDING
        scale = (variance.clamp_min(0.0).sqrt() / LOGISTIC_DEVIATION).clamp_min(START_STEPS)
        log_scale = torch.log((scale - MIN_STEPS) / self._half)
        location = (linear.weight / self._half, linear.of.center / self._half - 1.0)
        return [location, flat(linear, log_scale)]
