"""Posteriors: the family of q(z | x), for ``posterior=``.

==========================  =======================================================================
Class                       Take it for
==========================  =======================================================================
:class:`FullGaussian`       most tables: latents may be correlated given a row
:class:`DiagonalGaussian`   many latents, or ones that should be told apart
:class:`IsotropicGaussian`  one scale for all latents of a row
:class:`FlowPosterior`      posteriors that are not Gaussian; needs zuko
==========================  =======================================================================
"""

from .core.latents.posteriors import (
    DiagonalGaussian,
    FlowPosterior,
    FullGaussian,
    IsotropicGaussian,
)

__all__ = ["DiagonalGaussian", "FlowPosterior", "FullGaussian", "IsotropicGaussian"]
