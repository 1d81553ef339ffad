"""Clamping: latents of a set are one, and rows by themselves have the plain ELBO."""

import pytest
import torch

from skvae.core import Batch, Columns, build_vae
from skvae.core.objectives.clamped import mean_of_set
from skvae.likelihoods import Gaussian
from skvae.objectives import ELBO, Clamped
from skvae.posteriors import DiagonalGaussian

GROUPS = [[0], [1, 2]]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def fresh(n_latent=3):
    columns = [Columns(Gaussian("column"), range(4))]
    return build_vae(columns, n_latent, posterior=DiagonalGaussian(), generator=seeded())


def rows(sets):
    sets = torch.tensor(sets)
    return Batch(torch.randn(len(sets), 4, generator=seeded(1)), sets=sets)


def test_the_mean_of_a_set():
    batch = rows([(7, 0), (2, 1), (7, 0), (-1, -1), (2, 1)])
    z = torch.arange(10.0).reshape(5, 2)
    expected = torch.tensor([[2, 3], [5, 6], [2, 3], [6, 7], [5, 6]])
    torch.testing.assert_close(mean_of_set(batch, z), expected.to(z))


def test_a_row_alone_in_its_set_has_the_elbo():
    vae, batch = fresh(), rows([(k, 0) for k in range(6)])
    bound = Clamped(GROUPS).build(vae, 6)(batch, seeded(2))
    plain = ELBO().build(vae, 6)(batch, seeded(2))
    torch.testing.assert_close(bound.value, plain.value)
    assert bound.penalty.item() == 0.0


def test_unnamed_rows_have_the_elbo():
    vae, batch = fresh(), rows([(-1, -1)] * 6)
    bound = Clamped(GROUPS).build(vae, 6)(batch, seeded(2))
    torch.testing.assert_close(bound.value, ELBO().build(vae, 6)(batch, seeded(2)).value)


def test_a_set_is_decoded_with_its_mean_of_what_does_not_vary():
    vae, batch = fresh(), rows([(0, 1), (0, 1), (0, 1), (1, 0)])
    seen = []
    vae.decoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0]))
    bound = Clamped(GROUPS, weight=2.0).build(vae, 4)(batch, seeded(2))
    q = vae.posterior(batch)
    z = q.draw(torch.randn(1, 4, 3, generator=seeded(2)))[0][0]
    decoded = seen[0]
    torch.testing.assert_close(decoded[:3, 0], z[:3, 0].mean().expand(3))
    torch.testing.assert_close(decoded[:, 1:], z[:, 1:])
    apart = q.mean[:3, 0] - q.mean[:3, 0].mean()
    torch.testing.assert_close(bound.penalty, apart.square().sum() / 4)


@pytest.mark.parametrize("groups", [[], [[]], [[0], [0, 1]], [[0], [2]], [[1]]])
def test_every_latent_is_in_one_group(groups):
    with pytest.raises(ValueError, match="expected the positions of all latents"):
        Clamped(groups).validate()


def test_groups_name_as_many_latents_as_there_are():
    with pytest.raises(ValueError, match=r"names 3 latents, but the model has latent_dim=2"):
        Clamped(GROUPS).build(fresh(2), 5)
