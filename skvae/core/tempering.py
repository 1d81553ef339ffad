"""Tempering: how sure a classifier may be, by rows that it was not fitted to."""

from __future__ import annotations

import torch
from torch import Tensor

from .minimum import minimum

#: Below so many rows nothing is said of how sure a classifier may be.
FEWEST_JUDGES = 20
#: More say no more of one number.
MOST_JUDGES = 500
#: Of the logarithm of a temperature before rows are seen, around 0: of few rows, of which perhaps
#: one is told wrongly, it is a guess.
PRIOR_DEVIATION = 0.5
#: Steps towards the temperature, at most.
MAX_STEPS = 100


def tempered(log_posterior: Tensor, temperature: Tensor | float) -> Tensor:
    """Return log p(y | x) (n, C) to the power of 1 / temperature, normalised again."""
    return torch.log_softmax(log_posterior / temperature, -1)


def log_of_label(log_posterior: Tensor, label: Tensor) -> Tensor:
    """Return log p(y | x) of the class that each row has, (n,)."""
    return log_posterior.gather(-1, label.unsqueeze(-1))[:, 0]


def likeliest_temperature(log_posterior: Tensor, label: Tensor) -> float:
    """Return the likeliest temperature by log p(y | x) of held-out rows, 1 or more.

    Its logarithm is taken to be normal around 0. Below 1 it would make surer, and without an error
    among the rows without end. Of too few rows it is 1.

    Parameters
    ----------
    log_posterior : Tensor of shape (n, n_classes)
        log p(y | x) by a model that was not fitted to the rows.
    label : Tensor of shape (n,)
        Their classes.

    References
    ----------
    "On Calibration of Modern Neural Networks" (Guo et al., 2017), section 4.2.

    Examples
    --------
    >>> sure = torch.tensor([[-0.001, -7.0]]).double().repeat(100, 1)
    >>> label = torch.arange(100) % 10 // 9  # one in ten is of the other class
    >>> at = likeliest_temperature(sure, label)
    >>> [round(float(p), 2) for p in tempered(sure, at)[0].exp()]
    [0.9, 0.1]
    """
    n = len(label)
    if n < FEWEST_JUDGES:
        return 1.0

    def loss(log_temperature: Tensor) -> Tensor:
        likely = log_of_label(tempered(log_posterior, log_temperature.exp()), label)
        return 0.5 * (log_temperature / PRIOR_DEVIATION).square().sum() / n - likely.mean()

    found = minimum(loss, log_posterior.new_zeros(1), MAX_STEPS)
    return float(found.clamp_min(0.0).exp())
