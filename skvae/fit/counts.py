"""Counts: how many rows are held out, and how many trainings there are."""

from __future__ import annotations

from ..table.labels import Labels
from .settings import Settings
from .starts import kinds

#: Below this many rows training ends with a second fit to all rows, held-out ones included.
REFIT_ROWS = 2_000
#: Share of the rows that is held out, but of few rows so many, up to a greater share.
HELD_OUT, FEW_HELD_OUT, MOST_HELD_OUT = 0.1, 30, 0.2
#: Share of few rows that is held out where classes are judged by: only errors tell of them.
JUDGED_HELD_OUT = 0.25
#: More held-out rows than this say no more about when to stop.
MAX_HELD_OUT = 2_000
#: Below this many rows none can be spared.
MIN_EARLY_STOPPING_ROWS = 10
#: Members of an ensemble where there are rows enough to hold some out, and few enough to gain.
MEMBERS, MIN_ENSEMBLE_ROWS = 4, 50
#: Folds of few rows, each of which is scored by a model that was fitted to the others.
N_FOLDS = 5


def n_held_out(fraction: float | None, n: int) -> int:
    """Return how many of some rows are held out."""
    share = max(HELD_OUT, min(FEW_HELD_OUT / n, MOST_HELD_OUT)) if fraction is None else fraction
    return min(max(round(share * n), 1), MAX_HELD_OUT)


def most_stages(settings: Settings, n_rows: int, labels: Labels | None, is_warm: bool) -> int:
    """Return how many stages a fit to so many rows tells of, at most: the columns may settle it."""
    a_training = n_stages(labels, is_warm) + (settings.refit_prior is not None)
    if not holds_out(settings, n_rows):
        n_alone = n_models(settings, n_rows) + n_folds(settings, n_rows, is_warm)
        return 1 + n_alone * a_training  # after the columns
    n_inits = max(len(kinds(settings, n_rows, is_warm, has)) for has in (False, True))
    return 2 + (n_inits + n_again(settings, n_rows, is_warm)) * a_training  # and the start


def n_models(settings: Settings, n_rows: int) -> int:
    """Return how many models are fitted, whose mixture is kept."""
    if settings.ensemble is not None:
        return settings.ensemble
    few = MIN_ENSEMBLE_ROWS <= n_rows < REFIT_ROWS
    return MEMBERS if few and settings.objective.traits.has_density else 1


def holds_out(settings: Settings, n_rows: int) -> bool:
    """Whether some rows are held out, if there are enough."""
    wanted = settings.early_stopping
    return n_rows >= MIN_EARLY_STOPPING_ROWS if wanted is None else wanted


def n_stages(labels: Labels | None, is_warm: bool) -> int:
    """Return how many stages a training has before the prior is fitted: with labels unknown two."""
    return 1 if labels is None or is_warm or not labels.unknown.any() else 2


def is_fitted_again(n_rows: int, is_warm: bool) -> bool:
    """Whether a model is fitted once more to all rows, held-out ones included."""
    return not is_warm and n_rows < REFIT_ROWS


def n_again(settings: Settings, n_rows: int, is_warm: bool) -> int:
    """Return how often a model is fitted once more, or another, where rows were held out."""
    others = n_models(settings, n_rows) - 1 or int(is_fitted_again(n_rows, is_warm))
    return others + n_folds(settings, n_rows, is_warm)


def n_folds(settings: Settings, n_rows: int, is_warm: bool) -> int:
    """Return out of how many folds rows are scored: a model that goes on has seen them all."""
    wanted = settings.door.unseen and MIN_EARLY_STOPPING_ROWS <= n_rows < REFIT_ROWS
    return N_FOLDS if wanted and not is_warm else 0
