"""Clamping: latents that stay the same in images between which one factor alone varies."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from ..batch import Batch
from ..vae import VAE
from .bounds import Bound, Objective, ObjectiveModule
from .regularised import check_number, closed_divergence
from .traits import Traits


@dataclasses.dataclass
class Clamped(Objective):
    """The ELBO of sets of rows between which one factor alone varies: the inverse graphics network.

    Every factor has latents of its own. Rows of a set are decoded with their own latents of the
    factor that varies, and with the set's mean of all others, which are so made to hold for the
    whole set; how far a row's own are from it is a penalty. A density stays; scores are of single
    rows, as ever.

    ``fit(X, y)`` is told the sets by y of shape (n_rows, 2): the number of a row's set, and the
    position in ``groups`` of the factor that varies in it. Rows with -1 for a set are by themselves
    and have the plain ELBO.

    Parameters
    ----------
    groups : sequence of sequences of int
        The latents of every factor. Each latent is in one group.
    weight : float, default=1.0
        Of the penalty: half the squared distance of a row's means of clamped latents from those of
        the set.

    References
    ----------
    "Deep Convolutional Inverse Graphics Network" (Kulkarni et al., 2015), section 3.2, where the
    gradient of the penalty stands in for that of the decoder; here there are both.
    """

    groups: Sequence[Sequence[int]]
    weight: float = 1.0

    @property
    def traits(self) -> Traits:
        return Traits(n_groups=len(self.groups))

    def validate(self) -> None:
        check_number(self, "weight", 0.0)
        latents = sorted(latent for group in self.groups for latent in group)
        if latents != list(range(len(latents))) or len(latents) == 0:
            raise ValueError(
                f"Clamped(groups={self.groups!r}): expected the positions of all latents, each in "
                "one group, as in groups=[[0], [1], [2, 3]]."
            )

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        n = sum(map(len, self.groups))
        if n != vae.n_latent:
            raise ValueError(
                f"Clamped(groups={self.groups!r}) names {n} latents, but the model has "
                f"latent_dim={vae.n_latent}."
            )
        return _Clamped(vae, self)


class _Clamped(ObjectiveModule):
    varies: Tensor  # which latents are of each group, (n_groups, d)

    def __init__(self, vae: VAE, recipe: Clamped):
        super().__init__(vae)
        self.weight = recipe.weight
        varies = torch.zeros(len(recipe.groups), vae.n_latent, dtype=torch.bool)
        for i, group in enumerate(recipe.groups):
            varies[i, list(group)] = True
        self.register_buffer("varies", varies.to(next(vae.parameters()).device))

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        q, p = self.vae.posterior(batch), self.vae.prior_of(batch)
        (z,), (log_qz,) = q.draw(self.noise(batch, 1, generator))
        kl = closed_divergence(q, p)
        clamped = self.clamped(batch)
        mean_z, mean = mean_of_set(batch, torch.cat([z, q.mean], -1)).chunk(2, -1)
        together = torch.where(clamped, mean_z, z)
        log_px = self.vae.log_px(batch, together.unsqueeze(0))[0]
        kl = log_qz - p.log_prob(z) if kl is None else kl
        apart = torch.where(clamped, q.mean - mean, 0.0)
        penalty = self.weight * 0.5 * apart.square().sum(-1).mean()
        return Bound(log_px - kl, penalty, log_px, kl)

    def clamped(self, batch: Batch) -> Tensor:
        """Return which latents of rows are those of their set, (n, d) bool."""
        assert batch.sets is not None
        of_set, factor = batch.sets.unbind(-1)
        return (of_set >= 0).unsqueeze(-1) & ~self.varies[factor.clamp_min(0)]


def mean_of_set(batch: Batch, z: Tensor) -> Tensor:
    """Return the mean of vectors (n, d) over the rows of each row's set, (n, d)."""
    assert batch.sets is not None
    _, member = torch.unique(batch.sets[:, 0], return_inverse=True)
    total = torch.zeros_like(z).index_add(0, member, z)
    count = torch.zeros_like(z[:, 0]).index_add(0, member, torch.ones_like(z[:, 0]))
    return (total / count.clamp_min(1.0).unsqueeze(-1))[member]
