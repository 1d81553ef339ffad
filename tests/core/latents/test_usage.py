"""What latents are used for."""

import torch
from torch.distributions import kl_divergence

from skvae.core import Batch, active_units, kl_per_unit
from skvae.core.latents.distributions import DiagonalNormal

from ..models import linear_model, rows_of


def test_units_that_say_nothing_are_not_active():
    vae, covariance = linear_model(5, 3)
    with torch.no_grad():
        vae.encoder.posterior.linear.weight[1] = 0.0
        means = vae.posterior(Batch(rows_of(covariance, n=500))).mean
    assert active_units(means).tolist() == [True, False, True]


def test_divergences_of_units_add_up_where_latents_are_independent():
    vae, covariance = linear_model(5, 3)
    batch = Batch(rows_of(covariance))
    q = vae.posterior(batch)
    prior = DiagonalNormal(torch.full((3,), 0.2).double(), torch.full((3,), 0.3).double())
    torch.testing.assert_close(kl_per_unit(q, prior).sum(-1), kl_divergence(q, prior))
