"""The normal distribution between two ends, against scipy's."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from skvae.core.families.base import Limits
from skvae.core.families.normal import BEYOND, TruncatedNormal
from skvae.likelihoods import Gaussian, LogNormal

#: Mean and scale of the normal, and the ends: within, on either side, wider than the ends, out of
#: reach, and deep in either tail.
CUTS = [
    (0.0, 1.0, -1.0, 2.0),
    (0.0, 1.0, 0.5, 9.0),
    (3.0, 0.4, 0.0, 2.0),
    (-5.0, 1.0, 0.0, 30.0),
    (0.0, 8.0, -1.0, 1.0),
    (0.0, 1.0, -20.0, 20.0),
    (-60.0, 1.0, 0.0, 40.0),
    (80.0, 1.1, -40.0, 0.0),
]
cuts = pytest.mark.parametrize("cut", CUTS, ids=str)


def cut_off(cut, shape=()):
    loc, scale, low, high = (torch.full(shape, x, dtype=torch.float64) for x in cut)
    return TruncatedNormal(loc, scale.log(), low, high)


def oracle(cut):
    loc, scale, low, high = cut
    return stats.truncnorm((low - loc) / scale, (high - loc) / scale, loc, scale)


@cuts
def test_densities_and_moments_are_those_of_scipy(cut):
    ours, expected = cut_off(cut), oracle(cut)
    x = np.linspace(*cut[2:], 9)
    found = ours.log_prob(torch.tensor(x)).numpy()
    np.testing.assert_allclose(found, expected.logpdf(x) + np.log1p(-BEYOND), rtol=1e-10, atol=1e-9)
    assert ours.mean.item() == pytest.approx(expected.mean(), rel=1e-9, abs=1e-9)
    assert ours.variance.item() == pytest.approx(expected.var(), rel=1e-4)


@cuts
def test_draws_are_those_of_scipy_and_between_the_ends(cut, generator):
    draws = cut_off(cut).sample((20_000,), generator=generator).numpy()
    assert cut[2] <= draws.min()
    assert draws.max() <= cut[3]
    assert stats.kstest(draws, oracle(cut).cdf).pvalue > 1e-3


@cuts
def test_a_millionth_is_beyond_the_ends(cut):
    def p(x):
        return cut_off(cut).log_prob(torch.tensor(x, dtype=torch.float64)).exp().item()

    below = integrate.quad(p, cut[2] - 40.0, cut[2], epsabs=0)[0]
    above = integrate.quad(p, cut[3], cut[3] + 40.0, epsabs=0)[0]
    assert below == pytest.approx(BEYOND / 2)
    assert above == pytest.approx(BEYOND / 2)


@cuts
def test_information_is_the_variance_of_the_score(cut):
    x = torch.linspace(*cut[2:], 400_001, dtype=torch.float64)
    theta = [torch.full_like(x, value) for value in (cut[0], np.log(cut[1]), *cut[2:])]
    for part in theta[:2]:
        part.requires_grad_()
    log_prob = TruncatedNormal(*theta).log_prob(x)
    score = torch.stack(torch.autograd.grad(log_prob.sum(), theta[:2]), -1)
    weight = log_prob.detach().exp() * (x[1] - x[0])
    expected = torch.einsum("n,ni,nj->ij", weight, score, score)
    root = cut_off(cut, (2,)).fisher_sqrt(torch.eye(2, 4, dtype=torch.float64))
    torch.testing.assert_close(root @ root.T, expected, rtol=0.01, atol=1e-6)


def test_what_a_single_float_can_tell_it_tells():
    x = torch.linspace(0.0, 40.0, 9)
    for loc, log_scale in [
        (-60.0, 0.0),
        (-900.0, 0.0),
        (-900.0, -6.0),
        (20.0, 10.0),
        (20.0, -20.0),
    ]:
        theta = [torch.full_like(x, value).requires_grad_() for value in (loc, log_scale)]
        ends = torch.zeros_like(x), torch.full_like(x, 40.0)
        found = TruncatedNormal(*theta, *ends).log_prob(x)
        gradients = torch.autograd.grad(found.sum(), theta)
        assert all(part.isfinite().all() for part in gradients)
        exact = [part.detach().double() for part in (*theta, *ends)]
        expected = TruncatedNormal(*exact).log_prob(x.double())
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-3)


def test_the_moments_of_a_lognormal_number_between_ends(generator):
    theta = torch.tensor([0.3, -0.4, 0.5, 2.0], dtype=torch.float64)
    ours, expected = LogNormal(bounded=True)(theta), stats.lognorm(np.exp(-0.4), scale=np.exp(0.3))
    share = expected.cdf(2.0) - expected.cdf(0.5)
    for power in (1, 2):
        moment = expected.expect(lambda x, k=power: x**k, lb=0.5, ub=2.0) / share
        found = ours.mean if power == 1 else ours.variance + ours.mean.square()
        assert found.item() == pytest.approx(moment)
    x = torch.linspace(0.5, 2.0, 7, dtype=torch.float64)
    log_prob = expected.logpdf(x.numpy()) - np.log(share) + np.log1p(-BEYOND)
    np.testing.assert_allclose(ours.log_prob(x), log_prob, rtol=1e-10)
    draws = ours.sample((20_000,), generator=generator)
    assert draws.min() >= 0.5
    assert draws.max() <= 2.0


@pytest.mark.parametrize(("family", "end"), [(Gaussian, 0.0), (LogNormal, 1.0)])
def test_no_density_at_an_end_is_higher_than_the_floor_of_scales_allows(family, end):
    floor = torch.tensor([[0.01]])
    limits = Limits(floor, torch.ones(1, 1, dtype=torch.bool), True)
    low, high = torch.tensor([[end]]), torch.tensor([[end + 5.0]])
    for log_scale in (-80.0, -3.0, 0.0, 3.0):
        raw = [torch.tensor([[-1e6]]), torch.tensor([[log_scale]]), low, high]
        theta = torch.cat(family(bounded=True).constrain(raw, limits), -1).double()
        density = family(bounded=True)(theta).log_prob(low[0].double()).exp().item()
        # That of an exponential distribution of this scale, and no more than a half above.
        assert 0.5 / 0.01 < density < 1.6 / 0.01


@pytest.mark.parametrize("family", [Gaussian, LogNormal])
def test_bounded_is_true_or_false(family):
    with pytest.raises(ValueError, match=r"bounded=\(0, 1\)"):
        family(bounded=(0, 1)).validate()


@pytest.mark.parametrize("loc", [0.0, 1e30, -torch.inf, torch.inf])
@pytest.mark.parametrize("log_scale", [-torch.inf, 0.0, 100.0, torch.inf])
def test_draws_are_between_the_ends_however_far_the_parameters_are_out(loc, log_scale):
    parameters = (torch.tensor([float(value)]) for value in (loc, log_scale, -1.0, 2.0))
    drawn = TruncatedNormal(*parameters).sample((50,))
    assert ((drawn >= -1.0) & (drawn <= 2.0)).all()
