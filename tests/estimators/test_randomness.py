"""Seeds repeat, nothing global is touched, and threads do not meet."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skvae import VAEDensity

from .models import IRIS, quick


def test_a_seed_repeats_everything_bit_for_bit():
    one, two, other = (quick(random_state=s, dropout=0.1).fit(IRIS) for s in (0, 0, 1))
    assert_array_equal(one.score_samples(IRIS), two.score_samples(IRIS))
    assert_array_equal(one.sample(5), two.sample(5))
    assert_array_equal(one.sample(5), two.sample(5))
    assert (one.score_samples(IRIS) != other.score_samples(IRIS)).any()


def test_samples_differ_unless_seeded_and_scores_never_do():
    density = quick(random_state=None).fit(IRIS)
    assert (density.sample(5) != density.sample(5)).any()
    assert_array_equal(density.sample(5, random_state=3), density.sample(5, random_state=3))
    assert_array_equal(density.score_samples(IRIS), density.score_samples(IRIS))


def test_nothing_global_is_touched():
    def state():
        numpy_state = np.random.get_state()  # noqa: NPY002
        return (
            torch.get_rng_state().tolist(),
            numpy_state[1].tolist() + list(numpy_state[2:]),
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.distributions.Distribution._validate_args,
        )

    before = state()
    density = VAEDensity(2, max_epochs=2, encoder=lambda: torch.nn.Linear(4, 5)).fit(IRIS)
    density.score_samples(IRIS)
    density.sample(3)
    assert state() == before


@pytest.mark.slow
def test_fits_in_threads_equal_fits_one_by_one():
    expected = [quick(random_state=s, dropout=0.2).fit(IRIS).score(IRIS) for s in range(4)]
    found = [None] * 4

    def work(s):
        found[s] = quick(random_state=s, dropout=0.2).fit(IRIS).score(IRIS)

    threads = [threading.Thread(target=work, args=(s,)) for s in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


@pytest.mark.slow
def test_scores_with_one_and_two_threads_agree():
    program = (
        "from sklearn.datasets import load_iris; from skvae import VAEDensity;"
        "X = load_iris().data;"
        "found = VAEDensity(2, max_epochs=5, init='random', random_state=0).fit(X);"
        "print(*found.score_samples(X))"
    )
    one, again, two = (
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": n},
        ).stdout.split()
        for n in ("1", "1", "2")
    )
    assert one == again
    assert_allclose(np.array(two, float), np.array(one, float), rtol=5e-7)
