"""Families of real numbers: normal, Student-t, and mixtures of logistics."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import torch
from torch import Tensor

from .base import (
    SCALES,
    CellDistribution,
    Family,
    Generator,
    Limits,
    LinearStart,
    Sharing,
    Start,
    above,
    check_bounded,
    check_scale,
    cholesky_2x2,
    excess_log_scale,
    fixed_or,
    flat,
)
from .normal import MayBeBounded

#: Degrees of freedom above which a variance exists; learned ones stay above it.
MIN_DF = 2.0


class _Real(Family):
    """What families of real numbers share: cells that the table has standardised."""

    kind: ClassVar[str] = "continuous"
    measure: ClassVar[str] = "density"

    def standard(self, features: Tensor, frequency: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(features[0]), torch.ones_like(features[0])


@dataclasses.dataclass
class Gaussian(_Real, MayBeBounded):
    """Normal cells whose mean depends on z.

    Parameters
    ----------
    scale : {"cell", "row", "column", "shared"} or float, default="cell"
        The standard deviation of a cell given z:

        - ``"cell"``: depends on z, its own for every column;
        - ``"row"``: depends on z, the same for all columns;
        - ``"column"``: does not depend on z, one for every column (factor analysis);
        - ``"shared"``: one number for the table, p(x | z) = N(f(z), c I) (probabilistic PCA);
        - a float: fixed at that many standard deviations of the column.

        Learned scales are bounded from below, per column, by 0.001 standard deviations and by
        the column's resolution over sqrt(12) (the standard deviation of rounding). Without a
        bound the density of a constant, duplicated or rounded column grows without limit, and
        the model would spend itself on it.
    bounded : bool, default=False
        Whether the distribution is cut off at the ends of the column: 0, 1 or 100 where its values
        keep to them and come near, else as far beyond its values as these are from the median. A
        millionth of the mass is beyond, so that no number is impossible; none is drawn there.
        Training is by the whole normal distribution, in three quarters of the time.

    References
    ----------
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2014);
    "Simple and Effective VAE Training with Calibrated Decoders" (Rybkin et al., 2021).
    """

    scale: Sharing = "cell"
    bounded: bool = False

    def validate(self) -> None:
        check_scale(self, "scale", self.scale, SCALES)
        check_bounded(self, self.bounded)

    def __call__(self, theta: Tensor) -> CellDistribution:
        return self.normal(theta)

    @property
    def isotropic(self) -> bool:
        return self.scale in ("row", "shared")

    def common(self, floor: Tensor) -> Tensor:
        # A scale shared by all columns keeps being shared: it takes their smallest bound.
        return floor.min() if self.isotropic else floor

    def start(self, linear: LinearStart) -> list[Start]:
        floor = self.common(linear.floor).expand(len(linear.loadings))
        log_scale = excess_log_scale(linear, floor)
        return [(linear.weight, linear.of.center), flat(linear, log_scale)]


class T(CellDistribution):
    """Student's t with logarithmic scale and degrees of freedom."""

    def __init__(self, loc: Tensor, log_scale: Tensor, log_df: Tensor):
        self.loc, self.log_scale, self.log_df = loc, log_scale, log_df
        super().__init__(loc, loc.shape)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        df = self.log_df.exp()
        return torch.exp(2.0 * self.log_scale) * df / (df - 2.0)

    def log_prob(self, value: Tensor) -> Tensor:
        df = self.log_df.exp()
        square = ((value - self.loc) * torch.exp(-self.log_scale)).square()
        constant = torch.lgamma(0.5 * (df + 1.0)) - torch.lgamma(0.5 * df)
        constant = constant - 0.5 * (self.log_df + math.log(math.pi)) - self.log_scale
        return constant - 0.5 * (df + 1.0) * torch.log1p(square / df)

    def _sample(self, shape: torch.Size, generator: Generator) -> Tensor:
        half = (0.5 * self.log_df.exp()).expand(shape)
        gamma = torch._standard_gamma(half, generator=generator) / half
        return self.loc + torch.exp(self.log_scale) * self._normal(shape, generator) * gamma.rsqrt()


@dataclasses.dataclass
class StudentT(_Real):
    """Student's t: real numbers with outliers.

    Parameters
    ----------
    scale : {"cell", "column"} or float, default="cell"
        Scale of a cell given z, as in :class:`Gaussian`.
    df : {"cell", "column", "shared"} or float, default="column"
        Degrees of freedom; learned ones stay above 2, so that a variance exists.

    References
    ----------
    "Robust Statistical Modeling Using the t Distribution" (Lange, Little and Taylor, 1989).
    """

    scale: Sharing = "cell"
    df: Sharing = "column"

    def validate(self) -> None:
        check_scale(self, "scale", self.scale, ("cell", "column"))
        check_scale(self, "df", self.df, ("cell", "column", "shared"))

    @property
    def parameters(self) -> tuple[Sharing, ...]:
        return ("cell", fixed_or(self.scale), fixed_or(self.df))

    def __call__(self, theta: Tensor) -> CellDistribution:
        return T(*theta.unbind(-1))

    def constrain(self, raw: list[Tensor], limits: Limits) -> list[Tensor]:
        loc, log_scale, log_df = raw
        if isinstance(self.scale, str):
            log_scale = above(log_scale, limits.floor)
        if isinstance(self.df, str):
            log_df = above(log_df, torch.full_like(log_df, MIN_DF))
        return [loc, log_scale, log_df]

    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        log_scale, df = theta[..., 1], theta[..., 2].exp()
        location = torch.sqrt((df + 1.0) / (df + 3.0)) * torch.exp(-log_scale) * tangent[..., 0]
        a = 2.0 * df / (df + 3.0)
        b = -2.0 * df / ((df + 1.0) * (df + 3.0))
        trigamma = torch.polygamma(1, 0.5 * df) - torch.polygamma(1, 0.5 * (df + 1.0))
        c = df.square() * (0.25 * trigamma - (df + 5.0) / (2.0 * df * (df + 1.0) * (df + 3.0)))
        rest = cholesky_2x2(a, b, c, tangent[..., 1], tangent[..., 2])
        return torch.cat([location.unsqueeze(-1), rest], -1)

    def start(self, linear: LinearStart) -> list[Start]:
        # Twelve degrees of freedom in all, whose variance is 1.2 squared scales.
        log_scale = excess_log_scale(linear, linear.floor) - 0.5 * math.log(1.2)
        df = torch.full_like(log_scale, math.log(10.0))
        return [(linear.weight, linear.of.center), flat(linear, log_scale), flat(linear, df)]


class Logistics(CellDistribution):
    """A mixture of logistic distributions; everything (..., m)."""

    def __init__(self, logits: Tensor, loc: Tensor, log_scale: Tensor):
        self.log_weight = torch.log_softmax(logits, -1)
        self.loc, self.log_scale = loc, log_scale
        super().__init__(loc, loc.shape[:-1])

    @property
    def mean(self) -> Tensor:
        return (self.log_weight.exp() * self.loc).sum(-1)

    @property
    def mode(self) -> Tensor:
        """The highest of the components' centers."""
        height = self.log_prob(self.loc.movedim(-1, 0)).movedim(0, -1)
        return self.loc.gather(-1, height.argmax(-1, keepdim=True)).squeeze(-1)

    @property
    def variance(self) -> Tensor:
        own = torch.exp(2.0 * self.log_scale) * math.pi**2 / 3.0
        second = self.log_weight.exp() * (own + self.loc.square())
        return second.sum(-1) - self.mean.square()

    def standard(self, value: Tensor) -> Tensor:
        """Return values in the scales of the components, (..., m)."""
        return (value.unsqueeze(-1) - self.loc) * torch.exp(-self.log_scale)

    def component_log_prob(self, standard: Tensor) -> Tensor:
        """Return the log-density of each component times its weight, (..., m)."""
        log_density = -standard.abs() - 2.0 * torch.log1p(torch.exp(-standard.abs()))
        return self.log_weight + log_density - self.log_scale

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.logsumexp(self.component_log_prob(self.standard(value)), -1)

    def _sample(self, shape: torch.Size, generator: Generator) -> Tensor:
        u = self._uniform(shape, generator).unsqueeze(-1)
        # The last cumulative weight may round to less than u.
        chosen = (u > self.log_weight.exp().cumsum(-1)).sum(-1, keepdim=True)
        chosen = chosen.clamp_max(self.loc.shape[-1] - 1)
        loc, log_scale = (
            part.expand(*u.shape[:-1], -1).gather(-1, chosen).squeeze(-1)
            for part in (self.loc, self.log_scale)
        )
        tiny = torch.finfo(u.dtype).eps
        v = self._uniform(shape, generator).clamp(tiny, 1.0 - tiny)
        return loc + torch.exp(log_scale) * torch.logit(v)


@dataclasses.dataclass
class LogisticMixture(_Real):
    """A mixture of logistic distributions: several modes even given z.

    Parameters
    ----------
    n_components : int, default=5
        Components; weights, locations and scales all depend on z.

    References
    ----------
    "PixelCNN++" (Salimans et al., 2017).
    """

    n_components: int = 5

    #: Evenly spaced points a component, out to so many scales, by which the Fisher information is
    #: integrated: of a smooth density that vanishes at both ends a sum is as good as an integral.
    N_POINTS: ClassVar[int] = 21
    REACH: ClassVar[float] = 12.0

    def validate(self) -> None:
        if not isinstance(self.n_components, int) or self.n_components < 1:
            raise ValueError(
                f"LogisticMixture(n_components={self.n_components!r}): expected an integer >= 1."
            )

    @property
    def parameters(self) -> tuple[Sharing, ...]:
        return ("cell", "cell", "cell")

    def sizes(self, n_levels: int) -> tuple[int, ...]:
        return (self.n_components,) * 3

    def __call__(self, theta: Tensor) -> Logistics:
        return Logistics(*theta.chunk(3, -1))

    def constrain(self, raw: list[Tensor], limits: Limits) -> list[Tensor]:
        logits, loc, log_scale = raw
        # A logistic distribution of scale s has the standard deviation 1.8 s.
        return [logits, loc, above(log_scale, limits.floor / LOGISTIC_DEVIATION)]

    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        """Integrate the outer product of the score over every component."""
        p = self(theta)
        y = torch.linspace(-self.REACH, self.REACH, self.N_POINTS).to(theta)
        x = (p.loc.unsqueeze(-1) + p.log_scale.exp().unsqueeze(-1) * y).flatten(-2)
        each = Logistics(*(part.unsqueeze(-2) for part in theta.chunk(3, -1)))
        score = self._score(each, x)  # (..., m * points, p)
        density = torch.sigmoid(y) * torch.sigmoid(-y) * (y[1] - y[0])
        weight = (p.log_weight.exp().unsqueeze(-1) * density).flatten(-2)
        return weight.sqrt() * (score * tangent.unsqueeze(-2)).sum(-1)

    def _score(self, p: Logistics, x: Tensor) -> Tensor:
        """Return the derivative of log p(x) by theta, (..., p)."""
        standard = p.standard(x)
        share = torch.softmax(p.component_log_prob(standard), -1)
        pull = torch.tanh(0.5 * standard)
        by_logits = share - p.log_weight.exp()
        by_loc = share * pull * torch.exp(-p.log_scale)
        return torch.cat([by_logits, by_loc, share * (standard * pull - 1.0)], -1)

    def start(self, linear: LinearStart) -> list[Start]:
        scale = linear.noise_scale * linear.of.spread  # (c, 1)
        steps = 0.5 * torch.linspace(-1.0, 1.0, self.n_components).to(scale)
        own = torch.sqrt(1.0 - steps.square().mean()) / LOGISTIC_DEVIATION
        log_scale = excess_log_scale(linear, linear.floor) + own.log()
        weight = linear.weight.expand(-1, self.n_components, -1)
        return [
            flat(linear, torch.zeros_like(scale * steps)),
            # Apart from the start, or the components would stay the same.
            (weight, linear.of.center + scale * steps),
            flat(linear, log_scale.expand(-1, self.n_components)),
        ]


LOGISTIC_DEVIATION = math.pi / math.sqrt(3.0)
