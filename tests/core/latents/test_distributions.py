"""Latent distributions: draws, densities and divergences."""

import pytest
import torch
from scipy import stats
from torch.distributions import MultivariateNormal, kl_divergence

from skvae.core.latents.distributions import (
    DiagonalNormal,
    MultivariateT,
    TriangularNormal,
    chi2_quantile,
    solved,
)
from skvae.core.latents.mixtures import (
    MixtureOf,
    MixtureOfEach,
    MixtureOfTwo,
    NormalMixture,
    components,
)


def distributions():
    generator = torch.Generator().manual_seed(0)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    loc, log_scale = randn(4, 3), 0.5 * randn(4, 3)
    return [
        DiagonalNormal(loc, log_scale),
        TriangularNormal(loc, log_scale, randn(4, 3, 3).tril(-1)),
    ]


def normal_mixture(n_components=3):
    generator = torch.Generator().manual_seed(2)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    k = n_components
    return NormalMixture(randn(k), 2 * randn(k, 3), 0.3 * randn(k, 3), randn(k, 3, 3).tril(-1))


def oracle(q):
    tril = q.scale_tril if hasattr(q, "scale_tril") else torch.diag_embed(q.log_scale.exp())
    return MultivariateNormal(q.loc, scale_tril=tril)


@pytest.mark.parametrize("q", distributions(), ids=lambda q: type(q).__name__)
def test_density_draws_and_divergence(q):
    noise = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    z, log_q = q.draw(noise)
    torch.testing.assert_close(log_q, oracle(q).log_prob(z))
    torch.testing.assert_close(q.log_prob(z), log_q)
    torch.testing.assert_close(q.rsample(noise=noise), z)
    torch.testing.assert_close(q.variance, oracle(q).variance)
    prior = DiagonalNormal(
        torch.full((3,), 0.3, dtype=torch.float64), torch.full((3,), 0.2, dtype=torch.float64)
    )
    torch.testing.assert_close(kl_divergence(q, prior), kl_divergence(oracle(q), oracle(prior)))


def test_draws_have_the_covariance_of_the_triangular_factor(generator):
    q = distributions()[1]
    noise = torch.randn(200_000, 4, 3, generator=generator, dtype=torch.float64)
    z = q.rsample(noise=noise)[:, 0]
    expected = q.scale_tril[0] @ q.scale_tril[0].T
    # 200,000 draws: entries of the covariance have a standard error of about 0.01.
    torch.testing.assert_close(torch.cov(z.T), expected, rtol=0.02, atol=0.05)


def test_curvature_of_a_normal_prior_is_its_precision():
    q = distributions()[0]
    z = torch.zeros(4, 3, dtype=torch.float64)
    torch.testing.assert_close(q.curvature(z), oracle(q).precision_matrix)


def of_rows(p, component):
    rows = torch.arange(4)
    return components(p, rows.double()).of(rows, torch.full((4,), component))


@pytest.mark.parametrize("is_moved", [False, True])
def test_the_weighted_components_of_a_mixture_add_up_to_it(is_moved):
    p, by = normal_mixture(), distributions()[0]
    p = p.moved(by.loc, by.log_scale) if is_moved else p
    z = torch.linspace(-3, 3, 12, dtype=torch.float64).view(4, 3)
    parts = torch.stack([of_rows(p, j).log_prob(z) for j in range(3)])
    torch.testing.assert_close(parts.logsumexp(0), p.log_prob(z))
    z, reversed_rows = z.flip(0), torch.arange(4).flip(0)
    some = components(p, z).of(reversed_rows, torch.full((4,), 1))
    torch.testing.assert_close(some.log_prob(z).flip(0), parts[1])


def test_what_is_no_mixture_of_normals_has_no_components():
    diagonal, triangular = distributions()
    moved = diagonal.moved(diagonal.loc, diagonal.log_scale)
    others = MixtureOf(triangular, torch.linspace(-1.0, 0.0, 4).double().log_softmax(-1))
    for p in (diagonal, triangular, moved, others):
        assert components(p, diagonal.loc) is None


def test_a_mixture_of_each_row_draws_and_weighs_by_its_weights(generator):
    t = student_t()
    parts = MultivariateT(
        torch.stack([t.loc, t.loc + 2.0], 1), torch.stack([t.precision_tril] * 2, 1), t.df
    )
    weight = torch.linspace(0.1, 0.9, 4).double()
    q = MixtureOfEach(parts, torch.stack([weight, 1.0 - weight], -1).log())
    z, log_q = q.draw(torch.randn(20_000, 4, 5, generator=generator, dtype=torch.float64))
    away = MultivariateT(t.loc + 2.0, t.precision_tril, t.df)
    expected = weight * t.log_prob(z).exp() + (1.0 - weight) * away.log_prob(z).exp()
    torch.testing.assert_close(log_q, expected.log())
    some = torch.tensor([2, 0])
    torch.testing.assert_close(q[some].log_prob(z[:, some]), log_q[:, some])
    target = DiagonalNormal(t.loc + 1.0, torch.zeros(4, 3).double() - 0.5)
    weights = torch.exp(target.log_prob(z) - log_q)
    assert ((weights.mean(0) - 1).abs() < 5 * weights.std(0) / 20_000**0.5).all()


@pytest.mark.parametrize("upper", [False, True])
def test_one_solve_a_system_equals_a_solve_a_vector(generator, upper):
    triangle = distributions()[1].scale_tril
    triangle = triangle.mT if upper else triangle
    vectors = torch.randn(7, 2, 4, 3, generator=generator, dtype=torch.float64)
    found = solved(triangle, vectors, upper)
    torch.testing.assert_close((triangle @ found.unsqueeze(-1)).squeeze(-1), vectors)
    torch.testing.assert_close(solved(triangle, vectors[0, 0], upper), found[0, 0])


@pytest.mark.parametrize("df", [5.0, 8.0, 33.0, 200.0])
def test_chi_squared_quantiles_equal_scipys(df):
    normal = torch.linspace(-6.5, 6.5, 201, dtype=torch.float64)
    lower, upper = (
        stats.chi2.ppf(stats.norm.cdf(normal), df),
        stats.chi2.isf(stats.norm.sf(normal), df),
    )
    expected = torch.where(normal < 0, torch.tensor(lower), torch.tensor(upper))
    torch.testing.assert_close(chi2_quantile(normal, df), expected, rtol=1e-9, atol=0)


def student_t(df=7.0):
    q = distributions()[1]
    precision = oracle(q).precision_matrix
    return MultivariateT(q.loc, torch.linalg.cholesky(precision), df)


def test_student_t_equals_scipys():
    t = student_t()
    noise = torch.randn(50, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    z, log_t = t.draw(noise)
    torch.testing.assert_close(t.log_prob(z), log_t)
    for i in range(4):
        shape = torch.linalg.inv(t.precision_tril[i] @ t.precision_tril[i].T).numpy()
        peer = stats.multivariate_t(t.loc[i].numpy(), shape, t.df)
        torch.testing.assert_close(log_t[:, i], torch.tensor(peer.logpdf(z[:, i].numpy())))


def test_student_t_draws_follow_its_density(generator):
    t = student_t()
    z = t.rsample(torch.randn(50_000, 4, 4, generator=generator, dtype=torch.float64))
    standard = torch.einsum("nji,knj->kni", t.precision_tril, z - t.loc)
    assert stats.kstest(standard[:, 0, 1].numpy(), stats.t(t.df).cdf).pvalue > 1e-3
    # The squared length over d follows F(d, df).
    square = standard[:, 2].square().sum(-1) / 3
    assert stats.kstest(square.numpy(), stats.f(3, t.df).cdf).pvalue > 1e-3


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_mixture_draws_and_weighs_by_its_shares(share, generator):
    first, second = student_t(), distributions()[0]
    shares = torch.full((4,), share, dtype=torch.float64)
    mixture = MixtureOfTwo(first, second, shares)
    noise = torch.randn(20_000, 4, 4, generator=generator, dtype=torch.float64)
    z, log_q = mixture.draw(noise)
    q = share * first.log_prob(z).exp() + (1 - share) * second.log_prob(z).exp()
    torch.testing.assert_close(log_q, q.log())
    # E 1/q over draws of q is the volume; here weighed by another density, whose integral is 1.
    target = DiagonalNormal(second.loc, second.log_scale - 0.5)
    weights = torch.exp(target.log_prob(z) - log_q)
    assert ((weights.mean(0) - 1).abs() < 5 * weights.std(0) / 20_000**0.5).all()


def mixture_oracle(p):
    parts = MultivariateNormal(p.means, precision_matrix=p.root.mT @ p.root)
    return torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=p.log_weight), parts
    )


def test_a_mixture_of_normals_equals_torchs(generator):
    p = normal_mixture()
    z, log_p = p.draw(torch.randn(50, 7, 4, generator=generator, dtype=torch.float64))
    torch.testing.assert_close(log_p, mixture_oracle(p).log_prob(z))
    torch.testing.assert_close(p.mean, mixture_oracle(p).mean)
    torch.testing.assert_close(p.variance, mixture_oracle(p).variance)


def test_draws_of_a_mixture_of_normals_follow_its_density(generator):
    p = normal_mixture()
    z = p.rsample(torch.randn(50_000, 4, generator=generator, dtype=torch.float64))
    torch.testing.assert_close(z.mean(0), p.mean, rtol=0, atol=0.05)
    torch.testing.assert_close(z.var(0), p.variance, rtol=0.05, atol=0)
    # The mean of f / p over draws of p is the integral of f, here a normal density.
    f = MultivariateNormal(p.means[0], precision_matrix=2.0 * p.root[0].T @ p.root[0])
    ratio = torch.exp(f.log_prob(z) - p.log_prob(z))
    assert (ratio.mean() - 1).abs() < 5 * ratio.std() / 50_000**0.5


def test_curvature_of_a_mixture_is_positive_and_of_one_component_its_precision():
    p, z = normal_mixture(), torch.linspace(-3, 3, 15, dtype=torch.float64).view(5, 3)
    assert (torch.linalg.eigvalsh(p.curvature(z)) > 0).all()
    one = normal_mixture(1)
    precision = mixture_oracle(one).component_distribution.precision_matrix
    torch.testing.assert_close(one.curvature(z), precision.expand(5, -1, -1))
