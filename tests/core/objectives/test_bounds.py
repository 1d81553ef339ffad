"""Objectives: their order, their values on the same noise, and the gradients that lead there."""

import itertools

import pytest
import torch

from skvae.core import Batch, Columns, build_vae
from skvae.core.objectives.labelled import Labelled, with_label
from skvae.likelihoods import Gaussian
from skvae.objectives import ELBO, IWAE, DReG, MonteCarlo, Trimmed
from skvae.posteriors import FullGaussian
from skvae.priors import Mixture

from ..models import exact_log_prob, linear_model, rows_of, spoil

SCORE = "score_function"
#: Means over noises are held against so many standard errors; a test compares some ten numbers.
ERRORS = 5.0


def spoiled(posterior=None):
    """Return a linear model whose posterior is inexact, and its covariance."""
    vae, covariance = linear_model(posterior=posterior)
    return spoil(vae), covariance


def with_mixture():
    """Return a model whose divergence has no closed form, and rows of it."""
    generator = torch.Generator().manual_seed(0)
    columns = [Columns(Gaussian("column"), range(5))]
    vae = build_vae(
        columns, 2, prior=Mixture(3), hidden_layer_sizes=(8,), generator=generator
    ).double()
    return vae, Batch(vae.sample(6, generator)[1].detach())


def evaluate(recipe, vae, batch, seed=0):
    return recipe.build(vae, len(batch))(batch, torch.Generator().manual_seed(seed))


def gradients(recipe, vae, batch, seed=0, skip=0):
    """Return the gradients of the encoder and of all else, on noise after ``skip`` draws a row."""
    generator = torch.Generator().manual_seed(seed)
    torch.randn(skip, len(batch), vae.n_latent, generator=generator, dtype=batch.x.dtype)
    vae.zero_grad()
    module = recipe.build(vae, len(batch))
    module(batch, generator).value.sum().backward()
    encoder = list(vae.encoder.parameters())
    others = [*vae.decoder.parameters(), *vae.prior.parameters()]
    flat = [
        torch.cat([p.grad.flatten() for p in part if p.grad is not None])
        for part in (encoder, others)
    ]
    vae.zero_grad()
    return flat


def of_many_noises(module, x, n, seed=0):
    """Return the gradient of q's location and log-scale at one row, for n noises, (n, 2d)."""
    head = module.vae.encoder.posterior.linear
    seen = []
    hook = head.register_forward_hook(lambda *args: args[2].retain_grad() or seen.append(args[2]))
    # A row repeated: each copy has its own noise, and its own outputs of the encoder.
    bound = module(Batch(x.expand(n, -1)), torch.Generator().manual_seed(seed))
    hook.remove()
    bound.value.sum().backward()
    module.zero_grad()
    return seen[0].grad


def assert_same_mean(a, b):
    """Assert that independent gradients (n, p) agree in their means over noises."""
    error = torch.sqrt(a.var(0) / len(a) + b.var(0) / len(b))
    assert ((a.mean(0) - b.mean(0)).abs() < ERRORS * error + 1e-9).all()


@pytest.mark.parametrize("posterior", [None, FullGaussian()], ids=repr)
def test_bounds_rise_with_draws_to_the_exact_likelihood(posterior):
    vae, covariance = spoiled(posterior)
    x = rows_of(covariance, n=20)
    many = Batch(x.repeat(400, 1))
    with torch.no_grad():
        values = [
            evaluate(recipe, vae, many, seed).value.reshape(400, 20).mean(1)
            for seed, recipe in enumerate([ELBO(), IWAE(5), IWAE(50)])
        ]
    values.append(exact_log_prob(covariance, x).mean().expand(400))
    for lower, upper in itertools.pairwise(values):
        error = torch.sqrt(lower.var() / 400 + upper.var() / 400)
        assert upper.mean() - lower.mean() > ERRORS * error


@pytest.mark.parametrize("recipe", [DReG(5), DReG(1)], ids=repr)
def test_the_doubly_reparameterised_bound_is_iwae_on_the_same_noise(recipe):
    vae, covariance = spoiled()
    batch = Batch(rows_of(covariance))
    expected = evaluate(IWAE(recipe.n_draws), vae, batch)
    for bound in (evaluate(recipe, vae, batch), torch.no_grad()(evaluate)(recipe, vae, batch)):
        torch.testing.assert_close(bound.value, expected.value, rtol=0, atol=1e-12)
        torch.testing.assert_close(bound.kl, expected.kl, rtol=0, atol=1e-12)


@pytest.mark.parametrize("recipe", [ELBO(3, SCORE), ELBO(1, SCORE), ELBO(3, separate_noise=True)])
@pytest.mark.parametrize("mixture", [False, True])
def test_gradients_leave_the_value_of_the_elbo_alone(recipe, mixture):
    vae, batch = with_mixture()
    if not mixture:
        vae, covariance = spoiled()
        batch = Batch(rows_of(covariance))
    expected = evaluate(ELBO(recipe.n_draws), vae, batch)
    for bound in (evaluate(recipe, vae, batch), torch.no_grad()(evaluate)(recipe, vae, batch)):
        for term in ("value", "log_px", "kl"):
            torch.testing.assert_close(
                getattr(bound, term), getattr(expected, term), rtol=0, atol=1e-12
            )


@pytest.mark.parametrize("posterior", [None, FullGaussian()], ids=repr)
def test_the_decoder_has_the_gradient_of_iwae(posterior):
    vae, covariance = spoiled(posterior)
    batch = Batch(rows_of(covariance))
    ours, theirs = (gradients(recipe, vae, batch) for recipe in (DReG(7), IWAE(7)))
    torch.testing.assert_close(ours[1], theirs[1], rtol=0, atol=1e-10)
    assert not torch.allclose(ours[0], theirs[0])


def test_a_prior_has_the_gradient_of_iwae():
    vae, batch = with_mixture()
    ours, theirs = (gradients(recipe, vae, batch)[1] for recipe in (DReG(7), IWAE(7)))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_with_one_draw_it_sticks_the_landing():
    vae, covariance = spoiled()
    batch = Batch(rows_of(covariance))
    ours = gradients(DReG(1), vae, batch)[0]
    q = vae.posterior(batch)
    generator = torch.Generator().manual_seed(0)
    z = q.rsample(torch.randn(1, 40, 2, generator=generator, dtype=torch.float64))
    still = type(q)(q.loc.detach(), q.log_scale.detach())
    (vae.log_joint(batch, z) - still.log_prob(z)).sum().backward()
    stuck = torch.cat([p.grad.flatten() for p in vae.encoder.parameters() if p.grad is not None])
    torch.testing.assert_close(ours, stuck, rtol=0, atol=1e-10)


@pytest.mark.parametrize("n_draws", [1, 5])
@pytest.mark.parametrize("posterior", [None, FullGaussian()], ids=repr)
def test_an_exact_posterior_is_left_without_noise(posterior, n_draws):
    vae, covariance = linear_model(posterior=posterior)
    batch = Batch(rows_of(covariance))
    # Some scales pass through a parameter in float32; IWAE's noise is about 10.
    assert gradients(DReG(n_draws), vae, batch)[0].abs().max() < 1e-3
    assert gradients(IWAE(n_draws), vae, batch)[0].abs().max() > 1.0


@pytest.mark.parametrize("recipe", [DReG(1), DReG(4), DReG(16)], ids=repr)
def test_the_doubly_reparameterised_gradient_has_the_mean_of_iwae(recipe):
    vae, covariance = spoiled()
    x = rows_of(covariance, n=1)
    ours = of_many_noises(recipe.build(vae, 1), x, 10_000, seed=1)
    theirs = of_many_noises(IWAE(recipe.n_draws).build(vae, 1), x, 10_000, seed=2)
    assert_same_mean(ours, theirs)
    assert (ours.var(0) < theirs.var(0)).all()


@pytest.mark.slow
def test_iwae_drowns_in_noise_where_the_doubly_reparameterised_gradient_gets_clearer():
    vae, covariance = spoiled()
    x = rows_of(covariance, n=1)

    def snr(recipe):
        g = of_many_noises(recipe.build(vae, 1), x, 4_000)
        return (g.mean(0).abs() / g.std(0)).mean()

    iwae, dreg = (torch.stack([snr(r(k)) for k in (4, 16, 64, 256)]) for r in (IWAE, DReG))
    # Its error is 1 / sqrt(4000) = 0.016 a parameter. The rates are sqrt(k) either way: 8 times.
    assert (iwae.diff() < 0).all()
    assert (dreg.diff() > 0).all()
    assert iwae[0] / iwae[-1] > 3
    assert dreg[-1] / dreg[0] > 3


@pytest.mark.parametrize("mixture", [False, True])
def test_separate_noise_is_one_gradient_on_one_noise_and_the_other_on_the_next(mixture):
    vae, batch = with_mixture()
    if not mixture:
        vae, covariance = spoiled()
        batch = Batch(rows_of(covariance))
    encoder, others = gradients(ELBO(3, separate_noise=True), vae, batch)
    first, second = gradients(ELBO(3), vae, batch), gradients(ELBO(3), vae, batch, skip=3)
    torch.testing.assert_close(encoder, second[0], rtol=0, atol=1e-10)
    torch.testing.assert_close(others, first[1], rtol=0, atol=1e-10)
    assert not torch.allclose(encoder, first[0])


@pytest.mark.parametrize("mixture", [False, True])
def test_the_score_function_leaves_the_decoder_and_the_prior_their_gradient(mixture):
    vae, batch = with_mixture()
    if not mixture:
        vae, covariance = spoiled()
        batch = Batch(rows_of(covariance))
    ours, theirs = (gradients(recipe, vae, batch)[1] for recipe in (ELBO(3, SCORE), ELBO(3)))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("recipe", [ELBO(1, SCORE), ELBO(4, SCORE)], ids=repr)
@pytest.mark.parametrize("mixture", [False, True])
def test_the_score_function_has_the_mean_of_the_reparameterised_gradient(recipe, mixture):
    vae, batch = with_mixture()
    x = batch.x[:1]
    if not mixture:
        vae, covariance = spoiled()
        x = rows_of(covariance, n=1)
    ours = of_many_noises(recipe.build(vae, 1), x, 20_000, seed=1)
    theirs = of_many_noises(ELBO(recipe.n_draws).build(vae, 1), x, 20_000, seed=2)
    assert_same_mean(ours, theirs)


def test_a_baseline_takes_variance_off_the_score_function_and_leaves_more_than_there_might_be():
    vae, covariance = spoiled()
    x = rows_of(covariance, n=1)
    moving = ELBO(1, SCORE).build(vae, 1)
    without, with_average = (of_many_noises(moving, x, 10_000, seed=s) for s in (1, 2))
    others = of_many_noises(ELBO(4, SCORE).build(vae, 1), x, 10_000)
    reparameterised = of_many_noises(ELBO(4).build(vae, 1), x, 10_000)
    assert_same_mean(without, with_average)
    assert (with_average.var(0) < 0.5 * without.var(0)).all()
    assert (4 * others.var(0) < 0.5 * without.var(0)).all()  # at one draw's cost
    assert (others.var(0) > 2 * reparameterised.var(0)).all()


def test_the_moving_baseline_moves_in_training_alone_and_is_not_saved():
    vae, covariance = spoiled()
    batch = Batch(rows_of(covariance))
    module = ELBO(1, SCORE).build(vae, 40)
    generator = torch.Generator().manual_seed(0)
    module.eval()(batch, generator)
    assert module.weight == 0.0
    log_px = module.train()(batch, generator).log_px
    # After one batch the average is that batch's mean; the buffers are in float32.
    torch.testing.assert_close(module.average / module.weight, log_px.detach().mean().float())
    assert not {"average", "weight"} & set(module.state_dict())


@pytest.mark.parametrize(
    "recipe",
    [DReG(3), ELBO(1, SCORE), ELBO(2, SCORE), ELBO(2, separate_noise=True)],
    ids=repr,
)
def test_every_gradient_climbs_the_bound_within_a_sum_over_labels(recipe):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 3, generator=generator)
    batch = with_label(Batch(x), torch.full((64, 2), 0.5))
    columns = [Columns(Gaussian("column"), range(3))]
    vae = build_vae(columns, 2, n_context=2, hidden_layer_sizes=(8,), generator=generator)
    module = Labelled(recipe, [0.5, 0.5]).build(vae, 64)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    noise = torch.randn(16, 64, 2, generator=generator)
    before = module.monitor(batch, noise).mean()
    for _ in range(30):
        optimizer.zero_grad()
        (-module(batch, generator).value.mean()).backward()
        optimizer.step()
    assert module.monitor(batch, noise).mean() > before + 0.1


def test_gradients_that_have_no_meaning_are_refused():
    with pytest.raises(ValueError, match=r"\['reparameterisation', 'score_function'\]"):
        ELBO(gradient="pathwise").validate()
    with pytest.raises(ValueError, match="separate_noise splits the reparameterised gradient"):
        ELBO(gradient=SCORE, separate_noise=True).validate()


def test_a_row_whose_latents_are_functions_of_each_other_has_the_gradient_of_iwae():
    vae, covariance = linear_model(posterior=FullGaussian(), n_latent=8, n_cells=9)
    x = rows_of(covariance, n=3)
    with torch.no_grad():  # latents that are nearly a function of each other
        vae.encoder.posterior.linear.bias[8:16] -= 12.0
        vae.encoder.posterior.linear.bias[16:] += 6.0
    gradients = []
    for objective in (IWAE(4), DReG(4)):
        module = objective.build(vae.float(), 3)
        module.zero_grad()
        bound = module(Batch(x.float()), torch.Generator().manual_seed(0))
        bound.value.mean().backward()
        gradients.append([p.grad.clone() for p in vae.encoder.parameters() if p.grad is not None])
    for iwae, dreg in zip(*gradients, strict=True):
        # Two ways to add up float32 numbers.
        torch.testing.assert_close(dreg, iwae, rtol=1e-3, atol=1e-3 * float(iwae.abs().max()))


def test_a_trimmed_bound_counts_the_likeliest_rows():
    vae, covariance = spoiled()
    batch = Batch(rows_of(covariance, n=8))
    module = Trimmed(0.25, DReG(3)).build(vae, 8)
    bound, expected = (
        m(batch, torch.Generator().manual_seed(0)) for m in (module, DReG(3).build(vae, 8))
    )
    torch.testing.assert_close(bound.value, expected.value)
    left_out = set(range(8)) - set(module.counted(bound.value).tolist())
    assert left_out == set(bound.value.argsort()[:2].tolist())
    assert module.counted(torch.tensor([torch.nan, 1.0, 0.0, 2.0])).sort().values.tolist() == [
        1,
        2,
        3,
    ]
    assert len(module.counted(torch.zeros(1))) == 1
    assert DReG(3).build(vae, 8).counted(bound.value) == slice(None)


def test_a_row_that_is_left_out_has_no_influence():
    vae, covariance = spoiled()
    x = rows_of(covariance, n=8)
    x[0] = 50.0

    def gradient(recipe, x):
        vae.zero_grad()
        module = recipe.build(vae, len(x))
        value = module.forward(Batch(x), torch.Generator().manual_seed(0)).value
        value[module.counted(value.detach())].mean().backward()
        return torch.cat([p.grad.flatten() for p in vae.parameters() if p.grad is not None])

    before = gradient(Trimmed(0.125), x)
    x[0] = -1e3
    torch.testing.assert_close(gradient(Trimmed(0.125), x), before, rtol=0, atol=1e-12)
    assert not torch.allclose(gradient(IWAE(), x), before)


def test_a_trimmed_bound_is_as_the_one_within():
    vae = spoiled()[0]
    assert Trimmed().traits.needs_encoder
    assert Trimmed(0.3, "dreg").around(ELBO()) == Trimmed(0.3, ELBO())
    assert Labelled(Trimmed(0.3), [0.5, 0.5]).around(ELBO()) == Trimmed(0.3, ELBO())
    assert DReG().around(ELBO()) == ELBO()
    assert not Trimmed(0.1, MonteCarlo(30)).traits.needs_encoder
    assert Trimmed(0.1, MonteCarlo(30)).build(vae, 8).n_monitored == 30
    assert Labelled(Trimmed(0.5), [0.5, 0.5]).build(vae, 8).counted(torch.arange(4.0)).numel() == 2
