"""Keyed noise: a function of the seed, the row and the draw alone, standard normal."""

import torch
from scipy import stats

from skvae.core.noise import KeyedNoise


def rows(n=50):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_noise_belongs_to_the_row_and_the_draw():
    x = rows()
    whole = KeyedNoise(0, x, 16).of()(2)  # (16, 50, 2)
    assert torch.equal(KeyedNoise(0, x[[7, 3]], 16).of()(2), whole[:, [7, 3]])
    assert torch.equal(KeyedNoise(0, x, 16).of(slice(4, 8))(2), whole[4:8])
    assert torch.equal(KeyedNoise(0, x, 16).of()(2), whole)
    assert not torch.equal(KeyedNoise(1, x, 16).of()(2), whole)


def test_every_call_gives_new_noise():
    x, calls = rows(), 40
    noise, again = KeyedNoise(0, x, 16).of(), KeyedNoise(0, x, 16).of(slice(8, 16))
    first = [noise(2) for _ in range(calls)]
    assert all(torch.equal(again(2), numbers[8:]) for numbers in first)
    flat = torch.stack(first).flatten(1)
    # Of 780 pairs with 1,600 numbers each none is correlated beyond chance (4.5 errors).
    assert (torch.corrcoef(flat) - torch.eye(calls)).abs().max() < 4.5 / 1600**0.5
    assert stats.kstest(flat[1:].flatten().numpy(), "norm").pvalue > 1e-3


def test_noise_is_standard_normal_in_a_row_and_across_rows():
    noise = KeyedNoise(0, rows(4096), 512).of()(2)
    assert stats.kstest(noise[0, :, 0].numpy(), "norm").pvalue > 1e-3
    # Sobol points are more even than chance: the mean of a row is far nearer 0 than 1/sqrt(512).
    assert noise.mean(0).abs().median() < 0.2 / 512**0.5
    assert torch.isfinite(noise).all()


def test_errors_of_different_rows_are_independent():
    errors = KeyedNoise(0, rows(4096), 16).of()(2).mean(0)[:, 0]
    assert abs(torch.corrcoef(torch.stack([errors[::2], errors[1::2]]))[0, 1]) < 0.1
    assert errors.mean().abs() < 5 * errors.std() / 64
