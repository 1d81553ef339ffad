"""The peaks of p(z | x_observed): where a normal prior meets what the cells say, component wise."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from ..batch import Batch
from ..latents.distributions import derivatives, log_det
from ..latents.mixtures import Components, Normals
from ..vae import VAE
from .climb import GRADIENT_ROWS, derivative_rows, tiled

#: Second derivatives larger than this are rounding.
STEEP = 1e15
#: Components of a mixture for which a row has a peak, at most.
PEAKS = 4
#: A peak is met by derivatives of its own where its part of the posterior has a logarithm above the
#: first, and it is farther from the row's mode than the second: a squared distance in posterior
#: standard deviations, to which the mode, too, need not be known better.
WORTH = -7.0
APART = 0.3


@dataclasses.dataclass(frozen=True)
class Quadratic:
    """A quadratic in z for every row that is log p(x_observed | z), but for a constant."""

    at: Tensor  # (n, d)
    gradient: Tensor  # (n, d)
    precision: Tensor  # minus the second derivative, nowhere negative, (n, d, d)
    are_known: Tensor  # whether the derivatives are finite, (n,), bool

    @classmethod
    def near(cls, vae: VAE, batch: Batch, z: Tensor) -> Quadratic:
        """Return the quadratic that touches at z (n, d); where it is not finite, a constant.

        Where cells bend the posterior the other way they are flat, so that it is no wider than the
        prior.
        """
        found = tiled(_derivatives, vae, batch, z, derivative_rows(vae))
        are_known = (found.abs() < STEEP).flatten(1).all(-1)
        found = torch.where(are_known[:, None, None], found, 0.0)
        values, vectors = torch.linalg.eigh(-found[..., 1:])
        precision = vectors * values.clamp_min(0.0).unsqueeze(-2) @ vectors.mT
        return cls(z, found[..., 0], precision, are_known)

    def __getitem__(self, rows: Tensor) -> Quadratic:
        parts = self.at, self.gradient, self.precision, self.are_known
        return Quadratic(*(part[rows] for part in parts))


class Peaks(NamedTuple):
    """What a weighted normal and a quadratic make together for every row: a normal again."""

    loc: Tensor  # (n, d)
    precision_tril: Tensor  # (n, d, d)
    log_mass: Tensor  # but for the constant of the quadratic, (n,)

    @classmethod
    def of(cls, cells: Quadratic, prior: Normals) -> Peaks:
        """Return the product of a normal for each row, or one for all, and each row's quadratic."""
        noise = prior.noise(cells.at)
        uphill = cells.gradient - torch.einsum("...ji,...j->...i", prior.root, noise)
        tril = torch.linalg.cholesky_ex(cells.precision + prior.root.mT @ prior.root).L
        half = torch.linalg.solve_triangular(tril, uphill.unsqueeze(-1), upper=False)
        step = torch.linalg.solve_triangular(tril.mT, half, upper=True).squeeze(-1)
        gained = 0.5 * (half.square().sum((-2, -1)) - noise.square().sum(-1))
        return cls(cells.at + step, tril, prior.log_height + gained - log_det(tril))

    def distance(self, z: Tensor) -> Tensor:
        """Return the squared distance of z (n, d) in standard deviations, (n,)."""
        return torch.einsum("nji,nj->ni", self.precision_tril, z - self.loc).square().sum(-1)

    def put(self, rows: Tensor, others: Peaks) -> Peaks:
        """Return peaks of which some rows are others, where those are finite."""
        finite = others.log_mass.isfinite() & others.loc.isfinite().all(-1)
        pairs = zip(self, others, strict=True)
        return Peaks(*(x.index_copy(0, rows[finite], new[finite]) for x, new in pairs))


def likely_peaks(
    vae: VAE, batch: Batch, cells: Quadratic, mixture: Components
) -> tuple[Peaks, Tensor]:
    """Return the k peaks of each row that weigh most, (n k,), and their part of all, (n,).

    By the quadratic at the row's mode every component has a normal posterior with a known mass.
    Those that have some of it and lie apart from the mode are met again, by derivatives at the
    place where the quadratic sees them; what they then weigh is told by their height.
    """
    parts = torch.log_softmax(_masses(cells, mixture), -1)
    likely = parts.topk(min(PEAKS, len(mixture)), -1)
    rows = torch.arange(len(parts), device=parts.device)
    row = rows.repeat_interleave(likely.indices.shape[-1])
    prior = mixture.of(row, likely.indices.flatten())
    peaks = Peaks.of(cells[row], prior)
    (again,) = (
        (likely.values.flatten() > WORTH) & (peaks.distance(cells.at[row]) > APART)
    ).nonzero(as_tuple=True)
    if len(again):
        nearer = Quadratic.near(vae, batch[row[again]], peaks.loc[again])
        peaks = peaks.put(again, Peaks.of(nearer, prior[again]))
    height = tiled(_log_px, vae, batch[row], peaks.loc, GRADIENT_ROWS) + prior.log_prob(peaks.loc)
    peaks = peaks._replace(log_mass=height - log_det(peaks.precision_tril))
    return peaks, likely.values.exp().sum(-1).clamp_max(1.0)


def _masses(cells: Quadratic, mixture: Components) -> Tensor:
    """Return what each of k components weighs by the quadratic of each row, (n, k)."""
    rows = torch.arange(len(cells.at), device=cells.at.device)
    priors = (mixture.of(rows, j) for j in range(len(mixture)))
    return torch.stack([Peaks.of(cells, prior).log_mass for prior in priors], -1)


def _log_px(vae: VAE, batch: Batch, z: Tensor) -> Tensor:
    """Return log p(x_observed | z), (n,)."""
    return vae.log_px(batch, z.unsqueeze(0))[0]


def _derivatives(vae: VAE, batch: Batch, z: Tensor) -> Tensor:
    """Return the first and second derivatives of log p(x_observed | z), (n, d, 1 + d)."""
    gradient, second = derivatives(lambda z: _log_px(vae, batch, z), z)
    return torch.cat([gradient.unsqueeze(-1), second], -1)
