"""The scores of disentanglement on latents whose scores are known."""

import numpy as np
import pytest
from scipy.linalg import hadamard

from benchmarks.disentanglement import factor_vae_score, mutual_information_gap

FACTORS = np.indices((3, 6, 8, 8)).reshape(4, -1).T


def rng():
    return np.random.default_rng(0)


def test_the_factors_themselves_score_one():
    Z = FACTORS[:, [2, 0, 3, 1]] * [1.0, -3.0, 0.5, 2.0]
    assert factor_vae_score(Z, FACTORS, rng()) == 1.0
    assert mutual_information_gap(Z, FACTORS) == pytest.approx(1.0, abs=1e-9)


def test_unused_latents_change_nothing():
    Z = np.column_stack([FACTORS, 1e-3 * rng().normal(size=(len(FACTORS), 3))])
    assert factor_vae_score(Z, FACTORS, rng()) == 1.0
    # Bins of noise have a little information by chance.
    assert mutual_information_gap(Z, FACTORS) > 0.9


def test_a_rotation_scores_low():
    Z = (FACTORS - FACTORS.mean(0)) / FACTORS.std(0) @ hadamard(4) / 2  # equal parts of all
    assert mutual_information_gap(Z, FACTORS) < 0.05
    assert factor_vae_score(Z, FACTORS, rng()) < 0.6


def test_noise_scores_nothing():
    Z = rng().normal(size=(len(FACTORS), 5))
    assert mutual_information_gap(Z, FACTORS) < 0.05
    assert factor_vae_score(Z, FACTORS, rng()) == pytest.approx(0.25, abs=0.08)
    assert factor_vae_score(0.0 * Z, FACTORS, rng()) == 0.0
