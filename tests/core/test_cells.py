"""Cells: blocks of families, the mask, the context."""

import pytest
import torch

from skvae.core import Batch, Bernoulli, Columns, Gaussian, build_vae

from .models import exact_log_prob, linear_model, rows_of


def mixed_model(masked=False, n_context=0):
    generator = torch.Generator().manual_seed(0)
    columns = [Columns(Gaussian(), [0, 2, 3]), Columns(Bernoulli(), [1, 4])]
    vae = build_vae(columns, 2, masked=masked, n_context=n_context, generator=generator)
    return vae.double()


def mixed_rows(n=6):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    x[:, [1, 4]] = (x[:, [1, 4]] > 0).double()
    return x


def test_blocks_are_joined_in_the_order_of_the_columns():
    vae, x = mixed_model(), mixed_rows()
    z = torch.randn(3, 6, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    thetas = vae.decode(z)
    log_prob = vae.cells.log_prob(Batch(x), thetas)
    gaussian, bernoulli = thetas
    torch.testing.assert_close(log_prob[..., 2], Gaussian()(gaussian[..., 1, :]).log_prob(x[:, 2]))
    torch.testing.assert_close(
        log_prob[..., 4], Bernoulli()(bernoulli[..., 1, :]).log_prob(x[:, 4])
    )
    sample = vae.cells.sample(thetas, torch.Generator().manual_seed(3))
    assert sample.shape == (3, 6, 5)
    assert set(sample[..., 1].unique().tolist()) <= {0.0, 1.0}
    assert len(sample[..., 3].unique()) == 18


@pytest.mark.parametrize("hidden", [float("nan"), float("inf"), 1e6])
def test_a_masked_cell_has_no_influence(hidden):
    vae, x = mixed_model(masked=True), mixed_rows()
    mask = torch.ones_like(x, dtype=torch.bool)
    mask[:, 2] = mask[0, 1] = False
    noise = torch.randn(4, 6, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    reference = vae.draw(Batch(x, mask), noise).log_w
    changed = torch.where(mask, x, hidden)
    assert torch.equal(vae.draw(Batch(changed, mask), noise).log_w, reference)


def test_gradients_pass_by_masked_cells():
    vae, x = mixed_model(masked=True), mixed_rows()
    mask = torch.ones_like(x, dtype=torch.bool)
    mask[:, 2] = False
    x = torch.where(mask, x, float("nan"))
    noise = torch.zeros(1, 6, 2, dtype=torch.float64)
    vae.draw(Batch(x, mask), noise).log_w.sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in vae.parameters())


def test_masked_cells_leave_the_gaussian_marginal():
    vae, covariance = linear_model()
    x = rows_of(covariance, n=10)
    seen = [0, 3, 4]
    mask = torch.zeros_like(x, dtype=torch.bool)
    mask[:, seen] = True
    noise = torch.randn(20_000, 10, 2, generator=torch.Generator().manual_seed(0)).double()
    draw = vae.weigh(Batch(x, mask), noise, vae.prior(None).log_prob(noise))
    estimate = torch.logsumexp(draw.log_w, 0) - torch.log(torch.tensor(20_000.0))
    exact = exact_log_prob(covariance[seen][:, seen], x[:, seen])
    # Simple Monte Carlo with 20,000 draws: the worst row's standard error is about 0.05.
    torch.testing.assert_close(estimate, exact, rtol=0, atol=0.2)


def test_context_reaches_the_encoder_and_the_decoder():
    vae, x = mixed_model(n_context=1), mixed_rows()
    noise = torch.zeros(1, 6, 2, dtype=torch.float64)
    one, two = (
        vae.draw(Batch(x, context=torch.full((6, 1), c, dtype=torch.float64)), noise)
        for c in (0.0, 1.0)
    )
    assert not torch.allclose(one.z, two.z)
    assert not torch.allclose(one.log_px, two.log_px)
    z, x = vae.sample(6, torch.Generator(), context=torch.zeros(6, 1, dtype=torch.float64))
    assert z.shape == (6, 2)
    assert x.shape == (6, 5)


def test_batches_are_cut_and_moved_whole():
    batch = Batch(torch.zeros(4, 2), torch.ones(4, 2, dtype=torch.bool), torch.zeros(4, 1))
    half = batch[:2].to("cpu", torch.float64)
    assert (len(half), half.x.dtype, half.mask.dtype) == (2, torch.float64, torch.bool)
    assert half.context.dtype == torch.float64
