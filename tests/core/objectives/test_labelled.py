"""Labels conditioned on and summed over, by a linear model whose densities are known."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax

from skvae.core import Batch, Columns, build_vae, linear_model, start_linear
from skvae.core.objectives.labelled import (
    Labelled,
    decided,
    given_each_class,
    log_marginal_over_classes,
    log_posterior,
    pairs,
    with_label,
)
from skvae.likelihoods import Gaussian
from skvae.objectives import ELBO, IWAE
from skvae.posteriors import FullGaussian

PRIOR = [0.5, 0.3, 0.2]


def rows(n=60, context=False):
    """Return rows of three classes that differ in their means, and their labels."""
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(n) % 3
    x = 2.0 * label.unsqueeze(-1) * torch.tensor([1.0, -1.0, 0.5, 0.0])
    x = x + torch.randn(n, 1, generator=generator) + 0.6 * torch.randn(n, 4, generator=generator)
    given = torch.randn(n, 1, generator=generator).double() if context else None
    return Batch(x.double(), None, given), label


def exact_model(batch, label):
    """Return a linear model with its exact posterior, and log p(x | y) of every row and class."""
    known = with_label(batch, torch.eye(3)[label])
    columns = Columns(Gaussian("column"), range(4), floor=torch.full((4,), 1e-3))
    vae = build_vae(
        [columns],
        1,
        n_context=known.context.shape[1],
        posterior=FullGaussian(),
        hidden_layer_sizes=(),
        generator=torch.Generator(),
    ).double()
    model = linear_model(vae, known)
    start_linear(vae, model, known)
    covariance = model.loadings @ model.loadings.T + torch.diag(model.noise_variance)
    log_given = [
        torch.distributions.MultivariateNormal(
            model.center(given_each_class(batch, 3).context[k::3]), covariance
        ).log_prob(batch.x)
        for k in range(3)
    ]
    return vae, torch.stack(log_given, 1).numpy()


@pytest.mark.parametrize("objective", [ELBO(), IWAE(3)], ids=repr)
@pytest.mark.parametrize("context", [False, True])
def test_the_bound_of_an_exact_model_is_its_likelihood(objective, context, device):
    batch, label = rows(context=context)
    vae, log_given = exact_model(batch, label)
    joint = log_given + np.log(PRIOR)
    known = np.arange(60) % 2 == 0
    what = torch.where(torch.as_tensor(known).unsqueeze(-1), torch.eye(3)[label], 1.0 / 3.0)
    module = Labelled(objective, PRIOR).build(vae, 60).to(device)
    labelled = with_label(batch, what).to(device)
    bound = module(labelled, torch.Generator(device).manual_seed(0))
    expected = np.where(known, joint[np.arange(60), label], logsumexp(joint, axis=1))
    if isinstance(objective, IWAE):
        # Scales pass through a parameter in float32.
        np.testing.assert_allclose(bound.value.detach().cpu(), expected, atol=1e-4)
    else:  # whose divergence in closed form leaves the noise of a single draw
        assert bound.value.mean().item() == pytest.approx(expected.mean(), abs=0.3)
    noise = torch.randn(4, 60, 1, generator=torch.Generator().manual_seed(1)).double()
    watched = module.monitor(labelled, noise.to(device)).detach()
    np.testing.assert_allclose(watched.cpu(), expected, atol=1e-4)


def test_the_two_terms_are_means_over_the_posterior_of_the_label():
    batch, label = rows()
    vae, log_given = exact_model(batch, label)
    module = Labelled(IWAE(2), PRIOR).build(vae, 60)
    bound = module(with_label(batch, torch.full((60, 3), 1 / 3)), torch.Generator().manual_seed(0))
    share = softmax(log_given + np.log(PRIOR), axis=1)
    # With exact posteriors log p(x | z) - KL is log p(x | y) for every draw.
    np.testing.assert_allclose(
        (bound.log_px - bound.kl).detach(), (share * log_given).sum(1), atol=1e-3
    )


def test_classes_that_are_ruled_out_are_left_out_of_the_sum():
    batch, label = rows()
    vae, log_given = exact_model(batch, label)
    what = torch.tensor([[0.6, 0.4, 0.0]]).expand(60, 3)
    found = pairs(with_label(batch, what), 3)
    assert len(found.row) == 120
    assert set(found.label.tolist()) == {0, 1}
    module = Labelled(IWAE(2), PRIOR).build(vae, 60)
    value = module(with_label(batch, what), torch.Generator().manual_seed(0)).value.detach()
    joint = log_given + np.log(PRIOR)
    np.testing.assert_allclose(value, logsumexp(joint[:, :2], axis=1), atol=1e-4)
    assert (value.numpy() <= logsumexp(joint, axis=1) + 1e-4).all()


def test_gradients_are_finite_with_classes_ruled_out():
    batch, label = rows()
    vae, _ = exact_model(batch, label)
    what = torch.eye(3)[label] + torch.tensor([0.0, 1e-3, 0.0])
    bound = Labelled(IWAE(2), PRIOR).build(vae, 60)(with_label(batch, what), torch.Generator())
    bound.value.mean().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in vae.parameters())


def test_rows_are_decided_by_their_likeliest_class():
    batch = with_label(rows(context=True)[0], torch.tensor([[0.2, 0.5, 0.3]]).expand(60, 3))
    known = decided(batch, 3)
    assert known.context[:, -3:].tolist() == [[0.0, 1.0, 0.0]] * 60
    torch.testing.assert_close(known.context[:, :1], batch.context[:, :1])


def test_bayes_rule():
    log_given = torch.tensor([[0.0, 1.0], [-1000.0, -999.0], [3.0, -torch.inf]]).double()
    prior = torch.tensor([0.75, 0.25]).double()
    odds = log_posterior(log_given, prior)
    torch.testing.assert_close(odds[:, 1] - odds[:, 0], log_given.diff()[:, 0] + np.log(1 / 3))
    torch.testing.assert_close(odds.exp().sum(1), torch.ones(3).double())
    whole = log_marginal_over_classes(log_given, prior)
    assert whole[2].item() == pytest.approx(3.0 + np.log(0.75))
