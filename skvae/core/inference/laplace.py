"""Laplace's method: p(z | x_observed) of every row by its curvature at its mode, or modes.

A normal or Student-t distribution there is a far better proposal than the encoder, which must serve
all rows at once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..batch import Batch
from ..latents.distributions import LatentDistribution, MultivariateT
from ..latents.mixtures import MixtureOfEach, components
from ..vae import VAE
from .climb import CLOSE, find_mode
from .peaks import APART, Peaks, Quadratic, likely_peaks

#: Newton's decrement, a squared distance in posterior standard deviations, of a row without a mode.
FAR = 1.0
#: Share of the draws from the peaks of a row that is divided evenly among them.
EVEN = 0.05


class Laplace(NamedTuple):
    """Laplace's approximation of p(z | x_observed), and how much of that it says it is."""

    distribution: LatentDistribution
    part: Tensor  # from 0, where there is none, to 1, (n,)


def laplace(vae: VAE, batch: Batch, start: Tensor) -> Laplace:
    """Approximate the posterior of every row by a Student-t at its mode.

    Where the prior is a mixture of normals so is the posterior, nearly, and its highest point may
    be of one component and its mass of another: the row then has a Student-t for each of those that
    weigh most. Tails thin with the dimension, max(5, 4 d) degrees of freedom: heavier ones would
    waste draws on a posterior that is nearly normal, as few of d numbers all stay near their mode.

    Parameters
    ----------
    vae : VAE
    batch : Batch
    start : Tensor of shape (n, d)
        Where the climb begins, the encoder's mean.

    Returns
    -------
    Laplace
        Rows that did not converge have the prior's curvature at 0 in place of a posterior.

    References
    ----------
    "Accurate Approximations for Posterior Moments and Marginal Densities" (Tierney and Kadane,
    1986); "Numerical Optimization" (Nocedal and Wright, 2006), section 6.1.
    """
    prior = vae.prior_of(batch)
    mixture = components(prior, start)
    z, decrement = find_mode(vae, batch, start, CLOSE if mixture is None else APART)
    found = decrement < FAR
    cells = Quadratic.near(vae, batch, torch.where(found.unsqueeze(-1), z, 0.0))
    df = max(5.0, 4.0 * z.shape[-1])
    known = (found & cells.are_known).to(z)
    if mixture is None:
        precision = cells.precision + prior.curvature(cells.at)
        return Laplace(MultivariateT(cells.at, torch.linalg.cholesky_ex(precision).L, df), known)
    peaks, part = likely_peaks(vae, batch, cells, mixture)
    return Laplace(_at_peaks(peaks, len(z), df), known * part)


def _at_peaks(peaks: Peaks, n: int, df: float) -> MixtureOfEach:
    """Return a mixture of Student-t distributions at the peaks of each of n rows, by their mass."""
    log_mass = peaks.log_mass.nan_to_num(-torch.inf).view(n, -1)
    k = log_mass.shape[-1]
    share = torch.softmax(log_mass, -1).nan_to_num(1.0 / k)
    loc, precision_tril = (x.unflatten(0, (n, k)) for x in (peaks.loc, peaks.precision_tril))
    each = MultivariateT(loc, precision_tril, df)
    return MixtureOfEach(each, ((1.0 - EVEN) * share + EVEN / k).log())
