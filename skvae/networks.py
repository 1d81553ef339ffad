"""Networks: recipes in the place of the built-in perceptrons, for ``encoder=`` and ``decoder=``.

========================  =========================================================================
Class                     Take it for
========================  =========================================================================
:class:`Convolutional`    images, as encoder and as decoder, with ``image_shape=``
:class:`CorrelatedNoise`  columns whose noise is correlated given z, as decoder
========================  =========================================================================

Any torch module that maps (n, inputs) to (n, features) can take their place.
"""

from .core.images import Convolutional
from .core.networks import CorrelatedNoise

__all__ = ["Convolutional", "CorrelatedNoise"]
