"""Pure functions of log-weights, draws along the first axis."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def log_marginal(log_w: Tensor) -> Tensor:
    """Return the importance-weighted estimate of log p(x). (K, n) -> (n,).

    log (1/K) sum_k w_k: its expectation is a lower bound of log p(x) that rises with K.

    References
    ----------
    "Importance Weighted Autoencoders" (Burda et al., 2016), equation 8.
    """
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))
