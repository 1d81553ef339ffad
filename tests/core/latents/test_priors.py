"""Priors with parameters: built, started, used by every proposal."""

import copy

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from skvae.core import Batch, Columns, build_vae, log_marginal, standard_error
from skvae.core.noise import KeyedNoise
from skvae.likelihoods import Gaussian
from skvae.objectives import ELBO, IWAE
from skvae.posteriors import DiagonalGaussian, FlowPosterior, FullGaussian, IsotropicGaussian
from skvae.priors import FlowPrior, Mixture, StandardNormal, Vamp
from skvae.proposals import AISProposal, DefensiveProposal, PriorProposal

from ..models import bent


def model(prior=None, n_latent=2, posterior=None):
    """Return an untrained model in float64, its prior far from normal, and rows of it."""
    generator = torch.Generator().manual_seed(0)
    columns = [Columns(Gaussian(scale="column"), range(5))]
    vae = build_vae(
        columns,
        n_latent,
        prior=prior or Mixture(3),
        posterior=posterior,
        hidden_layer_sizes=(8,),
        generator=generator,
    ).double()
    with torch.no_grad():
        if isinstance(prior, FlowPrior):
            bent(vae.prior, generator, 0.3)
        if isinstance(prior, Mixture | None):
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


PRIORS = {
    "mixture": (Mixture(3), 2, FullGaussian()),
    "vamp": (Vamp(4), 2, FullGaussian()),
    "vamp of flows": (Vamp(3), 2, FlowPosterior(1, (8,))),
    "flow": (FlowPrior(2, (8,)), 2, DiagonalGaussian()),
    "flow, one latent": (FlowPrior(2, (8,)), 1, IsotropicGaussian()),
    "two layers": (StandardNormal(), (1, 1), FullGaussian()),
}


@pytest.mark.parametrize("case", PRIORS.values(), ids=PRIORS)
@pytest.mark.parametrize(
    ("proposal", "n_draws"),
    [
        (PriorProposal(), 2**14),
        (DefensiveProposal(), 2**10),
        (AISProposal(100), 2**7),
    ],
    ids=repr,
)
@pytest.mark.slow
def test_every_proposal_agrees_with_quadrature_under_every_prior(proposal, n_draws, case):
    vae, batch = model(*case)
    line = torch.linspace(-12, 12, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(*[line] * vae.n_latent).view(-1, 1, vae.n_latent)
    some = batch[:4]
    with torch.no_grad():
        exact = torch.cat(
            [
                torch.logsumexp(vae.log_joint(some[i : i + 1], grid), 0)
                + vae.n_latent * torch.log(line[1] - line[0])
                for i in range(4)
            ]
        )
        log_w = proposal.build(vae, some)(KeyedNoise(0, some.x, n_draws).of())[1]
    assert ((log_marginal(log_w) - exact).abs() < 4 * standard_error(log_w) + 1e-6).all()


def test_a_vamp_prior_is_the_mixture_of_its_posteriors():
    vae, _ = model(Vamp(4), 3, FullGaussian())
    p, q = vae.prior(None), vae.encoder(vae.prior.pseudo_inputs)
    oracle = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=vae.prior.logits),
        torch.distributions.MultivariateNormal(q.loc, scale_tril=q.scale_tril),
    )
    z, log_p = p.draw(torch.randn(4000, 4, generator=torch.Generator().manual_seed(1)).double())
    torch.testing.assert_close(log_p, oracle.log_prob(z))
    torch.testing.assert_close(p.mean, oracle.mean)
    torch.testing.assert_close(p.variance, oracle.variance)
    torch.testing.assert_close(z.mean(0), oracle.mean, rtol=0, atol=0.1)
    torch.testing.assert_close(z.var(0), oracle.variance, rtol=0.1, atol=0)


def test_a_vamp_prior_starts_at_means_of_rows_near_each_other_and_at_none_of_them():
    vae, _ = model(Vamp(20))
    generator = torch.Generator().manual_seed(0)
    n_inputs = vae.prior.pseudo_inputs.shape[1]
    middle = 100.0 * torch.eye(n_inputs)[:2].repeat_interleave(30, 0)
    rows = (middle + torch.randn(60, n_inputs, generator=generator)).to(vae.prior.pseudo_inputs)
    vae.prior.start_from_rows(rows, generator)
    apart = torch.cdist(vae.prior.pseudo_inputs.detach(), rows)
    assert (apart.min(1).values > 1e-3).all()  # no row is kept
    assert (apart.topk(5, largest=False).values < 10.0).all()  # and no mean is between clusters


def test_a_vamp_prior_shares_the_encoder():
    vae, _ = model(Vamp(4))
    names = [name for name, _ in vae.named_parameters()]
    assert len(names) == len(set(names))
    assert not any("shared" in name for name in names)
    copied = copy.deepcopy(vae)
    assert copied.prior.shared[0] is copied.encoder


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
