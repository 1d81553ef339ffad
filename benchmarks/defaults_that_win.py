"""What ``VAEDensity()`` is worth on tables of numbers, beside simple densities and a flow.

Rounded columns get uniform noise of one resolution, and all are standardised. Every density but
ours is chosen inside the training rows; ours is as it comes, on a DataFrame. Scores are of up to
1,000 test rows, nats per row, ours by 256 draws; seconds are those of the processor, and the
choosing is counted. The tables of ``CHOOSING`` are those that defaults were chosen on (by parts of
their training rows), named before the first run, as are those of ``CONFIRMING``. Most need the data
folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.data.arrays import dequantise
from benchmarks.peers.densities import PEERS, quietly
from benchmarks.peers.flows import FlowDensity
from benchmarks.report.results import Record, ResultFile, arguments, told
from skvae import VAEDensity

SHIPPED = {
    "breast_cancer": load_breast_cancer,
    "iris": load_iris,
    "wine": load_wine,
    "diabetes": load_diabetes,
}
CHOOSING = ("breast_cancer", "banknote", "vertebral", "glass", "ecoli", "pima", "oil_spill")
CONFIRMING = ("iris", "wine", "diabetes", "haberman", "hepatitis", "wine_quality_red", "thyroid")
FILES = {
    "vertebral": "adbench/39_vertebral",
    "hepatitis": "adbench/15_Hepatitis",
    "thyroid": "adbench/38_thyroid",
    "pima": "adbench/29_Pima",
}
#: Columns of these files that are labels.
LABELS = ("y", "class", "quality")
SCORED = 1_000
OURS, MIXTURE, FLOW = "VAEDensity", "GaussianMixture, by validation", "neural spline flow"
SIMPLE = ("FactorAnalysis", MIXTURE, "KernelDensity")


def read(folder: Path | None, name: str) -> np.ndarray:
    """Return the columns of a table that vary, with noise of one resolution."""
    if name in SHIPPED:
        X = SHIPPED[name]().data
    elif folder is None:
        raise ValueError(f"--data FOLDER is needed: {name} does not ship with scikit-learn.")
    elif name in FILES:
        X = np.load(folder / f"{FILES[name]}.npz", allow_pickle=True)["X"].astype(float)
    else:
        frame = pd.read_csv(folder / f"{name}.csv.gz").select_dtypes("number")
        X = frame.drop(columns=list(LABELS), errors="ignore").to_numpy(float)
    return dequantise(X[:, X.std(0) > 0])


def run(folder: Path | None, name: str, seed: int, model: str, seconds: float) -> Record:
    """Fit one density and score test rows."""
    X = read(folder, name)
    train, test = train_test_split(X, test_size=0.2, random_state=seed)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)[:SCORED]
    start = time.process_time()
    fitted = _fitted(model, train, seed, seconds)
    took = time.process_time() - start
    scores = fitted.score_samples(pd.DataFrame(test) if model == OURS else test)
    return {
        "table": name,
        "seed": seed,
        "model": model,
        "rows": len(train),
        "columns": X.shape[1],
        "mean": round(float(scores.mean()), 3),
        "median": round(float(np.median(scores)), 3),
        "worst": round(float(scores.min()), 1),
        "seconds": round(took, 1),
    }


def _fitted(model: str, train: np.ndarray, seed: int, seconds: float) -> Any:
    if model == OURS:
        density = VAEDensity(random_state=seed).fit(pd.DataFrame(train))
        return density.set_params(n_draws=256)
    if model == FLOW:
        return FlowDensity(seconds=seconds, random_state=seed).fit(train)
    fit: Callable[[np.ndarray], Any] = PEERS[model]
    return quietly(fit, train)


def summary(runs: list[Record]) -> dict[str, Any]:
    """Return means over splits by table, and by how much ours is ahead, with standard errors."""
    frame = pd.DataFrame(runs)
    found = {}
    for table, of_table in frame.groupby("table", sort=False):
        means = of_table.groupby("model", sort=False)
        by_seed = of_table.pivot_table("mean", "seed", "model")
        ahead = {}
        for model in by_seed.columns.drop(OURS, errors="ignore"):
            gain = (by_seed[OURS] - by_seed[model]).dropna()
            ahead[model] = {
                "mean": round(float(gain.mean()), 3),
                "standard_error": round(float(gain.sem()), 3) if len(gain) > 1 else None,
            }
        found[str(table)] = {
            "of": "choosing" if table in CHOOSING else "confirming",
            **{
                measure: means[measure].mean().round(3).to_dict()
                for measure in ("mean", "median", "worst", "seconds")
            },
            "ahead_of": ahead,
        }
    return found


RESULTS = ResultFile("defaults_that_win", ("table", "seed", "model"), summary)


def line(run: Record) -> str:
    """Return a line on a run."""
    return " ".join(map(str, run.values()))


def main() -> None:
    """Run every density on every table."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--flow", type=float, default=120.0, help="seconds of a flow; 0: none")
    parser.add_argument("--tables", nargs="+", default=[*CHOOSING, *CONFIRMING])
    options = parser.parse_args()
    tables, n_splits = (["iris"], 1) if options.quick else (options.tables, options.splits)
    models = [OURS, *SIMPLE, *([FLOW] if options.flow and not options.quick else [])]
    jobs = [
        delayed(run)(options.data, name, seed, model, options.flow)
        for seed in range(n_splits)
        for name in tables
        for model in models
    ]
    runs = Parallel(options.jobs, return_as="generator")(jobs)
    print(pd.DataFrame(RESULTS.add(told(runs, len(jobs), line), options.quick)).to_string())


if __name__ == "__main__":
    main()
