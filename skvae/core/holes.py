"""Holes: which cells of a row are missing, given its latents."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from .minimum import minimum

#: Patterns of missing cells that are kinds of their own; where there are more, kinds have a share
#: for every cell.
MAX_PATTERNS = 64
#: Steps of expectation and maximisation, and of the regression of kinds on latents.
EM_STEPS, MAX_ITER = 100, 200
#: Pseudo-counts of a share, and weight of the squared coefficients for a row.
PSEUDO, RIDGE = 0.05, 1e-3
#: Rounds in which kinds come to be as common among new rows as they were in training.
ROUNDS = 50


@dataclasses.dataclass(frozen=True)
class Holes:
    """A model of the pattern of missing cells: a mixture whose kind of row depends on z.

        p(pattern | z) = sum over kinds k of softmax(z W + b)_k times prod over cells j of
        share_kj where missing, 1 - share_kj where not.

    Attributes
    ----------
    share : Tensor of shape (k, c)
        How often a cell is missing in rows of a kind.
    weight : Tensor of shape (d, k)
    bias : Tensor of shape (k,)
    """

    share: Tensor
    weight: Tensor
    bias: Tensor

    @classmethod
    def fit(cls, missing: Tensor, z: Tensor, new_z: Tensor) -> Holes:
        """Learn from which cells of rows are missing, (n, c) bool, and their latents (n, d).

        Kinds are as common as in these rows for latents of new rows (m, d).
        """
        share, kinds = kinds_of(missing)  # (k, c), (n, k)
        z, new_z = z.double(), new_z.double()
        n, d, k = len(z), z.shape[1], kinds.shape[1]
        with_one = torch.cat([z, z.new_ones(n, 1)], 1)

        def loss(flat: Tensor) -> Tensor:
            of = flat.reshape(d + 1, k)
            log_p = (with_one @ of).log_softmax(1)
            return -(kinds * log_p).sum() / n + RIDGE * (of[:-1] ** 2).sum() / 2

        start = z.new_zeros(d + 1, k)
        start[-1] = (kinds.mean(0) + 1e-9).log()
        of = minimum(loss, start.flatten(), MAX_ITER).reshape(d + 1, k)
        holes = cls(share, of[:-1], of[-1])
        return dataclasses.replace(holes, bias=holes._calibrated(new_z, kinds.mean(0)))

    def _calibrated(self, z: Tensor, wanted: Tensor) -> Tensor:
        """Return the bias with which kinds are as common for latents as wanted, (k,)."""
        bias = self.bias
        for _ in range(ROUNDS):
            found = (z @ self.weight + bias).softmax(1).mean(0)
            bias = bias + ((wanted + 1e-12) / (found + 1e-12)).log()
        return bias

    def draw(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Draw which cells are missing, (n, c) bool, given latents (n, d)."""
        p = (z.double() @ self.weight + self.bias).softmax(1)
        kind = torch.multinomial(p, 1, generator=generator).squeeze(1)
        u = torch.rand(len(z), self.share.shape[1], generator=generator, dtype=torch.float64)
        return u < self.share[kind]


def kinds_of(missing: Tensor) -> tuple[Tensor, Tensor]:
    """Return the share of missing cells of kinds of rows, (k, c), and the kind of each, (n, k).

    Patterns are kinds where they are few; else kinds are learned, from the commonest on.
    """
    patterns, kind, count = torch.unique(missing, dim=0, return_inverse=True, return_counts=True)
    if len(patterns) <= MAX_PATTERNS:
        return patterns.double(), torch.nn.functional.one_hot(kind, len(patterns)).double()
    commonest = count.argsort(descending=True, stable=True)[:MAX_PATTERNS]
    x = missing.double()
    share = 0.7 * patterns[commonest].double() + 0.3 * x.mean(0)
    weight = count[commonest] / count[commonest].sum()
    of_rows = _responsibilities(x, share, weight)
    for _ in range(EM_STEPS):
        n_kind = of_rows.sum(0)
        share = (of_rows.T @ x + PSEUDO * x.mean(0)) / (n_kind + PSEUDO)[:, None]
        weight = n_kind / len(x)
        of_rows = _responsibilities(x, share, weight)
    return share, of_rows


def _responsibilities(x: Tensor, share: Tensor, weight: Tensor) -> Tensor:
    """Return how likely each kind is for every row, (n, k)."""
    share = share.clamp(1e-9, 1 - 1e-9)  # whose logarithms are finite
    log_p = x @ share.log().T + (1 - x) @ (1 - share).log().T
    return (log_p + (weight + 1e-12).log()).softmax(1)
