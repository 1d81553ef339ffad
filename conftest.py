"""Fixtures: the device of the numeric tests, and threads that do not fight."""

import os

# Before torch and scipy are imported: the tests run in parallel processes, and scikit-learn skips
# its array API check without scipy's switch.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import matplotlib
import pytest
import torch

matplotlib.use("Agg")


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="device of the numeric tests: cpu, cuda, ...")


@pytest.fixture(scope="session")
def device(request):
    """The device given on the command line; the test is skipped where there is none."""
    name = request.config.getoption("--device")
    if name.startswith("cuda") and not torch.cuda.is_available():
        pytest.skip(f"--device {name}: there is no CUDA device on this machine")
    return name


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
