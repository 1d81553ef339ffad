"""Objectives: what training maximises, for ``objective=``.

====================  =============================================================================
Class                 Take it for
====================  =============================================================================
:class:`IWAE`         densities: a tight bound of log p(x) by several draws
:class:`ELBO`         the plain bound, by one draw
:class:`DReG`         the bound of IWAE with many draws, by a gradient that is less noisy
:class:`MonteCarlo`   seeing what an encoder is for: draws from the prior
:class:`Trimmed`      rows of which some are outliers: another bound without the least likely
:class:`Beta`         latents that are few and independent, by a weight on the divergence
:class:`BetaTC`       independent latents, by a weight on their total correlation alone
:class:`Denoising`    corrupted rows: the encoder learns not to trust single cells
:class:`Clamped`      factors of sets of rows between which one factor varies
:class:`MMD`          reconstructions, with latents matched to the prior by a kernel
:class:`Adversarial`  reconstructions, with latents matched to the prior by a discriminator
:class:`Autoencoder`  reconstructions alone
====================  =============================================================================
"""

from .core.objectives.bounds import ELBO, IWAE, DReG, MonteCarlo
from .core.objectives.clamped import Clamped
from .core.objectives.matching import MMD, Adversarial
from .core.objectives.regularised import Autoencoder, Beta, BetaTC, Denoising
from .core.objectives.trimmed import Trimmed

__all__ = [
    "ELBO",
    "IWAE",
    "MMD",
    "Adversarial",
    "Autoencoder",
    "Beta",
    "BetaTC",
    "Clamped",
    "DReG",
    "Denoising",
    "MonteCarlo",
    "Trimmed",
]
