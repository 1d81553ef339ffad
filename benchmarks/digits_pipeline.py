"""Accuracy of LogisticRegression on k latent dimensions of digits, over ten splits.

Every method has two menus: of rows as they are (scaled or not, its own parameters, its latents
scaled or not), and of rows that were first replaced by the mean of their nearest training rows. Of
each menu the best by one validation fifth of the training rows is fitted anew to all of them, and
scored once.

The menus of ``VAETransformer`` come from a screen on validation rows inside the training rows of
split 0. A VAE has no neighbour graph: what Isomap knows by one it can only be given with the rows.
"""

from __future__ import annotations

import itertools
import time
import warnings
from typing import Any, Self

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, FactorAnalysis, KernelPCA
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import Isomap
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.report.results import Record, ResultFile, arguments
from skvae import VAETransformer
from skvae.likelihoods import Gaussian
from skvae.objectives import Denoising

SIZES = (2, 8, 16)
#: Pixels run from 0 to 16: the median distance is 49, and 35 between digits of one class.
GAMMAS = (1e-4, 3e-4, 1e-3)
OURS = {"early_stopping": False, "init": "random", "posterior": "diagonal_gaussian"}

Menu = dict[str, Pipeline]


class NeighbourMean(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Each row as the mean of its nearest training rows, itself among them if it is one."""

    def __init__(self, n_neighbors: int = 5, n_times: int = 1):
        self.n_neighbors = n_neighbors
        self.n_times = n_times

    def fit(self, X: np.ndarray, y: Any = None) -> Self:
        """Remember the rows, and as they are after each time but the last."""
        self.steps_ = []
        for _ in range(self.n_times):
            self.steps_.append(KNeighborsRegressor(self.n_neighbors).fit(X, X))
            X = self.steps_[-1].predict(X)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Smooth rows."""
        for step in self.steps_:
            X = step.predict(X)
        return X


PREPARED = {
    "as they are": "passthrough",
    "scaled": StandardScaler(),
    "varying pixels": VarianceThreshold(1.0),
    "smoothed": NeighbourMean(),
    "smoothed twice": NeighbourMean(n_times=2),
}
#: The classifier has a penalty, and latents of KernelPCA are far below 1, those of Isomap hundreds.
LATENTS = {"": "passthrough", "scaled latents": StandardScaler()}
PLAIN, SMOOTHED = ("as they are", "scaled"), ("smoothed", "smoothed twice")


def menu(
    prepared: tuple[str, ...], reducers: dict[str, Any], latents: dict[str, Any] = LATENTS
) -> Menu:
    """Return pipelines of each preparation, reducer and scaling of latents, by what they are."""
    parts = itertools.product(prepared, reducers.items(), latents.items())
    return {
        ", ".join(filter(None, (rows, name, scaling))): Pipeline(
            [
                ("rows", PREPARED[rows]),
                ("reduce", reducer),
                ("latents", scaler),
                ("classify", LogisticRegression(max_iter=5000)),
            ]
        )
        for rows, (name, reducer), (scaling, scaler) in parts
    }


def peers(k: int) -> dict[str, Menu]:
    """Return the menus of what is compared."""
    pca, factors = {"": PCA(k, random_state=0)}, {"": FactorAnalysis(k, random_state=0)}
    kernels = {f"gamma {g}": KernelPCA(k, kernel="rbf", gamma=g, random_state=0) for g in GAMMAS}
    kernels_scaled = {"gamma 1 / 64": KernelPCA(k, kernel="rbf", random_state=0)}
    graphs = {f"{n} neighbours": Isomap(n_components=k, n_neighbors=n) for n in (5, 10)}
    ten = {"10 neighbours": graphs["10 neighbours"]}
    return {
        "PCA": menu(PLAIN, pca),
        "FactorAnalysis": menu(PLAIN, factors),
        "KernelPCA": menu(PLAIN[:1], kernels) | menu(PLAIN[1:], kernels_scaled),
        "Isomap": menu(PLAIN[:1], graphs) | menu(PLAIN[1:], ten),
        "PCA, smoothed": menu(SMOOTHED, pca),
        "FactorAnalysis, smoothed": menu(SMOOTHED, factors),
        "KernelPCA, smoothed": menu(SMOOTHED, kernels),
        "Isomap, smoothed": menu(SMOOTHED, ten),
    }


def ours(k: int, seed: int, epochs: int) -> dict[str, Menu]:
    """Return our menus: objectives, scales of the likelihood and preparations."""

    def vae(objective: Any, scale: str | float) -> VAETransformer:
        parameters: dict[str, Any] = {**OURS, "max_epochs": epochs, "random_state": seed}
        return VAETransformer(
            k, objective=objective, likelihood=Gaussian(scale=scale), batch_size=128, **parameters
        )

    denoising = {"denoising, shared scale": vae(Denoising(noise=1.0), "shared")}
    as_encoded = {"": "passthrough"}
    others = {
        "denoising, scale 0.5": vae(Denoising(noise=1.0), 0.5),
        "ELBO, shared scale": vae("elbo", "shared"),
    }
    return {
        "VAETransformer": menu(("varying pixels",), denoising | others, as_encoded),
        "VAETransformer, smoothed": menu(SMOOTHED, denoising, as_encoded),
    }


def choose(choices: Menu, X: np.ndarray, y: np.ndarray) -> tuple[str, float]:
    """Return the best by a fifth of the rows, and its accuracy there."""
    train_X, other_X, train_y, other_y = train_test_split(X, y, test_size=0.2, random_state=100)
    scores = {
        name: clone(pipeline).fit(train_X, train_y).score(other_X, other_y)
        for name, pipeline in choices.items()
    }
    best = max(scores, key=lambda name: scores[name])
    return best, scores[best]


def run(k: int, seed: int, epochs: int, n_rows: int | None) -> dict[str, Any]:
    """Return of each method what was chosen, its test accuracy and its seconds, on one split."""
    X, y = (part[:n_rows] for part in load_digits(return_X_y=True))
    train_X, test_X, train_y, test_y = train_test_split(X, y, test_size=0.2, random_state=seed)
    found: dict[str, Any] = {}
    for method, choices in (peers(k) | ours(k, seed, epochs)).items():
        with warnings.catch_warnings():
            # Graphs in two parts, and a classifier of coordinates in hundreds that is slow.
            warnings.simplefilter("ignore")
            chosen, validated = choose(choices, train_X, train_y)
            start = time.perf_counter()
            pipeline = clone(choices[chosen]).fit(train_X, train_y)
            seconds = time.perf_counter() - start
        accuracy = pipeline.score(test_X, test_y)
        found[method] = {
            "chosen": chosen,
            "validation": round(validated, 4),
            "accuracy": round(accuracy, 4),
            "seconds": round(seconds, 2),
        }
    print(k, seed, {method: f["accuracy"] for method, f in found.items()}, flush=True)
    return {"k": k, "seed": seed, "methods": found}


def ahead(values: np.ndarray, of: np.ndarray) -> dict[str, float]:
    """Return the mean paired difference, its standard error and the wins."""
    gap = values - of
    error = gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else np.nan
    return {
        "ahead_by": round(float(gap.mean()), 4),
        "standard_error": round(float(error), 4),
        "wins": int((gap > 0).sum()),
    }


def summary_of_size(runs: list[Record]) -> dict[str, Any]:
    """Return means, and differences to Isomap of rows as they are and of smoothed rows."""
    columns = {
        method: np.array([run["methods"][method]["accuracy"] for run in runs])
        for method in runs[0]["methods"]
    }
    return {
        method: {
            "mean": round(float(values.mean()), 4),
            "to_isomap": ahead(values, columns["Isomap"]),
            "to_smoothed_isomap": ahead(values, columns["Isomap, smoothed"]),
        }
        for method, values in columns.items()
    }


def summary(runs: list[Record]) -> dict[str, Any]:
    """Return the same for each number of latents."""
    sizes = dict.fromkeys(run["k"] for run in runs)
    return {str(k): summary_of_size([run for run in runs if run["k"] == k]) for k in sizes}


RESULTS = ResultFile("digits_pipeline", ("k", "seed"), summary)


def main() -> None:
    """Run all splits and write means, errors and wins."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=10)
    options = parser.parse_args()
    seeds = range(1 if options.quick else options.splits)
    sizes = SIZES[:1] if options.quick else SIZES
    epochs, n_rows = (5, 300) if options.quick else (100, None)
    cases = itertools.product(seeds, sizes)
    runs = Parallel(options.jobs, return_as="generator")(
        delayed(run)(k, s, epochs, n_rows) for s, k in cases
    )
    for k, rows in RESULTS.add(runs, options.quick, max_epochs=epochs).items():
        for method, row in rows.items():
            print(k, method, row["mean"], row["to_isomap"])


if __name__ == "__main__":
    main()
