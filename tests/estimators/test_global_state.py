"""No public method touches what is global, or depends on what torch is told elsewhere."""

import contextlib
import inspect
import random
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn
import torch
from numpy.testing import assert_array_equal
from torch import nn

import skvae

from .models import IRIS as ALL
from .models import QUICK

IRIS = ALL[::3]
LABELS = np.repeat([0, 1, 2], [17, 17, 16])
HOLES = np.where(np.random.default_rng(0).uniform(size=IRIS.shape) < 0.1, np.nan, IRIS)
QUICKEST = {**QUICK, "max_epochs": 1, "n_draws": 8}

FOLDER = tempfile.TemporaryDirectory()

#: Arguments of every public method; those of set-up have none of interest.
CALLS = {
    "decision_function": (IRIS[:5],),
    "edit": (IRIS[:5], np.ones(2)),
    "encode": (IRIS[:5],),
    "explain": (IRIS[:3],),
    "fit": (IRIS, LABELS),
    "fit_predict": (IRIS,),
    "fit_transform": (HOLES,),
    "get_feature_names_out": (),
    "interpolate": (IRIS[0], IRIS[1]),
    "inverse_transform": (np.zeros((2, 2)),),
    "latent_direction": (IRIS, LABELS == 0),
    "log_likelihood": (IRIS[:5],),
    "predict": (IRIS[:5],),
    "predict_log_proba": (IRIS[:5],),
    "predict_proba": (IRIS[:5],),
    "reconstruct": (IRIS[:5],),
    "report": (IRIS,),
    "sample": (3,),
    "sample_conditional": (HOLES[:5],),
    "sample_imputations": (HOLES[:5], 2),
    "save": (Path(FOLDER.name, "estimator.skvae"),),
    "score": (IRIS[:5], LABELS[:5]),
    "score_samples": (IRIS[:5],),
    "transform": (HOLES[:5],),
    "traverse": (IRIS[0], 0, [0.0, 1.0]),
}
SET_UP = {"get_metadata_routing", "get_params", "set_output", "set_params"}

#: What is special in these is how they start, train and draw.
PARTS = {
    "dropout": {"dropout": 0.1, "prior": "mixture", "init": "linear"},
    "vamp": {"dropout": 0.1, "prior": "vamp"},
    "one latent of a flow": {"latent_dim": 1, "prior": "flow", "posterior": "flow"},
    "a network of the user's": {
        "encoder": lambda: nn.Dropout(0.2),
        "decoder": nn.Dropout(0.2),
    },
    "adversarial": {"objective": "adversarial", "refit_prior": "mixture"},
}


def state():
    """Return all that is global and that a method could change."""
    numpy_state = np.random.get_state()  # noqa: NPY002
    return {
        "torch's generator": torch.get_rng_state().tolist(),
        "NumPy's generator": numpy_state[1].tolist() + list(numpy_state[2:]),
        "Python's generator": random.getstate(),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "validation": torch.distributions.Distribution._validate_args,
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "warning filters": list(warnings.filters),
        "errors of NumPy": np.geterr(),
        "scikit-learn's settings": sklearn.get_config(),
    }


def estimators():
    return [getattr(skvae, name) for name in skvae.__all__ if name.startswith("VAE")]


def public_methods(estimator):
    found = inspect.getmembers(type(estimator), callable)
    names = {name for name, _ in found if not name.startswith(("_", "set_", "get_metadata"))}
    return sorted(name for name in names - SET_UP if hasattr(estimator, name))


def arguments(estimator, name):
    given = CALLS[name]
    return given[:1] if isinstance(estimator, skvae.VAETransformer) and name == "score" else given


def called(estimator, name):
    """Return what a method returns of data alone, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = getattr(estimator, name)(*arguments(estimator, name))
    return found if isinstance(found, np.ndarray | float) else None


def changed_by(estimator, methods):
    """Return which of what is global each of some methods changes."""
    for name in methods:
        before = state()
        called(estimator, name)
        after = state()
        yield name, [key for key in before if before[key] != after[key]]


@pytest.mark.parametrize("kind", estimators(), ids=lambda kind: kind.__name__)
def test_no_public_method_touches_what_is_global(kind):
    estimator = kind(**QUICKEST)
    assert [found for found in changed_by(estimator, ["fit"]) if found[1]] == []
    assert [found for found in changed_by(estimator, public_methods(estimator)) if found[1]] == []


@pytest.mark.parametrize("part", PARTS)
def test_no_part_touches_what_is_global(part):
    kind = skvae.VAETransformer if part == "adversarial" else skvae.VAEDensity
    estimator = kind(**{**QUICKEST, **PARTS[part]})
    changed = changed_by(estimator, ["fit", "score_samples", "encode", "sample"])
    assert [found for found in changed if found[1]] == []


@contextlib.contextmanager
def told(setter, value, back):
    setter(value)
    try:
        yield
    finally:
        setter(back)


@contextlib.contextmanager
def told_otherwise():
    """Run a block with every default of torch another one."""
    device = told(torch.set_default_device, "meta", None)
    dtype = told(torch.set_default_dtype, torch.float64, torch.float32)
    with device, dtype, torch.inference_mode():
        yield


@pytest.mark.parametrize("kind", estimators(), ids=lambda kind: kind.__name__)
@pytest.mark.slow
def test_no_public_method_depends_on_what_torch_is_told_elsewhere(kind):
    one, two = kind(**QUICKEST), kind(**QUICKEST)
    for name in ["fit", *public_methods(one)]:
        expected = called(one, name)
        with told_otherwise():
            before = state()
            found = called(two, name)
            assert state() == before, name
        if expected is not None:
            assert_array_equal(found, expected, err_msg=name)


def test_a_users_own_dropout_is_repeated_with_a_seed():
    parameters = PARTS["a network of the user's"]
    one, two = (
        skvae.VAEDensity(**{**QUICKEST, **parameters}).fit(IRIS).score_samples(IRIS)
        for _ in range(2)
    )
    assert_array_equal(one, two)


def test_the_last_thread_out_restores_the_default_dtype():
    from skvae.estimators.as_usual import torch_as_usual

    with told(torch.set_default_dtype, torch.float64, torch.float32):
        first, second = torch_as_usual(), torch_as_usual()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert torch.get_default_dtype() == torch.float32
        second.__exit__(None, None, None)
        assert torch.get_default_dtype() == torch.float64


def test_importing_adds_no_warning_filter_and_no_widgets():
    program = (
        "import warnings, sys, numpy, scipy.stats, sklearn.base, torch;"
        "before = list(warnings.filters);"
        "import skvae;"
        "assert list(warnings.filters) == before;"
        "assert 'tqdm.auto' not in sys.modules and 'tqdm.notebook' not in sys.modules"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout + found.stderr == ""
