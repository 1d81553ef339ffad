"""Available: which methods an estimator has, by what its objective trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.objectives.bounds import Objective
from ..fit.combinations import NO_DENSITY, NO_ENCODER, NO_PRIOR
from ..fit.settings import Door

Method = TypeVar("Method", bound=Callable[..., Any])

if TYPE_CHECKING:  # scikit-learn's has no types: a method would lose its signature in an editor

    def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
        """Make a method available where the check of its estimator passes."""
        return lambda method: method
else:
    from sklearn.utils.metaestimators import available_if as available_if


def scores(estimator: Any) -> bool:
    """Whether rows have a density: one was trained, or a prior fitted to latents."""
    if not _objective(estimator).traits.has_density and estimator.refit_prior is None:
        raise AttributeError(NO_DENSITY)
    return True


def draws(estimator: Any) -> bool:
    """Whether latents of rows follow the prior, so that rows can be drawn from it."""
    if not _objective(estimator).traits.matches_prior and estimator.refit_prior is None:
        raise AttributeError(NO_PRIOR)
    return True


def encodes(estimator: Any) -> bool:
    """Whether rows have latents."""
    if not _objective(estimator).traits.needs_encoder:
        raise AttributeError(NO_ENCODER)
    return True


def _objective(estimator: Any) -> Objective:
    door: Door = estimator._door
    return door.objective_of(estimator.objective)
