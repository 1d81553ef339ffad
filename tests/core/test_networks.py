"""Networks: no global randomness, dropout from a generator, user modules."""

import pytest
import torch
from torch import nn

from skvae.core import Columns, build_vae
from skvae.core.networks import MLP, Features, initialize, set_generator
from skvae.likelihoods import Gaussian
from skvae.networks import CorrelatedNoise


def test_building_a_model_leaves_the_global_state_alone():
    before = torch.get_rng_state()
    build_vae([Columns(Gaussian(), range(4))], 2, dropout=0.5, generator=torch.Generator())
    assert torch.equal(torch.get_rng_state(), before)


def test_initial_weights_come_from_the_generator():
    def weights(seed):
        body = MLP(3, (5,))
        initialize(body, torch.Generator().manual_seed(seed))
        return body.hidden[0].weight

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_dropout_keeps_the_mean_and_follows_its_generator():
    body = MLP(2, (2000,), dropout=0.3)
    initialize(body, torch.Generator().manual_seed(0))
    x = torch.ones(1, 2)
    expected = body.eval()(x)
    set_generator(body, torch.Generator().manual_seed(1))
    dropped = body.train()(x)
    assert 0.25 < (dropped[:, :2000] == 0).float().mean() < 0.35
    assert dropped.sum().item() == pytest.approx(expected.sum().item(), rel=0.1)
    set_generator(body, torch.Generator().manual_seed(1))
    assert torch.equal(body(x), dropped)


def test_no_hidden_layers_is_the_identity():
    x = torch.randn(3, 4, generator=torch.Generator())
    assert torch.equal(MLP(4, ())(x), x)


def test_user_modules_are_sized_by_trial():
    assert Features(nn.Linear(4, 7), 4, "encoder").n_out == 7
    with pytest.raises(ValueError, match=r"encoder: the module must map .* \(n, 4\)"):
        Features(nn.Linear(3, 7), 4, "encoder")
    with pytest.raises(ValueError, match=r"decoder: .* \(2, features\). Got \(14,\)"):
        Features(nn.Flatten(0), 7, "decoder")


def test_correlated_noise_is_low_rank_plus_diagonal():
    """Given the other latents, draws of the bypassing ones add W W^T to the covariance."""
    generator = torch.Generator().manual_seed(0)
    recipe = CorrelatedNoise(rank=2)
    columns = [Columns(Gaussian(scale="column"), range(4))]
    vae = build_vae(columns, 5, decoder=recipe, generator=generator).double().eval()
    z = torch.randn(5, generator=generator, dtype=torch.float64).repeat(200_000, 1)
    z[:, 3:] = torch.randn(200_000, 2, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        x = vae.cells.sample(vae.decode(z), generator)
        n_hidden = vae.decoder.body.n_hidden
        w = vae.cells.blocks[0].linear.weight[:4, n_hidden + 3 :]
        noise = vae.cells.blocks[0].family(vae.decode(z[:1])[0]).variance[0]
    # 200,000 draws: an entry of the covariance has a standard error below 0.01.
    torch.testing.assert_close(torch.cov(x.T), w @ w.T + torch.diag(noise), rtol=0, atol=0.03)


@pytest.mark.parametrize("rank", [0, 2, 1.5])
def test_the_rank_of_correlated_noise_is_checked(rank):
    with pytest.raises(ValueError, match=r"CorrelatedNoise\(rank=.*latent_dim=2"):
        build_vae([Columns(Gaussian(), [0])], 2, decoder=CorrelatedNoise(rank))
