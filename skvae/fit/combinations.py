"""Combinations: which parts of a model go together, and why others do not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from ..core.images import ImageShape
from ..core.inference.proposals import EncoderProposal, Proposal
from ..core.latents.posteriors import FlowPosterior, Posterior
from ..core.latents.priors import Prior
from ..core.objectives.bounds import Objective
from ..core.objectives.labelled import Labelled


@dataclasses.dataclass(frozen=True)
class Parts:
    """The pluggable parts of an estimator, resolved to recipes, and what else must fit them.

    Attributes
    ----------
    prior, posterior, objective, proposal : recipes
    refit_prior : Prior or None
        What replaces the prior after training.
    n_layers : int
        Stochastic layers, 1 or 2.
    init : str
    encodes : bool
        Whether the estimator gives latent vectors of rows.
    needs_density : bool
        Whether all that it does is by a density.
    built_in : bool
        Whether encoder and decoder are the built-in perceptrons.
    convolutional : bool
        Whether one of them is given as a recipe for a convolutional one.
    correlated : bool
        Whether the decoder is given as a recipe for one with correlated noise.
    image_shape : ImageShape or None
        Of rows that are images.
    """

    prior: Prior
    posterior: Posterior
    objective: Objective | Labelled
    proposal: Proposal
    refit_prior: Prior | None = None
    n_layers: int = 1
    init: str = "auto"
    encodes: bool = False
    needs_density: bool = False
    built_in: bool = True
    convolutional: bool = False
    correlated: bool = False
    image_shape: ImageShape | None = None


@dataclasses.dataclass(frozen=True)
class Rule:
    """What does not go together, and what it lacks."""

    applies: Callable[[Parts], bool]
    reason: str


#: Also of an estimator that is fitted already.
NOTHING_TO_DRAW_FROM = (
    "objective='monte_carlo' trains no encoder, from which proposal='encoder' draws. Use "
    "proposal='defensive', 'laplace', 'prior' or 'ais'."
)

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
    Rule(lambda p: not p.objective.has_density and p.needs_density, NO_DENSITY),
    Rule(
        lambda p: p.objective.deterministic and p.n_layers > 1,
        "objective='autoencoder', 'adversarial' and 'mmd' make z a function of x, but of two "
        "layers of latents the upper one is drawn given the lower. Use one integer for "
        "latent_dim, or MMD(kl_weight=1.0).",
    ),
    Rule(
        lambda p: p.objective.deterministic and _needs_encoder(p.prior, p.refit_prior),
        "prior='vamp' is a mixture of q(z | x) of pseudo-inputs, but objective='autoencoder', "
        "'adversarial' and 'mmd' make z a function of x, without spread. Use 'mixture' or 'flow', "
        "or MMD(kl_weight=1.0).",
    ),
    Rule(
        lambda p: p.objective.needs_margins and isinstance(p.posterior, FlowPosterior),
        "objective='beta_tc' needs the margins of q(z | x), which posterior='flow' does not have. "
        "Use posterior='full_gaussian', 'diagonal_gaussian' or 'isotropic_gaussian'.",
    ),
    Rule(
        lambda p: p.objective.needs_margins and p.n_layers > 1,
        "objective='beta_tc' needs the margins of q(z | x), which two layers of latents do not "
        "have. Use one integer for latent_dim.",
    ),
    Rule(
        lambda p: not p.objective.needs_encoder and p.encodes,
        "objective='monte_carlo' trains no encoder, of which transform is the mean. Use "
        "objective='iwae' or 'elbo', or VAEDensity.",
    ),
    Rule(
        lambda p: not p.objective.needs_encoder and isinstance(p.proposal, EncoderProposal),
        NOTHING_TO_DRAW_FROM,
    ),
    Rule(
        lambda p: not p.objective.needs_encoder and p.prior.needs_encoder,
        "objective='monte_carlo' trains no encoder, of whose distributions prior='vamp' is a "
        "mixture. Use prior='standard_normal', 'mixture' or 'flow'.",
    ),
    Rule(
        lambda p: not p.objective.needs_encoder and p.refit_prior is not None,
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


def refusals(parts: Parts) -> list[str]:
    """Return why parts do not go together, nothing where they do."""
    return [rule.reason for rule in RULES if rule.applies(parts)]


def refuse(parts: Parts) -> None:
    """Raise ValueError where parts do not go together, saying what is missing."""
    for reason in refusals(parts):
        raise ValueError(reason)
