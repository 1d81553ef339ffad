"""How good a classifier by densities is where all rows have labels.

``VAEClassifier()`` beside discriminant analysis, linear and quadratic (``reg_param=0.1``: plain it
refuses collinear columns), naive Bayes, logistic regression and gradient boosting, at their
defaults on columns standardised by the training rows: accuracy and log loss of a fifth of the rows,
and processor seconds. Defaults were chosen on inner splits of training rows of splits 0 to 2 of
``CHOOSING``; the tables of ``CONFIRMING`` confirm. Some need the data folder. Runs that are written
are not made again.
"""

from __future__ import annotations

import itertools
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from benchmarks.report.results import Record, ResultFile, arguments, told
from skvae import VAEClassifier

SHIPPED = {"breast_cancer": load_breast_cancer, "wine": load_wine, "digits": load_digits}
CHOOSING = ("breast_cancer", "wine", "digits", "banknote", "pima_diabetes", "vertebral")
CONFIRMING = ("spambase", "magic")
OURS, BOOSTED = "VAEClassifier", "HistGradientBoosting"
SIMPLE = {
    "LDA": LinearDiscriminantAnalysis(),
    "QDA": QuadraticDiscriminantAnalysis(reg_param=0.1),
    "GaussianNB": GaussianNB(),
}
PEERS = SIMPLE | {
    "LogisticRegression": LogisticRegression(max_iter=5_000),
    BOOSTED: HistGradientBoostingClassifier(random_state=0),
}
MEASURES = ("log_loss", "accuracy", "seconds")
#: Training rows and scored rows, at most.
TRAINED, SCORED = 3_000, 1_000


def read(folder: Path | None, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of a table that vary, and its classes."""
    if name in SHIPPED:
        X, y = SHIPPED[name](return_X_y=True)
    elif folder is None:
        raise ValueError(f"--data FOLDER is needed: {name} does not ship with scikit-learn.")
    elif name == "vertebral":
        file = np.load(folder / "adbench" / "39_vertebral.npz", allow_pickle=True)
        X, y = file["X"].astype(float), file["y"]
    else:
        frame = pd.read_csv(folder / f"{name}.csv.gz").drop(columns="split", errors="ignore")
        y = frame.pop(frame.columns[-1]).astype(str).to_numpy()
        X = frame.to_numpy(float)
    return X[:, X.std(0) > 0], y


def run(folder: Path | None, name: str, seed: int, model: str) -> Record:
    """Fit one classifier, and score test rows."""
    X, y = read(folder, name)
    train_X, test_X, train_y, test_y = (
        part[:n]
        for part, n in zip(
            train_test_split(X, y, test_size=0.2, random_state=seed, stratify=y),
            (TRAINED, SCORED, TRAINED, SCORED),
            strict=True,
        )
    )
    scaler = StandardScaler().fit(train_X)
    classifier = VAEClassifier(random_state=seed) if model == OURS else clone(PEERS[model])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of collinear columns
        start = time.process_time()
        classifier.fit(scaler.transform(train_X), train_y)
        took = time.process_time() - start
        probability = classifier.predict_proba(scaler.transform(test_X))
    predicted = classifier.classes_[probability.argmax(1)]
    return {
        "table": name,
        "seed": seed,
        "model": model,
        "log_loss": round(float(log_loss(test_y, probability, labels=classifier.classes_)), 4),
        "accuracy": round(float((predicted == test_y).mean()), 4),
        "seconds": round(took, 1),
        "temperature": round(float(getattr(classifier, "temperature_", 1.0)), 2),
    }


def summary(runs: list[Record]) -> dict[str, Any]:
    """Return means over splits by table, and whether ours is where it should be."""
    found = {}
    for table, of_table in pd.DataFrame(runs).groupby("table", sort=False):
        means = of_table.groupby("model", sort=False)[list(MEASURES)].mean()
        row: dict[str, Any] = {
            "of": "choosing" if table in CHOOSING else "confirming",
            "splits": int(of_table["seed"].nunique()),
            **{measure: means[measure].round(3).to_dict() for measure in MEASURES},
        }
        if {OURS, BOOSTED, *SIMPLE} <= set(means.index):
            best = means.loc[list(SIMPLE), "log_loss"].min()
            row["at_or_below_the_simple_ones"] = bool(means.loc[OURS, "log_loss"] <= best)
            gap = means.loc[OURS, "accuracy"] - means.loc[BOOSTED, "accuracy"]
            row["ahead_of_boosting_by"] = round(float(gap), 3)
        found[str(table)] = row
    return found


RESULTS = ResultFile("classifier", ("table", "seed", "model"), summary)


def line(run: Record) -> str:
    """Return a line on a run."""
    return " ".join(map(str, run.values()))


def main() -> None:
    """Fit every classifier on every table."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--tables", nargs="+", default=[*CHOOSING, *CONFIRMING])
    options = parser.parse_args()
    tables, n_splits = (["wine"], 1) if options.quick else (options.tables, options.splits)
    cases = itertools.product(range(n_splits), tables, [OURS, *PEERS])
    wanted = [(name, seed, model) for seed, name, model in cases]
    done = set() if options.quick else RESULTS.done()
    jobs = [delayed(run)(options.data, *case) for case in wanted if case not in done]
    runs = Parallel(options.jobs, return_as="generator")(jobs)
    for table, row in RESULTS.add(told(runs, len(jobs), line), options.quick).items():
        print(table, *(row[measure] for measure in MEASURES))


if __name__ == "__main__":
    main()
