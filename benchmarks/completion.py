"""Rows of Adult completed from half of their columns, beside real rows.

A VAEDensity at defaults is fitted to the published training rows. Of 2,000 test rows a random half
of the columns is given, the others are drawn from p(missing | given); a classifier then is to tell
completed rows from 2,000 other test rows (0.5: it cannot). Controls: missing cells from random
training rows, each column apart (so that the given half alone is right), and from the training row
that is nearest in the given columns (hot deck). One thread, seconds of processor time.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from benchmarks.data.frames import read, small
from benchmarks.measures.fidelity import is_discrete
from benchmarks.measures.holes import codes
from benchmarks.report.results import Record, ResultFile, arguments
from skvae import CompletionQuality, VAEDensity
from skvae.metrics import two_sample_auc

#: Test rows completed, and others compared with.
MOST_ROWS = 2_000
MEASURES = ("two_sample_auc", "rows_a_second", "median_effective_sample_size",
            "given_more_proposals", "decided_by_few", "fit_seconds")  # fmt: skip
#: A given half, and the training rows, to rows completed.
Complete = Callable[[pd.DataFrame, pd.DataFrame, np.random.Generator], pd.DataFrame]


def shuffled(given: pd.DataFrame, train: pd.DataFrame, generator: np.random.Generator) -> Any:
    """Complete with cells of random training rows, each column apart."""
    rows = pd.DataFrame(
        {
            name: train[name].iloc[generator.integers(len(train), size=len(given))].array
            for name in train
        }
    )
    return rows.assign(**{name: given[name] for name in given})


def hot_deck(given: pd.DataFrame, train: pd.DataFrame, generator: np.random.Generator) -> Any:
    """Complete with the cells of the training row that is nearest in the given columns."""
    like = train[list(given)]
    nearest = NearestNeighbors(n_neighbors=1).fit(codes(like, like))
    index = nearest.kneighbors(codes(given, like), return_distance=False)[:, 0]
    return train.iloc[index].reset_index(drop=True).assign(**{n: given[n] for n in given})


def measure(
    complete: Complete, train: pd.DataFrame, parts: list[pd.DataFrame], seed: int
) -> dict[str, Any]:
    """Complete some test rows from half of their columns; compare with others."""
    generator = np.random.default_rng(seed)
    names = generator.permutation(train.columns)[: len(train.columns) // 2]
    given = parts[0][[name for name in train if name in set(names)]]
    start = time.process_time()
    rows = complete(given, train, generator)[list(train)]
    spent = time.process_time() - start
    for name in given:
        assert (rows[name].to_numpy() == given[name].to_numpy()).all(), name
    return {
        "given": sorted(names),
        "two_sample_auc": two_sample_auc(parts[1], rows),
        "rows_a_second": len(rows) / spent,
    }


def fitted(train: pd.DataFrame, quick: bool) -> tuple[VAEDensity, float]:
    """Return a model and the seconds of its training."""
    start = time.process_time()
    parameters = {"max_epochs": 3} if quick else {}
    model = VAEDensity(prior="standard_normal", random_state=0, **parameters).fit(train)
    return model, time.process_time() - start


def by_model(model: VAEDensity, qualities: list[CompletionQuality]) -> Complete:
    """Return how a model completes rows; how good its proposals were is added to ``qualities``."""

    def complete(given: pd.DataFrame, train: pd.DataFrame, generator: np.random.Generator) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            rows, quality = model.sample_conditional(
                given, random_state=int(generator.integers(2**31)), return_quality=True
            )
        qualities.append(quality)
        return rows

    return complete


def of_model(
    model: VAEDensity, seconds: float, qualities: list[CompletionQuality]
) -> dict[str, float]:
    """Return how good a model's proposals were, and how long it trained."""
    sizes = np.concatenate([q.effective_sample_size for q in qualities])
    again = np.concatenate([q.n_proposals > model.n_draws for q in qualities])
    few = np.concatenate([q.decided_by_few for q in qualities])
    return {
        "median_effective_sample_size": float(np.median(sizes)),
        "given_more_proposals": float(again.mean()),
        "decided_by_few": float(few.mean()),
        "fit_seconds": seconds,
    }


def summary(runs: list[Record]) -> dict[str, dict[str, float]]:
    """Return means over the halves of the columns of what was measured, by way."""
    found: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        of = found.setdefault(run["way"], {})
        for measure in run.keys() & MEASURES:
            of.setdefault(measure, []).append(run[measure])
    return {
        way: {measure: float(np.mean(of[measure])) for measure in MEASURES if measure in of}
        for way, of in found.items()
    }


RESULTS = ResultFile("completion", ("way", "seed"), summary)


def runs(
    train: pd.DataFrame, parts: list[pd.DataFrame], n_halves: int, quick: bool
) -> Iterator[Record]:
    """Yield every way on every half of the columns, and then what belongs to no half."""
    qualities: list[CompletionQuality] = []
    model, seconds = fitted(train, quick)
    ways = {"VAEDensity": by_model(model, qualities), "hot deck": hot_deck, "shuffled": shuffled}
    for seed, (way, complete) in product(range(n_halves), ways.items()):
        yield {"way": way, "seed": seed, **measure(complete, train, parts, seed)}
    drawn = model.sample(len(parts[0]), random_state=0)
    yield {"way": "nothing given", "seed": 0, "two_sample_auc": two_sample_auc(parts[1], drawn)}
    yield {"way": "real rows", "seed": 0, "two_sample_auc": two_sample_auc(*parts)}
    yield {"way": "proposals", "seed": 0, **of_model(model, seconds, qualities)}


def main() -> None:
    """Run everything and write the result."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--halves", type=int, default=5, help="random halves of the columns")
    options = parser.parse_args()
    if options.data is None and not options.quick:
        parser.error("--data: the folder of the tables is needed, unless --quick")
    torch.set_num_threads(1)
    tables = small() if options.quick else read(options.data, "adult")
    train, test = (t.astype({n: "category" for n in t if is_discrete(t[n])}) for t in tables)
    order = np.random.default_rng(0).permutation(len(test))[: 2 * MOST_ROWS]
    parts = [test.iloc[rows].reset_index(drop=True) for rows in np.array_split(order, 2)]
    n_halves = 1 if options.quick else options.halves
    with threadpool_limits(1):
        every = runs(train, parts, n_halves, options.quick)
        found = RESULTS.add(every, options.quick, rows=len(parts[0]))
    for way, means in found.items():
        print(way, {measure: round(value, 4) for measure, value in means.items()})


if __name__ == "__main__":
    main()
