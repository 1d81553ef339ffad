"""The benchmarks run, their peers are densities, and README quotes the result files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import trapezoid

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import RESULTS, dequantise  # noqa: E402
from benchmarks.peers import PEERS, HistogramDensity, quietly  # noqa: E402
from benchmarks.readme import QUOTED  # noqa: E402
from skvae.table import resolution  # noqa: E402


@pytest.mark.parametrize(
    "name",
    [
        "likelihood",
        "digits_pipeline",
        "training_speed",
        "estimates",
        "scoring_speed",
        "synthetic",
        "continuous",
        "imputation",
        "completion",
        "few_labels",
        "conditional_samples",
        "forecasting",
    ],
)
def test_benchmark_runs(name):
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert run.returncode == 0, run.stderr
    assert "nothing written" in run.stdout
    if name == "synthetic":  # what a model refuses is said and not raised
        assert "VAEDensity, mixture prior, seed 0: two-sample AUC" in run.stdout


def test_the_histogram_integrates_to_one_with_tails():
    x = np.random.default_rng(0).normal(size=(200, 1))
    model = HistogramDensity(bins=12).fit(x)
    grid = np.linspace(-40, 40, 400_001)[:, None]
    total = trapezoid(np.exp(model.score_samples(grid)), grid[:, 0])
    assert total == pytest.approx(1.0, abs=1e-3)
    assert np.isfinite(model.score_samples(np.array([[1e3]]))).all()


@pytest.mark.parametrize("name", PEERS)
def test_peers_score_rows(name):
    X = np.random.default_rng(0).normal(size=(80, 3))
    model = quietly(PEERS[name], X)
    assert model.score_samples(X).shape == (80,)
    # A standard normal's entropy is 4.26 nats in three dimensions.
    assert -8 < model.score_samples(X).mean() < -3


def test_dequantising_adds_one_resolution():
    X = np.array([[0.0, 5.0], [2.0, 5.0], [6.0, 5.0]])
    assert [resolution(x) for x in X.T] == [2.0, 0.0]
    noisy = dequantise(X)
    assert (np.abs(noisy - X)[:, 0] <= 1.0).all()
    assert (noisy[:, 1] == 5.0).all()


@pytest.mark.parametrize("name", QUOTED)
def test_readme_quotes_the_result_files(name):
    result = json.loads((RESULTS / f"{name}.json").read_text())
    assert QUOTED[name](result) in (ROOT / "README.md").read_text()
