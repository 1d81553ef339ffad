"""Build a VAE from its parts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .cells import Cells, Columns
from .networks import MLP, CorrelatedNoise, Features, initialize
from .posteriors import DiagonalGaussian, Posterior
from .priors import ConditionalPrior, Prior, StandardNormal
from .vae import VAE, Body, Decoder, Encoder


def build_vae(
    columns: Sequence[Columns],
    n_latent: int,
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
    generator: torch.Generator | None = None,
) -> VAE:
    """Build a VAE and draw its parameters.

    Parameters
    ----------
    columns : sequence of Columns
        The cells by family.
    n_latent : int
        Dimension of z.
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
    generator : torch.Generator, optional
        The source of initial weights.
    """

    def perceptron(n_in: int, bypass: range = range(0)) -> MLP:
        return MLP(n_in, hidden_layer_sizes, activation, dropout, bypass)

    def body(module: nn.Module | CorrelatedNoise | None, n_in: int, role: str) -> Body:
        if isinstance(module, nn.Module):
            return Features(module, n_in, role)
        return perceptron(n_in, module.bypass(n_latent)) if module else perceptron(n_in)

    decoder_body = body(decoder, n_latent + n_context, "decoder")
    cells = Cells(columns, decoder_body.n_out, masked)
    encoder_body = body(encoder, cells.n_inputs + n_context, "encoder")
    head = (posterior or DiagonalGaussian()).build(encoder_body.n_out, n_latent)
    prior_module = (prior or StandardNormal()).build(n_latent)
    if n_context:
        prior_module = ConditionalPrior(prior_module, perceptron(n_context), n_latent)
    vae = VAE(Encoder(encoder_body, head), Decoder(decoder_body, cells), prior_module, n_latent)
    initialize(vae, generator)
    return vae
