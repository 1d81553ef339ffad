"""skvae: the variational autoencoder for people who use scikit-learn."""

from ._version import __version__
from .core import (
    ELBO,
    IWAE,
    AISProposal,
    Bernoulli,
    DefensiveProposal,
    DiagonalGaussian,
    EncoderProposal,
    FullGaussian,
    Gaussian,
    LaplaceProposal,
    PriorProposal,
    StandardNormal,
)
from .density import VAEDensity
from .result import LogLikelihood
from .transformer import VAETransformer

__all__ = [
    "ELBO",
    "IWAE",
    "AISProposal",
    "Bernoulli",
    "DefensiveProposal",
    "DiagonalGaussian",
    "EncoderProposal",
    "FullGaussian",
    "Gaussian",
    "LaplaceProposal",
    "LogLikelihood",
    "PriorProposal",
    "StandardNormal",
    "VAEDensity",
    "VAETransformer",
    "__version__",
]
