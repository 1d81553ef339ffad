"""What a family is: the distribution of one cell given the raw numbers of the decoder.

A family is stateless: ``family(theta)`` with ``theta`` of shape (..., p) is a distribution with
event shape ``()``. How each raw number comes about (from z or not, one a column or one for all) is
declared by ``parameters`` and carried out by :mod:`skvae.core.cells`. To add a likelihood, write
one class in a file of this folder, a line in :mod:`skvae.likelihoods` and a row in its test table.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..recipe import Recipe

#: How a raw number of a cell arises: "cell" and "row" depend on z (one a cell, or one a row
#: shared by all columns), "column" and "shared" do not (one a column, or one for the table),
#: "low" and "high" are the ends of the column, and a float is that constant.
Sharing = str | float
SCALES = ("cell", "row", "column", "shared")
ENDS = ("low", "high")
#: Ends of a column that has none: far beyond any cell.
OPEN = 1e12
#: Scale floor of learned scales, in standard deviations of the column.
MIN_SCALE = 1e-3
#: Bound on the logarithm of the mean of a positive cell.
MAX_LOG_MEAN = 40.0


Generator = torch.Generator | None


class CellDistribution(Distribution, ABC):
    """A distribution of single cells, event shape ``()``, drawn with an explicit generator.

    Parameters
    ----------
    like : Tensor
        A parameter: draws have its dtype and device.
    batch_shape : torch.Size
    """

    def __init__(self, like: Tensor, batch_shape: torch.Size):
        self._like = like
        super().__init__(batch_shape, validate_args=False)

    def sample(  # type: ignore[override]
        self, sample_shape: torch.Size | tuple[int, ...] = (), generator: Generator = None
    ) -> Tensor:
        """Draw cells, (*sample_shape, *batch_shape)."""
        return self._sample(self._extended_shape(torch.Size(sample_shape)), generator)

    @abstractmethod
    def _sample(self, shape: torch.Size, generator: Generator) -> Tensor:
        """Draw cells of a shape that ends in the batch's."""

    @property
    def summary(self) -> Tensor:
        """What an average over draws of z is taken of, (..., r): the mean, r = 1.

        Of codes the probability of every level.
        """
        return self.mean.unsqueeze(-1)

    def _uniform(self, shape: torch.Size, generator: Generator) -> Tensor:
        like = self._like
        return torch.rand(shape, generator=generator, dtype=like.dtype, device=like.device)

    def _normal(self, shape: torch.Size, generator: Generator) -> Tensor:
        like = self._like
        return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)


class Limits(NamedTuple):
    """What the columns of a block allow."""

    floor: Tensor  # smallest scale, (c, 1)
    valid: Tensor  # which of the block's levels a column has, (c, L) bool
    full: bool  # whether all columns have all of them


@dataclasses.dataclass
class Statistics:
    """What is known of the cells of a block before training; f features and L levels a cell.

    Attributes
    ----------
    center, spread : Tensors of shape (c, f)
        Mean and scale of the features of a cell.
    mean, variance : Tensors of shape (c,)
        Of the cells themselves.
    frequency : Tensor of shape (c, L)
        Of every level, by Laplace's rule of succession: that of a rare value is not 0.
    """

    center: Tensor
    spread: Tensor
    mean: Tensor
    variance: Tensor
    frequency: Tensor

    def moved(self, by: Tensor) -> Statistics:
        """Return those of features whose centers are elsewhere by so many scales, (c, f)."""
        return dataclasses.replace(self, center=self.center + self.spread * by)

    def pooled(self) -> Statistics:
        """Return those in which all cells have the center and the spread that they have together.

        Of a level the mean over the cells.
        """
        center = self.center.mean(0, keepdim=True)
        spread = (self.spread.square() + (self.center - center).square()).mean(0, keepdim=True)
        like = self.center
        pooled = center.expand_as(like), spread.sqrt().expand_as(like)
        return dataclasses.replace(self, center=pooled[0], spread=pooled[1])


@dataclasses.dataclass
class LinearStart:
    """A linear-Gaussian model of the features, from which a family starts.

    Attributes
    ----------
    loadings : Tensor of shape (c, f, d)
        Features are ``center + spread * (loadings z + noise)``.
    noise_scale : Tensor of shape (c, f)
        Standard deviation of that noise.
    floor : Tensor of shape (c,)
        Smallest scale allowed.
    of : Statistics
        Of the cells.
    """

    loadings: Tensor
    noise_scale: Tensor
    floor: Tensor
    of: Statistics

    @property
    def weight(self) -> Tensor:
        """Derivative of the mean of the features by z, (c, f, d)."""
        return self.loadings * self.of.spread.unsqueeze(-1)


#: A weight (c, size, d) and a bias (c, size) for a raw number.
Start = tuple[Tensor, Tensor]


class Family(Recipe, ABC):
    """The distribution of one cell, given ``theta`` of shape (..., p)."""

    #: The kind of column this family models, which says how the table turns values into cells:
    #: "continuous", "positive", "unit", "count", "grid", "binary", "categorical", "ordinal",
    #: "binned".
    kind: ClassVar[str]
    #: "density" (with respect to length) or "mass", of the cells.
    measure: ClassVar[str]

    @property
    def options(self) -> dict[str, Any]:
        """What the table has to know beside the kind to make cells of values."""
        return {}

    @property
    @abstractmethod
    def parameters(self) -> tuple[Sharing, ...]:
        """How each of the raw parameters arises, see :data:`Sharing`."""

    def sizes(self, n_levels: int) -> tuple[int, ...]:
        """Return how many numbers each raw parameter has, for cells of so many levels."""
        return (1,) * len(self.parameters)

    @abstractmethod
    def __call__(self, theta: Tensor) -> CellDistribution:
        """Return the distribution of cells. theta (..., p) -> batch shape (...)."""

    @property
    def has_floor(self) -> bool:
        """Whether it learns scales, which :meth:`floor` bounds."""
        learned = any(how in SCALES for how in self.parameters[1:])
        return learned and self.kind in ("continuous", "positive", "unit")

    @property
    def isotropic(self) -> bool:
        """Whether all columns share one noise; a linear start must then do so too."""
        return False

    def features(self, x: Tensor, n_levels: int) -> Tensor:
        """Return what an encoder sees of cells, (..., c) -> (..., c, f), not yet standardised."""
        return x.unsqueeze(-1)

    def statistics(self, x: Tensor, valid: Tensor) -> Statistics:
        """Measure cells (n, c) whose levels are ``valid`` (c, L), before training."""
        frequency = _frequency(x, valid)
        center, spread = self.standard(self.features(x, valid.shape[-1]), frequency)
        spread = torch.where(spread > 0.0, spread, 1.0)
        return Statistics(center, spread, x.mean(0), x.var(0, correction=0), frequency)

    def standard(self, features: Tensor, frequency: Tensor) -> tuple[Tensor, Tensor]:
        """Return center and scale, (c, f) each, by which features (n, c, f) are standardised."""
        return features.mean(0), features.std(0, correction=0)

    def floor(
        self, of: Statistics, resolution: Tensor, least: Tensor | float = MIN_SCALE
    ) -> Tensor:
        """Return the smallest scale of each column, (c,), by the resolution of its cells (c,).

        Without a bound the density of a constant, duplicated or rounded column grows without
        limit: by default it is a thousandth of :meth:`unit`.
        """
        return torch.maximum(least * self.unit(of), self.rounding(of, resolution))

    def unit(self, of: Statistics) -> Tensor:
        """Return what scales of each column are compared with, (c,)."""
        return of.spread[:, 0]

    def rounding(self, of: Statistics, resolution: Tensor) -> Tensor:
        """Return the scale that rounding to a resolution (c,) alone has, (c,)."""
        return resolution / math.sqrt(12.0)

    def constrain(self, raw: list[Tensor], limits: Limits) -> list[Tensor]:
        """Bring raw parameters, each (..., c, size), into their range; joined they are theta."""
        return raw

    @abstractmethod
    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        """Return S t for S^T S = I(theta), the Fisher information of a cell about theta.

        theta (..., p), tangent (..., p) -> (..., r) for any r: with ``tangent`` the derivative of
        theta by a latent, products of what comes back add up to the information about z.
        """

    @abstractmethod
    def start(self, linear: LinearStart) -> list[Start]:
        """Return a weight (c, size, d) and a bias (c, size) for each raw parameter."""


def _frequency(x: Tensor, valid: Tensor) -> Tensor:
    """Return the smoothed frequency of every level, 1 for those a column does not have."""
    codes = x.long()
    counts = torch.stack([(codes == k).sum(0) for k in range(valid.shape[-1])], -1)
    smoothed = (counts + 1.0) / (len(x) + valid.sum(-1, keepdim=True))
    return torch.where(valid, smoothed, 1.0).to(x)


def flat(linear: LinearStart, bias: Tensor) -> Start:
    """Return a start that does not depend on z: a bias (c, size) without a weight."""
    return bias.new_zeros(*bias.shape, linear.loadings.shape[-1]), bias


def above(log_scale: Tensor, floor: Tensor) -> Tensor:
    """Keep the logarithm of a scale above that of a floor, as log(exp(log_scale) + floor).

    Smooth, so the gradient never dies at the bound.
    """
    return torch.logaddexp(log_scale, floor.log())


def between(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Keep a logarithm between two others, smoothly."""
    return -torch.logaddexp(-torch.logaddexp(x, low), -high)


def excess_log_scale(linear: LinearStart, floor: Tensor) -> Tensor:
    """Return the raw log-scale that gives the linear model's noise, (c, 1), over a floor (c,)."""
    scale = linear.noise_scale * linear.of.spread
    # The learned part is what exceeds the floor; 1e-3 of the scale keeps its log finite.
    return torch.maximum(scale - floor.unsqueeze(-1), 1e-3 * scale).log()


def bounded(log_mean: Tensor) -> Tensor:
    """Bound the logarithm of a mean, smoothly, so that what it stands for is a finite number."""
    return MAX_LOG_MEAN * torch.tanh(log_mean / MAX_LOG_MEAN)


def unbounded(weight: Tensor, log_mean: Tensor) -> Start:
    """Return where a raw number starts that is bounded to the logarithm of a mean.

    Parameters
    ----------
    weight : Tensor of shape (c, 1, d)
        Derivative of that logarithm by z.
    log_mean : Tensor of shape (c, 1)
    """
    share = (log_mean / MAX_LOG_MEAN).clamp(-0.99, 0.99)
    return weight / (1.0 - share.square()).unsqueeze(-1), MAX_LOG_MEAN * torch.atanh(share)


def check_scale(family: Family, name: str, value: Sharing, learned: tuple[str, ...]) -> None:
    """Raise ValueError unless a field is one of some names or a positive number."""
    fixed = isinstance(value, float | int) and 0 < value < math.inf
    if not (value in learned or fixed):
        raise ValueError(
            f"{type(family).__name__}({name}={value!r}): expected one of {learned}, or a positive "
            "number."
        )


def check_bounded(family: Family, value: object) -> None:
    """Raise ValueError unless a field is a bool."""
    if not isinstance(value, bool):
        raise ValueError(
            f"{type(family).__name__}(bounded={value!r}): expected True or False. The ends of a "
            "column are learned from its values."
        )


def fixed_or(value: Sharing) -> Sharing:
    """Return a sharing as it is, a number as its logarithm."""
    return value if isinstance(value, str) else math.log(value)


def cholesky_2x2(a: Tensor, b: Tensor, c: Tensor, t: Tensor, u: Tensor) -> Tensor:
    """Return S (t, u) for S^T S = [[a, b], [b, c]], (...) each -> (..., 2)."""
    first = a.sqrt()
    off = b / first
    rest = (c - off.square()).clamp_min(0.0).sqrt()
    return torch.stack([first * t + off * u, rest * u], -1)


def standard_gamma(shape: Tensor, generator: Generator) -> Tensor:
    """Draw gamma numbers of scale 1."""
    return log_standard_gamma(shape, generator).exp()


def log_standard_gamma(shape: Tensor, generator: Generator) -> Tensor:
    """Draw the logarithms of gamma numbers of scale 1.

    Below a shape of 1 from that of one more, as g u^(1 / shape): small shapes have draws too small
    for the dtype, but not for their logarithms.
    """
    uniform = torch.rand(shape.shape, generator=generator, dtype=shape.dtype, device=shape.device)
    raised = torch._standard_gamma(
        torch.where(shape < 1.0, shape + 1.0, shape), generator=generator
    )
    lowered = raised.log() + uniform.clamp_min(1e-30).log() / shape
    return torch.where(shape < 1.0, lowered, raised.log())
