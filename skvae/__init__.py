"""skvae: the variational autoencoder for people who use scikit-learn."""

from ._version import __version__
from .classifier import VAEClassifier
from .core import (
    ELBO,
    IWAE,
    AISProposal,
    Bernoulli,
    Beta,
    Binned,
    Categorical,
    CorrelatedNoise,
    DefensiveProposal,
    DiagonalGaussian,
    EncoderProposal,
    FullGaussian,
    Gamma,
    Gaussian,
    LaplaceProposal,
    LogisticMixture,
    LogNormal,
    Mixture,
    NegativeBinomial,
    Ordinal,
    Poisson,
    PriorProposal,
    StandardNormal,
    StudentT,
)
from .density import VAEDensity
from .imputer import VAEImputer
from .result import CompletionQuality, LogLikelihood
from .transformer import VAETransformer

__all__ = [
    "ELBO",
    "IWAE",
    "AISProposal",
    "Bernoulli",
    "Beta",
    "Binned",
    "Categorical",
    "CompletionQuality",
    "CorrelatedNoise",
    "DefensiveProposal",
    "DiagonalGaussian",
    "EncoderProposal",
    "FullGaussian",
    "Gamma",
    "Gaussian",
    "LaplaceProposal",
    "LogLikelihood",
    "LogNormal",
    "LogisticMixture",
    "Mixture",
    "NegativeBinomial",
    "Ordinal",
    "Poisson",
    "PriorProposal",
    "StandardNormal",
    "StudentT",
    "VAEClassifier",
    "VAEDensity",
    "VAEImputer",
    "VAETransformer",
    "__version__",
]
