"""The time and memory of scoring: 64 defensive draws beside 500 of the encoder, by width.

Tables of 20, 64 and 784 columns, 2,000 rows each: six Gaussian clusters with correlated columns,
and models trained for five epochs. Every way is timed three times, interleaved, in a process of its
own for each table, whose peak memory is compared with what it held before. One thread.
"""

from __future__ import annotations

import multiprocessing
import pickle
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.data.arrays import load
from benchmarks.data.arrays import standardised_split as split
from benchmarks.measures.memory import peak
from benchmarks.report.results import Record, ResultFile, arguments
from skvae import VAEDensity

WAYS = {
    "defensive, 64 draws": ("defensive", 64),
    "laplace, 64 draws": ("laplace", 64),
    "encoder, 500 draws": ("encoder", 500),
}
WIDTHS = (20, 64, 784)
RESULTS = ResultFile("scoring_speed", ("model",))


def clusters(n_rows: int, n_columns: int) -> np.ndarray:
    """Return rows of six Gaussian clusters whose columns are correlated."""
    generator = np.random.default_rng(0)
    centers = 2.0 * generator.normal(size=(6, n_columns))
    loadings = generator.normal(size=(8, n_columns)) / 2.0
    rows = centers[generator.integers(6, size=n_rows)]
    rows += generator.normal(size=(n_rows, 8)) @ loadings
    return rows + 0.3 * generator.normal(size=(n_rows, n_columns))


def measure(pickled: bytes, X: np.ndarray, n_repeats: int) -> dict[str, Any]:
    """Time every way of scoring, in a process of its own."""
    torch.set_num_threads(1)
    density: VAEDensity = pickle.loads(pickled)
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    before = peak()
    for _ in range(n_repeats):
        for name, (proposal, n_draws) in WAYS.items():
            density.set_params(proposal=proposal, n_draws=n_draws)
            start = time.perf_counter()
            density.score_samples(X)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: float(np.median(s)) for name, s in seconds.items()}
    return {
        "rows_a_second": {name: len(X) / s for name, s in medians.items()},
        "time_over_encoder": {
            name: s / medians["encoder, 500 draws"] for name, s in medians.items()
        },
        "peak_memory_in_MiB": peak() - before,
    }


def models(quick: bool) -> dict[str, tuple[VAEDensity, np.ndarray]]:
    """Return models and the rows to score."""
    found, plain = {}, {"prior": "standard_normal", "random_state": 0}
    for n_columns in WIDTHS[:1] if quick else WIDTHS:
        X = clusters(50 if quick else 2000, n_columns)
        found[f"{n_columns} columns"] = VAEDensity(max_epochs=5, **plain).fit(X), X
    if not quick:
        for name, latent_dim in (("breast_cancer", 8), ("digits", 16)):
            train, test = split(load(name), 0)
            found[name] = VAEDensity(latent_dim, **plain).fit(train), test
    return found


def run(quick: bool) -> Iterator[Record]:
    """Yield what scoring takes of every model."""
    context = multiprocessing.get_context("spawn")
    with threadpool_limits(1):
        fitted = models(quick)
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        for name, (density, X) in fitted.items():
            task = pool.submit(measure, pickle.dumps(density), X, 2 if quick else 3)
            found = {"model": name, **task.result()}
            print(found, flush=True)
            yield found


def main() -> None:
    """Run everything and write the result."""
    options = arguments(__doc__.splitlines()[0]).parse_args()
    RESULTS.add(run(options.quick), options.quick)


if __name__ == "__main__":
    main()
