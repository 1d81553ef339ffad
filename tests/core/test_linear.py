"""The linear-Gaussian oracle: constants, signs, prior and posterior in one assertion."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.preprocessing import StandardScaler

from skvae.core import Batch, log_marginal, standard_error
from skvae.core.linear import factor_analysis
from skvae.objectives import ELBO, IWAE
from skvae.posteriors import DiagonalGaussian, FullGaussian
from skvae.proposals import EncoderProposal, PriorProposal

from .models import exact_log_prob, linear_model, rows_of, spoil

POSTERIORS = [DiagonalGaussian(), FullGaussian()]


def noise_for(x, n_draws, n_latent, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_draws, len(x), n_latent, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("posterior", POSTERIORS, ids=repr)
@pytest.mark.parametrize("scale", ["cell", "row", "column", "shared"])
def test_every_log_weight_is_log_p_under_the_exact_posterior(posterior, scale, device):
    vae, covariance = linear_model(posterior=posterior, scale=scale)
    x = rows_of(covariance)
    noise = noise_for(x, 9, 2).to(device)
    log_w = vae.to(device).draw(Batch(x.to(device)), noise).log_w
    expected = exact_log_prob(covariance, x).expand(9, -1)
    torch.testing.assert_close(log_w.cpu(), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("chunk", [1, 3, 40])
def test_log_weights_do_not_depend_on_the_chunk(chunk):
    vae, covariance = linear_model()
    x = rows_of(covariance)
    noise = noise_for(x, 4, 2)
    whole = spoil(vae).draw(Batch(x), noise).log_w
    parts = [
        vae.draw(Batch(some), eps).log_w
        for some, eps in zip(x.split(chunk), noise.split(chunk, 1), strict=True)
    ]
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("posterior", POSTERIORS, ids=repr)
def test_bounds_are_ordered_and_rise_to_log_p(posterior):
    vae, covariance = linear_model(posterior=posterior)
    x = rows_of(covariance, n=200)
    log_w = spoil(vae).draw(Batch(x), noise_for(x, 4096, 2)).log_w
    elbo = log_w.mean()
    bounds = [log_marginal(log_w.view(k, -1, 200).flatten(1)).mean() for k in (2, 8, 64, 512)]
    exact = exact_log_prob(covariance, x).mean()
    assert elbo < bounds[0] < bounds[1] < bounds[2] < bounds[3] < exact + 1e-3
    assert exact - elbo > 0.05
    torch.testing.assert_close(bounds[3], exact, rtol=0, atol=0.02)


def test_prior_and_encoder_draws_agree_on_log_p():
    vae, covariance = linear_model()
    x = rows_of(covariance)
    spoil(vae)
    exact = exact_log_prob(covariance, x)
    for proposal in (EncoderProposal(), PriorProposal()):
        _, log_w = proposal.build(vae, Batch(x))(lambda n: noise_for(x, 20_000, n))
        assert ((log_marginal(log_w) - exact).abs() < 5 * standard_error(log_w)).all()


@pytest.mark.parametrize("posterior", POSTERIORS, ids=repr)
def test_forms_of_the_bound_agree(posterior):
    vae, covariance = linear_model(posterior=posterior)
    batch = Batch(rows_of(covariance))
    q = spoil(vae).posterior(batch)
    draw = vae.draw(batch, noise_for(batch.x, 20_000, 2))
    entropy = -draw.log_qz.mean(0)
    joint_plus_entropy = (draw.log_px + draw.log_pz).mean(0) + entropy
    kl = torch.distributions.kl_divergence(q, vae.prior(None))
    reconstruction_minus_kl = draw.log_px.mean(0) - kl
    exact_vae, _ = linear_model(posterior=posterior)
    true = exact_vae.posterior(batch)
    to_true = torch.distributions.kl_divergence(as_multivariate(q), as_multivariate(true))
    log_p_minus_divergence = exact_log_prob(covariance, batch.x) - to_true
    # 20,000 draws: standard errors are below 0.02 nat.
    for form in (reconstruction_minus_kl, log_p_minus_divergence):
        torch.testing.assert_close(joint_plus_entropy, form, rtol=0, atol=0.1)


def as_multivariate(q):
    tril = q.scale_tril if hasattr(q, "scale_tril") else torch.diag_embed(q.log_scale.exp())
    return torch.distributions.MultivariateNormal(q.loc, scale_tril=tril)


def test_unit_variance_negative_log_likelihood_is_half_the_squared_error():
    vae, covariance = linear_model(scale=1.0)
    x = rows_of(covariance)
    z = noise_for(x, 1, 2)
    log_px = vae.weigh(Batch(x), z, torch.zeros(1, len(x))).log_px[0]
    error = (x - vae.cells.mean(vae.decode(z[0]))).square().sum(-1)
    expected = -0.5 * error - 0.5 * 5 * np.log(2 * np.pi)
    torch.testing.assert_close(log_px, expected, rtol=0, atol=1e-10)


def test_iwae_with_one_draw_is_the_elbo_on_the_same_noise(monkeypatch):
    from skvae.core.objectives import bounds as objectives

    def no_closed_form(q, p):
        raise NotImplementedError

    vae, covariance = linear_model()
    batch = Batch(rows_of(covariance))
    spoil(vae)
    monkeypatch.setattr(objectives, "kl_divergence", no_closed_form)
    values = [
        recipe.build(vae, 40)(batch, torch.Generator().manual_seed(5)).value
        for recipe in (ELBO(), IWAE(n_draws=1))
    ]
    torch.testing.assert_close(*values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("recipe", [ELBO(n_draws=7), IWAE(n_draws=7)], ids=repr)
def test_exactly_the_draws_asked_for_are_used(recipe, monkeypatch):
    vae, covariance = linear_model()
    seen = []
    log_px = vae.log_px
    monkeypatch.setattr(vae, "log_px", lambda b, z: seen.append(z.shape) or log_px(b, z))
    recipe.build(vae, 40)(Batch(rows_of(covariance)), torch.Generator())
    assert seen == [(7, 40, 2)]


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
@pytest.mark.parametrize("n_components", [1, 2])
def test_factor_analysis_reaches_scikit_learns_likelihood(load, n_components):
    X = StandardScaler().fit_transform(load().data)
    model = factor_analysis(torch.tensor(np.cov(X.T, bias=True)), n_components)
    covariance = model.loadings @ model.loadings.T + torch.diag(model.noise_variance)
    ours = exact_log_prob(covariance, torch.tensor(X)).mean().item()
    theirs = FactorAnalysis(n_components, tol=1e-8, svd_method="lapack").fit(X).score(X)
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_isotropic_noise_is_probabilistic_pca():
    X = StandardScaler().fit_transform(load_wine().data)
    model = factor_analysis(torch.tensor(np.cov(X.T)), 3, isotropic=True)
    covariance = model.loadings @ model.loadings.T + torch.diag(model.noise_variance)
    np.testing.assert_allclose(covariance.numpy(), PCA(3).fit(X).get_covariance(), atol=1e-10)


def test_spare_latents_get_zero_loadings():
    covariance = torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    model = factor_analysis(covariance, 4, floor=torch.full((2,), 0.1, dtype=torch.float64))
    assert model.loadings.shape == (2, 4)
    assert (model.loadings[:, 2:] == 0).all()
    weight, variance = model.posterior()
    torch.testing.assert_close(variance[2:], torch.ones(2, dtype=torch.float64))
    assert (weight[2:] == 0).all()
