"""Floors of noise: they fall from a tenth of a standard deviation to their value."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from skvae import VAEDensity
from skvae.core import Columns, build_vae
from skvae.fit.floors import FallingFloors
from skvae.fit.plan import Plan
from skvae.likelihoods import Categorical, Gaussian, Poisson


def cells(family, x):
    return build_vae([Columns.measure(family, [0, 1], x.double())], 2).cells


def test_they_fall_to_exactly_their_value():
    of = cells(Gaussian(), torch.randn(100, 2, generator=torch.Generator().manual_seed(0)))
    (block,) = of.parts
    end, floors = block.floor.clone(), FallingFloors(of)
    assert_close(end, torch.full((2,), 1e-3))
    for share, times in ((0.0, 100.0), (0.5, 10.0), (1.0, 1.0)):
        floors.set(share)
        assert_close(block.floor, times * end, rtol=1e-5, atol=0)
    assert torch.equal(block.floor, end)
    assert "floor" in dict(block.named_buffers())  # so that it is saved


@pytest.mark.parametrize(
    "family", [Gaussian(0.5), Gaussian(0.5, bounded=True), Poisson(), Categorical()]
)
def test_some_families_have_none(family):
    of = cells(family, torch.tensor([[0, 1], [1, 0], [2, 2]]))
    assert not FallingFloors(of).of_blocks


@pytest.mark.parametrize("horizon", [1, 2, 10, 1_000])
def test_they_have_fallen_by_the_last_step(horizon):
    plan = Plan(32, horizon, horizon, 10)
    assert plan.fallen(horizon - 1) == 1.0
    assert plan.fallen(0) == (1.0 if horizon < 4 else 0.0)
    assert Plan(32, horizon, horizon, 10, floors_fall=False).fallen(0) == 1.0


def test_a_column_that_others_tell_nearly_has_a_lower_floor():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 2))
    X = np.column_stack([z, z.sum(1) + 5e-4 * rng.normal(size=400)])
    density = VAEDensity(1, init="linear", max_epochs=0, random_state=0).fit(X)
    (block,) = density.vae_.cells.parts
    floor = block.floor / block.spread[:, 0]
    assert floor.numpy() == pytest.approx(0.1 * 5e-4 / X.std(0), rel=0.2)
    X[:, 2] = X[:, 0] + X[:, 1]  # nothing is left open: no floor below the usual one
    density.fit(X)
    (block,) = density.vae_.cells.parts
    assert block.floor / block.spread[:, 0] == pytest.approx(torch.tensor([1e-3] * 3))
