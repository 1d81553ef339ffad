"""Matching objectives: the discrepancy in expectation, and an opponent beside the model."""

import copy
import pickle

import numpy as np
import pytest
import torch

from skvae.core import Batch
from skvae.core.objectives.matching import KERNELS, Discriminator, discrepancy
from skvae.objectives import MMD, Adversarial, Autoencoder, Beta
from skvae.priors import Mixture

from ..models import linear_model, rows_of, spoil

ERRORS = 5.0
WIDTHS = (0.2, 1.0, 5.0)


def normal(n, d=2, seed=0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return shift + torch.randn(n, d, generator=generator, dtype=torch.float64)


def model():
    vae, covariance = linear_model()
    return spoil(vae), Batch(rows_of(covariance))


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_discrepancy_is_zero_in_expectation_between_equal_distributions(kernel):
    def draws(shift):
        return np.array(
            [
                float(
                    discrepancy(
                        normal(20, seed=2 * i, shift=shift),
                        normal(30, seed=2 * i + 1),
                        KERNELS[kernel],
                        WIDTHS,
                    )
                )
                for i in range(500)
            ]
        )

    equal, apart = draws(0.0), draws(0.5)
    assert abs(equal.mean()) < ERRORS * equal.std() / np.sqrt(500)
    assert (equal < 0).any()
    assert apart.mean() > ERRORS * apart.std() / np.sqrt(500)


def test_the_discrepancy_of_normals_is_the_closed_form():
    # E exp(-|x - y|^2 / c) for x - y from N(m, 2 I) is (1 + 4 / c)^(-d / 2) exp(-|m|^2 / (c + 4)).
    m, c = np.array([1.0, -0.5]), 2 * 2 * 0.7
    square = m @ m
    exact = 2 * (1 - np.exp(-square / (c + 4))) / (1 + 4 / c)
    found = [
        float(
            discrepancy(
                normal(200, seed=2 * i) + torch.as_tensor(m),
                normal(200, seed=2 * i + 1),
                KERNELS["gaussian"],
                (0.7,),
            )
        )
        for i in range(200)
    ]
    assert abs(np.mean(found) - exact) < ERRORS * np.std(found) / np.sqrt(200)


def test_the_discrepancy_of_one_draw_is_nothing_and_gradients_are_finite():
    z = normal(1).requires_grad_()
    found = discrepancy(z, normal(1), KERNELS["gaussian"], WIDTHS)
    assert found == 0.0
    found.backward()
    twins = normal(1).repeat(4, 1).requires_grad_()  # at no distance from each other
    discrepancy(twins, normal(4), KERNELS["inverse_multiquadratic"], WIDTHS).backward()
    assert twins.grad.isfinite().all()


def test_mmd_is_the_autoencoder_with_a_penalty_or_the_weighted_elbo_with_one():
    vae, batch = model()
    bound = MMD(5.0).build(vae, 40)(batch, torch.Generator().manual_seed(0))
    plain = Autoencoder().build(vae, 40)(batch)
    torch.testing.assert_close(bound.value, plain.value)
    assert bound.penalty > 0.0
    assert MMD().traits.deterministic
    assert not MMD().traits.has_density
    assert MMD().traits.matches_prior
    info = MMD(5.0, kl_weight=0.5)
    bound = info.build(vae, 40)(batch, torch.Generator().manual_seed(0))
    weighed = Beta(0.5).build(vae, 40)(batch, torch.Generator().manual_seed(0))
    torch.testing.assert_close(bound.value, weighed.value)
    torch.testing.assert_close(bound.kl, weighed.kl)
    assert info.traits.has_density
    assert not info.traits.deterministic


@pytest.mark.parametrize("recipe", [MMD(), MMD(kl_weight=1.0), Adversarial()], ids=repr)
def test_a_prior_is_held_still_and_early_stopping_needs_no_noise_of_it(recipe):
    vae, batch = model()
    vae.prior = Mixture(3).build(2).double()
    vae.prior.initialize(torch.Generator().manual_seed(0))
    module = recipe.build(vae, 40)
    bound = module(batch, torch.Generator().manual_seed(0))
    bound.penalty.backward()
    assert all(p.grad is None for p in vae.prior.parameters())
    assert vae.encoder.posterior.linear.weight.grad.abs().max() > 0.0
    noise = normal(40).unsqueeze(0)
    torch.testing.assert_close(module.monitor(batch, noise), module.monitor(batch, noise))
    assert module.monitor(batch, noise).shape == (40,)


def test_the_opponent_is_no_part_of_the_model_and_is_neither_copied_nor_saved():
    vae, batch = model()
    module = Adversarial(hidden_layer_sizes=(8,)).build(vae, 40)
    names = [name for name, _ in module.named_parameters()]
    state = torch.get_rng_state()
    module(batch, torch.Generator().manual_seed(0)).penalty.backward()
    assert torch.equal(torch.get_rng_state(), state)
    assert module.opponent is not None
    assert [name for name, _ in module.named_parameters()] == names
    assert copy.deepcopy(module).opponent is None
    assert pickle.loads(pickle.dumps(module)).opponent is None


def test_the_opponent_learns_in_training_alone_and_from_the_generator():
    vae, batch = model()
    spoil(vae, 2.0)

    def penalties(train):
        module = Adversarial(lr=0.01).build(vae, 40).train(train)
        generator = torch.Generator().manual_seed(0)
        return [float(module(batch, generator).penalty.detach()) for _ in range(20)]

    assert penalties(True) == penalties(True)
    assert penalties(True)[-1] > penalties(True)[0]  # the model stands still
    assert len(set(penalties(False))) == 1


def test_an_opponent_finds_what_is_left_of_a_difference():
    generator = torch.Generator().manual_seed(0)
    opponent = Discriminator(Adversarial(lr=0.01), normal(1).float(), generator)
    for i in range(200):
        opponent.step(
            normal(200, seed=2 * i, shift=3.0).float(), normal(200, seed=2 * i + 1).float()
        )
    # -log D(z), of draws of the prior and of others.
    assert opponent.surprise(normal(500).float()).mean() < 0.2
    assert opponent.surprise(normal(500, shift=3.0).float()).mean() > 2.0


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (MMD(weight=-1.0), r"MMD\(weight=-1.0\)"),
        (MMD(kernel="linear"), r"kernel='linear'\): expected one of \['gaussian', 'inverse"),
        (MMD(bandwidths=()), r"MMD\(bandwidths=\(\)\): expected numbers > 0"),
        (MMD(bandwidths=(1.0, 0.0)), r"bandwidths"),
        (Adversarial(lr=-1.0), r"Adversarial\(lr=-1.0\)"),
        (Adversarial(gradient_penalty=None), r"gradient_penalty=None"),
    ],
)
def test_fields_without_sense_are_refused(recipe, message):
    with pytest.raises(ValueError, match=message):
        recipe.validate()
