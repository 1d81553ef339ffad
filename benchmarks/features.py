"""How well labels are told from a few latents that were made without them, at the defaults.

``VAETransformer(k)``, PCA and FactorAnalysis of columns standardised by the training rows, at most
3,000 of them, and on top of their features a linear judge, LogisticRegression or Ridge (R2 of
abalone's rings), and as a second one 15 nearest neighbours. Seconds are those of the processor.

The defaults were chosen on splits 0 to 2 of the tables of ``CHOOSING``: the first three were named
before the first run, letter and spambase were added when the first candidate fell on them. Their
other splits and the tables of ``CONFIRMING`` confirm. Most need the data folder. Runs that are
written are not made again.
"""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from benchmarks.report.results import Record, ResultFile, arguments, told
from skvae import VAETransformer

SHIPPED = {"breast_cancer": load_breast_cancer, "wine": load_wine, "digits": load_digits}
#: Tables of the data folder, and their targets.
TARGETS = {"letter": "class", "spambase": "class", "magic": "class", "abalone": "rings"}
NUMBERS = ("abalone",)
CHOOSING = ("breast_cancer", "digits", "abalone", "letter", "spambase")
CHOSEN_ON = (0, 1, 2)
CONFIRMING = ("wine", "magic")
SIZES = (2, 8, 16)
TRAINED, SCORED = 3_000, 3_000
OURS = "VAETransformer"
PEERS = {"PCA": PCA, "FactorAnalysis": FactorAnalysis}
JUDGES = ("linear", "neighbours")


class Split(NamedTuple):
    """Standardised columns and targets of training and test rows."""

    train_X: np.ndarray
    test_X: np.ndarray
    train_y: np.ndarray
    test_y: np.ndarray


def read(folder: Path | None, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of a table that vary, a category as indicators, and its targets."""
    if name in SHIPPED:
        X, y = SHIPPED[name](return_X_y=True)
    elif folder is None:
        raise ValueError(f"--data FOLDER is needed: {name} does not ship with scikit-learn.")
    else:
        frame = pd.read_csv(folder / f"{name}.csv.gz").drop(columns="split", errors="ignore")
        y = frame.pop(TARGETS[name]).to_numpy()
        X = pd.get_dummies(frame).to_numpy(float)
    return X[:, X.std(0) > 0], y


def split(folder: Path | None, name: str, seed: int) -> Split:
    """Return one split of a table."""
    train_X, test_X, train_y, test_y = train_test_split(
        *read(folder, name), test_size=0.2, random_state=seed
    )
    scaler = StandardScaler().fit(train_X[:TRAINED])
    rows = scaler.transform(train_X[:TRAINED]), scaler.transform(test_X[:SCORED])
    return Split(*rows, train_y[:TRAINED], test_y[:SCORED])


def reducer(method: str, k: int, n_columns: int, seed: int) -> Any:
    """Return what makes k features of rows, or of fewer columns as many as there are."""
    if method == OURS:
        return VAETransformer(k, random_state=seed)
    make: Callable[..., Any] = PEERS[method]
    return make(min(k, n_columns), random_state=seed)


def judges(name: str) -> dict[str, Any]:
    """Return what is fitted on top of features."""
    if name in NUMBERS:
        return dict(zip(JUDGES, (Ridge(), KNeighborsRegressor(15)), strict=True))
    classifiers = LogisticRegression(max_iter=5_000), KNeighborsClassifier(15)
    return dict(zip(JUDGES, classifiers, strict=True))


def run(folder: Path | None, name: str, seed: int, k: int, method: str) -> Record:
    """Fit one transformer, and what judges it."""
    of = split(folder, name, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # FactorAnalysis that has not converged
        start = time.process_time()
        features = reducer(method, k, of.train_X.shape[1], seed).fit(of.train_X)
        took = time.process_time() - start
        train_Z, test_Z = features.transform(of.train_X), features.transform(of.test_X)
        scores = {
            judge: model.fit(train_Z, of.train_y).score(test_Z, of.test_y)
            for judge, model in judges(name).items()
        }
    return {
        "table": name,
        "seed": seed,
        "k": k,
        "method": method,
        **{judge: round(float(score), 4) for judge, score in scores.items()},
        "seconds": round(took, 1),
    }


def ahead(by_seed: pd.DataFrame) -> dict[str, Any]:
    """Return by how much ours is ahead of the others on splits, with standard errors."""
    gains = {peer: (by_seed[OURS] - by_seed[peer]).dropna() for peer in PEERS if peer in by_seed}
    return {
        peer: {
            "mean": round(float(gain.mean()), 4),
            "standard_error": round(float(gain.sem()), 4) if len(gain) > 1 else None,
        }
        for peer, gain in gains.items()
    }


def of_some(frame: pd.DataFrame) -> dict[str, Any]:
    """Return means of some runs by table and judge, of each transformer and of differences."""
    return {
        str(table): {
            "splits": int(runs["seed"].nunique()),
            **{
                judge: {
                    "mean": runs.groupby("method")[judge].mean().round(3).to_dict(),
                    "ahead_of": ahead(runs.pivot_table(judge, "seed", "method")),
                }
                for judge in JUDGES
            },
            "seconds": runs.groupby("method")["seconds"].mean().round(1).to_dict(),
        }
        for table, runs in frame.groupby("table", sort=False)
    }


def summary(runs: list[Record]) -> dict[str, Any]:
    """Return means by the number of features, of what chose and of what confirms."""
    frame = pd.DataFrame(runs)
    chose = frame["table"].isin(CHOOSING) & frame["seed"].isin(CHOSEN_ON)
    found: dict[str, Any] = {}
    for k, of_size in frame.groupby("k"):
        parts = {
            "choosing": of_size[chose[of_size.index]],
            "confirming": of_size[~chose[of_size.index]],
        }
        found[str(k)] = {part: of_some(some) for part, some in parts.items() if len(some)}
    return found


RESULTS = ResultFile("features", ("table", "seed", "k", "method"), summary)


def line(run: Record) -> str:
    """Return a line on a run."""
    return " ".join(map(str, run.values()))


def main() -> None:
    """Judge every transformer on every table."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--tables", nargs="+", default=[*CHOOSING, *CONFIRMING])
    options = parser.parse_args()
    tables, n_splits, sizes = options.tables, options.splits, options.sizes
    if options.quick:
        tables, n_splits, sizes = ["wine"], 1, SIZES[:1]
    cases = itertools.product(range(n_splits), tables, sizes, [OURS, *PEERS])
    wanted = [(name, seed, k, method) for seed, name, k, method in cases]
    done = set() if options.quick else RESULTS.done()
    jobs = [delayed(run)(options.data, *case) for case in wanted if case not in done]
    runs = Parallel(options.jobs, return_as="generator")(jobs)
    found = RESULTS.add(told(runs, len(jobs), line), options.quick)
    for k, parts in found.items():
        for part, rows in parts.items():
            for table, row in rows.items():
                print(k, part, table, *(row[judge]["mean"] for judge in JUDGES))


if __name__ == "__main__":
    main()
