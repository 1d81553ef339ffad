"""Our optimisers move parameters as torch's own, bit for bit."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from skvae import VAEDensity
from skvae.fit.optimizers import FUSED

THEIRS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@pytest.mark.parametrize("name", FUSED)
def test_steps_are_those_of_torch(name):
    generator = torch.Generator().manual_seed(0)
    sizes = [(5, 3), (5,), (2,)]
    start = [torch.randn(size, generator=generator) for size in sizes]
    ours, theirs = ([torch.nn.Parameter(value.clone()) for value in start] for _ in range(2))

    def groups(of):
        return [{"params": of[:1], "weight_decay": 0.1}, {"params": of[1:]}]

    a = FUSED[name](groups(ours), 0.05)
    b = THEIRS[name](groups(theirs), lr=0.05, weight_decay=0.0, fused=True)
    for i in range(8):
        for optimizer in (a, b):
            optimizer.param_groups[0]["lr"] = 0.05 / (1 + i)
            optimizer.zero_grad()
            optimizer.found_inf = torch.tensor(float(i == 3))
        for one, two in zip(ours[: 2 + i % 2], theirs, strict=False):  # the last not always
            one.grad = torch.randn(one.shape, generator=generator)
            two.grad = one.grad.clone()
        a.step()
        b.step()
    assert_close(ours, theirs, rtol=0, atol=0)
    assert not torch.equal(ours[2], start[2])


def test_a_function_that_makes_no_optimizer_is_refused():
    X = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(TypeError, match=r"optimizer must return a torch.*Got None"):
        VAEDensity(1, max_epochs=1, optimizer=lambda groups, lr: None).fit(X)
