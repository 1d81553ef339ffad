"""What a model's latents are used for: active units and their information."""

from __future__ import annotations

import torch
from torch import Tensor

from .distributions import LatentDistribution

#: Variance over rows of a latent's posterior mean above which it counts as active.
ACTIVE_VARIANCE = 0.01


def active_units(means: Tensor) -> Tensor:
    """Return which latents the encoder uses, (d,) bool, from posterior means of rows (n, d).

    A unit is active where Cov_x(E_q(z | x)[z]) > 0.01: one whose posterior mean is the same for
    every row has collapsed to its prior. Where the prior depends on a context, give means less the
    prior's.

    References
    ----------
    "Importance Weighted Autoencoders" (Burda et al., 2016), section 5.2.
    """
    return means.var(0, correction=0) > ACTIVE_VARIANCE


def kl_per_unit(q: LatentDistribution, prior: LatentDistribution) -> Tensor:
    """Return KL(q(z_j | x) || p(z_j)) of every latent by its mean and variance, (n, d).

    Exact where both marginals are normal. A posterior whose latents are correlated given x has a
    divergence that exceeds their sum.
    """
    ratio = q.variance / prior.variance
    shift = (q.mean - prior.mean).square() / prior.variance
    return 0.5 * (ratio + shift - 1.0 - torch.log(ratio))


def direction(z: Tensor, y: Tensor) -> Tensor:
    """Return the slope of a regression of latents (n, d) on numbers (n,): Cov(z, y) / Var(y), (d,).

    Of two classes, numbered 0 and 1, that is the difference of their means.
    """
    away = y - y.mean()
    return away @ (z - z.mean(0)) / away.square().sum()
