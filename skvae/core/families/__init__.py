"""Families: the distribution of one cell given the raw numbers of the decoder."""

from .base import CellDistribution, Family, Limits, LinearStart, Sharing, Statistics
from .bounded import Beta, Gamma, LogNormal
from .codes import Bernoulli, Binned, Categorical, Ordinal
from .counts import NegativeBinomial, Poisson
from .grid import DiscretizedLogistic
from .real import Gaussian, LogisticMixture, StudentT

__all__ = [
    "Bernoulli",
    "Beta",
    "Binned",
    "Categorical",
    "CellDistribution",
    "DiscretizedLogistic",
    "Family",
    "Gamma",
    "Gaussian",
    "Limits",
    "LinearStart",
    "LogNormal",
    "LogisticMixture",
    "NegativeBinomial",
    "Ordinal",
    "Poisson",
    "Sharing",
    "Statistics",
    "StudentT",
]
