"""Proposals: where draws of z come from when a row is scored, for ``proposal=``.

==========================  =======================================================================
Class                       Take it for
==========================  =======================================================================
:class:`DefensiveProposal`  scores to trust: Laplace's approximation, the encoder and the prior
:class:`LaplaceProposal`    the row's own mode alone
:class:`EncoderProposal`    speed, or a decoder without second derivatives
:class:`PriorProposal`      simple Monte Carlo, where a few cells are known
:class:`AISProposal`        a slow check that trusts no approximation
==========================  =======================================================================
"""

from .core.inference.proposals import (
    AISProposal,
    DefensiveProposal,
    EncoderProposal,
    LaplaceProposal,
    PriorProposal,
)

__all__ = [
    "AISProposal",
    "DefensiveProposal",
    "EncoderProposal",
    "LaplaceProposal",
    "PriorProposal",
]
