"""Context: p(x | c) against regression in closed form; p(z | c) as a prior that is moved."""

import pytest
import torch

from skvae.core import Batch, Columns, build_vae, log_marginal, standard_error, start_linear
from skvae.core import linear_model as fit_linear_model
from skvae.core.latents.distributions import DiagonalNormal
from skvae.core.latents.mixtures import NormalMixture
from skvae.likelihoods import Categorical, Gaussian
from skvae.objectives import IWAE
from skvae.posteriors import FullGaussian
from skvae.priors import Mixture, StandardNormal
from skvae.proposals import AISProposal, DefensiveProposal, PriorProposal


def regression_rows(n=400, n_cells=5, seed=0):
    """Return rows x = a + B c + W e + noise and their context, which is not centred."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    context = draw(n, 2) @ torch.tensor([[1.0, 0.5], [0.0, 1.0]]).double() + 0.7
    x = draw(n_cells) + context @ draw(2, n_cells) + draw(n, 2) @ draw(2, n_cells)
    return Batch(x + 0.4 * draw(n, n_cells), None, context)


def fresh(batch, n_latent=2, prior=None, masked=False, floor=1e-3):
    n_cells = batch.x.shape[1]
    columns = Columns(Gaussian("column"), range(n_cells), floor=torch.full((n_cells,), floor))
    return build_vae(
        [columns],
        n_latent,
        n_context=batch.context.shape[1],
        masked=masked,
        prior=prior,
        posterior=FullGaussian(),
        hidden_layer_sizes=(8,),
        generator=torch.Generator().manual_seed(1),
    ).double()


def of_regression(model, batch):
    """Return log N(x; a + B c, W W^T + Psi), by torch, for what is observed of each row."""
    covariance = model.loadings @ model.loadings.T + torch.diag(model.noise_variance)
    mean = model.mean + batch.context @ model.slope.T
    return torch.stack(
        [
            torch.distributions.MultivariateNormal(m[seen], covariance[seen][:, seen]).log_prob(
                x[seen]
            )
            for x, m, seen in zip(batch.x, mean, batch.observed, strict=True)
        ]
    )


def test_every_log_weight_is_the_density_of_a_regression():
    batch = regression_rows()
    vae = fresh(batch)
    model = fit_linear_model(vae, batch)
    start_linear(vae, model, batch)
    noise = torch.randn(7, len(batch), 2, generator=torch.Generator().manual_seed(0)).double()
    log_w = vae.draw(batch, noise).log_w
    # Scales pass through a parameter in float32.
    exact = of_regression(model, batch).expand(7, -1)
    torch.testing.assert_close(log_w, exact, rtol=0, atol=1e-5)


def test_the_linear_fit_is_least_squares():
    batch = regression_rows()
    model = fit_linear_model(fresh(batch), batch)
    design = torch.cat([torch.ones(len(batch), 1).double(), batch.context], 1)
    found = torch.linalg.lstsq(design, batch.x).solution.T
    torch.testing.assert_close(model.mean, found[:, 0])
    torch.testing.assert_close(model.slope, found[:, 1:])
    # Factor analysis keeps the variances of what is left.
    left = (batch.x - design @ found.T).square().mean(0)
    ours = model.loadings.square().sum(1) + model.noise_variance
    torch.testing.assert_close(ours, left, rtol=1e-4, atol=0)


def test_a_context_that_repeats_itself_changes_nothing():
    batch = regression_rows()
    double = Batch(batch.x, None, torch.cat([batch.context, batch.context], 1))
    model, other = (fit_linear_model(fresh(some), some) for some in (batch, double))
    torch.testing.assert_close(of_regression(model, batch), of_regression(other, double))


def test_the_fit_with_holes_is_where_the_observed_likelihood_is_highest():
    batch = regression_rows()
    keep = torch.rand(batch.x.shape, generator=torch.Generator().manual_seed(2)) > 0.3
    keep[:, 0] = True
    holes = Batch(torch.where(keep, batch.x, 0.0), keep, batch.context)
    vae = fresh(holes, masked=True)
    model = fit_linear_model(vae, holes)
    parts = [part.clone().requires_grad_() for part in model]
    value = of_regression(type(model)(*parts), holes).mean()
    value.backward()
    for part in parts:
        # It stops where a step gains less than 1e-4 nats; gradients at the start are about 1.
        assert part.grad.abs().max() < 0.02
    start_linear(vae, model, holes)
    noise = torch.Generator().manual_seed(1)
    _, log_w = DefensiveProposal().build(vae, holes)(
        lambda n: torch.randn(400, len(holes), n, generator=noise, dtype=torch.float64)
    )
    assert log_marginal(log_w).mean().item() == pytest.approx(value.item(), abs=2e-3)


def test_a_start_with_holes_is_exact_on_complete_rows():
    batch = regression_rows()
    vae = fresh(batch, masked=True)
    model = fit_linear_model(vae, batch)
    start_linear(vae, model, batch)
    noise = torch.randn(3, len(batch), 2, generator=torch.Generator().manual_seed(0)).double()
    exact = of_regression(model, batch).expand(3, -1)
    torch.testing.assert_close(vae.draw(batch, noise).log_w, exact, rtol=0, atol=1e-5)


def normal():
    return DiagonalNormal(torch.tensor([0.5, -1.0]).double(), torch.tensor([0.2, 0.0]).double())


def mixture():
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=generator).double()  # noqa: E731
    return NormalMixture(draw(3), draw(3, 2), 0.3 * draw(3, 2), draw(3, 2, 2).tril(-1))


@pytest.mark.parametrize("base", [normal(), mixture()], ids=["normal", "mixture"])
@pytest.mark.parametrize("again", [False, True])
def test_a_moved_prior_is_the_change_of_variables(base, again):
    loc, log_scale = torch.tensor([[0.3, -0.2], [2.0, 1.0]]).double(), torch.tensor([0.4, -0.7])
    log_scale = log_scale.double().expand(2, 2)
    moved = base.moved(loc, log_scale)
    if again:
        moved, loc, log_scale = (
            moved.moved(loc, log_scale),
            loc + log_scale.exp() * loc,
            2 * log_scale,
        )
    z = torch.randn(5, 2, 2, generator=torch.Generator().manual_seed(1)).double()
    there = loc + log_scale.exp() * z
    expected = base.log_prob(z) - log_scale.sum(-1)
    torch.testing.assert_close(moved.log_prob(there), expected)
    noise = torch.randn(5, 2, moved.n_noise, generator=torch.Generator().manual_seed(1)).double()
    torch.testing.assert_close(moved.rsample(noise), loc + log_scale.exp() * base.rsample(noise))
    drawn, log_density = moved.draw(noise)
    torch.testing.assert_close(moved.log_prob(drawn), log_density)
    torch.testing.assert_close(moved.mean, loc + log_scale.exp() * base.mean)
    torch.testing.assert_close(moved.variance, torch.exp(2 * log_scale) * base.variance)
    shrink = torch.exp(-log_scale)
    curvature = shrink.unsqueeze(-1) * base.curvature(z[0]) * shrink.unsqueeze(-2)
    torch.testing.assert_close(moved.curvature(there[0]), curvature)


def spoilt(prior, masked=False):
    """Return a model with weights that make everything depend on the context, and rows of it."""
    batch = regression_rows(8, 3)
    vae = fresh(batch, prior=prior, masked=masked, floor=0.2)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in vae.prior.linear.parameters():
            p.normal_(0.0, 0.25, generator=generator)
    return vae.eval(), batch


@pytest.mark.parametrize("prior", [StandardNormal(), Mixture(3)], ids=repr)
@pytest.mark.parametrize(
    ("proposal", "n_draws"),
    [(PriorProposal(), 2**15), (DefensiveProposal(), 2**10), (AISProposal(100), 2**7)],
    ids=repr,
)
@pytest.mark.slow
def test_every_proposal_agrees_with_quadrature_given_a_context(prior, proposal, n_draws):
    vae, batch = spoilt(prior)
    batch = Batch(
        vae.sample(8, torch.Generator().manual_seed(0), batch.context)[1].detach(),
        None,
        batch.context,
    )
    grid = torch.linspace(-9.0, 9.0, 361, dtype=torch.float64)
    z = torch.cartesian_prod(grid, grid).unsqueeze(1).expand(-1, 8, -1)
    noise = torch.Generator().manual_seed(4)
    with torch.no_grad():
        log_joint = vae.log_joint(batch, z)
        exact = torch.logsumexp(log_joint, 0) + 2 * (grid[1] - grid[0]).log()
        _, log_w = proposal.build(vae, batch)(
            lambda n: torch.randn(n_draws, 8, n, generator=noise, dtype=torch.float64)
        )
    error = (log_marginal(log_w) - exact).abs()
    assert (error < 5 * standard_error(log_w) + 1e-6).all()
    assert error.max() < 0.5


def test_training_moves_the_prior():
    batch = regression_rows()
    vae = fresh(batch)
    bound = IWAE().build(vae, len(batch))(batch, torch.Generator().manual_seed(0))
    bound.value.mean().backward()
    assert vae.prior.linear.weight.grad.abs().sum() > 0


def test_codes_start_finite_given_a_context():
    generator = torch.Generator().manual_seed(0)
    context = torch.randn(90, 2, generator=generator).double()
    x = (context + torch.randn(90, 2, generator=generator)).round().clamp(-1, 1) + 1.0
    columns = Columns.measure(Categorical(), [0, 1], x, n_levels=[3, 3])
    vae = build_vae([columns], 1, n_context=2, generator=generator).double()
    batch = Batch(x, None, context)
    start_linear(vae, fit_linear_model(vae, batch), batch)
    with torch.no_grad():
        log_w = vae.draw(batch, torch.randn(64, 90, 1, generator=generator).double()).log_w
    frequency = columns.of.frequency
    apart = (frequency * frequency.log()).sum()
    assert log_marginal(log_w).mean() > apart + 0.1  # the context says something
