"""scikit-learn's base classes, and for mypy stand-ins.

scikit-learn has no types, so mypy takes its classes for Any, and a class below Any for one that has
every attribute: a misspelt method would pass. Pyright and Jedi read scikit-learn's own code.

Callbacks came with scikit-learn 1.9. Before it estimators have no ``set_callbacks``.
"""

from __future__ import annotations

MYPY = False  # mypy alone reads it as True

if MYPY:
    from .stand_ins import (
        BaseEstimator,
        CallbackSupportMixin,
        ClassifierMixin,
        ClassNamePrefixFeaturesOutMixin,
        DensityMixin,
        OutlierMixin,
        TransformerMixin,
        with_callbacks,
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

    try:
        from sklearn.callback import CallbackSupportMixin, with_callbacks
    except ImportError:

        class CallbackSupportMixin:
            """Nothing that is told of a fit."""

        def with_callbacks(method):
            """Return the method as it is."""
            return method


__all__ = [
    "BaseEstimator",
    "CallbackSupportMixin",
    "ClassNamePrefixFeaturesOutMixin",
    "ClassifierMixin",
    "DensityMixin",
    "OutlierMixin",
    "TransformerMixin",
    "with_callbacks",
]
