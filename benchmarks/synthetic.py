"""Synthetic tables from models at defaults, beside controls, by how well they pass for real.

Five tables of mixed columns in their published splits, targets included as columns. Each model is
fitted to the training rows and draws as many; ``benchmarks.measures.fidelity`` measures them
against the test rows. Controls bound the measures: a random half of the real training rows from
one side, columns shuffled independently from the other. One thread a process, so that seconds
compare.

``--what`` names the parts: tables, which is all of that, and continuous, the held-out likelihood of
the numeric columns of magic.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.data.frames import TARGETS, read, small
from benchmarks.measures.fidelity import fidelity, is_discrete
from benchmarks.peers.densities import mixture_by_validation, quietly
from benchmarks.report.results import Record, ResultFile, arguments, told
from skvae import VAEDensity
from skvae.fit.likelihoods import column_of, marginal_log_prob

MEASURES = ("two_sample_auc", "tstr", "trtr", "ks", "tv", "worst_distance", "correlation_error",
            "nearest_share", "seconds")  # fmt: skip
COMPONENTS = (1, 2, 3, 5, 8, 12, 20)
#: Test rows whose likelihood is estimated.
SCORED_ROWS = 2_000

CONTINUOUS: dict[str, dict[str, Any]] = {
    "VAEDensity, Gaussian cells, standard normal prior": {
        "likelihood": "gaussian",
        "prior": "standard_normal",
    },
    "VAEDensity, Gaussian cells": {"likelihood": "gaussian"},
    "VAEDensity, auto, standard normal prior": {"prior": "standard_normal"},
}
#: A density of the ten numeric columns of magic alone, beside ours.
PEER = "GaussianMixture, by validation"

#: Synthetic rows, what there is to say about the model, and the seconds of its training.
Made = tuple[pd.DataFrame, dict[str, Any], float]


def vae(train: pd.DataFrame, test: pd.DataFrame, seed: int, **parameters: Any) -> Made:
    """Draw from a VAEDensity, and score test rows, also as independent columns."""
    start = time.perf_counter()
    density = VAEDensity(random_state=seed, **parameters).fit(train)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    rows = density.sample(len(train), random_state=seed)
    details = {"init": density.init_, "epochs": density.n_iter_}
    details["sampling_seconds"] = time.perf_counter() - start
    details["held_out"] = held_out_likelihood(density, train, test[:SCORED_ROWS])
    return rows, details, seconds


def held_out_likelihood(
    density: VAEDensity, train: pd.DataFrame, test: pd.DataFrame
) -> dict[str, float]:
    """Return nats per test row of a model, and of the same families without latents."""
    scores = density.score_samples(test)
    container = density.table_.container
    fit, values = container.values(train), container.values(test)
    independent = sum(
        marginal_log_prob(family, column_of(family, field, fit[:, j]), fit[:, j], values[:, j])
        for j, (field, family) in enumerate(
            zip(container.fields, density.likelihoods_.values(), strict=True)
        )
    )
    gain = scores - independent
    return {
        "mean": float(scores.mean()),
        "median": float(np.median(scores)),
        "independent_columns": float(independent.mean()),
        "gain": float(gain.mean()),
        "gain_standard_error": float(gain.std(ddof=1) / len(gain) ** 0.5),
    }


def real_rows(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> Made:
    """Draw a random half of the training rows: as good as it gets, and nothing but copies."""
    return train.sample(frac=0.5, random_state=seed), {}, 0.0


def shuffled_columns(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> Made:
    """Draw each column on its own: right in every column, and in nothing else."""
    columns = {
        name: train[name].sample(frac=1, random_state=1000 * seed + j).array
        for j, name in enumerate(train)
    }
    return pd.DataFrame(columns), {}, 0.0


def mixture(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> Made:
    """Draw from Gaussian mixtures of the numeric columns, one for each category of the other.

    As many rows of each category as there are. Integers are left as drawn.
    """
    start = time.perf_counter()
    names = [name for name in train if is_discrete(train[name])]
    groups = train.groupby(names, observed=True) if names else [((), train)]
    parts, components = [], {}
    for value, rows in groups:
        drawn, n = _drawn_from_mixture(rows.drop(columns=names).to_numpy(float), seed)
        part = pd.DataFrame(drawn, columns=rows.columns.difference(names, sort=False))
        parts.append(part.assign(**dict(zip(names, value, strict=True))))
        components[str(*value)] = n
    rows = pd.concat(parts, ignore_index=True).sample(frac=1, random_state=seed)
    return rows, {"components": components}, time.perf_counter() - start


def _drawn_from_mixture(X: np.ndarray, seed: int) -> tuple[np.ndarray, int]:
    """Return as many rows from a full-covariance mixture, and its components, chosen by BIC."""
    scaler = StandardScaler().fit(X)
    Z = scaler.transform(X)
    models = [GaussianMixture(n, random_state=seed).fit(Z) for n in COMPONENTS]
    best = min(models, key=lambda model: model.bic(Z))
    return scaler.inverse_transform(best.sample(len(X))[0]), best.n_components


def tvae(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> Made:
    """Draw from the TVAE of ctgan at its defaults."""
    from ctgan import TVAE

    names = [name for name in train if is_discrete(train[name])]
    start = time.perf_counter()
    model = TVAE()
    model.set_random_state(seed)
    model.fit(train.astype(dict.fromkeys(names, object)), names)
    return model.sample(len(train)), {}, time.perf_counter() - start


def models(quick: bool = False) -> dict[str, Callable[[pd.DataFrame, pd.DataFrame, int], Made]]:
    """Return the models by name; quick ones train for five epochs."""
    parameters = {"max_epochs": 5} if quick else {}
    return {
        "VAEDensity": partial(vae, **parameters),
        "VAEDensity, standard normal prior": partial(vae, prior="standard_normal", **parameters),
        "real rows, half": real_rows,
        "shuffled columns": shuffled_columns,
        "GaussianMixture": mixture,
        "TVAE": tvae,
    }


def applies(model: str, train: pd.DataFrame) -> bool:
    """Return whether a model is there and takes such a table."""
    if model == "GaussianMixture":
        return sum(is_discrete(train[name]) for name in train) <= 1
    return model != "TVAE" or find_spec("ctgan") is not None


def run(folder: Path | None, name: str, model: str, seed: int, quick: bool) -> dict[str, Any]:
    """Fit, draw and measure one model on one table. What a model refuses is said, not raised."""
    train, test = small() if quick else read(folder, name)
    case = {"part": "tables", "table": name, "model": model, "seed": seed}
    if not applies(model, train):
        return {**case, "refused": "does not apply, or is not installed"}
    torch.set_num_threads(1)
    with threadpool_limits(1):
        try:
            rows, details, seconds = models(quick)[model](train, test, seed)
        except (TypeError, ValueError) as error:
            return {**case, "refused": str(error)}
        measured = fidelity(train, test, rows, "sold" if quick else TARGETS[name])
    return {**case, **measured, "seconds": seconds, "details": details}


def numeric(folder: Path | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training and test rows of the floats of magic, or of a small table."""
    train, test = small() if folder is None else read(folder, "magic")
    return train.select_dtypes("float"), test.select_dtypes("float")


def run_continuous(folder: Path | None, model: str) -> dict[str, Any]:
    """Fit a model to the numeric columns of magic, and score the test rows.

    Nats per row of standardised columns. ``likelihood="auto"`` may put mass on values that repeat,
    which the mixture cannot: the fair comparison is the one with Gaussian cells.
    """
    train, test = numeric(folder)
    start = time.perf_counter()
    if model == PEER:
        scaled = (train - train.mean()) / train.std(ddof=0)
        fitted = quietly(mixture_by_validation, scaled.to_numpy())
        scores = fitted.score_samples(((test - train.mean()) / train.std(ddof=0)).to_numpy())
    else:
        quick = {"max_epochs": 5} if folder is None else {}
        fitted = VAEDensity(random_state=0, **CONTINUOUS[model], **quick).fit(train)
        scores = fitted.score_samples(test) + np.log(train.std(ddof=0)).sum()
    return {
        "part": "continuous",
        "table": "magic, numbers",
        "model": model,
        "seed": 0,
        "mean": round(float(scores.mean()), 3),
        "median": round(float(np.median(scores)), 3),
        "standard_error": round(float(scores.std(ddof=1) / len(scores) ** 0.5), 3),
        "seconds": round(time.perf_counter() - start, 1),
    }


def summary(runs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the means over seeds, by table and model; the worst column is the first seed's."""
    tables: dict[str, dict[str, Any]] = {}
    measured = [r for r in runs if r["part"] == "tables" and "refused" not in r]
    for name, model in dict.fromkeys((r["table"], r["model"]) for r in measured):
        some = [r for r in measured if (r["table"], r["model"]) == (name, model)]
        means = {m: mean([r[m] for r in some]) for m in MEASURES}
        tables.setdefault(name, {})[model] = {**means, "worst_column": some[0]["worst_column"]}
    return tables


def mean(values: list[float | None]) -> float | None:
    """Return a rounded mean; None of a measure that a table does not have."""
    return None if None in values else round(float(np.mean(values)), 4)


def show(tables: dict[str, dict[str, Any]]) -> None:
    """Print the summary."""
    heads = ("AUC", "TSTR", "TRTR", "KS", "TV", "worst", "assoc.", "nearest", "seconds")
    for name, rows in tables.items():
        print(f"\n{name:27}" + "".join(f"{head:>9}" for head in heads))
        for model, row in rows.items():
            cells = ("-" if row[m] is None else f"{row[m]:.3f}" for m in MEASURES)
            print(f"  {model:25}" + "".join(f"{c:>9}" for c in cells) + f"  {row['worst_column']}")


RESULTS = ResultFile("synthetic", ("part", "table", "model", "seed"), summary)


def line(run: Record) -> str:
    """Return a run in one line."""
    found = run.get("refused") or f"two-sample AUC {run['two_sample_auc']:.3f}"
    return f"{run['table']}, {run['model']}, seed {run['seed']}: {found}"


def line_of_continuous(run: Record) -> str:
    """Return a likelihood in one line."""
    return (
        f"{run['table']}, {run['model']}: {run['mean']:.3f} +- {run['standard_error']:.3f} nats, "
        f"{run['seconds']:.0f} s"
    )


def tables(options: argparse.Namespace) -> Iterator[Record]:
    """Yield runs of models on whole tables."""
    names = ["small"] if options.quick else options.tables
    cases = [*product(names, options.models, range(1 if options.quick else options.seeds))]
    runs = Parallel(1 if options.quick else options.jobs, return_as="generator")(
        delayed(run)(options.data, *case, options.quick) for case in cases
    )
    return told(runs, len(cases), line)


def continuous(options: argparse.Namespace) -> Iterator[Record]:
    """Yield runs of densities on the continuous columns of magic."""
    folder = None if options.quick else options.data
    runs = (run_continuous(folder, model) for model in (PEER, *CONTINUOUS))
    return told(runs, 1 + len(CONTINUOUS), line_of_continuous)


PARTS = {"tables": tables, "continuous": continuous}


def main() -> None:
    """Run everything and write the result."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--tables", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--models", nargs="+", choices=models(), default=list(models()))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if options.data is None and not options.quick:
        parser.error("--data: the folder of the tables is needed, unless --quick")
    runs = chain.from_iterable(PARTS[part](options) for part in options.what)
    show(RESULTS.add(runs, options.quick, parameters=VAEDensity().get_params()))


if __name__ == "__main__":
    main()
