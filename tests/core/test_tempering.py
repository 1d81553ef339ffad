"""Tempering: as sure as held-out rows allow, and never surer than the model."""

import pytest
import torch
from scipy.optimize import minimize_scalar

from skvae.core.tempering import (
    FEWEST_JUDGES,
    PRIOR_DEVIATION,
    likeliest_temperature,
    log_of_label,
    tempered,
)


def drawn(n, sure, seed=0):
    """Return log p(y | x) that are ``sure`` times too large in odds, and the labels of rows."""
    generator = torch.Generator().manual_seed(seed)
    true = torch.log_softmax(2.0 * torch.randn(n, 3, generator=generator).double(), -1)
    label = torch.multinomial(true.exp(), 1, generator=generator)[:, 0]
    return torch.log_softmax(sure * true, -1), label


def test_it_is_where_the_log_posterior_of_the_temperature_is_largest():
    log_posterior, label = drawn(60, 3.0)

    def loss(log_t):
        likely = log_of_label(
            tempered(log_posterior, float(torch.tensor(log_t).exp())), label
        ).sum()
        return float(0.5 * (log_t / PRIOR_DEVIATION) ** 2 - likely)

    best = minimize_scalar(loss, bounds=(0.0, 3.0), method="bounded", options={"xatol": 1e-8}).x
    found = torch.tensor(likeliest_temperature(log_posterior, label)).log()
    assert float(found) == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("sure", [2.0, 5.0])
def test_too_sure_a_model_is_found_out(sure):
    assert likeliest_temperature(*drawn(5_000, sure)) == pytest.approx(sure, rel=0.1)


def test_it_makes_no_model_surer_and_says_nothing_of_few_rows():
    assert likeliest_temperature(*drawn(1_000, 0.3)) == 1.0
    log_posterior, _ = drawn(40, 5.0)
    right = log_posterior.argmax(-1)
    assert likeliest_temperature(log_posterior, right) == 1.0
    few, label = drawn(FEWEST_JUDGES - 1, 50.0)
    assert likeliest_temperature(few, label) == 1.0
