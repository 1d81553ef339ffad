"""skvae: the variational autoencoder for people who use scikit-learn."""

# A string such as "iwae" finds the recipes that are imported: all of them, by their name spaces.
from . import likelihoods as likelihoods
from . import networks as networks
from . import objectives as objectives
from . import posteriors as posteriors
from . import priors as priors
from . import proposals as proposals
from ._version import __version__
from .estimators.classifier import VAEClassifier
from .estimators.density import VAEDensity
from .estimators.imputer import VAEImputer
from .estimators.load import load
from .estimators.outlier import VAEOutlierDetector
from .estimators.transformer import VAETransformer
from .model.result import CompletionQuality, LogLikelihood

__all__ = [
    "CompletionQuality",
    "LogLikelihood",
    "VAEClassifier",
    "VAEDensity",
    "VAEImputer",
    "VAEOutlierDetector",
    "VAETransformer",
    "__version__",
    "load",
]
