"""Build a VAE from its parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .cells import Cells, Columns
from .distributions import PriorDistribution
from .layers import Link, TwoLayerPosterior, TwoLayerPrior
from .networks import MLP, CorrelatedNoise, Features, initialize
from .posteriors import DiagonalGaussian, PointHead, Posterior
from .priors import ConditionalPrior, Prior, PriorModule, StandardNormal
from .vae import VAE, Body, Decoder, Encoder


def build_vae(
    columns: Sequence[Columns],
    n_latent: int | Sequence[int],
    *,
    n_context: int = 0,
    masked: bool = False,
    prior: Prior | None = None,
    posterior: Posterior | None = None,
    hidden_layer_sizes: Sequence[int] = (128, 128),
    activation: str = "silu",
    dropout: float = 0.0,
    encoder: nn.Module | None = None,
    decoder: nn.Module | CorrelatedNoise | None = None,
    has_encoder: bool = True,
    deterministic: bool = False,
    generator: torch.Generator | None = None,
) -> VAE:
    """Build a VAE and draw its parameters.

    Parameters
    ----------
    columns : sequence of Columns
        The cells by family.
    n_latent : int or two integers
        Dimension of z; of two stochastic layers that of the upper and of the lower one.
    n_context : int
        Numbers conditioned on. With some, the prior is moved by what a network makes of them.
    masked : bool
        Whether the encoder is told which cells are observed.
    prior, posterior : recipes
        Standard normal and diagonal Gaussian by default.
    hidden_layer_sizes, activation, dropout
        The two multi-layer perceptrons.
    encoder, decoder : Module, optional
        Bodies in place of the perceptrons: (n, inputs) -> (n, features). The decoder's may be a
        recipe for the perceptron.
    has_encoder : bool
        Whether there is a q(z | x); if not, the prior takes its place.
    deterministic : bool
        Whether z is a function of x; the posterior then is not used.
    generator : torch.Generator, optional
        The source of initial weights.
    """
    perceptron = Perceptron(hidden_layer_sizes, activation, dropout)
    n_above, n_seen = (0, n_latent) if isinstance(n_latent, int) else n_latent

    def body(module: nn.Module | CorrelatedNoise | None, n_in: int, role: str) -> Body:
        if isinstance(module, nn.Module):
            return Features(module, n_in, role)
        return perceptron(n_in, module.bypass(n_seen)) if module else perceptron(n_in)

    decoder_body = body(decoder, n_seen + n_context, "decoder")
    cells = Cells(columns, decoder_body.n_out, masked)
    of_z = None
    if has_encoder:
        n_inputs = cells.n_inputs + n_context
        encoder_body = body(encoder, n_inputs, "encoder")
        build_head = PointHead if deterministic else (posterior or DiagonalGaussian()).build
        head = build_head(encoder_body.n_out, n_seen)
        link = Link(perceptron(n_seen), n_above) if n_above else None
        of_z = Encoder(encoder_body, TwoLayerPosterior(head, link) if link else head, n_inputs)
    recipe = prior or StandardNormal()
    if n_above:
        p_z: PriorModule = TwoLayerPrior(recipe.build(n_above), Link(perceptron(n_above), n_seen))
    else:
        p_z = recipe.build(n_seen, of_z)
    p_z = given_context(p_z, n_context, n_above + n_seen, perceptron)
    vae = VAE(of_z, Decoder(decoder_body, cells, n_above), p_z, n_above + n_seen)
    initialize(vae, generator)
    check(vae)
    return vae


@dataclasses.dataclass(frozen=True)
class Perceptron:
    """The multi-layer perceptrons of a model, all with the same hidden layers."""

    hidden_layer_sizes: Sequence[int]
    activation: str
    dropout: float

    def __call__(self, n_in: int, bypass: range = range(0)) -> MLP:
        """Build one for so many inputs."""
        return MLP(n_in, self.hidden_layer_sizes, self.activation, self.dropout, bypass)


def given_context(
    prior: PriorModule, n_context: int, n_latent: int, perceptron: Perceptron
) -> PriorModule:
    """Return a prior that a context moves, where there is one."""
    return ConditionalPrior(prior, perceptron(n_context), n_latent) if n_context else prior


@torch.no_grad()
def check(vae: VAE) -> None:
    """Raise TypeError where a prior or a posterior, perhaps a user's own, is none of its kind."""
    vae.eval()
    _check_distribution("prior", vae.prior.unmoved()(None), torch.Size(), vae.n_latent)
    if vae.encoder is not None:
        rows = next(vae.encoder.parameters()).new_zeros(2, vae.encoder.n_inputs)
        _check_distribution("posterior", vae.encoder(rows), torch.Size((2,)), vae.n_latent)
    vae.train()


def _check_distribution(role: str, found: Any, batch_shape: torch.Size, n_latent: int) -> None:
    wanted = (
        f"{role}: expected a PriorDistribution with batch shape {tuple(batch_shape)} and event "
        f"shape ({n_latent},)."
    )
    if not isinstance(found, PriorDistribution):
        raise TypeError(f"{wanted} Got {type(found).__name__}.")
    if (found.batch_shape, found.event_shape) != (batch_shape, torch.Size((n_latent,))):
        shapes = f"{tuple(found.batch_shape)} and {tuple(found.event_shape)}"
        raise TypeError(f"{wanted} Got {shapes}.")
