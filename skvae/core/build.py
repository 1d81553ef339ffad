"""Build a VAE from its parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .blueprint import Blueprint
from .cells import Cells, Columns
from .images import Convolutional, ImageDecoder, ImageEncoder, ImageShape
from .latents.distributions import PriorDistribution
from .latents.posteriors import DiagonalGaussian, Encoder, PointHead, Posterior
from .latents.priors import ConditionalPrior, Prior, PriorModule, StandardNormal
from .latents.two_layers import Link, TwoLayerPosterior, TwoLayerPrior
from .networks import Body, CorrelatedNoise, Features, Perceptron, initialize
from .vae import VAE, Decoder

#: Arguments of :func:`build_vae` that a built model keeps.
BLUEPRINT = {field.name for field in dataclasses.fields(Blueprint)}


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
    encoder: nn.Module | Convolutional | None = None,
    decoder: nn.Module | Convolutional | CorrelatedNoise | None = None,
    image_shape: ImageShape | None = None,
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
        Bodies in place of the built-in ones: (n, inputs) -> (n, features); or recipes for these.
    image_shape : ImageShape, optional
        Of rows that are images: bodies are convolutional, and every pixel's numbers are made alike.
    has_encoder : bool
        Whether there is a q(z | x); if not, the prior takes its place.
    deterministic : bool
        Whether z is a function of x; the posterior then is not used.
    generator : torch.Generator, optional
        The source of initial weights.
    """
    given = {name: value for name, value in locals().items() if name in BLUEPRINT}
    vae = assembled(Blueprint(**given), columns)
    initialize(vae, generator)
    if image_shape is not None:
        vae.cells.start_at_mean()
    check(vae)
    return vae


def assembled(plan: Blueprint, columns: Sequence[Columns]) -> VAE:
    """Return a VAE as it is before its parameters are drawn."""
    perceptron, n_context, n_seen, n_above = (
        plan.perceptron,
        plan.n_context,
        plan.n_seen,
        plan.n_above,
    )
    decoder_body = _decoder(plan.decoder, n_seen + n_context, n_seen, perceptron, plan.image_shape)
    maps = decoder_body.maps if isinstance(decoder_body, ImageDecoder) else None
    alike = plan.image_shape is not None
    cells = Cells(columns, decoder_body.n_out, plan.masked, maps, alike)
    of_z = None
    if plan.has_encoder:
        encoder_body = _encoder(plan.encoder, cells, n_context, perceptron, plan.image_shape)
        posterior = plan.posterior or DiagonalGaussian()
        build_head = PointHead if plan.deterministic else posterior.build
        head = build_head(encoder_body.n_out, n_seen)
        link = Link(perceptron(n_seen), n_above) if n_above else None
        full_head = TwoLayerPosterior(head, link) if link else head
        of_z = Encoder(encoder_body, full_head, cells.n_inputs + n_context)
    recipe = plan.prior or StandardNormal()
    if n_above:
        p_z: PriorModule = TwoLayerPrior(recipe.build(n_above), Link(perceptron(n_above), n_seen))
    else:
        p_z = recipe.build(n_seen, of_z)
    p_z = given_context(p_z, n_context, n_above + n_seen, perceptron)
    vae = VAE(of_z, Decoder(decoder_body, cells, n_above), p_z, n_above + n_seen)
    vae.blueprint = plan
    return vae if plan.refitted is None else with_prior(vae, plan.refitted)


def with_prior(vae: VAE, recipe: Prior) -> VAE:
    """Put another prior, its parameters not yet drawn, in the place of that of a VAE."""
    plan = dataclasses.replace(vae.blueprint, refitted=recipe)
    prior = recipe.build(vae.n_latent, vae.encoder)
    vae.prior = given_context(prior, plan.n_context, vae.n_latent, plan.perceptron)
    vae.blueprint = plan
    return vae


def _decoder(
    given: nn.Module | Convolutional | CorrelatedNoise | None,
    n_in: int,
    n_latent: int,
    perceptron: Perceptron,
    image_shape: ImageShape | None,
) -> Body:
    """Return the body of p(x | z)."""
    if isinstance(given, nn.Module):
        return Features(given, n_in, "decoder")
    if isinstance(given, CorrelatedNoise):
        return perceptron(n_in, given.bypass(n_latent))
    if image_shape is None:
        return perceptron(n_in)
    return ImageDecoder(image_shape, n_in, given or Convolutional(), perceptron)


def _encoder(
    given: nn.Module | Convolutional | None,
    cells: Cells,
    n_context: int,
    perceptron: Perceptron,
    image_shape: ImageShape | None,
) -> Body:
    """Return the body of q(z | x)."""
    n_in = cells.n_inputs + n_context
    if isinstance(given, nn.Module):
        return Features(given, n_in, "encoder")
    if image_shape is None:
        return perceptron(n_in)
    recipe = given or Convolutional()
    return ImageEncoder(image_shape, cells.input_owner, n_context, recipe, perceptron)


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
