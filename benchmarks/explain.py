"""Wrong cells planted in held-out rows: how often ``explain`` puts them first.

In every held-out row one cell, of a column chosen at random, gets the value of a training row, so
that nothing is odd in its column by itself. Such a swap may change little. The rule, set before
anything was run: a swap is *real* if it changes the cell by two standard deviations of the training
rows or more. Where no training row is as far in a column, another column is chosen. The figures for
swaps of any size, made apart, stand beside those of real ones.

The detector is at its defaults, or has a mixture prior and DReG, which were recommended before for
the likelihood of other splits; nothing was chosen by the rows of this benchmark. Columns are
standardised, for a surprise has the units of its column. ``explain`` is that surprise,
-log p(x_j | rest); ``explain, less the column's`` is log p(x_j) - log p(x_j | rest), which orders
cells by how likely they are to have been drawn from their column alone if the model is right.
Beside them are the cells' distances from the mean in standard deviations, and the residuals of a
linear regression of each column on the others. The ceiling is the same on rows that the detector
draws itself, with cells of other such rows planted in them: what a model that is right would find.

Held-out rows are those of five folds; of breast cancer of the first two, and 500 of the first fold
of wine quality, which needs ``--data FOLDER``. ``--only`` and ``--models`` name the tables and
models to run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from benchmarks.data import arrays as tables
from benchmarks.report.results import Record, ResultFile, arguments
from skvae import VAEOutlierDetector

Rows = NDArray[np.float64]

#: Tables, and how many of five folds are held out.
TABLES = {"breast_cancer": 2, "wine": 5, "wine_quality": 1}
MODELS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "mixture prior, DReG": {"prior": "mixture", "objective": "dreg"},
}
LESS = "explain, less the column's"
QUICK = {"defaults": {"latent_dim": 2, "max_epochs": 0, "init": "linear", "n_draws": 4}}
#: By how many standard deviations a swap changes a cell, at least.
SWAPS = {"any": 0.0, "real": 2.0}
#: Rows of a fold that are explained, at most.
MAX_ROWS = 500


def folds(name: str, folder: Path | None, quick: bool) -> Iterator[tuple[Rows, Rows]]:
    """Yield training rows and held-out rows, in standard deviations of the training rows."""
    X = tables.read(folder, name)
    for fold, (train, test) in enumerate(KFold(5, shuffle=True, random_state=0).split(X)):
        if fold >= (1 if quick else TABLES[name]):
            return
        scaler = StandardScaler().fit(X[train])
        yield scaler.transform(X[train]), scaler.transform(X[test])[: 8 if quick else MAX_ROWS]


def planted(
    rows: Rows, others: Rows, at_least: float, random: np.random.Generator
) -> tuple[Rows, NDArray[np.intp]]:
    """Return rows with one cell from other rows in each, and the column it is in."""
    rows, column = rows.copy(), np.empty(len(rows), dtype=np.intp)
    for i, row in enumerate(rows):
        far = np.abs(others - row) >= at_least
        j = column[i] = random.choice(np.flatnonzero(far.any(0)))
        rows[i, j] = random.choice(others[far[:, j], j])
    return rows, column


def alone(detector: VAEOutlierDetector, rows: Rows) -> Rows:
    """Return -log p(x_j) of every cell, (n, c), whatever the others are."""
    surprise = np.empty(rows.shape)
    for j in range(rows.shape[1]):
        only = np.full(rows.shape, np.nan)
        only[:, j] = rows[:, j]
        surprise[:, j] = -detector.score_samples(only)
    return surprise


def residuals(train: Rows, rows: Rows) -> Rows:
    """Return residuals of a regression of each column on the others, in standard deviations."""
    found = np.empty(rows.shape)
    for j in range(rows.shape[1]):
        others = np.arange(rows.shape[1]) != j
        model = LinearRegression().fit(train[:, others], train[:, j])
        error = train[:, j] - model.predict(train[:, others])
        found[:, j] = (rows[:, j] - model.predict(rows[:, others])) / error.std()
    return found


def by_us(detector: VAEOutlierDetector, rows: Rows) -> dict[str, Rows]:
    """Return the figures of every cell by a detector."""
    surprise = detector.explain(rows)
    return {"explain": surprise, LESS: surprise - alone(detector, rows)}


def found_first(figures: dict[str, Rows], column: NDArray[np.intp]) -> dict[str, list[bool]]:
    """Return whether the planted cell has the largest figure of its row, row by row."""
    return {name: (of.argmax(1) == column).tolist() for name, of in figures.items()}


def run(
    train: Rows, test: Rows, fold: int, models: dict[str, dict[str, Any]]
) -> dict[str, dict[str, list[bool]]]:
    """Plant cells in the held-out rows of one fold and look for them, by kind of swap."""
    found: dict[str, dict[str, list[bool]]] = {}
    swapped = {
        swap: planted(test, train, at_least, np.random.default_rng(fold))
        for swap, at_least in SWAPS.items()
    }
    for swap, (rows, column) in swapped.items():
        peers = {"|z|": np.abs(rows), "regression": np.abs(residuals(train, rows))}
        found[swap] = found_first(peers, column)
    for model, parameters in models.items():
        start = time.process_time()
        detector = VAEOutlierDetector(random_state=0, **parameters).fit(train)
        for swap, (rows, column) in swapped.items():
            hits = found_first(by_us(detector, rows), column)
            hits |= {"ceiling": ceiling(detector, len(train), len(test), SWAPS[swap])}
            found[swap] |= {f"{name} ({model})": of for name, of in hits.items()}
        print(f"  fold {fold}, {model}: {time.process_time() - start:.0f} s", flush=True)
    return found


def ceiling(detector: VAEOutlierDetector, n_train: int, n: int, at_least: float) -> list[bool]:
    """Return whether cells planted in n rows of the model's own are found first."""
    drawn = detector.sample(n_train + n, random_state=0)
    rows, column = planted(drawn[:n], drawn[n:], at_least, np.random.default_rng(0))
    return found_first({LESS: by_us(detector, rows)[LESS]}, column)[LESS]


def shares(name: str, of_folds: list[dict[str, dict[str, list[bool]]]]) -> Iterator[Record]:
    """Yield the share of rows whose planted cell is found first, by swap and method."""
    for swap, methods in of_folds[0].items():
        for method in methods:
            hits = np.concatenate([of[swap][method] for of in of_folds])
            share = round(float(hits.mean()), 4)
            of = {"table": name, "swap": swap, "method": method}
            yield {**of, "rows": len(hits), "share": share}


RESULTS = ResultFile("explain", ("table", "swap", "method"))


def runs(options: argparse.Namespace) -> Iterator[Record]:
    """Yield the shares of all tables, or of those named, and print them."""
    models = QUICK if options.quick else {m: MODELS[m] for m in options.models or MODELS}
    for name in options.only or (("wine",) if options.quick else TABLES):
        parts = enumerate(folds(name, options.data, options.quick))
        for found in shares(name, [run(*rows, fold, models) for fold, rows in parts]):
            print("{table}, {swap} swaps, {rows} rows: {share:6.1%}  {method}".format(**found))
            yield found


def main() -> None:
    """Run all tables, or those named, and write the result."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=TABLES, help="tables to run")
    parser.add_argument("--models", nargs="+", choices=MODELS, help="models to run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    RESULTS.add(runs(options), options.quick, swaps=SWAPS)


if __name__ == "__main__":
    main()
