"""Combinations: which settings go together, and why others do not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from ..core.inference.proposals import EncoderProposal
from ..core.latents.posteriors import FlowPosterior
from ..core.latents.priors import Prior
from ..model.model import NOTHING_TO_DRAW_FROM
from .settings import Settings


@dataclasses.dataclass(frozen=True)
class Rule:
    """What does not go together, and what it lacks."""

    applies: Callable[[Settings], bool]
    reason: str


#: Also of an estimator that is to be fitted, or was.
NO_DENSITY = (
    "objective='autoencoder', 'adversarial' and 'mmd' make z a function of x and train no density "
    "of X, by which rows are scored, completed and classified. Use objective='iwae', 'elbo', "
    "'beta' or 'denoising', or MMD(kl_weight=1.0); or VAETransformer, with refit_prior='mixture' "
    "if it is to score rows too."
)
NO_ENCODER = (
    "objective='monte_carlo' trains no encoder, of which latents of rows are. Use objective='iwae' "
    "or 'elbo'."
)
NO_PRIOR = (
    "objective='autoencoder' leaves latents where no prior says they are, so that no row can be "
    "drawn. Use refit_prior='mixture', or objective='adversarial' or 'mmd'."
)

RULES = (
    Rule(
        lambda p: p.checkpoint is not None and p.max_time is not None,
        "checkpoint= goes on with a fit as it would have ended, but with max_time it ends by the "
        "clock. Use max_epochs, or no checkpoint.",
    ),
    Rule(
        lambda p: p.checkpoint is not None and bool(p.callbacks),
        "checkpoint= cannot keep what callbacks= know of a fit. Use scikit-learn's callbacks, by "
        "set_callbacks, or no checkpoint.",
    ),
    Rule(lambda p: not p.objective.traits.has_density and p.door.needs_density, NO_DENSITY),
    Rule(
        lambda p: not p.objective.traits.has_density and p.ensemble not in (1, None),
        "ensemble= is the mean of several densities, but objective='autoencoder', 'adversarial' "
        "and 'mmd' train none. Use ensemble=1.",
    ),
    Rule(
        lambda p: p.objective.traits.deterministic and p.n_layers > 1,
        "objective='autoencoder', 'adversarial' and 'mmd' make z a function of x, but of two "
        "layers of latents the upper one is drawn given the lower. Use one integer for "
        "latent_dim, or MMD(kl_weight=1.0).",
    ),
    Rule(
        lambda p: p.objective.traits.deterministic and _needs_encoder(p.prior, p.refit_prior),
        "prior='vamp' is a mixture of q(z | x) of pseudo-inputs, but objective='autoencoder', "
        "'adversarial' and 'mmd' make z a function of x, without spread. Use 'mixture' or 'flow', "
        "or MMD(kl_weight=1.0).",
    ),
    Rule(
        lambda p: p.objective.traits.needs_margins and isinstance(p.posterior, FlowPosterior),
        "objective='beta_tc' needs the margins of q(z | x), which posterior='flow' does not have. "
        "Use posterior='full_gaussian', 'diagonal_gaussian' or 'isotropic_gaussian'.",
    ),
    Rule(
        lambda p: p.objective.traits.needs_margins and p.n_layers > 1,
        "objective='beta_tc' needs the margins of q(z | x), which two layers of latents do not "
        "have. Use one integer for latent_dim.",
    ),
    Rule(
        lambda p: not p.objective.traits.needs_encoder and p.door.encodes,
        "objective='monte_carlo' trains no encoder, of which transform is the mean. Use "
        "objective='iwae' or 'elbo', or VAEDensity.",
    ),
    Rule(
        lambda p: not p.objective.traits.needs_encoder and isinstance(p.proposal, EncoderProposal),
        NOTHING_TO_DRAW_FROM,
    ),
    Rule(
        lambda p: not p.objective.traits.needs_encoder and p.prior.needs_encoder,
        "objective='monte_carlo' trains no encoder, of whose distributions prior='vamp' is a "
        "mixture. Use prior='standard_normal', 'mixture' or 'flow'.",
    ),
    Rule(
        lambda p: not p.objective.traits.needs_encoder and p.refit_prior is not None,
        "objective='monte_carlo' trains no encoder, to whose draws refit_prior is fitted. Use "
        "refit_prior=None.",
    ),
    Rule(
        lambda p: p.n_layers > 1 and p.prior.needs_encoder,
        "prior='vamp' is a mixture of what the encoder says of pseudo-inputs, but of two layers "
        "of latents it is the prior of the upper one alone, of which the encoder says nothing by "
        "itself. Use prior='standard_normal', 'mixture' or 'flow', or one integer for latent_dim.",
    ),
    Rule(
        lambda p: p.n_layers > 1 and p.init == "linear",
        "init='linear' starts from factor analysis, which has one layer of latents, but "
        "latent_dim has two. Use init='random' or 'auto', or one integer for latent_dim.",
    ),
    Rule(
        lambda p: not p.built_in and p.init == "linear",
        "init='linear' sets the weights of the built-in perceptrons, but encoder=, decoder= or "
        "image_shape= was given. Use init='random' or 'auto'.",
    ),
    Rule(
        lambda p: p.image_shape is not None and p.correlated,
        "decoder=CorrelatedNoise() has latents that reach every cell by a weight of its own, which "
        "the convolutional decoder of image_shape= does not have. Use image_shape=None.",
    ),
    Rule(
        lambda p: p.image_shape is None and p.convolutional,
        "Convolutional() needs to know which images rows are. Give image_shape=(channels, height, "
        "width).",
    ),
)


def _needs_encoder(*priors: Prior | None) -> bool:
    return any(prior is not None and prior.needs_encoder for prior in priors)


def refusals(settings: Settings) -> list[str]:
    """Return why settings do not go together, nothing where they do."""
    return [rule.reason for rule in RULES if rule.applies(settings)]


def refuse(settings: Settings) -> None:
    """Raise ValueError where settings do not go together, saying what is missing."""
    for reason in refusals(settings):
        raise ValueError(reason)
