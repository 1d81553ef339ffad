"""scikit-learn's base classes, and for mypy stand-ins.

scikit-learn has no types, so mypy takes its classes for Any, and a class below Any for one that has
every attribute: a misspelt method would pass. Pyright and Jedi read scikit-learn's own code.
"""

from __future__ import annotations

MYPY = False  # mypy alone reads it as True

if MYPY:
    from .stand_ins import (
        BaseEstimator,
        ClassifierMixin,
        ClassNamePrefixFeaturesOutMixin,
        DensityMixin,
        OutlierMixin,
        TransformerMixin,
    )
else:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        ClassNamePrefixFeaturesOutMixin,
        DensityMixin,
        OutlierMixin,
        TransformerMixin,
    )

__all__ = [
    "BaseEstimator",
    "ClassNamePrefixFeaturesOutMixin",
    "ClassifierMixin",
    "DensityMixin",
    "OutlierMixin",
    "TransformerMixin",
]
