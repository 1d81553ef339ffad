"""The benchmarks run, their peers are densities, and README quotes the result files."""

import ast
import importlib
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.stats import multivariate_normal
from sklearn.datasets import load_sample_images
from sklearn.mixture import GaussianMixture

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import likelihood_table, outliers  # noqa: E402
from benchmarks.data import arrays  # noqa: E402
from benchmarks.data.arrays import dequantise  # noqa: E402
from benchmarks.likelihood_table import Standardised  # noqa: E402
from benchmarks.peers.densities import PEERS, HistogramDensity, quietly  # noqa: E402
from benchmarks.peers.detectors import LINEAR, OneGaussian, robust  # noqa: E402
from benchmarks.report import results  # noqa: E402
from benchmarks.report.readme import QUOTED  # noqa: E402
from benchmarks.report.results import ResultFile, read_result  # noqa: E402
from skvae.table.table import resolution  # noqa: E402


@pytest.mark.parametrize(
    "name",
    [
        "likelihood",
        "likelihood_table",
        "outliers",
        "detector",
        "digits_pipeline",
        "features",
        "classifier",
        "training_speed",
        "estimates",
        "moons",
        "scoring_speed",
        "time_to_quality",
        "synthetic",
        "published_tables",
        "privacy",
        "imputation",
        "completion",
        "few_labels",
        "conditional_samples",
        "forecasting",
        "explain",
        "disentanglement",
        "images",
    ],
)
@pytest.mark.slow
def test_benchmark_runs(name, quick_run):
    printed = quick_run(f"benchmarks.{name}")
    assert "nothing written" in printed
    if name == "synthetic":  # what a model refuses is said and not raised
        assert "VAEDensity, standard normal prior, seed 0: two-sample AUC" in printed


def imports_of(path):
    """Return the modules a file imports, relative ones with their dots."""
    nodes = [*ast.walk(ast.parse(path.read_text()))]
    plain = (a.name for node in nodes if isinstance(node, ast.Import) for a in node.names)
    parts = (node for node in nodes if isinstance(node, ast.ImportFrom))
    return {*plain, *("." * node.level + (node.module or "") for node in parts)}


ROOMS = [["benchmarks", room] for room in ("report", "data", "peers", "measures")]


def from_root(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").rglob("*.py")), ids=from_root)
def test_a_benchmark_imports_from_the_rooms_and_no_question(path):
    ours = [name for name in imports_of(path) if name.startswith((".", "benchmarks"))]
    assert not [name for name in ours if name.split(".")[:2] not in ROOMS]


def test_the_script_for_two_checkouts_needs_no_room():
    found = imports_of(ROOT / "benchmarks" / "outputs.py")
    assert not [name for name in found if name.startswith((".", "benchmarks"))]


FILES = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


def test_every_result_file_says_how_it_was_made_and_has_the_one_shape():
    for file in FILES:
        assert list(json.loads(file.read_text())) == [
            *("command", "versions", "processor", "date", "earlier"),
            *("settings", "summary", "runs"),
        ], file


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


def test_tables_are_chosen_or_confirmed_by_and_never_both():
    assert len(set(arrays.TABLES)) == len(arrays.TABLES) == 11
    assert set(arrays.READERS) == set(arrays.TABLES) - {*arrays.SHIPPED, "bsds300"}


def test_patches_are_those_of_the_two_sample_images():
    X = arrays.patches()
    image = load_sample_images().images[1].astype(float)
    grey = (image @ [0.299, 0.587, 0.114]).round()[5:10, 10:15].ravel()
    row = X[85 * 128 + 128 + 2]  # the second image's second line of patches, its third
    assert X.shape == (21_760, 24)
    # Noise is below 1 / 256, in the pixel and in the mean.
    np.testing.assert_allclose(row, ((grey - grey.mean()) / 256)[:24], atol=1 / 256)


def test_a_record_replaces_that_of_the_same_run_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    of = {"part": "table", "table": "wine", "split": 10, "model": "a"}
    run = {**of, "median": 0.0, "standard_error": 1.0, "mean": 1.0, "seconds": 2.0}
    run |= {"scoring_seconds": 0.1}
    failed = {**of, "model": "b", "error": "no"}
    file = likelihood_table.RESULTS
    file.add([run, {**run, "split": 11}, {**run, "mean": 3.0}, failed])
    assert [r["split"] for r in file.runs(part="table")] == [10, 11, 10]
    assert file.runs(part="peers") == []
    assert "| a | 2.00 | 1.00 | 0.00 | 2.0 | 0.1 | 2 |" in likelihood_table.summary()
    assert "| b |  |  |  |  |  | 0, 1 failed |" in likelihood_table.summary()
    assert likelihood_table.seconds_of("table", "wine", 12, "a") == 2.0
    assert likelihood_table.seconds_of("peers", "wine", 10, "a") is None


def test_a_result_file_keeps_how_earlier_runs_were_made(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    file = ResultFile("some", ("seed",), summarise=len)
    for command in ("first", "second", "second", "first"):
        monkeypatch.setattr(results, "header", lambda command=command: {"command": command})
        assert file.add([{"seed": command}], n=3) == len(file.runs())
    found = read_result("some")
    assert (found["command"], found["earlier"]) == ("first", [{"command": "second"}])
    assert (found["settings"], found["summary"]) == ({"n": 3}, 2)
    assert file.done() == {("first",), ("second",)}


def test_a_quick_run_is_summarised_and_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    file = ResultFile("some", ("seed",), summarise=len)
    assert file.add([{"seed": 0}, {"seed": 1}], quick=True) == 2
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_summary_of_a_result_file_is_that_of_its_runs(path):
    file = importlib.import_module(f"benchmarks.{path.stem}").RESULTS
    runs = file.runs()
    assert len(file.done()) == len(runs)
    expected = json.loads(path.read_text())["summary"]
    assert_close(json.loads(json.dumps(file.summarise(runs))), expected)


def assert_close(found, expected):
    """Compare nested figures; sums in another order differ in the last digits."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name, value in expected.items():
            assert_close(found[name], value)
    elif isinstance(expected, list):
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
    else:
        assert found == expected


def test_standardised_scores_are_in_the_units_of_the_rows():
    X = np.random.default_rng(0).normal(size=(200, 3)) * [1.0, 10.0, 0.01]
    found = Standardised(GaussianMixture(reg_covar=0).fit, X).score_samples(X)
    expected = multivariate_normal(X.mean(0), np.cov(X.T, bias=True)).logpdf(X)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", QUOTED)
def test_readme_quotes_the_result_files(name):
    assert QUOTED[name](read_result(name)) in (ROOT / "README.md").read_text()


@pytest.mark.slow
def test_rows_of_the_robust_detector_have_a_density():
    x = np.random.default_rng(0).standard_t(3, size=(300, 1)) * 5 + 2
    model = robust(LINEAR | {"latent_dim": 1, "n_draws": 512}, 0.4, knee=0.5)(x, 0)
    grid = np.sinh(np.linspace(-12, 12, 4001))[:, None]
    total = trapezoid(np.exp(model.score_samples(grid)), grid[:, 0])
    assert total == pytest.approx(1.0, abs=1e-3)


def test_the_robust_detector_is_not_moved_by_rows_it_leaves_out():
    x = np.random.default_rng(0).normal(size=(200, 2))
    far = np.vstack([x, np.full((40, 2), 1000.0)])
    fit = robust(LINEAR | {"latent_dim": 1}, 0.4)
    # Without trimming the 40 rows are the widest direction there is.
    assert fit(far, 0).score_samples(far).argmin() >= 200


def test_one_gaussian_ranks_as_its_density():
    X = np.random.default_rng(0).normal(size=(50, 3)) @ np.diag([1.0, 2.0, 3.0])
    cov = np.cov(X.T, bias=True) + 1e-3 * np.eye(3)
    expected = multivariate_normal(X.mean(0), cov).logpdf(X)
    difference = OneGaussian().fit(X).score_samples(X) - expected
    np.testing.assert_allclose(difference, difference[0], rtol=1e-9)


def test_novelty_is_fitted_to_normal_rows_alone():
    X, y = outliers.shipped()
    fitted, scored, truth = outliers.parts("novelty", X, y, 0)
    assert len(fitted) + (truth == 0).sum() == 357
    assert len(scored) == len(truth) == 114
    np.testing.assert_allclose(fitted.mean(0), 0, atol=1e-9)


def test_rows_without_an_outlier_have_no_area():
    record = outliers.run(("breast_cancer", "novelty", 0, "One Gaussian"), None, 2)
    assert record["error"].startswith("ValueError")
    assert "auroc" not in record


def test_means_of_outliers_are_over_sets_and_not_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    runs = [("5_a", 0, 0.5), ("5_a", 1, 0.7), ("7_b", 0, 1.0), ("8_c", 0, 0.1)]
    for (name, seed, auroc), protocol in itertools.product(runs, outliers.PROTOCOLS):
        record = {"set": name, "protocol": protocol, "seed": seed, "model": "a", "auroc": auroc}
        record |= {"part": "runs", "average_precision": auroc, "seconds": 1.0}
        outliers.RESULTS.add([record])
    found = outliers.summary("runs")
    assert "odd, 2 sets" in found
    assert "| a | 0.800 | 0.800 | 2 | 1.0 |" in found
    assert "even, 1 sets" in found
    assert "| a | 0.100 |" in found
