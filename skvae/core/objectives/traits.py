"""Traits: what the rest of a model has to know of an objective."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Traits:
    """What an objective says of itself, so that parts that do not go together are refused.

    Attributes
    ----------
    needs_encoder : bool
        Whether there is a q(z | x) to train.
    matches_prior : bool
        Whether latents of rows come to follow the prior, so that rows can be drawn from it.
    deterministic : bool
        Whether z is a function of x, and q(z | x) has no spread.
    trains_density : bool
        Whether a density of x is trained: by its bound, perhaps with other weights. Where z is a
        function of x there is none.
    hides_cells : bool
        Whether the encoder has to do without some of the observed cells.
    needs_margins : bool
        Whether the distribution of every latent by itself is asked of q(z | x).
    n_groups : int
        Groups of latents of which one varies in a set of rows that it is told of; 0: none.
    """

    needs_encoder: bool = True
    matches_prior: bool = True
    deterministic: bool = False
    trains_density: bool = True
    hides_cells: bool = False
    needs_margins: bool = False
    n_groups: int = 0

    @property
    def has_density(self) -> bool:
        """Whether rows have a density when training is over."""
        return self.trains_density and not self.deterministic
