"""Keyed noise: a function of the seed and the row alone, standard normal."""

import torch
from scipy import stats

from skvae.core.noise import KeyedNoise


def rows(n=50):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_noise_belongs_to_the_row():
    keyed, x = KeyedNoise(0, 2, 3), rows()
    points = keyed.points(16)
    whole = keyed(points, x)
    assert torch.equal(keyed(points, x[[7, 3]]), whole[:, [7, 3]])
    assert torch.equal(keyed(points[4:8], x), whole[4:8])
    assert torch.equal(KeyedNoise(0, 2, 3)(points, x), whole)
    assert not torch.equal(KeyedNoise(1, 2, 3)(points, x), whole)


def test_noise_is_standard_normal_in_a_row_and_across_rows():
    keyed, x = KeyedNoise(0, 2, 3), rows(4096)
    noise = keyed(keyed.points(512), x)
    assert stats.kstest(noise[0, :, 0].numpy(), "norm").pvalue > 1e-3
    # Sobol points are more even than chance: the mean of a row is far nearer 0 than 1/sqrt(512).
    assert noise.mean(0).abs().median() < 0.2 / 512**0.5
    assert torch.isfinite(noise).all()


def test_errors_of_different_rows_are_independent():
    keyed, x = KeyedNoise(0, 2, 3), rows(4096)
    errors = keyed(keyed.points(16), x).mean(0)[:, 0]
    assert abs(torch.corrcoef(torch.stack([errors[::2], errors[1::2]]))[0, 1]) < 0.1
    assert errors.mean().abs() < 5 * errors.std() / 64
