"""Trimmed training: a bound whose mean leaves out the least likely rows."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from ..batch import Batch
from ..recipe import resolve
from ..vae import VAE
from .around import Around, AroundModule
from .bounds import Bound, Objective, ObjectiveModule


@dataclasses.dataclass
class Trimmed(Around, Objective):
    """A bound whose mean leaves out the rows where it is lowest: rows that should not be fitted.

    Of every batch a share is left out, anew each time, and also of the held-out rows that early
    stopping watches. A row far from all others has a gradient as large as it is wrong; without it
    the model of the others is as if the row had not been there. Give a share somewhat above that
    of the outliers: of a table without any, the tails are lost. A linear start is made again
    without the rows that are least likely by the first one; its mean and the units of columns are
    those of all rows.

    Parameters
    ----------
    fraction : float, default=0.1
        The share of rows left out, from 0 to below 1.
    objective : str or Objective, default="iwae"
        The bound.

    References
    ----------
    "Maximum Trimmed Likelihood Estimators: A Unified Approach, Examples, and Algorithms" (Hadi and
    Luceño, 1997); "Learning with Bad Training Data via Iterative Trimmed Loss Minimization" (Shen
    and Sanghavi, 2019).
    """

    fraction: float = 0.1
    objective: str | Objective = "iwae"

    @property
    def inner(self) -> Objective:
        return resolve(self.objective, Objective, "objective")  # type: ignore[type-abstract]

    def validate(self) -> None:
        if not 0.0 <= self.fraction < 1.0:
            raise ValueError(
                f"Trimmed(fraction={self.fraction!r}): expected a number from 0 to below 1, the "
                "share of rows to leave out."
            )
        if isinstance(self.inner, Trimmed):
            raise ValueError("Trimmed(objective=Trimmed(...)): give the bound itself, as IWAE().")
        self.inner.validate()

    def around(self, bound: Objective) -> Objective:
        return Trimmed(self.fraction, bound)

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        return _Trimmed(self.inner.build(vae, n_train), self.fraction)


class _Trimmed(AroundModule):
    def __init__(self, inner: ObjectiveModule, fraction: float):
        super().__init__(inner)
        self.fraction = fraction

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        bound: Bound = self.inner(batch, generator)
        return bound

    def counted(self, value: Tensor) -> slice | Tensor:
        n_out = int(self.fraction * len(value))
        # A bound that is not a number is the lowest.
        return value.nan_to_num(-torch.inf).topk(len(value) - n_out, sorted=False).indices
