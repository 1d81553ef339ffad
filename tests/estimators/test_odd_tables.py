"""Odd columns, few rows, constant pixels."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine

from .models import IRIS, quick


@pytest.mark.parametrize("early_stopping", [True, False])
def test_odd_columns_are_fitted_finitely(early_stopping):
    generator = np.random.default_rng(0)
    a = generator.normal(size=120)
    X = np.c_[a, a, np.full(120, 7.0), np.zeros(120), a * 1e12, a**2 * 1e-12 + 3, np.round(a)]
    density = quick(early_stopping=early_stopping, max_epochs=40).fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    assert np.isfinite(density.sample(50)).all()
    assert np.isfinite(density.loss_curve_).all()


@pytest.mark.parametrize(("n_rows", "batch_size"), [(2, "auto"), (3, 256), (33, 32), (129, 64)])
def test_few_rows_and_last_batches_of_one_row_train(n_rows, batch_size):
    density = quick(batch_size=batch_size).fit(IRIS[:n_rows])
    assert np.isfinite(density.score_samples(IRIS)).all()


@pytest.mark.slow
def test_scales_are_bounded_by_the_resolution():
    X = np.round(load_wine().data[:, :2], 0)
    density = quick(max_epochs=40).fit(X)
    gap = np.array([np.diff(np.unique(column)).min() for column in X.T])
    # No density can exceed that of the narrowest normals allowed.
    bound = -np.log(gap / 12**0.5 * np.sqrt(2 * np.pi)).sum()
    assert density.score_samples(X).max() <= bound


def test_digits_with_constant_pixels():
    X = load_digits().data[:300]
    assert np.isfinite(quick(max_epochs=5).fit(X).score_samples(X)).all()
