"""Cells: blocks of families, the mask, the context."""

import pytest
import torch

from skvae.core import Batch, Columns, build_vae, log_marginal, start_linear
from skvae.core import (
    linear_model as fit_linear_model,
)
from skvae.core.noise import KeyedNoise
from skvae.likelihoods import Bernoulli, Binned, Categorical, Gaussian, LogNormal, Ordinal, Poisson
from skvae.objectives import IWAE
from skvae.proposals import DefensiveProposal

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


LEVELS = [2, 4, 3]


def coded_rows(n=200):
    """Return rows of a number, three categories, a count and an ordered category."""
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(n, generator=generator, dtype=torch.float64)

    def code(n_levels):
        noisy = z + torch.randn(n, generator=generator, dtype=torch.float64)
        return (noisy * n_levels / 4 + n_levels / 2).floor().clamp(0, n_levels - 1)

    return torch.stack(
        [z, code(2), code(4), torch.poisson(z.exp(), generator=generator), code(3), code(5)], -1
    )


def coded_model(x, masked=False, float64=True):
    columns = [
        Columns.measure(Gaussian(), [0], x[:, :1]),
        Columns.measure(Categorical(), [1, 2, 4], x[:, [1, 2, 4]], n_levels=LEVELS),
        Columns.measure(Poisson(), [3], x[:, 3:4]),
        Columns.measure(Ordinal(), [5], x[:, 5:], n_levels=[5]),
    ]
    generator = torch.Generator().manual_seed(0)
    vae = build_vae(columns, 2, masked=masked, hidden_layer_sizes=(16,), generator=generator)
    return vae.double() if float64 else vae


def test_levels_are_features_in_the_order_of_the_table_and_no_others():
    x = coded_rows()
    cells = coded_model(x).cells
    assert cells.n_inputs == 1 + 2 + 4 + 1 + 3 + 5
    assert cells.owner.tolist() == [0, 1, 1, 2, 2, 2, 2, 3, 4, 4, 4, 5, 5, 5, 5, 5]
    features = cells.features(Batch(x))
    # Indicators, less their smoothed frequency.
    shown = (features[:, 3:7] - features[:, 3:7].min(0).values).round()
    torch.testing.assert_close(shown, torch.nn.functional.one_hot(x[:, 2].long(), 4).double())
    torch.testing.assert_close(features[:, 0], x[:, 0])


def test_numbers_of_features_are_cut_into_blocks():
    cells = coded_model(coded_rows()).cells
    parts = cells.split_features(torch.arange(16.0))
    assert parts[1].tolist() == [[1, 2, 0, 0], [3, 4, 5, 6], [8, 9, 10, 0]]
    assert [parts[i].flatten().tolist() for i in (0, 2)] == [[0], [7]]


def test_columns_have_their_own_distributions():
    x = coded_rows(6)
    vae = coded_model(x)
    thetas = vae.decode(torch.zeros(6, 2, dtype=torch.float64))
    log_prob = vae.cells.log_prob(Batch(x), thetas)
    for j, distribution in enumerate(vae.cells.by_column(thetas)):
        torch.testing.assert_close(distribution.log_prob(x[:, j]), log_prob[:, j])


@pytest.mark.parametrize("hidden", [float("nan"), 1e6, -3.0])
def test_a_masked_code_has_no_influence(hidden):
    x = coded_rows(8)
    vae = coded_model(x, masked=True)
    mask = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < 0.6
    noise = torch.randn(4, 8, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    reference = vae.draw(Batch(x, mask), noise).log_w
    changed = torch.where(mask, x, hidden)
    assert torch.equal(vae.draw(Batch(changed, mask), noise).log_w, reference)


def test_a_mixed_model_trains_from_its_linear_start_and_is_scored():
    x = coded_rows()
    vae = coded_model(x, float64=False)
    start_linear(vae, fit_linear_model(vae, Batch(x)))
    module = IWAE(5).build(vae, len(x))
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = -module(Batch(x.float()), generator).value.mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < sum(losses[:5])
    vae = vae.double().eval()
    batch = Batch(x[:20])
    with torch.no_grad():
        log_w = DefensiveProposal().build(vae, batch)(KeyedNoise(0, batch.x, 256).of())[1]
        many = vae.draw(batch, torch.randn(20_000, 20, 2, generator=generator).double()).log_w
    torch.testing.assert_close(log_marginal(log_w), log_marginal(many), rtol=0, atol=0.1)


@pytest.mark.parametrize("family", [Categorical(), Binned(), LogNormal()], ids=repr)
@pytest.mark.slow
def test_a_linear_start_is_better_than_the_marginals(family):
    """Columns that share a cause: even before training latents explain some of it."""
    x = coded_rows(2000)[:, [2, 4]] if family.measure == "mass" else coded_rows(2000)[:, [0, 0]]
    x = x.exp() if family.kind == "positive" else x
    levels = None if family.kind == "positive" else [4, 3]
    columns = Columns.measure(family, [0, 1], x, n_levels=levels)
    vae = build_vae([columns], 1, generator=torch.Generator().manual_seed(0))
    start_linear(vae, fit_linear_model(vae, Batch(x)))
    noise = torch.randn(500, len(x), 1, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        score = log_marginal(vae.double().draw(Batch(x), noise).log_w).mean()
    independent = columns.marginal().log_prob(x).sum(-1).mean()
    assert score > independent


@pytest.mark.parametrize("family", [Gaussian(bounded=True), LogNormal(bounded=True)], ids=repr)
def test_training_knows_no_ends(family):
    ends = torch.tensor([[0.5, 0.5], [3.0, 3.0]], dtype=torch.float64)
    bounded = build_vae([Columns(family, range(2), ends=ends)], 1).double()
    whole = build_vae([Columns(type(family)(), range(2))], 1).double()
    whole.load_state_dict(bounded.state_dict(), strict=False)
    batch = Batch(torch.tensor([[1.0, 2.0], [0.6, 2.9]], dtype=torch.float64))
    z = torch.tensor([[[0.3], [-1.0]]], dtype=torch.float64)
    of_bounded, of_whole = (vae.train().log_px(batch, z) for vae in (bounded, whole))
    torch.testing.assert_close(of_bounded, of_whole)
    assert (bounded.eval().log_px(batch, z) > of_whole).all()
