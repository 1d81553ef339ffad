"""Fixtures: the device of the numeric tests, and threads that do not fight."""

import os
import subprocess
import sys
from pathlib import Path

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


def pytest_collection_modifyitems(items):
    """Pages fit models as a user would: they are slow."""
    for item in items:
        if item.path.suffix == ".md":
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def device(request):
    """The device given on the command line; the test is skipped where there is none."""
    name = request.config.getoption("--device")
    if name.startswith("cuda") and not torch.cuda.is_available():
        pytest.skip(f"--device {name}: there is no CUDA device on this machine")
    return name


@pytest.fixture(scope="session")
def quick_run():
    """Run a module with --quick as a user would, in one process; return what it prints."""

    def run(module):
        found = subprocess.run(
            [sys.executable, "-m", module, "--quick"],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parent,
            env={**os.environ, "OMP_NUM_THREADS": "1", "JOBLIB_MULTIPROCESSING": "0"},
        )
        assert found.returncode == 0, found.stderr
        return found.stdout

    return run


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
