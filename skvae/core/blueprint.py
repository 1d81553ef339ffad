"""Blueprint: what a VAE is built by, beside its columns."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

from torch import nn

from .images import Convolutional, ImageShape
from .latents.posteriors import Posterior
from .latents.priors import Prior
from .networks import CorrelatedNoise, Perceptron
from .recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Blueprint:
    """The arguments of :func:`skvae.core.build_vae`, which a built model keeps.

    Recipes are copies: what is set in a user's own one later builds another model.

    Attributes
    ----------
    refitted : Prior or None
        What took the prior's place when training was over.
    """

    n_latent: int | Sequence[int]
    n_context: int = 0
    masked: bool = False
    prior: Prior | None = None
    posterior: Posterior | None = None
    hidden_layer_sizes: Sequence[int] = (128, 128)
    activation: str = "silu"
    dropout: float = 0.0
    encoder: nn.Module | Convolutional | None = None
    decoder: nn.Module | Convolutional | CorrelatedNoise | None = None
    image_shape: ImageShape | None = None
    has_encoder: bool = True
    deterministic: bool = False
    refitted: Prior | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _kept(getattr(self, field.name)))

    @property
    def perceptron(self) -> Perceptron:
        """The multi-layer perceptrons."""
        return Perceptron(self.hidden_layer_sizes, self.activation, self.dropout)

    @property
    def n_above(self) -> int:
        """Latents of the upper of two layers, 0 of one."""
        return 0 if isinstance(self.n_latent, int) else self.n_latent[0]

    @property
    def n_seen(self) -> int:
        """Latents that cells depend on directly."""
        return self.n_latent if isinstance(self.n_latent, int) else self.n_latent[1]


def _kept(value: Any) -> Any:
    return copy.deepcopy(value) if isinstance(value, Recipe) else value
