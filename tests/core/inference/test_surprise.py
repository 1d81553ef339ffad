"""How likely a cell is given the others, against closed forms and bounds that no model exceeds."""

import math

import pytest
import torch

from skvae.core import Batch
from skvae.core.inference.surprise import log_with_and_without
from skvae.core.noise import KeyedNoise
from skvae.proposals import DefensiveProposal, EncoderProposal, LaplaceProposal, PriorProposal

from ..models import bent, exact_log_prob, linear_model, rows_of, spoil


def evaluate(vae, batch, cell, proposal, n_draws, seed=0):
    with torch.no_grad():
        noise = KeyedNoise(seed, batch.x, n_draws)
        half = [noise.of(slice(0, n_draws // 2)), noise.of(slice(n_draws // 2, n_draws))]
        whole, rest = log_with_and_without(vae, batch, cell, proposal, half)
        return whole - rest


def one_cell(rows, seed=0):
    """Return a row's observed cell, at random, of rows that have two or more."""
    generator = torch.Generator().manual_seed(seed)
    chance = torch.rand(rows.x.shape, generator=generator) * rows.observed
    return torch.nn.functional.one_hot(chance.argmax(-1), rows.x.shape[1]).bool()


def conditional(covariance, batch, cell):
    """Return log p(x_j | other observed cells) of a Gaussian, (n,)."""
    found = []
    for x, seen, left_out in zip(batch.x, batch.observed, cell, strict=True):
        rest = seen & ~left_out
        both, alone = (exact_log_prob(covariance[s][:, s], x[s]) for s in (seen, rest))
        found.append(both - alone)
    return torch.stack(found)


@pytest.mark.parametrize("proposal", [LaplaceProposal(), DefensiveProposal()], ids=repr)
def test_a_cell_given_the_rest_is_the_gaussian_conditional(proposal):
    vae, covariance = linear_model()
    x = rows_of(covariance, n=30)
    mask = torch.ones(30, 5, dtype=torch.bool)
    mask[::3, 1] = mask[1::3, 4] = False
    cell = one_cell(Batch(x, mask))
    x[cell] += 6.0 * (torch.arange(30) % 5 == 0)  # some are wrong
    batch = Batch(x, mask)
    expected = conditional(covariance, batch, cell)
    assert expected.min() < -15
    found = evaluate(vae, batch, cell, proposal, 4_096)
    # With other seeds the largest error is up to 0.003.
    torch.testing.assert_close(found, expected, rtol=0, atol=0.01)


@pytest.mark.parametrize(
    "proposal",
    [LaplaceProposal(), DefensiveProposal(), EncoderProposal(), PriorProposal()],
    ids=repr,
)
def test_no_estimate_exceeds_the_density_of_a_cell_at_its_mean(proposal):
    vae, covariance = linear_model()
    vae = spoil(vae, 2.0)
    bent(vae.decoder.body, torch.Generator().manual_seed(0), 1.0)
    x = rows_of(covariance, n=40)
    x[::2] *= 30.0  # rows that no draw comes near
    batch = Batch(x)
    cell = one_cell(batch)
    log_scale = vae.decode(torch.zeros(2).double())[0][:, 1]
    highest = (-log_scale - 0.5 * math.log(2 * math.pi)).expand(40, 5)[cell]
    assert (evaluate(vae, batch, cell, proposal, 4) <= highest).all()


@pytest.mark.parametrize("proposal", [DefensiveProposal(), EncoderProposal(), PriorProposal()])
def test_cells_of_a_row_share_its_proposal(proposal):
    vae, covariance = linear_model(5, 2)
    x = rows_of(covariance, n=3)
    mask = torch.ones_like(x, dtype=torch.bool)
    mask[1, 0] = False
    repeated = Batch(x, mask)[torch.arange(3).repeat_interleave(2)]
    cell = torch.eye(5, dtype=torch.bool)[torch.tensor([1, 2, 3, 4, 1, 4])]
    together = evaluate(vae, repeated, cell, proposal, 16)
    alone = [evaluate(vae, repeated[i : i + 1], cell[i : i + 1], proposal, 16) for i in range(6)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-9)
