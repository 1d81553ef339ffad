"""Every family against scipy: a new family is a row of CASES."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from skvae.core import Bernoulli, Family, Gaussian


@dataclasses.dataclass
class Case:
    family: Family
    theta: list[float]
    oracle: Any
    grid: np.ndarray
    extreme: Callable = list

    def __repr__(self):
        return f"{self.family!r}-{self.theta}"


LINE = np.linspace(-6, 6, 25)
CASES = [
    Case(Gaussian(), [0.0, 0.0], stats.norm(0, 1), LINE),
    Case(Gaussian(), [1.5, -1.0], stats.norm(1.5, np.exp(-1)), LINE),
    Case(Gaussian(scale="column"), [-2.0, 0.7], stats.norm(-2, np.exp(0.7)), LINE),
    Case(Bernoulli(), [0.0], stats.bernoulli(0.5), np.array([0.0, 1.0])),
    Case(Bernoulli(), [-2.0], stats.bernoulli(1 / (1 + np.exp(2))), np.array([0.0, 1.0])),
]
cases = pytest.mark.parametrize("case", CASES, ids=repr)


def distribution(case, shape=()):
    theta = torch.tensor(case.theta, dtype=torch.float64)
    return case.family(theta.expand(*shape, -1))


@cases
def test_log_prob_equals_scipy(case):
    ours = distribution(case).log_prob(torch.tensor(case.grid)).numpy()
    log_prob = case.oracle.logpdf if case.family.measure == "density" else case.oracle.logpmf
    np.testing.assert_allclose(ours, log_prob(case.grid), rtol=1e-10, atol=1e-12)


@cases
def test_moments_equal_scipy(case):
    ours = distribution(case)
    assert ours.mean.item() == pytest.approx(case.oracle.mean())
    assert ours.variance.item() == pytest.approx(case.oracle.var())


@cases
def test_fisher_information_is_the_variance_of_the_score(case):
    theta = torch.tensor(case.theta, dtype=torch.float64)
    root = case.family.fisher_sqrt(theta, torch.eye(len(theta), dtype=torch.float64))
    if case.family.measure == "mass":
        x = torch.tensor(case.grid)
        weight = torch.tensor(case.oracle.pmf(case.grid))
    else:
        x = torch.linspace(*case.oracle.interval(1 - 1e-15), 20_001, dtype=torch.float64)
        weight = torch.tensor(case.oracle.pdf(x.numpy())) * (x[1] - x[0])
    rows = theta.expand(len(x), -1).clone().requires_grad_()
    (score,) = torch.autograd.grad(case.family(rows).log_prob(x).sum(), rows)  # (n, p)
    expected = torch.einsum("n,ni,nj->ij", weight, score, score)
    torch.testing.assert_close(root @ root.T, expected, rtol=1e-6, atol=1e-9)


@cases
def test_total_mass_is_one(case):
    def p(x):
        return distribution(case).log_prob(torch.tensor(float(x), dtype=torch.float64)).exp().item()

    if case.family.measure == "mass":
        total = sum(p(x) for x in case.grid)
    else:
        total = integrate.quad(p, -40, 40, points=[case.oracle.mean()], epsabs=1e-12)[0]
    assert total == pytest.approx(1.0, abs=1e-8)


@cases
def test_samples_follow_log_prob(case, generator):
    draws = distribution(case, (20_000,)).sample(generator=generator).numpy()
    if case.family.measure == "density":
        p_value = stats.kstest(draws, case.oracle.cdf).pvalue
    else:
        observed = [(draws == x).sum() for x in case.grid]
        p_value = stats.chisquare(observed, 20_000 * case.oracle.pmf(case.grid)).pvalue
    assert p_value > 1e-3


@cases
@pytest.mark.parametrize("size", [-80.0, 80.0])
def test_gradients_are_finite_at_extremes(case, size):
    raw = [torch.full((1,), size, requires_grad=True) for _ in case.theta]
    theta = torch.stack(case.family.constrain(raw, torch.tensor([1e-3])), -1)
    log_prob = case.family(theta).log_prob(torch.tensor([1.0]))
    log_prob.sum().backward()
    assert torch.isfinite(log_prob).all()
    assert all(part.grad is None or torch.isfinite(part.grad).all() for part in raw)


def test_learned_scales_stay_above_their_floor():
    raw = [torch.zeros(3), torch.full((3,), -50.0)]
    floor = torch.tensor([1e-3, 0.1, 0.5])
    _, log_scale = Gaussian().constrain(raw, floor)
    torch.testing.assert_close(log_scale.exp(), floor)
    _, shared = Gaussian(scale="shared").constrain(raw, floor)
    torch.testing.assert_close(shared.exp(), torch.full((3,), 1e-3))


@pytest.mark.parametrize("scale", ["sigma", -1.0, 0.0, float("inf")])
def test_unknown_scales_are_refused(scale):
    with pytest.raises(ValueError, match="scale"):
        Gaussian(scale=scale).validate()
