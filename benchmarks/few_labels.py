"""Classification with few labels: digits with 50 and 100, MNIST with 100 and 1,000.

Every draw of labels has as many of each class; all other training rows are unlabelled. Accuracy is
that on test rows. Within a run no label beyond those given is used for any choice; the network and
the length of training on MNIST were chosen beforehand, by the labels of 2,000 of its training rows.
MNIST needs
``--data FOLDER``; our models see its pixels as above half or not, the others from 0 to 1. Results
grow in the file, so that tables, methods and draws can be run apart.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from benchmarks.report.results import Record, ResultFile, arguments, told
from skvae import VAEClassifier, VAETransformer

LABELS = {"digits": (50, 100), "mnist": (100, 1_000)}
#: Some pixels of digits are 0 and 1 alone among training rows, which would make them Bernoulli.
ON_DIGITS = {"likelihood": "gaussian"}
#: For a quarter of an hour on two cores: one draw of z a row in training, a plainer posterior, and
#: 16 draws from the encoder to predict.
ON_MNIST = {
    "latent_dim": 8,
    "hidden_layer_sizes": (256, 256),
    "likelihood": "bernoulli",
    "objective": "elbo",
    "posterior": "diagonal_gaussian",
    "init": "random",
    "batch_size": 128,
    "lr": 3e-3,
    "max_epochs": 30,
    "n_draws": 16,
    "proposal": "encoder",
}
LATENTS: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}


class Task(NamedTuple):
    """One draw of labels."""

    train: NDArray[np.float64]
    labels: NDArray[np.intp]  # -1 where not given
    test: NDArray[np.float64]
    test_labels: NDArray[np.intp]
    of_mnist: bool
    quick: bool

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which training rows have a label."""
        return self.labels >= 0

    def ours(self, **more: Any) -> dict[str, Any]:
        """Return the parameters of our models."""
        quick = {"max_epochs": 2, "n_draws": 4} if self.quick else {}
        return {"random_state": 0, **(ON_MNIST if self.of_mnist else ON_DIGITS), **more, **quick}

    def seen_by_us(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return rows as our models see them."""
        return (X > 0.5).astype(float) if self.of_mnist else X


def rows_of(table: str, draw: int, data: Path | None) -> list[NDArray[Any]]:
    """Return training rows, test rows and their labels."""
    if table == "digits":
        X, y = load_digits(return_X_y=True)
        return train_test_split(X, y, test_size=0.2, stratify=y, random_state=draw)
    assert data is not None, "mnist needs --data FOLDER"
    mnist = np.load(data / "mnist.npz")
    X = [mnist[f"X_{part}"].reshape(-1, 784) / 255.0 for part in ("train", "test")]
    return [*X, *(mnist[f"y_{part}"].astype(int) for part in ("train", "test"))]


def task(table: str, n_labels: int, draw: int, data: Path | None, quick: bool) -> Task:
    """Return one draw: as many labels of each class, the others hidden."""
    n_rows = 300 if quick else None
    train, test, y, test_labels = (part[:n_rows] for part in rows_of(table, draw, data))
    order = np.random.default_rng(draw).permutation(len(y))
    labels = np.full(len(y), -1)
    for label in np.unique(y):
        chosen = order[y[order] == label][: n_labels // 10]
        labels[chosen] = label
    return Task(train, labels, test, test_labels, table == "mnist", quick)


def by_classifier(of: Task) -> float:
    """Return the accuracy of VAEClassifier."""
    model = VAEClassifier(**of.ours()).fit(of.seen_by_us(of.train), of.labels)
    return model.score(of.seen_by_us(of.test), of.test_labels)


def latents(of: Task) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return standardised latents of training and test rows, by a model that saw no label.

    Of MNIST, whose rows are the same in every draw, it is fitted once.
    """
    if "mnist" in LATENTS:
        return LATENTS["mnist"]
    model = VAETransformer(**of.ours()).fit(of.seen_by_us(of.train))
    found = [model.transform(of.seen_by_us(X)) for X in (of.train, of.test)]
    scaler = StandardScaler().fit(found[0])
    both = scaler.transform(found[0]), scaler.transform(found[1])
    if of.of_mnist:
        LATENTS["mnist"] = both
    return both


def on_latents(of: Task) -> float:
    """Return the accuracy of a linear classifier on latents, fitted to the labelled rows."""
    train, test = latents(of)
    model = LogisticRegression(max_iter=5_000).fit(train[of.labelled], of.labels[of.labelled])
    return model.score(test, of.test_labels)


def stacked(of: Task) -> float:
    """Return the accuracy of M1+M2: VAEClassifier on latents."""
    train, test = latents(of)
    quick = {"max_epochs": 2, "n_draws": 4} if of.quick else {}
    model = VAEClassifier(8, random_state=0, **quick).fit(train, of.labels)
    return model.score(test, of.test_labels)


def by_peer(model: Any, *, all_rows: bool) -> Callable[[Task], float]:
    """Return the accuracy of a peer, which sees all rows or only those with a label."""

    def accuracy(of: Task) -> float:
        rows = slice(None) if all_rows else of.labelled
        model.fit(of.train[rows], of.labels[rows])
        return model.score(of.test, of.test_labels)

    return accuracy


def logistic() -> Any:
    """Return a linear classifier of standardised columns."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=5_000))


METHODS: dict[str, Callable[[Task], float]] = {
    "VAEClassifier": by_classifier,
    "LogisticRegression on latents": on_latents,
    "VAEClassifier on latents (M1+M2)": stacked,
    "LabelSpreading": by_peer(LabelSpreading(kernel="knn", n_neighbors=7), all_rows=True),
    "SelfTraining": by_peer(SelfTrainingClassifier(logistic()), all_rows=True),
    "MLP on the labels alone": by_peer(
        make_pipeline(StandardScaler(), MLPClassifier(max_iter=2_000, random_state=0)),
        all_rows=False,
    ),
    "LogisticRegression on the labels alone": by_peer(logistic(), all_rows=False),
}


def summary(runs: list[Record]) -> dict[str, dict[str, dict[str, float]]]:
    """Return mean and standard deviation over draws, where there are several."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    accuracies: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        of = f"{run['table']} {run['labels']}", run["method"]
        accuracies.setdefault(of, []).append(run["accuracy"])
    for (setting, method), of_draws in accuracies.items():
        if len(of_draws) > 1:
            both = {"mean": float(np.mean(of_draws)), "sd": float(np.std(of_draws, ddof=1))}
            found.setdefault(setting, {})[method] = both
    return found


RESULTS = ResultFile("few_labels", ("table", "labels", "method", "draw"), summary)


def run(table: str, n_labels: int, method: str, draw: int, of: Task) -> Record:
    """Run one method on one draw."""
    wall, processor = time.perf_counter(), time.process_time()
    return {
        "table": table,
        "labels": n_labels,
        "method": method,
        "draw": draw,
        "accuracy": METHODS[method](of),
        "seconds": time.perf_counter() - wall,
        "processor_seconds": time.process_time() - processor,
    }


def line(run: Record) -> str:
    """Return a run in one line."""
    of = f"{run['table']} {run['labels']} labels, {run['method']}, draw {run['draw']}"
    return f"{of}: {run['accuracy']:.4f}"


def main() -> None:
    """Run methods on draws of labels."""
    parser = arguments("Classification with few labels.")
    parser.add_argument("--tables", nargs="+", default=["digits"], choices=list(LABELS))
    parser.add_argument("--labels", nargs="+", type=int, help="how many; default: both")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--draws", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    cases = [
        (table, n_labels, method, draw)
        for table in args.tables
        for n_labels in args.labels or LABELS[table][: 1 if args.quick else None]
        for method in args.methods
        for draw in ([0] if args.quick else args.draws)
    ]
    runs = (run(*case, task(case[0], case[1], case[3], args.data, args.quick)) for case in cases)
    settings = {"on_digits": ON_DIGITS, "on_mnist": ON_MNIST}
    RESULTS.add(told(runs, len(cases), line), args.quick, **settings)


if __name__ == "__main__":
    main()
