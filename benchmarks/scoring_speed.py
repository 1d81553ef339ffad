"""What a score takes and how far it is off, beside another version of the package.

Models of 10, 30, 64 and 784 columns (six Gaussian clusters with correlated columns, trained for
five epochs), and of breast cancer and digits at defaults, score rows with 64 draws: rows a second
of processor time on one thread, the root-mean-square error against 4,096 draws, and the share of
rows that are within three standard errors of them. ``--beside FOLDER`` names a checkout of
another version, which scores the same rows by the same models in turns with this one. ``--far``
moves a cell of each row by 8 to 40 standard deviations. Each version and table has a process of its
own.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.data.arrays import load
from benchmarks.data.arrays import standardised_split as split
from benchmarks.measures.memory import peak
from benchmarks.report.results import Record, ResultFile, arguments
from skvae import VAEDensity

WIDTHS = (10, 30, 64, 784)
TRUE_DRAWS = 4096
ROUNDS = 3
RESULTS = ResultFile("scoring_speed", ("model",))
HERE = Path(__file__).parents[1]


def clusters(n_rows: int, n_columns: int) -> np.ndarray:
    """Return rows of six Gaussian clusters whose columns are correlated."""
    generator = np.random.default_rng(0)
    centers = 2.0 * generator.normal(size=(6, n_columns))
    loadings = generator.normal(size=(8, n_columns)) / 2.0
    rows = centers[generator.integers(6, size=n_rows)]
    rows += generator.normal(size=(n_rows, 8)) @ loadings
    return rows + 0.3 * generator.normal(size=(n_rows, n_columns))


def models(quick: bool) -> Iterator[tuple[str, VAEDensity, np.ndarray]]:
    """Yield models and the rows to score."""
    for n_columns in WIDTHS[:1] if quick else WIDTHS:
        n_rows = 100 if quick else 512
        X = clusters(2048 + n_rows, n_columns)
        density = VAEDensity(max_epochs=5, random_state=0).fit(X[n_rows:])
        yield f"{n_columns} columns", density, X[:n_rows]
    for name in () if quick else ("breast_cancer", "digits"):
        train, test = split(load(name), 0)
        yield name, VAEDensity(random_state=0).fit(train), test


def moved(X: np.ndarray) -> np.ndarray:
    """Move a cell of every row by 8 to 40 standard deviations of its column."""
    generator, moved = np.random.default_rng(0), X.copy()
    row, column = np.arange(len(X)), generator.integers(X.shape[1], size=len(X))
    by = generator.uniform(8.0, 40.0, len(X)) * generator.choice([-1.0, 1.0], len(X))
    moved[row, column] += by * X.std(0)[column]
    return moved


def score(file: str, n_draws: int) -> dict[str, Any]:
    """Score rows by a pickled model; what a process of its own does."""
    torch.set_num_threads(1)
    density, X = pickle.loads(Path(file).read_bytes())
    density.set_params(n_draws=n_draws).score_samples(X[:2])
    before, start = peak(), time.process_time()
    density.score_samples(X)
    seconds, memory = time.process_time() - start, peak() - before
    found = density.log_likelihood(X)
    return {
        "seconds": seconds,
        "memory": memory,
        "value": found.value.tolist(),
        "standard_error": found.standard_error.tolist(),
    }


def scored(folder: Path, file: str, n_draws: int) -> dict[str, Any]:
    """Return what :func:`score` finds by the package in a folder."""
    code = (
        f"import sys, json; sys.path.insert(0, {str(folder)!r}); import skvae; "
        f"sys.path.insert(0, {str(HERE)!r}); "
        f"from benchmarks.scoring_speed import score; print(json.dumps(score({file!r}, {n_draws})))"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=folder, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(X: np.ndarray, file: str, folders: dict[str, Path], n_rounds: int) -> dict[str, Any]:
    """Time versions in turns, and compare their scores with the truth."""
    turns = [{name: scored(at, file, 64) for name, at in folders.items()} for _ in range(n_rounds)]
    truth = np.array(scored(HERE, file, TRUE_DRAWS)["value"])
    found = {}
    for name in folders:
        of = turns[0][name]
        error = np.array(of["value"]) - truth
        found[name] = {
            "rows_a_second": len(X) / min(turn[name]["seconds"] for turn in turns),
            "rms_error": float(np.sqrt(np.mean(error**2))),
            "median_error": float(np.median(np.abs(error))),
            "within_3_standard_errors": float(
                np.mean(np.abs(error) <= 3.0 * np.array(of["standard_error"]))
            ),
            "median_score": float(np.median(of["value"])),
            "peak_memory_in_MiB": of["memory"],
        }
    return found


def run(quick: bool, beside: Path | None, far: bool) -> Iterator[Record]:
    """Yield what scoring takes of every model."""
    folders = {"this": HERE} | ({"beside": beside.resolve()} if beside else {})
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        for name, density, X in models(quick):
            file = Path(folder) / "model.pickle"
            rows = moved(X) if far else X
            del density.net_  # another version may know nothing of what it holds
            file.write_bytes(pickle.dumps((density, rows)))
            versions = measure(rows, str(file), folders, 1 if quick else ROUNDS)
            found = {"model": f"{name}, far" if far else name, **versions}
            print(found, flush=True)
            yield found


def main() -> None:
    """Run everything and write the result."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--beside", type=Path, help="folder of another version of the package")
    parser.add_argument("--far", action="store_true", help="move a cell of each row far away")
    options = parser.parse_args()
    RESULTS.add(run(options.quick, options.beside, options.far), options.quick)


if __name__ == "__main__":
    main()
