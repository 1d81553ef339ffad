"""Every family against scipy: a new family is a row of CASES."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from scipy.special import expit

from skvae.core import Columns, Family
from skvae.core.families import grid
from skvae.core.families.base import Limits
from skvae.likelihoods import (
    Bernoulli,
    Beta,
    Binned,
    Categorical,
    DiscretizedLogistic,
    Gamma,
    Gaussian,
    LogisticMixture,
    LogNormal,
    NegativeBinomial,
    Ordinal,
    Poisson,
    StudentT,
)


class MixtureOfLogistics:
    """The oracle of LogisticMixture, from scipy's logistic distribution."""

    def __init__(self, theta):
        self.logits, self.loc, scale = np.reshape(theta, (3, -1))
        self.weight = np.exp(self.logits) / np.exp(self.logits).sum()
        self.parts = [stats.logistic(m, np.exp(s)) for m, s in zip(self.loc, scale, strict=True)]

    def of(self, name, x):
        each = [getattr(part, name)(x) for part in self.parts]
        return sum(w * value for w, value in zip(self.weight, each, strict=True))

    def pdf(self, x):
        return self.of("pdf", x)

    def logpdf(self, x):
        return np.log(self.pdf(x))

    def cdf(self, x):
        return self.of("cdf", x)

    def mean(self):
        return sum(w * part.mean() for w, part in zip(self.weight, self.parts, strict=True))

    def var(self):
        square = [part.var() + part.mean() ** 2 for part in self.parts]
        return sum(w * s for w, s in zip(self.weight, square, strict=True)) - self.mean() ** 2

    def interval(self, share):
        ends = np.array([part.interval(share) for part in self.parts])
        return ends.min(), ends.max()


@dataclasses.dataclass
class Case:
    family: Family
    theta: list[float]
    oracle: Any
    grid: np.ndarray
    #: Parameters of which the Fisher information is given, and its relative error.
    informed: int | None = None
    tolerance: float = 1e-6

    def __repr__(self):
        return f"{self.family!r}-{self.theta}"


def discrete(logits):
    p = np.exp(logits) / np.exp(logits).sum()
    return stats.rv_discrete(values=(np.arange(len(p)), p))


def on_a_grid(n, loc, log_scale):
    """The oracle of DiscretizedLogistic: differences of scipy's logistic distribution."""
    p = stats.logistic(loc, np.exp(log_scale))
    bounds = np.concatenate([[-np.inf], np.arange(n - 1) + 0.5, [np.inf]])
    # Above the location by its complement, or what is far from it would round to 0.
    mass = np.where(bounds[:-1] > loc, -np.diff(p.sf(bounds)), np.diff(p.cdf(bounds)))
    return stats.rv_discrete(values=(np.arange(n), mass))


def negative_binomial(log_mean, log_size):
    mean, size = np.exp(log_mean), np.exp(log_size)
    return stats.nbinom(size, size / (size + mean))


def beta(logit, log_precision):
    precision = np.exp(log_precision)
    return stats.beta(precision * expit(logit), precision * expit(-logit))


LINE = np.linspace(-6, 6, 25)
POSITIVE = np.geomspace(0.02, 30, 25)
UNIT = np.linspace(0.01, 0.99, 25)
COUNTS = np.arange(200.0)
LOGITS = [0.3, -1.0, 2.0, 0.0]
TWO_LOGISTICS = [0.4, -0.2, -1.5, 1.0, -0.5, 0.1]
CASES = [
    Case(Gaussian(), [0.0, 0.0], stats.norm(0, 1), LINE),
    Case(Gaussian(), [1.5, -1.0], stats.norm(1.5, np.exp(-1)), LINE),
    Case(Gaussian(scale="column"), [-2.0, 0.7], stats.norm(-2, np.exp(0.7)), LINE),
    Case(StudentT(), [0.5, -0.5, np.log(6)], stats.t(6, 0.5, np.exp(-0.5)), LINE),
    Case(StudentT(), [0.0, 0.2, np.log(40)], stats.t(40, 0.0, np.exp(0.2)), LINE),
    # Its information is a sum over 21 points a component, good to one per cent.
    Case(
        LogisticMixture(2),
        TWO_LOGISTICS,
        MixtureOfLogistics(TWO_LOGISTICS),
        LINE,
        tolerance=0.01,
    ),
    Case(LogNormal(), [0.3, -0.4], stats.lognorm(np.exp(-0.4), scale=np.exp(0.3)), POSITIVE),
    Case(Gamma(), [0.5, 1.0], stats.gamma(np.e, scale=np.exp(0.5) / np.e), POSITIVE),
    Case(Gamma(), [0.0, -0.3], stats.gamma(np.exp(-0.3), scale=1 / np.exp(-0.3)), POSITIVE),
    Case(Beta(), [0.4, 1.5], beta(0.4, 1.5), UNIT),
    Case(Beta(), [-1.0, 3.0], beta(-1.0, 3.0), UNIT),
    Case(Poisson(), [1.2], stats.poisson(np.exp(1.2)), COUNTS),
    Case(Poisson(), [-1.0], stats.poisson(np.exp(-1.0)), COUNTS),
    Case(NegativeBinomial(), [1.0, 0.5], negative_binomial(1.0, 0.5), COUNTS, informed=1),
    Case(NegativeBinomial(), [2.0, 5.0], negative_binomial(2.0, 5.0), COUNTS, informed=1),
    *(
        Case(
            DiscretizedLogistic(high=n - 1.0),
            [loc, log_scale],
            on_a_grid(n, loc, log_scale),
            np.arange(float(n)),
        )
        for n, loc, log_scale in [
            (17, 7.3, 0.4),
            (17, 10.6, np.log(0.1)),  # next to nothing is off two points
            (17, 4.5, 3.0),  # most of it is on the ends
            (17, -2.0, 0.7),
            (17, 18.0, 0.2),
            (256, 100.4, 2.5),
            (2, 0.8, -0.5),
        ]
    ),
    Case(Bernoulli(), [0.0], stats.bernoulli(0.5), np.array([0.0, 1.0])),
    Case(Bernoulli(), [-2.0], stats.bernoulli(expit(-2)), np.array([0.0, 1.0])),
    Case(Categorical(), LOGITS, discrete(LOGITS), np.arange(4.0)),
    Case(Binned(), LOGITS, discrete(LOGITS), np.arange(4.0)),
    Case(Ordinal(), LOGITS, discrete(LOGITS), np.arange(4.0)),
]
cases = pytest.mark.parametrize("case", CASES, ids=repr)


def distribution(case, shape=()):
    theta = torch.tensor(case.theta, dtype=torch.float64)
    return case.family(theta.expand(*shape, -1))


@cases
def test_log_prob_equals_scipy(case):
    ours = distribution(case).log_prob(torch.tensor(case.grid)).numpy()
    log_prob = case.oracle.logpdf if case.family.measure == "density" else case.oracle.logpmf
    np.testing.assert_allclose(ours, log_prob(case.grid), rtol=1e-9, atol=1e-10)


@cases
def test_moments_equal_scipy(case):
    ours = distribution(case)
    assert ours.mean.item() == pytest.approx(case.oracle.mean())
    assert ours.variance.item() == pytest.approx(case.oracle.var())


@cases
def test_the_mode_is_where_it_is_highest(case):
    ours = distribution(case)
    highest = ours.log_prob(torch.tensor(case.grid)).max().item()
    at_mode = ours.log_prob(ours.mode).item()
    # Of a mixture the highest of the components' centers, which is near the top.
    slack = 0.05 if isinstance(case.family, LogisticMixture) else 1e-9
    assert at_mode >= highest - slack or not np.isfinite(at_mode)


@cases
def test_fisher_information_is_the_variance_of_the_score(case):
    theta = torch.tensor(case.theta, dtype=torch.float64)
    root = case.family.fisher_sqrt(theta, torch.eye(len(theta), dtype=torch.float64))
    if case.family.measure == "mass":
        x = torch.tensor(case.grid)
        weight = torch.tensor(case.oracle.pmf(case.grid))
    else:
        x, weight = quadrature(case)
    rows = theta.expand(len(x), -1).clone().requires_grad_()
    (score,) = torch.autograd.grad(case.family(rows).log_prob(x).sum(), rows)  # (n, p)
    expected = torch.einsum("n,ni,nj->ij", weight, score, score)
    n = case.informed or len(theta)
    found = (root @ root.T)[:n, :n]
    scale = expected.abs().max().item()
    torch.testing.assert_close(
        found, expected[:n, :n], rtol=case.tolerance, atol=max(case.tolerance, 1e-8) * scale
    )


def quadrature(case):
    """Return points and weights that integrate over a density.

    Even in a variable in which it is smooth and vanishes at both ends, where a sum is as good as
    an integral.
    """
    t = torch.linspace(-40, 40, 400_001, dtype=torch.float64)
    x, slope = {
        "continuous": (torch.sinh(0.4 * t), 0.4 * torch.cosh(0.4 * t)),
        "positive": (t.exp(), t.exp()),
        "unit": (torch.sigmoid(t), torch.sigmoid(t) * torch.sigmoid(-t)),
    }[case.family.kind]
    inside = (x > 0) & (x < 1) if case.family.kind == "unit" else slope > 0
    x, slope = x[inside], slope[inside]
    return x, torch.tensor(case.oracle.pdf(x.numpy())) * slope * (t[1] - t[0])


@cases
def test_total_mass_is_one(case):
    def p(x):
        return distribution(case).log_prob(torch.tensor(float(x), dtype=torch.float64)).exp().item()

    if case.family.measure == "mass":
        total = sum(p(x) for x in case.grid)
    else:
        ends = {"positive": (0, np.inf), "unit": (0, 1)}.get(case.family.kind, (-np.inf, np.inf))
        total = integrate.quad(p, *ends, epsabs=1e-10, limit=200)[0]
    assert total == pytest.approx(1.0, abs=1e-7)


@cases
def test_samples_follow_log_prob(case, generator):
    draws = distribution(case, (20_000,)).sample(generator=generator).numpy()
    if case.family.measure == "density":
        p_value = stats.kstest(draws, case.oracle.cdf).pvalue
    else:
        expected = 20_000 * case.oracle.pmf(case.grid)
        last = int(np.flatnonzero(expected >= 5).max())  # rarer counts are taken together
        observed = np.array([(draws == x).sum() for x in case.grid])
        observed = np.append(observed[: last + 1], (draws > case.grid[last]).sum())
        expected = np.append(expected[: last + 1], 20_000 - expected[: last + 1].sum())
        some = expected > 1e-6
        assert (observed[~some] == 0).all()
        p_value = stats.chisquare(observed[some], expected[some], sum_check=False).pvalue
    assert p_value > 1e-3


@cases
def test_draws_come_in_the_shape_asked_for(case, generator):
    p = distribution(case, (3, 2))
    assert p.batch_shape == (3, 2)
    assert p.sample((5,), generator=generator).shape == (5, 3, 2)
    assert p.log_prob(torch.tensor(case.grid[3 % len(case.grid)])).shape == (3, 2)


@pytest.mark.parametrize(("mean", "size"), [(5.0, 1e6), (150.0, 1e6), (1e6, 10.0), (1e9, 10.0)])
def test_large_counts_are_exact_in_single_precision(mean, size):
    counts = np.floor(mean * np.array([0.0, 0.2, 0.5, 1.0, 2.0]))
    p = NegativeBinomial()(torch.tensor([np.log(mean), np.log(size)], dtype=torch.float32))
    found = p.log_prob(torch.tensor(counts, dtype=torch.float32))
    expected = stats.nbinom(size, size / (size + mean)).logpmf(counts)
    np.testing.assert_allclose(found, expected, atol=1e-3)


EXTREME = [
    # Two gamma numbers whose sum would round to 0.
    (Beta(), [0.0, np.log(0.05)]),
    (Beta(), [3.0, -5.0]),
    (Gamma(), [0.0, -8.0]),
    # Rates beyond 64-bit integers.
    (NegativeBinomial(), [40.0, np.log(1e-3)]),
    (Poisson(), [40.0]),
]


@pytest.mark.parametrize(("family", "theta"), EXTREME)
def test_draws_of_extremes_have_a_density(family, theta, generator):
    p = family(torch.tensor(theta))
    draws = p.sample((20_000,), generator=generator)
    assert torch.isfinite(draws).all()
    assert (draws >= 0).all()
    assert torch.isfinite(p.log_prob(draws)).all()


def test_a_beta_with_mass_at_both_ends_keeps_its_mean(generator):
    draws = Beta()(torch.tensor([-1.0, np.log(0.05)])).sample((50_000,), generator=generator)
    # Both ends hold all but a little, so the standard error is about 0.002.
    assert draws.mean().item() == pytest.approx(expit(-1.0), abs=0.01)


def raw_numbers(case, size):
    n_levels = 4 if isinstance(case.family, Categorical | Binned | Ordinal) else 1
    sizes = case.family.sizes(n_levels)
    return [torch.full((1, n), size, requires_grad=True) for n in sizes], n_levels


@cases
@pytest.mark.parametrize("size", [-80.0, 80.0])
def test_gradients_are_finite_at_extremes(case, size):
    raw, n_levels = raw_numbers(case, size)
    limits = Limits(torch.tensor([[1e-3]]), torch.ones(1, n_levels, dtype=torch.bool), True)
    theta = torch.cat(case.family.constrain(raw, limits), -1)
    value = torch.tensor([float(case.grid[1])])
    log_prob = case.family(theta).log_prob(value)
    log_prob.sum().backward()
    assert torch.isfinite(log_prob).all()
    assert all(part.grad is None or torch.isfinite(part.grad).all() for part in raw)


def test_learned_scales_stay_above_their_floor():
    raw = [torch.zeros(3, 1), torch.full((3, 1), -50.0)]
    floor = torch.tensor([[1e-3], [0.1], [0.5]])
    limits = Limits(floor, torch.ones(3, 1, dtype=torch.bool), True)
    for family in (Gaussian(), LogNormal()):
        torch.testing.assert_close(family.constrain(raw, limits)[1].exp(), floor)
    shared = Gaussian(scale="shared").constrain(raw, limits)[1]
    torch.testing.assert_close(shared.exp(), torch.full((3, 1), 1e-3))
    narrow = [torch.zeros(3, 1), torch.full((3, 1), 50.0)]
    # A shape or precision k has the relative width k ** -1/2.
    for family in (Gamma(), Beta()):
        found = torch.exp(-0.5 * family.constrain(narrow, limits)[1])
        torch.testing.assert_close(found, floor)


def test_sums_over_a_grid_do_not_depend_on_how_many_levels_are_taken_at_a_time(monkeypatch):
    theta = torch.tensor([[3.3, 0.5], [200.0, 3.0]], dtype=torch.float64)

    def found():
        p = DiscretizedLogistic()(theta)
        return torch.stack([p.mean, p.variance, *p.information()])

    at_once = found()
    monkeypatch.setattr(grid, "AT_ONCE", 14)  # seven levels of two cells
    torch.testing.assert_close(found(), at_once)


def test_learned_scales_on_a_grid_stay_between_their_bounds():
    raw = [torch.zeros(3, 1), torch.tensor([[-80.0], [0.0], [80.0]])]
    limits = Limits(torch.ones(3, 1), torch.ones(3, 1, dtype=torch.bool), True)
    location, log_scale = DiscretizedLogistic(high=16.0).constrain(raw, limits)
    # In half ranges from the middle.
    torch.testing.assert_close(location, torch.full((3, 1), 8.0))
    expected = torch.tensor([[0.02], [8.02], [8e4]])
    torch.testing.assert_close(log_scale.exp(), expected, rtol=1e-3, atol=0)


def test_ordinal_probabilities_are_differences_of_sigmoids():
    location, steps = torch.tensor([[0.7], [-2.0]]), torch.tensor([[-1.0, 0.3, -0.5]] * 2)
    valid = torch.tensor([[True] * 4, [True, True, True, False]])
    limits = Limits(torch.ones(2, 1), valid, False)
    (log_prob,) = Ordinal().constrain([location, steps], limits)
    threshold = np.cumsum([-1.0, np.exp(0.3), np.exp(-0.5)])
    for i, n_levels in enumerate((4, 3)):
        below = expit(threshold[: n_levels - 1] - location[i].item())
        expected = np.diff([0.0, *below, 1.0])
        np.testing.assert_allclose(log_prob[i, :n_levels].exp(), expected, rtol=1e-5)
    assert log_prob[1, 3].exp() == 0


@pytest.mark.parametrize("family", [Categorical(), Binned(), Ordinal()], ids=repr)
def test_levels_that_a_column_does_not_have_are_never_drawn(family, generator):
    valid = torch.tensor([[True, True, False, False], [True] * 4])
    limits = Limits(torch.ones(2, 1), valid, False)
    raw = [torch.randn(2, n, generator=generator) for n in family.sizes(4)]
    theta = torch.cat(family.constrain(raw, limits), -1)
    draws = family(theta).sample((2_000,), generator=generator)
    assert draws[:, 0].max() == 1
    assert draws[:, 1].max() == 3


MARGINALS = [
    (Gaussian(), lambda g: g.normal(size=4000)),
    (StudentT(), lambda g: g.normal(size=4000)),
    (LogisticMixture(3), lambda g: g.normal(size=4000)),
    (LogNormal(), lambda g: g.lognormal(0.4, 0.6, size=4000)),
    (Gamma(), lambda g: g.gamma(2.0, 1.5, size=4000)),
    (Beta(), lambda g: g.beta(2.0, 5.0, size=4000)),
    (DiscretizedLogistic(), lambda g: g.binomial(255, 0.4, size=4000).astype(float)),
    (DiscretizedLogistic(high=8.0, scale="shared"), lambda g: g.binomial(8, 0.5, size=4000) * 1.0),
    (Poisson(), lambda g: g.poisson(3.0, size=4000).astype(float)),
    (NegativeBinomial(), lambda g: g.negative_binomial(2, 0.3, size=4000).astype(float)),
    (Bernoulli(), lambda g: (g.uniform(size=4000) < 0.3).astype(float)),
    (Categorical(), lambda g: g.integers(0, 4, size=4000).astype(float)),
    (Binned(), lambda g: g.binomial(3, 0.3, size=4000).astype(float)),
    (Ordinal(), lambda g: g.binomial(3, 0.3, size=4000).astype(float)),
]


@pytest.mark.parametrize(("family", "draw"), MARGINALS, ids=lambda x: getattr(x, "kind", ""))
def test_before_training_a_family_has_the_moments_of_its_cells(family, draw):
    x = torch.tensor(draw(np.random.default_rng(0))).unsqueeze(-1)
    n_levels = 4 if isinstance(family, Categorical | Binned | Ordinal) else 1
    marginal = Columns.measure(family, [0], x, n_levels=[n_levels]).marginal()
    torch.testing.assert_close(marginal.mean, x.mean(0), rtol=0.05, atol=0.03)
    torch.testing.assert_close(marginal.variance, x.var(0), rtol=0.15, atol=0.02)
    if n_levels > 1:
        counts = torch.bincount(x[:, 0].long(), minlength=4)
        torch.testing.assert_close(marginal.probs[0], (counts + 1.0) / 4004.0, check_dtype=False)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (Gaussian(scale="sigma"), "scale"),
        (Gaussian(scale=-1.0), "scale"),
        (Gaussian(scale=0.0), "scale"),
        (Gaussian(scale=float("inf")), "scale"),
        (StudentT(df=-2.0), r"StudentT\(df=-2.0\)"),
        (StudentT(scale="row"), r"StudentT\(scale='row'\)"),
        (LogisticMixture(0), "n_components=0"),
        (Gamma(shape="row"), "shape='row'"),
        (Beta(precision=0.0), "precision=0.0"),
        (NegativeBinomial(size="cell"), "size='cell'"),
        (DiscretizedLogistic(low=3.0, high=3.0), "low=3.0, high=3.0"),
        (DiscretizedLogistic(high=float("inf")), "high=inf"),
        (DiscretizedLogistic(step=0.0), "step=0.0"),
        (DiscretizedLogistic(high=1.0, step=0.3), "whole number of steps .* Got 3.33333"),
        (DiscretizedLogistic(high=1.0, step=2.0), "whole number of steps .* Got 0.5"),
        (DiscretizedLogistic(scale="z"), "scale='z'"),
        (Binned(n_bins=0), "n_bins=0"),
        (Binned(min_share=0.0), "min_share=0.0"),
    ],
)
def test_fields_without_a_meaning_are_refused(family, message):
    with pytest.raises(ValueError, match=message):
        family.validate()
