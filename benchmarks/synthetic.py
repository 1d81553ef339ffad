"""Synthetic tables from models at defaults, beside controls, by how well they pass for real.

Five tables of mixed columns in their published splits, targets included as columns. Each model is
fitted to the training rows and draws as many; ``benchmarks.fidelity`` measures them against the
test rows. Controls bound the measures: a random half of the real training rows from one side,
columns shuffled independently from the other. One thread a process, so that seconds compare.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.common import arguments, write_result
from benchmarks.fidelity import fidelity, is_discrete
from skvae import VAEDensity
from skvae.fit.likelihoods import marginal_log_prob

TARGETS = {
    "adult": "income",
    "shoppers": "Revenue",
    "default": "default payment next month",
    "magic": "class",
    "beijing": "pm2.5",
}
#: Categories written as integers. Strings are categories anyway.
CODES = {
    "shoppers": ("OperatingSystems", "Browser", "Region", "TrafficType"),
    "default": (
        *("SEX", "EDUCATION", "MARRIAGE", "PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6"),
        TARGETS["default"],
    ),
    "beijing": ("year", "month", "day", "hour"),
}
MEASURES = ("two_sample_auc", "tstr", "trtr", "ks", "tv", "worst_distance", "correlation_error",
            "nearest_share", "seconds")  # fmt: skip
COMPONENTS = (1, 2, 3, 5, 8, 12, 20)
#: Test rows whose likelihood is estimated.
SCORED_ROWS = 2_000

#: Synthetic rows, what there is to say about the model, and the seconds of its training.
Made = tuple[pd.DataFrame, dict[str, Any], float]


def read(folder: Path, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training and test rows of a table in its published split, categories typed.

    A missing category is a category of its own, "?".
    """
    table = pd.read_csv(folder / f"{name}.csv.gz")
    part = table.pop("split")
    for column in [*table.select_dtypes(["object", "string"]), *CODES.get(name, ())]:
        filled = table[column].fillna("?") if table[column].hasnans else table[column]
        table[column] = filled.astype("category")
    train, test = (table[part == p].reset_index(drop=True) for p in ("train", "test"))
    return train, test


def small(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training and test rows of a small table with columns of all types."""
    generator = np.random.default_rng(seed)
    z = generator.normal(size=600)
    table = pd.DataFrame(
        {
            "length": z + 0.3 * generator.normal(size=600),
            "count": generator.poisson(np.exp(z)),
            "colour": pd.Categorical.from_codes(np.digitize(z, [-1, 1]), ["red", "green", "blue"]),
            "sold": z + generator.normal(size=600) > 0,
        }
    )
    return table[:400], table[400:].reset_index(drop=True)


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
        marginal_log_prob(family, field, fit[:, j], values[:, j])
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
    case = {"table": name, "model": model, "seed": seed}
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


def summary(runs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the means over seeds, by table and model; the worst column is the first seed's."""
    tables: dict[str, dict[str, Any]] = {}
    measured = [r for r in runs if "refused" not in r]
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


def main() -> None:
    """Run everything and write the result."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--models", nargs="+", choices=models(), default=list(models()))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if options.data is None and not options.quick:
        parser.error("--data: the folder of the tables is needed, unless --quick")
    tables = ["small"] if options.quick else options.tables
    seeds = range(1 if options.quick else options.seeds)
    cases = list(product(tables, options.models, seeds))
    runs = []
    for result in Parallel(1 if options.quick else options.jobs, return_as="generator")(
        delayed(run)(options.data, *case, options.quick) for case in cases
    ):
        runs.append(result)
        found = result.get("refused") or f"two-sample AUC {result['two_sample_auc']:.3f}"
        print(f"{len(runs)}/{len(cases)} {result['table']}, {result['model']}, "
              f"seed {result['seed']}: {found}", flush=True)  # fmt: skip
    found = summary(runs)
    show(found)
    result = {"seeds": list(seeds), "parameters": VAEDensity().get_params()}
    write_result("synthetic", {**result, "tables": found, "runs": runs}, options.quick)


if __name__ == "__main__":
    main()
