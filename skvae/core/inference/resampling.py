"""Completion: what weighted draws of z say of the cells of a row that are missing."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..batch import Batch
from ..ensemble import AnyVAE
from ..importance import resample


class Expected(NamedTuple):
    """What is expected of one column of n rows."""

    average: Tensor  # of its mean (n, 1), or of the probabilities of its levels (n, L)

    @property
    def mean(self) -> Tensor:
        """The posterior mean of a number, (n,)."""
        return self.average[..., 0]

    @property
    def probs(self) -> Tensor:
        """The posterior probability of every level, (n, L)."""
        return self.average

    @property
    def mode(self) -> Tensor:
        """The likeliest level, (n,)."""
        return self.average.argmax(-1)


def expectation(
    vae: AnyVAE, batch: Batch, z: Tensor, log_w: Tensor, n_at_once: int
) -> list[Expected]:
    """Return what is expected of every column given the observed cells of each row.

    sum_k softmax(log_w)_k E[x | z_k], by self-normalised importance sampling; so many draws are
    decoded at a time.

    Parameters
    ----------
    vae : VAE or Ensemble
    batch : Batch
    z : Tensor of shape (K, n, d)
    log_w : Tensor of shape (K, n)
    n_at_once : int

    References
    ----------
    "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets" (Mattei and Frellsen,
    2019), equation 12.
    """
    weight = torch.softmax(log_w, 0)
    parts = [
        vae.average(some, of_some.to(some), batch.context)
        for some, of_some in zip(z.split(n_at_once), weight.split(n_at_once), strict=True)
    ]
    return [Expected(torch.stack(of_column).sum(0)) for of_column in zip(*parts, strict=True)]


def complete(
    vae: AnyVAE,
    batch: Batch,
    z: Tensor,
    log_w: Tensor,
    n_samples: int,
    generator: torch.Generator | None,
    n_at_once: int,
) -> tuple[Tensor, Tensor]:
    """Draw cells from p(x_missing | x_observed) by resampling weighted draws of z.

    Parameters
    ----------
    vae, batch, z, log_w, n_at_once
        As for :func:`expectation`.
    n_samples : int
        Draws of each row.
    generator : torch.Generator, optional

    Returns
    -------
    x : Tensor of shape (n_samples, n, c)
        All cells; those of observed cells are draws given z too, to be put aside.
    chosen : Tensor of shape (n_samples, n)
        Which draw of z each came from.

    References
    ----------
    "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets" (Mattei and Frellsen,
    2019), section 3.
    """
    chosen = resample(log_w, n_samples, generator)
    z = torch.gather(z, 0, chosen.unsqueeze(-1).expand(-1, -1, z.shape[-1]))
    parts = [vae.sample_given(some, batch.context, generator) for some in z.split(n_at_once)]
    return torch.cat(parts), chosen
