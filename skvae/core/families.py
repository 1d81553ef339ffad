"""Families: the distribution of one cell given the raw numbers of the decoder.

A family is stateless: ``family(theta)`` with ``theta`` of shape (..., p) is a distribution with
event shape ``()``. How each of the p raw numbers comes about (from z or not, one a column or one
for all) is declared by ``parameters`` and carried out by :mod:`skvae.core.cells`. To add a
likelihood, write one class here and add one row to its test table.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from .distributions import BernoulliLogits, CellDistribution, Normal
from .recipe import Recipe

#: How a raw number of a cell arises: "cell" and "row" depend on z (one a cell, or one a row
#: shared by all columns), "column" and "shared" do not (one a column, or one for the table),
#: and a float is that constant.
Sharing = str | float
SCALES = ("cell", "row", "column", "shared")


@dataclasses.dataclass
class LinearStart:
    """A linear-Gaussian model of the standardised cells, from which a family starts.

    Attributes
    ----------
    loadings : Tensor of shape (c, d)
    center, spread : Tensors of shape (c,)
        Cells are ``center + spread * standardised``.
    noise_scale : Tensor of shape (c,)
        Standard deviation of the standardised cells given z.
    floor : Tensor of shape (c,)
        Smallest scale allowed.
    """

    loadings: Tensor
    center: Tensor
    spread: Tensor
    noise_scale: Tensor
    floor: Tensor


class Family(Recipe, ABC):
    """The distribution of one cell, given ``theta`` of shape (..., p)."""

    #: The kind of column this family models: "continuous" or "binary".
    kind: ClassVar[str]
    #: "density" (with respect to length in the user's units) or "mass".
    measure: ClassVar[str]

    def validate(self) -> None:
        """Raise ValueError where a field has no meaning."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[Sharing, ...]:
        """How each of the p raw numbers arises, see :data:`Sharing`."""

    @abstractmethod
    def __call__(self, theta: Tensor) -> CellDistribution:
        """Return the distribution of cells. theta (..., p) -> batch shape (...)."""

    @property
    def isotropic(self) -> bool:
        """Whether all columns share one noise; a linear start must then do so too."""
        return False

    def constrain(self, raw: list[Tensor], floor: Tensor) -> list[Tensor]:
        """Keep raw numbers, each (..., c), in their range; ``floor`` (c,) bounds scales."""
        return raw

    @abstractmethod
    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        """Return S t for S^T S = I(theta), the Fisher information of a cell about theta.

        theta (..., p), tangent (..., p) -> (..., r) for any r: with ``tangent`` the derivative of
        theta by a latent, products of what comes back add up to the information about z.
        """

    @abstractmethod
    def start(self, linear: LinearStart) -> list[tuple[Tensor, Tensor]]:
        """Return a weight (c, d) and a bias (c,) for each raw number."""


@dataclasses.dataclass
class Gaussian(Family):
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

    References
    ----------
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2014);
    "Simple and Effective VAE Training with Calibrated Decoders" (Rybkin et al., 2021).
    """

    scale: Sharing = "cell"

    kind: ClassVar[str] = "continuous"
    measure: ClassVar[str] = "density"

    def validate(self) -> None:
        learned = isinstance(self.scale, str) and self.scale in SCALES
        fixed = isinstance(self.scale, float | int) and 0 < self.scale < math.inf
        if not (learned or fixed):
            raise ValueError(
                f"Gaussian(scale={self.scale!r}): expected one of {SCALES}, or a positive "
                "number, the fixed scale in standard deviations of the column."
            )

    @property
    def parameters(self) -> tuple[Sharing, ...]:
        return ("cell", self.scale if isinstance(self.scale, str) else math.log(self.scale))

    def __call__(self, theta: Tensor) -> CellDistribution:
        return Normal(*theta.unbind(-1))

    def constrain(self, raw: list[Tensor], floor: Tensor) -> list[Tensor]:
        loc, log_scale = raw
        if not isinstance(self.scale, str):
            return raw
        # log(exp(log_scale) + floor): smooth, so the gradient never dies at the bound.
        return [loc, torch.logaddexp(log_scale, self._common(floor).log())]

    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        log_scale = theta[..., 1]
        return torch.stack(
            [torch.exp(-log_scale) * tangent[..., 0], math.sqrt(2.0) * tangent[..., 1]], -1
        )

    @property
    def isotropic(self) -> bool:
        return self.scale in ("row", "shared")

    def _common(self, floor: Tensor) -> Tensor:
        # A scale shared by all columns keeps being shared: it takes their smallest bound.
        return floor.min() if self.isotropic else floor

    def start(self, linear: LinearStart) -> list[tuple[Tensor, Tensor]]:
        scale = linear.noise_scale * linear.spread
        # The learned part is what exceeds the floor; 1e-3 of the scale keeps its log finite.
        excess = torch.maximum(scale - self._common(linear.floor), 1e-3 * scale)
        weight = linear.loadings * linear.spread.unsqueeze(-1)
        return [(weight, linear.center), (torch.zeros_like(weight), excess.log())]


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

    def fisher_sqrt(self, theta: Tensor, tangent: Tensor) -> Tensor:
        return BernoulliLogits(theta).variance.sqrt() * tangent

    def start(self, linear: LinearStart) -> list[tuple[Tensor, Tensor]]:
        # First order in z: d logit = d mean / (mean (1 - mean)) = d mean / spread^2.
        return [(linear.loadings / linear.spread.unsqueeze(-1), torch.logit(linear.center))]
