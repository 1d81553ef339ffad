"""Priors: the distribution p(z) that rows are drawn from, for ``prior=`` and ``refit_prior=``.

=======================  ==========================================================================
Class                    Take it for
=======================  ==========================================================================
:class:`StandardNormal`  latents to look at or to move along; the fastest
:class:`Mixture`         densities and drawn rows: clusters, learned with the networks
:class:`Vamp`            a mixture that follows the encoder, of the posteriors of pseudo-inputs
:class:`FlowPrior`       latents of any shape; needs zuko
=======================  ==========================================================================
"""

from .core.latents.priors import FlowPrior, Mixture, StandardNormal, Vamp

__all__ = ["FlowPrior", "Mixture", "StandardNormal", "Vamp"]
