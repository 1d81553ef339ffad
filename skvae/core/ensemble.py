"""Ensembles: several VAEs of one table as one model, the equal mixture of their densities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .cells import Cells
from .vae import VAE, Decoder


class Ensemble:
    """Members that share a table, p(x) being the mean of theirs.

    A draw of z is one number longer than a member's: the last one says whose it is. Draws of all
    members together, as many of each, are weighted draws of the mixture.

    Parameters
    ----------
    members : sequence of VAE
        Of as many latents.

    References
    ----------
    "Deep Ensembles: A Loss Landscape Perspective" (Fort et al., 2019), why members that start
    apart say more together.
    """

    def __init__(self, members: Sequence[VAE]):
        self.members = tuple(members)
        self.n_latent = 1 + self.members[0].n_latent

    @property
    def cells(self) -> Cells:
        """The cells of the first member; those of the others differ in parameters alone."""
        return self.members[0].cells

    @property
    def decoder(self) -> Decoder:
        """The decoder of the first member, in size like the others."""
        return self.members[0].decoder

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the networks."""
        return self.members[0].dtype

    def pooled(self, draws: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Return draws (K, n, d) of every member with their log-weights (K, n) as those of all.

        The first of each, then the second, and so on: batches of them are alike.
        """
        z = [torch.cat([z, torch.full_like(z[..., :1], i)], -1) for i, (z, _) in enumerate(draws)]
        return torch.stack(z, 1).flatten(0, 1), torch.stack([w for _, w in draws], 1).flatten(0, 1)

    def average(self, z: Tensor, weight: Tensor, context: Tensor | None) -> list[Tensor]:
        """Return sums over draws of what is expected of each column; see :meth:`VAE.average`."""
        z, of = z[..., :-1], z[..., -1]
        found: list[list[Tensor]] = []
        for i, member in enumerate(self.members):
            own = of == i
            some = own.any(-1)
            found.append(member.average(z[some], torch.where(own, weight, 0.0)[some], context))
        return [torch.stack(of_column).sum(0) for of_column in zip(*found, strict=True)]

    def sample_given(
        self, z: Tensor, context: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        """Draw cells given z (..., d + 1), each from the member that z is of."""
        of = z[..., -1:]
        drawn = torch.zeros_like(of)
        for i, member in enumerate(self.members):
            cells = member.sample_given(z[..., :-1], context, generator)
            drawn = torch.where(of == i, cells, drawn)
        return drawn

    def sample(
        self, n: int, generator: torch.Generator | None, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw n rows, each of a member drawn for it: z (n, d + 1), and cells x (n, c)."""
        device = next(self.members[0].parameters()).device
        of = torch.randint(len(self.members), (n, 1), generator=generator, device=device)
        z = torch.empty(n, self.n_latent, device=device, dtype=self.dtype)
        x = torch.empty(n, self.cells.n_cells, device=device, dtype=self.dtype)
        for i, member in enumerate(self.members):
            own = (of == i).squeeze(-1)
            given = None if context is None else context.expand(n, -1)[own]
            of_member, cells = member.sample(int(own.sum()), generator, given)
            z[own] = torch.cat([of_member, of[own].to(z)], -1)
            x[own] = cells.to(x)
        return z, x


#: One model, or several as one.
AnyVAE = VAE | Ensemble
