"""The same on another device."""

import numpy as np
import torch
from numpy.testing import assert_allclose

from .models import IRIS, quick


def test_scores_agree_across_devices(device):
    here = quick(device="cpu", max_epochs=0).fit(IRIS).score_samples(IRIS)
    there = quick(device=device, max_epochs=0).fit(IRIS)
    assert there.device_.startswith(device.split(":")[0])
    assert_allclose(there.score_samples(IRIS), here, rtol=0, atol=1e-3)


def test_training_and_sampling_work_on_the_device(device):
    density = quick(device=device, dropout=0.1).fit(IRIS)
    assert np.isfinite(density.score_samples(IRIS)).all()
    assert density.sample(7).shape == (7, 4)
    assert next(density.encoder_.parameters()).device.type == torch.device(device).type
