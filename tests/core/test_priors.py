"""Priors with parameters: built, started, used by every proposal."""

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from skvae.core import (
    ELBO,
    IWAE,
    AISProposal,
    Batch,
    Columns,
    DefensiveProposal,
    Gaussian,
    Mixture,
    PriorProposal,
    build_vae,
    log_marginal,
    standard_error,
)
from skvae.core.noise import KeyedNoise


def model(n_latent=2):
    """Return an untrained model with a mixture prior in float64, and rows of it."""
    generator = torch.Generator().manual_seed(0)
    columns = [Columns(Gaussian(scale="column"), range(5))]
    vae = build_vae(
        columns, n_latent, prior=Mixture(3), hidden_layer_sizes=(8,), generator=generator
    ).double()
    with torch.no_grad():
        vae.prior.means *= 2.0
    return vae.eval(), Batch(vae.sample(12, generator)[1].detach())


def test_a_prior_starts_from_a_mixture_of_normals():
    generator = np.random.default_rng(0)
    z = np.concatenate([generator.normal(m, 0.5, size=(200, 2)) for m in (-2, 0, 3)])
    found = GaussianMixture(3, random_state=0).fit(z)
    prior = Mixture(3).build(2)
    roots = found.precisions_cholesky_.swapaxes(-1, -2)
    prior.start(*map(torch.as_tensor, (found.weights_, found.means_, roots)))
    ours = prior(None).log_prob(torch.tensor(z, dtype=torch.float32))
    np.testing.assert_allclose(ours.detach(), found.score_samples(z), atol=1e-4)


def test_before_training_a_mixture_has_about_unit_variance():
    prior = Mixture(400).build(2)
    prior.initialize(torch.Generator().manual_seed(0))
    torch.testing.assert_close(prior(None).variance, torch.ones(2), rtol=0.15, atol=0)


@pytest.mark.parametrize(
    ("proposal", "n_draws"),
    [(PriorProposal(), 2**14), (DefensiveProposal(), 2**10), (AISProposal(100), 2**7)],
    ids=repr,
)
def test_every_proposal_agrees_with_quadrature_under_a_mixture(proposal, n_draws):
    vae, batch = model()
    line = torch.linspace(-12, 12, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line).unsqueeze(1)
    some = batch[:4]
    with torch.no_grad():
        exact = torch.cat(
            [
                torch.logsumexp(vae.log_joint(some[i : i + 1], grid), 0)
                + 2 * torch.log(line[1] - line[0])
                for i in range(4)
            ]
        )
        log_w = proposal.build(vae, some)(KeyedNoise(0, some.x, n_draws).of())[1]
    assert ((log_marginal(log_w) - exact).abs() < 4 * standard_error(log_w) + 1e-6).all()


@pytest.mark.parametrize("objective", [ELBO(), IWAE(3)], ids=repr)
def test_a_mixture_is_trained_with_the_networks(objective):
    vae, batch = model()
    before = vae.prior.means.clone()
    module = objective.build(vae, 12)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        (-module(batch, torch.Generator().manual_seed(0)).value.mean()).backward()
        optimizer.step()
    assert (vae.prior.means != before).all()
    assert torch.isfinite(module(batch, torch.Generator()).value).all()


def test_a_mixture_without_components_is_refused():
    with pytest.raises(ValueError, match=r"Mixture\(n_components=0\)"):
        Mixture(0).validate()
