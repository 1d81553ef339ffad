"""Pure functions of log-weights, draws along the first axis."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Standard errors come from the means of batches of so many draws, where there are enough.
BATCH_DRAWS = 64
MIN_BATCHES = 16
#: A generalised Pareto tail is fitted to no fewer weights than this.
MIN_TAIL = 5


def log_marginal(log_w: Tensor) -> Tensor:
    """Return the importance-weighted estimate of log p(x). (K, n) -> (n,).

    log (1/K) sum_k w_k: its expectation is a lower bound of log p(x) that rises with K.

    References
    ----------
    "Importance Weighted Autoencoders" (Burda et al., 2016), equation 8.
    """
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))


def effective_sample_size(log_w: Tensor) -> Tensor:
    """Return (sum_k w_k)^2 / sum_k w_k^2, from 1 to K. (K, n) -> (n,).

    References
    ----------
    "Monte Carlo theory, methods and examples" (Owen, 2013), section 9.3.
    """
    return torch.exp(2.0 * torch.logsumexp(log_w, 0) - torch.logsumexp(2.0 * log_w, 0))


def standard_error(log_w: Tensor) -> Tensor:
    """Return the standard error of :func:`log_marginal` by the delta method. (K, n) -> (n,).

    The standard deviation of the mean weight over the mean weight, as for independent draws;
    NaN for a single one. Quasi-random draws do better than that, so it errs on the safe side. With
    many draws it errs less: the means of batches, each of them even in itself, are compared.
    """
    n_draws = len(log_w)
    if n_draws == 1:
        return torch.full_like(log_w[0], math.nan)
    n_batches = n_draws // BATCH_DRAWS
    if n_batches >= MIN_BATCHES:
        batches = log_w[: n_batches * BATCH_DRAWS].unflatten(0, (n_batches, BATCH_DRAWS))
        log_w = torch.logsumexp(batches, 1)
    excess = len(log_w) / effective_sample_size(log_w) - 1.0
    return (excess.clamp_min(0.0) / (len(log_w) - 1)).sqrt()


def resample(log_w: Tensor, n: int, generator: torch.Generator | None) -> Tensor:
    """Choose n draws of each row with probabilities in proportion to w. (K, rows) -> (n, rows).

    Independently, as indices along K: these draws are from the distribution weighed for.

    References
    ----------
    "Using the SIR algorithm to simulate posterior distributions" (Rubin, 1988).
    """
    cumulative = torch.softmax(log_w, 0).cumsum(0).T.contiguous()  # (n_rows, K)
    u = torch.rand(
        (len(cumulative), n), generator=generator, dtype=log_w.dtype, device=log_w.device
    )
    chosen = torch.searchsorted(cumulative, u * cumulative[:, -1:], right=True)
    return chosen.clamp_max(len(log_w) - 1).T


def pareto_k(log_w: Tensor) -> Tensor:
    """Return the shape of a generalised Pareto tail fitted to the weights. (K, n) -> (n,).

    Below 0.5 the weights have a finite variance, and up to 0.7 the estimate is of practical use;
    above it a few draws decide, and neither the estimate nor its error can be trusted. Weights
    that are all equal have 0; fewer than 25 draws have NaN.

    References
    ----------
    "Pareto Smoothed Importance Sampling" (Vehtari et al., 2024);
    "A New and Efficient Estimation Method for the Generalized Pareto Distribution" (Zhang and
    Stephens, 2009).
    """
    n_draws = len(log_w)
    n_tail = math.ceil(min(0.2 * n_draws, 3.0 * math.sqrt(n_draws)))
    if n_tail < MIN_TAIL:
        return torch.full_like(log_w[0], math.nan)
    top = torch.topk(log_w, n_tail + 1, dim=0).values  # falling
    w = torch.exp(top - top[0])
    k = _generalised_pareto_shape((w[:-1] - w[-1]).flip(0))
    # A weakly informative prior: ten draws that say 0.5.
    k = (n_tail * k + 10.0 * 0.5) / (n_tail + 10.0)
    return torch.where(w[0] - w[-1] > 1e-12, k, 0.0)


def _generalised_pareto_shape(x: Tensor) -> Tensor:
    """Fit the shape of a generalised Pareto distribution to rising exceedances (m, n). -> (n,).

    Zhang and Stephens's posterior mean of b = -k / scale over a grid, each point weighed by its
    profile likelihood.
    """
    m = len(x)
    n_grid = 30 + int(math.sqrt(m))
    quartile, largest = x[int(m / 4.0 + 0.5) - 1], x[-1]
    # Far above the smallest number, so that nothing overflows where one weight is all there is.
    tiny = torch.finfo(x.dtype).tiny ** 0.9
    j = torch.arange(1, n_grid + 1, dtype=x.dtype, device=x.device) - 0.5
    steps = 1.0 - (n_grid / j).sqrt()  # (n_grid,)
    b = 1.0 / largest.clamp_min(tiny) + steps.unsqueeze(-1) / (3.0 * quartile.clamp_min(tiny))
    k = torch.stack([torch.log1p(-row * x).mean(0) for row in b])  # (n_grid, n)
    profile = m * (torch.log(-b / k) - k - 1.0)
    b = (torch.softmax(profile, 0) * b).sum(0)
    return torch.log1p(-b * x).mean(0)
