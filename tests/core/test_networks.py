"""Networks: no global randomness, dropout from a generator, user modules."""

import pytest
import torch
from torch import nn

from skvae.core import MLP, Columns, Gaussian, build_vae
from skvae.core.networks import Features, initialize, set_generator


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
