"""Likelihoods: the distribution of a column given z, for ``likelihood=``.

=============================  ====================================================================
Class                          Take it for
=============================  ====================================================================
:class:`Gaussian`              real numbers
:class:`StudentT`              real numbers with outliers
:class:`LogisticMixture`       real numbers with several modes even given z
:class:`LogNormal`             positive numbers over orders of magnitude: amounts, sizes, durations
:class:`Gamma`                 positive numbers: waiting times, amounts
:class:`Beta`                  numbers strictly between 0 and 1: shares, rates
:class:`Poisson`               counts whose variance is their mean
:class:`NegativeBinomial`      counts that vary more
:class:`DiscretizedLogistic`   numbers on an even grid, as grey levels
:class:`Bernoulli`             0 and 1
:class:`Categorical`           categories without an order
:class:`Ordinal`               ordered categories
:class:`Binned`                numbers with repeated values, many modes or heavy tails
=============================  ====================================================================
"""

from .core.families.bounded import Beta, Gamma, LogNormal
from .core.families.codes import Bernoulli, Binned, Categorical, Ordinal
from .core.families.counts import NegativeBinomial, Poisson
from .core.families.grid import DiscretizedLogistic
from .core.families.real import Gaussian, LogisticMixture, StudentT

__all__ = [
    "Bernoulli",
    "Beta",
    "Binned",
    "Categorical",
    "DiscretizedLogistic",
    "Gamma",
    "Gaussian",
    "LogNormal",
    "LogisticMixture",
    "NegativeBinomial",
    "Ordinal",
    "Poisson",
    "StudentT",
]
