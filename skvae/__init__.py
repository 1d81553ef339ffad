"""skvae: the variational autoencoder for people who use scikit-learn."""

from ._version import __version__
from .core import (
    ELBO,
    IWAE,
    Bernoulli,
    DiagonalGaussian,
    FullGaussian,
    Gaussian,
    StandardNormal,
)
from .density import VAEDensity
from .transformer import VAETransformer

__all__ = [
    "ELBO",
    "IWAE",
    "Bernoulli",
    "DiagonalGaussian",
    "FullGaussian",
    "Gaussian",
    "StandardNormal",
    "VAEDensity",
    "VAETransformer",
    "__version__",
]
