"""Held-out log-likelihood at defaults, beside scikit-learn's densities, over ten splits.

Every model is fitted to the same standardised training rows and scored once on the same test
rows, in nats per row. With ``noise`` uniform noise of one resolution is added to all rows first:
a control against winning on rounding.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from benchmarks.data.arrays import load
from benchmarks.data.arrays import standardised_split as split
from benchmarks.peers.densities import PEERS, quietly
from benchmarks.report.results import Record, ResultFile, arguments, told
from skvae import VAEDensity

TABLES = {"breast_cancer": (False, True), "wine": (False, True), "digits": (False,)}
OURS, OURS_MANY = "VAEDensity", "VAEDensity, 5000 draws"


def run(name: str, noise: bool, seed: int, parameters: dict[str, Any]) -> dict[str, Any]:
    """Fit and score everything on one split."""
    train, test = split(load(name, noise), seed)
    scores, seconds, chosen = {}, {}, {}
    for peer, fit in PEERS.items():
        start = time.perf_counter()
        model = quietly(fit, train)
        seconds[peer] = time.perf_counter() - start
        scores[peer] = float(model.score_samples(test).mean())
    start = time.perf_counter()
    density = VAEDensity(random_state=seed, **parameters).fit(train)
    seconds[OURS] = time.perf_counter() - start
    start = time.perf_counter()
    scores[OURS] = density.score(test)
    chosen = {"init": density.init_, "epochs": density.n_iter_}
    chosen["scoring_seconds"] = time.perf_counter() - start
    scores[OURS_MANY] = density.set_params(n_draws=5000).score(test)
    case = {"table": name, "noise": noise, "seed": seed, "n_test": len(test)}
    return {**case, "scores": scores, "seconds": seconds, "chosen": chosen}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means, medians, paired differences and wins for each table."""
    tables = {}
    for key in sorted({(r["table"], r["noise"]) for r in runs}):
        some = sorted((r for r in runs if (r["table"], r["noise"]) == key), key=lambda r: r["seed"])
        columns = {m: np.array([r["scores"][m] for r in some]) for m in some[0]["scores"]}
        tables[key[0] + (", with noise" if key[1] else "")] = {
            model: row(values, columns[OURS], columns[OURS_MANY])
            for model, values in columns.items()
        }
    return tables


def row(values: np.ndarray, ours: np.ndarray, many: np.ndarray) -> dict[str, Any]:
    """Return one model's line of a table."""
    n = len(values)

    def paired(difference: np.ndarray) -> dict[str, Any]:
        error = difference.std(ddof=1) / n**0.5 if n > 1 else float("nan")
        return {
            "mean": round(float(difference.mean()), 3),
            "standard_error": round(float(error), 3),
            "median": round(float(np.median(difference)), 3),
            "wins": int((difference > 0).sum()),
        }

    return {
        "mean": round(float(values.mean()), 3),
        "median": round(float(np.median(values)), 3),
        "split_0": round(float(values[0]), 3),
        "ours_ahead_by": paired(ours - values),
        "ours_with_5000_draws_ahead_by": paired(many - values),
    }


def show(tables: dict[str, Any]) -> None:
    """Print the summary."""
    for table, rows in tables.items():
        print(f"\n{table}: nats per row (mean, median, split 0), and how far VAEDensity is ahead")
        for model, r in rows.items():
            d = r["ours_ahead_by"]
            print(
                f"  {model:32}{r['mean']:9.2f}{r['median']:9.2f}{r['split_0']:9.2f}   "
                f"{d['mean']:8.2f} +- {d['standard_error']:.2f}, {d['wins']} wins"
            )


RESULTS = ResultFile("likelihood", ("table", "noise", "seed"), summary)


def line(run: Record) -> str:
    """Return a run in one line."""
    scores = run["scores"]
    best = max(score for model, score in scores.items() if model in PEERS)
    return f"{run['table']} split {run['seed']}: {scores[OURS]:.2f}, best peer {best:.2f}"


def main() -> None:
    """Run everything and write the result."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=10)
    options = parser.parse_args()
    seeds = range(1 if options.quick else options.splits)
    parameters = {"max_epochs": 5} if options.quick else {}
    tables = {"wine": (False,)} if options.quick else TABLES
    cases = [(name, noise, s) for name, noises in tables.items() for noise in noises for s in seeds]
    runs = Parallel(options.jobs, return_as="generator")(
        delayed(run)(*case, parameters) for case in cases
    )
    settings = {"parameters": VAEDensity().get_params()}
    show(RESULTS.add(told(runs, len(cases), line), options.quick, **settings))


if __name__ == "__main__":
    main()
