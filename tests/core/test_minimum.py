"""The quasi-Newton method against minima that are known."""

import torch
from torch.testing import assert_close

from skvae.core.minimum import minimum


def test_a_quadratic():
    root = torch.randn(8, 8, generator=torch.Generator().manual_seed(0)).double()
    curvature, middle = root @ root.mT + 0.1 * torch.eye(8), torch.arange(8.0).double()

    def function(x):
        return 0.5 * (x - middle) @ curvature @ (x - middle)

    assert_close(minimum(function, torch.zeros(8).double(), 200), middle, rtol=0, atol=1e-5)


def test_a_curved_valley():
    def function(x):
        return (100.0 * (x[1] - x[0] ** 2) ** 2) + (1.0 - x[0]) ** 2

    found = minimum(function, torch.tensor([-1.2, 1.0]).double(), 200)
    assert_close(found, torch.ones(2).double(), rtol=0, atol=1e-6)


def test_few_steps_are_taken_where_few_are_allowed():
    start = torch.full((3,), 50.0).double()
    assert_close(minimum(lambda x: x.square().sum(), start, 0), start)
    assert minimum(lambda x: x.square().sum(), start, 1).abs().min() > 30.0
