"""The torch core: three conditional distributions and the functions of their log-weights.

Nothing here knows of scikit-learn, skorch or dataframes, so the core can be used alone in a
ten-line training loop:

>>> import torch
>>> from skvae.core import ELBO, Batch, Columns, Gaussian, build_vae
>>> generator = torch.Generator().manual_seed(0)
>>> x = torch.randn(256, 3, generator=generator)
>>> vae = build_vae([Columns(Gaussian(), [0, 1, 2])], n_latent=2, generator=generator)
>>> objective = ELBO().build(vae, n_train=256)
>>> optimizer = torch.optim.Adam(objective.parameters(), lr=1e-2)
>>> for step in range(20):
...     optimizer.zero_grad()
...     loss = -objective(Batch(x), generator).value.mean()
...     loss.backward()
...     optimizer.step()
>>> bool(loss < 10)
True
"""

from .batch import Batch
from .build import build_vae
from .cells import Cells, Columns
from .families import (
    Bernoulli,
    Beta,
    Binned,
    Categorical,
    DiscretizedLogistic,
    Family,
    Gamma,
    Gaussian,
    LogisticMixture,
    LogNormal,
    NegativeBinomial,
    Ordinal,
    Poisson,
    StudentT,
)
from .images import Convolutional, ImageShape
from .importance import effective_sample_size, log_marginal, pareto_k, resample, standard_error
from .inference.ais import bidirectional
from .inference.proposals import (
    AISProposal,
    DefensiveProposal,
    EncoderProposal,
    LaplaceProposal,
    PriorProposal,
    Proposal,
)
from .inference.resampling import Expected, complete, expectation
from .latents.posteriors import (
    DiagonalGaussian,
    FlowPosterior,
    FullGaussian,
    IsotropicGaussian,
    Posterior,
)
from .latents.priors import FlowPrior, Mixture, Prior, StandardNormal, Vamp
from .latents.usage import active_units, kl_per_unit
from .linear import FactorModel, factor_analysis, linear_model, start_linear
from .networks import MLP, CorrelatedNoise
from .objectives.bounds import ELBO, IWAE, Bound, DReG, MonteCarlo, Objective
from .objectives.clamped import Clamped
from .objectives.matching import MMD, Adversarial, discrepancy
from .objectives.regularised import Autoencoder, BetaObjective, BetaTC, Denoising, split_divergence
from .objectives.trimmed import Trimmed
from .recipe import Recipe, resolve
from .vae import VAE, Draw

__all__ = [
    "ELBO",
    "IWAE",
    "MLP",
    "MMD",
    "VAE",
    "AISProposal",
    "Adversarial",
    "Autoencoder",
    "Batch",
    "Bernoulli",
    "Beta",
    "BetaObjective",
    "BetaTC",
    "Binned",
    "Bound",
    "Categorical",
    "Cells",
    "Clamped",
    "Columns",
    "Convolutional",
    "CorrelatedNoise",
    "DReG",
    "DefensiveProposal",
    "Denoising",
    "DiagonalGaussian",
    "DiscretizedLogistic",
    "Draw",
    "EncoderProposal",
    "Expected",
    "FactorModel",
    "Family",
    "FlowPosterior",
    "FlowPrior",
    "FullGaussian",
    "Gamma",
    "Gaussian",
    "ImageShape",
    "IsotropicGaussian",
    "LaplaceProposal",
    "LogNormal",
    "LogisticMixture",
    "Mixture",
    "MonteCarlo",
    "NegativeBinomial",
    "Objective",
    "Ordinal",
    "Poisson",
    "Posterior",
    "Prior",
    "PriorProposal",
    "Proposal",
    "Recipe",
    "StandardNormal",
    "StudentT",
    "Trimmed",
    "Vamp",
    "active_units",
    "bidirectional",
    "build_vae",
    "complete",
    "discrepancy",
    "effective_sample_size",
    "expectation",
    "factor_analysis",
    "kl_per_unit",
    "linear_model",
    "log_marginal",
    "pareto_k",
    "resample",
    "resolve",
    "split_divergence",
    "standard_error",
    "start_linear",
]
