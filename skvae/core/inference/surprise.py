"""Surprise: how likely a cell is given the other cells of its row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import torch
from torch import Tensor

from ..batch import Batch
from ..importance import log_marginal
from ..latents.mixtures import of_rows
from ..noise import Noise
from ..vae import VAE
from .proposals import DirectProposal


def log_with_and_without(
    vae: VAE, batch: Batch, cell: Tensor, proposal: DirectProposal, noises: Iterable[Noise]
) -> tuple[Tensor, Tensor]:
    """Return log p(x) and log p(x without x_j) for one observed cell j of every row, each (n,).

    Their difference is log p(x_j | other observed cells). Both are by the same draws: half of them
    from the proposal for the row, half from that for the row without the cell, weighed by the
    density of their mixture. The first are far from the posterior without the cell where it is
    wrong, and the second from the one with it. Two estimates by draws of their own may each be off
    by thousands of nats at rows far from all others, where a climb ends at a local mode; their
    difference by the same draws is at most the largest of log p(x_j | z).

    Parameters
    ----------
    vae : VAE
    batch : Batch
        A row is best repeated for each of its cells one after the other.
    cell : Tensor of shape (n, c), bool
        True at one cell of each row, an observed one beside others.
    proposal : DirectProposal
    noises : iterable of Noise
        Of some draws each; both proposals have the same.

    References
    ----------
    "Weighted Average Importance Sampling and Defensive Mixture Distributions" (Hesterberg, 1995);
    "Optimally Combining Sampling Techniques for Monte Carlo Rendering" (Veach and Guibas, 1995),
    the weights.
    """
    rest = dataclasses.replace(batch, mask=batch.observed & ~cell)
    first, of_row = runs(batch)
    whole = proposal.distribution(vae, batch[first])  # once for all cells of a row
    proposals = [of_rows(whole, of_row), proposal.distribution(vae, rest)]
    log_w, log_cell = [], []
    for noise in noises:
        points = noise(proposals[0].n_noise)
        z = torch.cat([q.draw(points)[0] for q in proposals])  # (2K, n, d)
        # That each is half of the mixture cancels in the difference.
        log_q = torch.logaddexp(*(q.log_prob(z) for q in proposals))
        log_p = vae.cells.log_prob(batch, vae.decode(z, batch.context))  # (2K, n, c)
        log_cell.append(torch.where(cell, log_p, 0.0).sum(-1))
        log_rest = torch.where(cell, 0.0, log_p).sum(-1)
        log_w.append(log_rest + vae.prior_of(batch).log_prob(z) - log_q)
    of_rest, of_cell = torch.cat(log_w), torch.cat(log_cell)
    return log_marginal(of_rest + of_cell), log_marginal(of_rest)


def runs(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return where runs of equal rows begin, and the run of every row, (n,)."""
    parts = [part for part in (batch.x, batch.mask, batch.context) if part is not None]
    new = torch.ones(len(batch), dtype=torch.bool, device=batch.x.device)
    new[1:] = torch.stack([(p[1:] != p[:-1]).any(-1) for p in parts]).any(0)
    return new.nonzero().squeeze(-1), new.cumsum(0) - 1
