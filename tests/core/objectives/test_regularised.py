"""Regularised objectives: their values against closed forms, and the parts of the divergence."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal
from torch.distributions.kl import kl_divergence

from skvae.core import Batch, Columns, build_vae, kl_per_unit
from skvae.core.latents.distributions import DiagonalNormal, TriangularNormal
from skvae.core.objectives.labelled import Labelled, with_label
from skvae.core.objectives.regularised import split_divergence
from skvae.likelihoods import Gaussian
from skvae.objectives import ELBO, Autoencoder, Beta, BetaTC, Denoising, Trimmed
from skvae.posteriors import FullGaussian, IsotropicGaussian
from skvae.priors import Mixture

from ..models import exact_log_prob, linear_model, rows_of, spoil

#: Means over noises are held against so many standard errors.
ERRORS = 5.0


def evaluate(recipe, vae, batch, seed=0):
    return recipe.build(vae, len(batch))(batch, torch.Generator().manual_seed(seed))


def model(posterior=None, n=40):
    vae, covariance = linear_model(posterior=posterior)
    return spoil(vae), Batch(rows_of(covariance, n))


# ------------------------------------------------------------------ the autoencoder


def test_the_autoencoder_is_the_likelihood_at_the_mean_and_has_no_noise():
    vae, batch = model()
    bound = evaluate(Autoencoder(), vae, batch)
    z = vae.posterior(batch).mean
    torch.testing.assert_close(bound.value, vae.log_px(batch, z.unsqueeze(0))[0])
    assert torch.equal(bound.value, bound.log_px)
    assert not bound.kl.any()
    module = Autoencoder().build(vae, 40)
    torch.testing.assert_close(module.monitor(batch, torch.randn(1, 40, 2)), bound.value)


# ------------------------------------------------------------------ beta


@pytest.mark.parametrize("posterior", [None, FullGaussian(), IsotropicGaussian()], ids=repr)
def test_beta_weighs_the_divergence(posterior):
    vae, batch = model(posterior)
    plain = evaluate(ELBO(3), vae, batch)
    bound = evaluate(Beta(2.5, n_draws=3), vae, batch)
    expected = plain.log_px - 2.5 * kl_divergence(vae.posterior(batch), vae.prior_of(batch))
    torch.testing.assert_close(bound.value, expected)
    torch.testing.assert_close(bound.kl, plain.kl)
    one = evaluate(Beta(1.0), vae, batch)
    torch.testing.assert_close(one.value, evaluate(ELBO(), vae, batch).value)


def test_warm_up_raises_the_weight_and_early_stopping_watches_the_last_one():
    vae, batch = model()
    module = Beta(4.0, warm_up=0.5).build(vae, 40)
    noise = torch.randn(3, 40, 2, generator=torch.Generator().manual_seed(0)).double()
    watched = module.monitor(batch, noise)
    for progress, weight in ((0.0, 0.0), (0.25, 2.0), (0.49, 3.92), (0.5, 4.0), (1.0, 4.0)):
        module.advance(progress)
        assert module.weight == pytest.approx(weight)
        assert module.settled == (progress >= 0.5)
        bound = module(batch, torch.Generator().manual_seed(0))
        torch.testing.assert_close(bound.value, bound.log_px - weight * bound.kl)
        torch.testing.assert_close(module.monitor(batch, noise), watched)
    draw = vae.draw(batch, noise)
    expected = draw.log_px.mean(0) - 4.0 * (draw.log_qz - draw.log_pz).mean(0)
    torch.testing.assert_close(watched, expected)


def test_a_sum_over_labels_passes_the_progress_on():
    generator = torch.Generator().manual_seed(0)
    vae = build_vae([Columns(Gaussian(), range(3))], 2, n_context=2, generator=generator)
    module = Labelled(Beta(warm_up=0.5), [0.5, 0.5]).build(vae, 8)
    assert module.settled
    module.advance(0.1)
    assert not module.settled
    assert module.inner.weight == pytest.approx(0.8)
    batch = with_label(Batch(torch.randn(8, 3, generator=generator)), torch.full((8, 2), 0.5))
    assert module(batch, generator).value.isfinite().all()


@pytest.mark.parametrize("posterior", [None, FullGaussian()], ids=repr)
def test_free_bits_are_free(posterior):
    vae, batch = model(posterior)
    q, p = vae.posterior(batch), vae.prior_of(batch)
    kl = kl_per_unit(q, p).mean(0)
    kl = kl.detach()
    between = float(kl.mean())
    assert (kl < between).any()
    assert (kl > between).any()
    bound = evaluate(Beta(2.0, free_bits=between), vae, batch)
    expected = bound.log_px.mean() - 2.0 * (bound.kl.mean() - kl.sum() + kl.clamp(between).sum())
    torch.testing.assert_close(bound.value.mean(), expected)
    # Those below it are not pressed down: no gradient comes from their divergence.
    head = vae.encoder.posterior.linear
    (bound.value - bound.log_px).mean().backward()
    low = int(kl.argmin())
    if posterior is None:
        assert head.bias.grad[[low, 2 + low]].abs().max() < 1e-12
    assert head.bias.grad[[1 - low, 3 - low]].abs().min() > 1e-3


# ------------------------------------------------------------------ total correlation


def gaussians(correlated, n=5, seed=0):
    """Return Gaussians q(z | x_i) over two latents, for n rows."""
    generator = torch.Generator().manual_seed(seed)
    loc, log_scale = torch.randn(2, n, 2, generator=generator, dtype=torch.float64)
    log_scale = 0.3 * log_scale - 0.5
    if not correlated:
        return DiagonalNormal(loc, log_scale)
    strict = torch.zeros(n, 2, 2, dtype=torch.float64)
    strict[:, 1, 0] = 0.4 * torch.randn(n, generator=generator, dtype=torch.float64)
    return TriangularNormal(loc, log_scale, strict)


def by_quadrature(q, p):
    """Return the three parts of the mean divergence by sums over a grid, to about 1e-9."""
    axis = torch.linspace(-9.0, 9.0, 601, dtype=torch.float64)
    step = float(axis[1] - axis[0])
    grid = torch.cartesian_prod(axis, axis)
    log_each = q.log_prob(grid.unsqueeze(1))  # (points, n)
    n = log_each.shape[1]
    log_q = torch.logsumexp(log_each, 1) - np.log(n)
    margins = Normal(q.mean, q.variance.sqrt()).log_prob(axis.view(-1, 1, 1))  # (axis, n, 2)
    log_margins = torch.logsumexp(margins, 1) - np.log(n)
    log_product = (log_margins[:, None, 0] + log_margins[None, :, 1]).flatten()

    def mean(value, log_density):
        return float((value * log_density.exp()).sum()) * step**2

    index_code = np.mean([mean(log_each[:, i] - log_q, log_each[:, i]) for i in range(n)])
    return index_code, mean(log_q - log_product, log_q), mean(log_product - p.log_prob(grid), log_q)


@pytest.mark.parametrize("correlated", [False, True])
def test_three_parts_add_up_to_the_divergence_and_are_what_they_are_called(correlated):
    q, zero = gaussians(correlated), torch.zeros(2, dtype=torch.float64)
    p = DiagonalNormal(zero, zero)
    exact = by_quadrature(q, p)
    assert sum(exact) == pytest.approx(float(kl_divergence(q, p).mean()), abs=1e-6)
    generator = torch.Generator().manual_seed(1)
    n_draws = 20_000
    noise = torch.randn(n_draws, 5, 2, generator=generator, dtype=torch.float64)
    z, log_qz = q.draw(noise)
    parts = torch.vmap(lambda z, log_qz: split_divergence(q, z, log_qz, p.log_prob(z), 5))(
        z, log_qz
    )
    # The rows are all there are: estimates are exact but for the draws of z.
    torch.testing.assert_close(sum(parts), log_qz - p.log_prob(z), rtol=0, atol=1e-10)
    for estimate, value in zip(parts, exact, strict=True):
        of_draws = estimate.mean(1)
        assert abs(of_draws.mean() - value) < ERRORS * of_draws.std() / np.sqrt(n_draws)


def test_a_batch_estimates_the_density_of_all_latents_without_bias():
    q, n = gaussians(False, n=6), 6
    z = torch.tensor([[0.3, -0.2]], dtype=torch.float64)
    exact = q.log_prob(z).exp().mean()
    # All batches of three rows to which the first, whose latent it is, belongs.
    batches = [torch.tensor([0, i, j]) for i in range(1, n) for j in range(i + 1, n)]
    estimates = []
    for rows in batches:
        some = q[rows]
        nought = torch.zeros(3, dtype=torch.float64)
        found = split_divergence(some, z.expand(3, 2), nought, nought, n)
        estimates.append(torch.exp(-found.index_code[0]))
    torch.testing.assert_close(torch.stack(estimates).mean(), exact)


def test_beta_tc_is_the_elbo_with_a_weight_on_the_total_correlation():
    vae, batch = model()
    plain = evaluate(ELBO(), vae, batch)
    torch.testing.assert_close(evaluate(BetaTC(1.0), vae, batch).value, plain.value)
    q = vae.posterior(batch)
    z, log_qz = q.draw(ELBO().build(vae, 40).noise(batch, 1, torch.Generator().manual_seed(0)))
    parts = split_divergence(q, z[0], log_qz[0], vae.prior_of(batch).log_prob(z[0]), 40)
    bound = evaluate(BetaTC(3.0), vae, batch)
    torch.testing.assert_close(bound.value, plain.value - 2.0 * parts.total_correlation)


def test_a_nearly_flat_posterior_leaves_the_gradient_of_beta_tc_finite():
    """Draws of others would be moved by (1e6)^8 standard deviations of it: beyond float32."""
    generator = torch.Generator().manual_seed(0)
    log_diagonal = torch.zeros(5, 8)
    log_diagonal[2] = -13.0
    below = 9.0 * torch.randn(5, 8, 8, generator=generator).tril(-1) * (log_diagonal[..., None] < 0)
    leaves = [torch.randn(5, 8, generator=generator), log_diagonal, below]
    q = TriangularNormal(*(leaf.requires_grad_() for leaf in leaves))
    z, log_qz = q.draw(torch.randn(5, 8, generator=generator))
    parts = split_divergence(q, z, log_qz, log_qz, 20)
    assert all(part.isfinite().all() for part in parts)
    # No other row has anything like its draw, which has the share 1 / 20 of q(z).
    np.testing.assert_allclose(parts.index_code[2].item(), np.log(20), rtol=1e-5)
    parts.total_correlation.sum().backward()
    assert all(leaf.grad.isfinite().all() for leaf in leaves)


def test_early_stopping_watches_the_final_weighting_of_beta_tc_a_few_rows_at_a_time():
    vae, batch = model(n=300)
    noise = torch.randn(4, 300, 2, generator=torch.Generator().manual_seed(0)).double()
    module = BetaTC(3.0).build(vae, 300)
    assert module.n_monitored == 4
    watched = module.monitor(batch, noise)
    assert watched.shape == (300,)
    last = module.monitor(batch[256:], noise[:, 256:])
    torch.testing.assert_close(watched[256:], last)
    plain = vae.draw(batch, noise).log_w.mean(0)
    torch.testing.assert_close(BetaTC(1.0).build(vae, 300).monitor(batch, noise), plain)


# ------------------------------------------------------------------ denoising


def test_without_corruption_it_is_the_elbo():
    vae, batch = model()
    # A corruption draws from the generator first.
    generator = torch.Generator().manual_seed(0)
    torch.randn(40, 5, generator=generator, dtype=torch.float64)
    plain = ELBO().build(vae, 40)(batch, generator)
    bound = evaluate(Denoising(noise=0.0), vae, batch)
    torch.testing.assert_close(bound.value, plain.value)


@pytest.mark.parametrize(
    "recipe", [Denoising(0.5), Denoising(0.0, mask=0.4), Denoising(0.3, 0.2, 2)]
)
@pytest.mark.parametrize("prior", [None, Mixture(2)])
def test_the_denoising_criterion_is_a_lower_bound(recipe, prior):
    vae, covariance = linear_model()
    batch = Batch(rows_of(covariance, 200))
    if prior is not None:  # whose divergence has no closed form
        vae.prior = prior.build(2).double()
        vae.prior.start(torch.tensor([0.5, 0.5]), torch.zeros(2, 2), torch.eye(2).expand(2, 2, 2))
    with torch.no_grad():
        value = torch.stack([evaluate(recipe, vae, batch, seed).value for seed in range(50)])
    exact = exact_log_prob(covariance, batch.x).mean()
    of_noise = value.mean(1)
    assert of_noise.mean() + ERRORS * of_noise.std() / np.sqrt(50) < exact
    # The encoder that is exact of clean rows is too sure of corrupted ones.
    assert of_noise.mean() < evaluate(ELBO(20), vae, batch).value.mean()


def test_corruption_is_of_observed_cells_and_of_the_encoders_inputs_alone():
    generator = torch.Generator().manual_seed(0)
    vae = build_vae(
        [Columns(Gaussian(), range(4))], 2, n_context=1, masked=True, generator=generator
    )
    x = torch.randn(500, 4, generator=generator)
    mask = torch.rand(500, 4, generator=generator) > 0.3
    batch = Batch(x.where(mask, 0.0), mask, torch.randn(500, 1, generator=generator))
    clean = vae.inputs(batch)
    moved = Denoising(0.5).build(vae, 500).corrupted(batch, generator) - clean
    assert not moved[:, 4:].any()
    assert not moved[:, :4][~mask].any()
    assert moved[:, :4][mask].std() == pytest.approx(0.5, abs=0.03)
    dropped = Denoising(0.0, mask=0.25).build(vae, 500).corrupted(batch, generator)
    told = dropped[:, 4:8].bool()
    assert not (told & ~mask).any()
    assert float(told[mask].float().mean()) == pytest.approx(0.75, abs=0.04)
    assert torch.equal(dropped[:, :4][told], clean[:, :4][told])
    assert not dropped[:, :4][~told].any()
    assert torch.equal(dropped[:, 8:], clean[:, 8:])


# ------------------------------------------------------------------ fields


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Beta(beta=-1.0), r"Beta\(beta=-1.0\): expected a number >= 0\."),
        (Beta(warm_up=1.0), r"Beta\(warm_up=1.0\): .* >= 0 and < 1\."),
        (Beta(free_bits="two"), r"Beta\(free_bits='two'\)"),
        (Beta(n_draws=0), "n_draws=0"),
        (BetaTC(beta=float("nan")), r"BetaTC\(beta=nan\)"),
        (Denoising(noise=-0.1), r"Denoising\(noise=-0.1\)"),
        (Denoising(mask=1.0), r"Denoising\(mask=1.0\)"),
    ],
)
def test_fields_without_sense_are_refused(recipe, message):
    with pytest.raises(ValueError, match=message):
        recipe.validate()


@pytest.mark.parametrize("correlated", [False, True])
def test_the_density_of_each_draw_under_each_row(correlated):
    q, z = gaussians(correlated), torch.randn(7, 2, generator=torch.Generator().manual_seed(2))
    z = z.double()
    expected = torch.stack([q.log_prob(z[i].expand(5, 2)) for i in range(7)])
    torch.testing.assert_close(q.log_prob(z.unsqueeze(1)), expected)


def test_a_trimmed_objective_is_what_its_bound_is():
    assert Trimmed(0.1, "autoencoder").traits.deterministic
    assert not Trimmed(0.1, "autoencoder").traits.has_density
    assert not Trimmed(0.1, "autoencoder").traits.matches_prior
    assert Trimmed(0.1, "beta_tc").traits.needs_margins
    assert Trimmed(0.1, Denoising(mask=0.1)).traits.hides_cells
    module = Trimmed(0.1, Beta(warm_up=0.5)).build(model()[0], 40)
    module.advance(0.1)
    assert not module.settled
