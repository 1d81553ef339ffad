"""The rule of epochs on made-up curves: which one is kept, and when training is over."""

import numpy as np
import pytest

from skvae.fit.epochs import Epochs, Score

NOISE = np.random.default_rng(0).normal(size=1_000)


def score(mean, spread=0.0, n=1_000):
    """Return the score of an epoch whose rows differ from those of another by some noise."""
    return Score(mean, mean + spread * (NOISE[:n] - NOISE[:n].mean()))


def run(curve, start=-50.0, patience=3, unsettled=0, n=1_000, **rule):
    """See epochs of a curve until the end; return the rule and how many were seen."""
    epochs = Epochs(score(start, n=n), patience, **rule)
    for i, mean in enumerate(curve, start=1):
        seen = mean if isinstance(mean, Score) else score(mean, n=n)
        epochs.see(i, seen, progress=i / len(curve), settled=i > unsettled)
        if epochs.ended:
            return epochs, i
    return epochs, len(curve)


def test_the_best_epoch_is_kept():
    epochs, n_seen = run([-9.0, -8.0, -8.5, -8.2])
    assert (epochs.best_epoch, epochs.best.mean, n_seen) == (2, -8.0, 4)


@pytest.mark.parametrize("start", [5.0, -50.0, np.nan, np.inf])
def test_patience_does_not_count_from_the_start(start):
    """A start that is ahead for long does not end training that still gains."""
    curve = np.linspace(-9.0, -1.0, 20)
    epochs, n_seen = run(curve, start=start)
    assert n_seen == 20
    assert epochs.best_epoch == (0 if start == 5.0 else 20)


def test_a_start_that_is_not_finite_is_minus_infinity():
    assert run([], start=np.nan)[0].best.mean == -np.inf
    assert run([np.nan], start=np.nan)[0].best_epoch == 0


def test_training_ends_without_gains_above_tol():
    gains = [-9.0, -8.0, -7.95, -7.9, -7.85, -1.0]
    assert run(gains, tol=0.5)[1] == 5
    assert run(gains, tol=0.5)[0].best_epoch == 5  # a small gain is kept
    assert run(gains, tol=0.01)[1] == 6


def test_epochs_that_have_not_settled_are_neither_candidates_nor_marks_nor_waits():
    curve = [-1.0, -1.0, -1.0, -1.0, -1.0, -9.0, -8.5, -8.0]
    epochs, n_seen = run(curve, unsettled=5)
    assert (epochs.best_epoch, epochs.best.mean, n_seen) == (8, -8.0, 8)


def test_collapse_ends_training():
    falls = [-9.0] * 5 + [-11.1] + [-9.0] * 4
    assert run(falls, patience=50)[1] == 6
    assert run([-9.0] * 5 + [-10.9] + [-9.0] * 4, patience=50)[1] == 10


def test_collapse_is_not_before_three_tenths_of_the_steps():
    assert run([-9.0, -30.0] + [-9.5] * 8, patience=50)[1] == 10


def test_collapse_is_never_against_the_start():
    assert run([-9.0] * 10, start=0.0, patience=50)[1] == 10


def test_collapse_is_more_than_two_standard_errors():
    noisy = [score(-9.0, n=10), *[score(-12.0, spread=9.0, n=10)] * 9]
    assert run(noisy, patience=50, n=10)[1] == 10
    even = [score(-9.0, n=10), *[score(-12.0, spread=0.1, n=10)] * 9]
    assert run(even, patience=50, n=10)[1] == 3


def test_a_score_that_is_not_finite_waits_and_does_not_end_training():
    epochs, n_seen = run([-9.0, *[np.nan] * 6, -8.0, -np.inf, -8.5])
    assert (epochs.best_epoch, n_seen) == (8, 10)
    waits = [-9.0, np.nan, np.nan, -9.0, -8.0]
    assert run(waits)[1] == 4


def test_the_start_falls_to_one_that_is_ahead_by_a_standard_error_where_rows_are_few():
    ahead = [score(-49.0, spread=10.0, n=50)]
    assert run(ahead, n=50)[0].best_epoch == 0
    assert run([score(-49.0, spread=1.0, n=50)], n=50)[0].best_epoch == 1
    many = [score(-49.9, spread=10.0)]
    assert run(many)[0].best_epoch == 1
    assert run([-50.1])[0].best_epoch == 0


def test_only_some_rows_may_count():
    rows = score(-49.0, n=50).rows.copy()
    rows[0] = -1e9
    one = [Score(-49.0, rows)]
    assert run(one, n=50)[0].best_epoch == 0
    assert run(one, n=50, gains=lambda one, two: (two - one)[1:])[0].best_epoch == 1
