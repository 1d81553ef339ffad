"""Rows drawn of a wanted class: whether a classifier finds the class, and whether they pass.

A VAEClassifier is fitted to labelled training rows and draws as many rows of each class as there
are test rows of it. A classifier trained on the same real rows (a support vector machine for
digits, gradient boosting for adult) then labels drawn rows and test rows: the share of the wanted
class beside the accuracy. As prototypes alone would pass, another is to tell drawn rows from test
rows within each class (0.5: it cannot), beside a half of the real training rows of that class, and
beside rows whose columns are shuffled within it. Digits are spread evenly over their grey
levels, at defaults, or taken as they are, every grey level a bin; integers of adult are binned, so
that drawn ones look like integers. Adult needs ``--data FOLDER``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from benchmarks.data.arrays import load
from benchmarks.data.frames import TARGETS, read, small
from benchmarks.measures.fidelity import in_dtypes_of
from benchmarks.report.results import Record, ResultFile, arguments
from skvae import VAEClassifier
from skvae.metrics import two_sample_auc

#: Rows, their labels, other rows, their labels; a classifier; the parameters of ours.
Task = tuple[pd.DataFrame, pd.Series, pd.DataFrame, pd.Series, Any, dict[str, Any]]


def digits() -> Task:
    """Return digits, spread over their grey levels, in halves: each class has rows to compare."""
    X = pd.DataFrame(load("digits")).add_prefix("pixel ")
    y = pd.Series(load_digits().target)
    train, test, of_train, of_test = train_test_split(
        X, y, test_size=0.5, stratify=y, random_state=0
    )
    return train, of_train, test, of_test, SVC(), {}


def digits_binned() -> Task:
    """Return digits as they are, each grey level of a pixel a bin of its own."""
    X, y = load_digits(return_X_y=True, as_frame=True)
    train, test, of_train, of_test = train_test_split(
        X.astype(int), y, test_size=0.5, stratify=y, random_state=0
    )
    return train, of_train, test, of_test, SVC(), binned(train)


def adult(folder: Any) -> Task:
    """Return adult in its published split, a missing category being one of its own."""
    train, test = read(folder, "adult")
    of_train, of_test = (part.pop(TARGETS["adult"]).astype(str) for part in (train, test))
    boosting = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    return train, of_train, test, of_test, boosting, binned(train)


def binned(table: pd.DataFrame) -> dict[str, Any]:
    """Return parameters with bins for integers, for rows that are to be drawn."""
    return {"likelihood": dict.fromkeys(table.select_dtypes("integer"), "binned")}


def small_table() -> Task:
    """Return a small table whose colour is the class."""
    train, test = small()
    of_train, of_test = (part.pop("colour").astype(str) for part in (train, test))
    boosting = HistGradientBoostingClassifier(random_state=0)
    return train, of_train, test, of_test, boosting, {"max_epochs": 3, **binned(train)}


TASKS: dict[str, Callable[[Any], Task]] = {
    "digits": lambda folder: digits(),
    "digits_binned": lambda folder: digits_binned(),
    "adult": adult,
    "small": lambda folder: small_table(),
}


def within_classes(
    test: pd.DataFrame, of_test: pd.Series, rows: pd.DataFrame, labels: pd.Series
) -> dict[str, float]:
    """Return the two-sample area under the curve within each class."""
    return {
        str(label): two_sample_auc(
            test[(of_test == label).to_numpy()], rows[(labels == label).to_numpy()]
        )
        for label in np.unique(of_test)
    }


def shuffled(rows: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    """Return rows whose columns are shuffled within each class."""
    generator = np.random.default_rng(0)
    parts = []
    for label in np.unique(labels):
        part = rows[(labels == label).to_numpy()]
        order = {name: generator.permutation(len(part)) for name in rows}
        parts.append(pd.DataFrame({n: part[n].iloc[order[n]].array for n in rows}, part.index))
    return pd.concat(parts).loc[rows.index]


def measure(task: Task) -> dict[str, Any]:
    """Fit, draw and compare."""
    train, of_train, test, of_test, classifier, parameters = task
    start = time.perf_counter()
    model = VAEClassifier(random_state=0, **parameters).fit(train, of_train)
    seconds = time.perf_counter() - start
    labels = of_test.reset_index(drop=True)
    drawn = in_dtypes_of(train, model.sample(len(labels), random_state=0, y=labels))
    classifier.fit(train, of_train)
    share = drawn_share(classifier, drawn, labels)
    # Controls come in random order, so that the first rows of a class are any.
    half = train.sample(frac=0.5, random_state=0)
    mixed = shuffled(train, of_train).sample(frac=1.0, random_state=0)
    auc = {
        "drawn": within_classes(test, of_test, drawn, labels),
        "real_rows": within_classes(test, of_test, half, of_train[half.index]),
        "shuffled_columns": within_classes(test, of_test, mixed, of_train[mixed.index]),
    }
    return {
        "wanted_class_found": share,
        "accuracy_on_test_rows": float(classifier.score(test, of_test)),
        "our_own_accuracy": accuracy(model, test, of_test),
        "two_sample_auc": {name: float(np.mean(list(by.values()))) for name, by in auc.items()},
        "two_sample_auc_by_class": auc,
        "seconds": seconds,
    }


def drawn_share(classifier: Any, drawn: pd.DataFrame, labels: pd.Series) -> dict[str, float]:
    """Return the share of drawn rows in which the wanted class is found, overall and by class."""
    found = classifier.predict(drawn) == labels.to_numpy()
    of_class = {str(k): float(found[(labels == k).to_numpy()].mean()) for k in np.unique(labels)}
    return {"all": float(found.mean()), **of_class}


def accuracy(model: VAEClassifier, test: pd.DataFrame, of_test: pd.Series) -> float:
    """Return the accuracy of our own classifier on at most 2,000 test rows."""
    return float(model.score(test[:2_000], of_test[:2_000]))


RESULTS = ResultFile("conditional_samples", ("table",))


def run(names: list[str], folder: Path | None) -> Iterator[Record]:
    """Yield what is measured on each table."""
    for name in names:
        found = {"table": name, **measure(TASKS[name](folder))}
        print(json.dumps(found, indent=1), flush=True)
        yield found


def main() -> None:
    """Measure the tables."""
    parser = arguments("Rows drawn of a wanted class.")
    parser.add_argument("--tables", nargs="+", default=["digits"], choices=list(TASKS))
    args = parser.parse_args()
    RESULTS.add(run(["small"] if args.quick else args.tables, args.data), args.quick)


if __name__ == "__main__":
    main()
