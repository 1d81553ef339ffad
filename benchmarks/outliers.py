"""Outliers found by the log-likelihood of their row, beside detectors of scikit-learn and pyod.

The sets are those of ADBench in the data folder, ``adbench/*.npz`` with X and y, 1 an outlier; at
most ``--rows`` of their rows, the same for every seed. Two protocols:

- outlier: fit to the whole set, outliers included, and score it.
- novelty: fit to the normal rows of 70 % of the set and score the other 30 %, split by the seed in
  the proportions of y.

Columns are standardised by the rows of the fit, for all methods alike. A method's score is larger
for a more normal row; what is written is the area under the ROC curve and the average precision of
the outliers, and seconds of one thread.

Options of ours, in ``detectors.py``, were chosen on the sets with an odd number in their name
(``--what choose --columns 1000``), with at most 1,500 rows and one seed; the sets with an even
number were not looked at before.

A run is written when it is done, and replaces an earlier one of the same set, protocol, seed and
method; ``--missing`` leaves out those that are written.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.data.adbench import SHIPPED, names, parity, read, shipped
from benchmarks.peers.detectors import (
    CANDIDATES,
    CLUSTERS,
    OURS,
    PEERS,
    SEEDLESS,
    Fit,
    Rows,
    plain,
)
from benchmarks.report.results import Record, ResultFile, arguments, told

PARTS = ("runs", "choose")
RESULTS = ResultFile("outliers", ("part", "set", "protocol", "seed", "model"))
PROTOCOLS = ("outlier", "novelty")
#: Rows on which options were chosen, at most.
SCREENED = 1_500
#: How many seeds a set of at most so many rows gets, and sets of more columns than ``WIDE`` one.
SEEDS = ((2_500, 5), (6_500, 2), (np.inf, 1))
WIDE = 1_000

METHODS = {**PEERS, **CANDIDATES}
#: A set, a protocol, a seed and a model.
Case = tuple[str, str, int, str]


# ------------------------------------------------------------------ sets


def parts(protocol: str, X: Rows, y: Rows, seed: int) -> tuple[Rows, Rows, Rows]:
    """Return rows to fit and to score, standardised, and which of those to score are outliers."""
    fitted, scored, truth = X, X, y
    if protocol == "novelty":
        fitted, scored, known, truth = train_test_split(
            X, y, test_size=0.3, stratify=y, random_state=seed
        )
        fitted = fitted[known == 0]
    scaler = StandardScaler().fit(fitted)
    return scaler.transform(fitted), scaler.transform(scored), truth


# ------------------------------------------------------------------ runs


def measured(fit: Fit, data: tuple[Rows, Rows, Rows], seed: int) -> Record:
    """Fit, score and judge a method."""
    fitted, scored, truth = data
    if not truth.any():
        raise ValueError("no outlier among the rows to score")
    start = time.perf_counter()
    model = fit(fitted, seed)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    scores = model.score_samples(scored)
    return {
        "auroc": float(roc_auc_score(truth, -scores)),
        "average_precision": float(average_precision_score(truth, -scores)),
        "seconds": seconds,
        "scoring_seconds": time.perf_counter() - start,
    }


def run(case: Case, folder: Path | None, most: int) -> Record:
    """Run one method on one thread; that it failed is a result, too."""
    name, protocol, seed, model = case
    X, y = read(folder, name, most)
    torch.set_num_threads(1)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = measured(METHODS[model], parts(protocol, X, y, seed), seed)
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"}
    of = {"set": name, "protocol": protocol, "seed": seed, "model": model}
    return {**of, "rows": len(X), "columns": X.shape[1], **found}


def seeds(shape: tuple[int, int]) -> int:
    """Return how many seeds a set of so many rows and columns gets."""
    rows, columns = shape
    return 1 if columns > WIDE else next(n for most, n in SEEDS if rows <= most)


def sets(kind: str, options: argparse.Namespace) -> dict[str, int]:
    """Return the sets of a part and their numbers of seeds."""
    which = "odd" if kind == "choose" else options.sets
    shapes = {
        name: read(options.data, name, options.rows)[0].shape for name in names(options.data, which)
    }
    return {
        name: 1 if kind == "choose" else min(seeds(shape), options.seeds)
        for name, shape in shapes.items()
        if shape[1] <= options.columns
    }


def cases(kind: str, options: argparse.Namespace) -> list[Case]:
    """Return a part's runs: seed after seed, all sets in each."""
    models = [*PEERS, *(CANDIDATES if kind == "choose" else OURS)]
    done = RESULTS.done() if options.missing else set()
    wanted = sets(kind, options)
    every = [
        (name, protocol, seed, model)
        for seed in range(max(wanted.values()))
        for name in wanted
        if seed < wanted[name]
        for protocol in PROTOCOLS
        for model in models
        if options.models in model
        # The rows are the same for every seed there, and so is the result.
        if not (seed and protocol == "outlier" and model in SEEDLESS)
    ]
    return [case for case in every if (kind, *case) not in done]


def do(kind: str, options: argparse.Namespace) -> None:
    """Run the cases of a part, and write each when it is done."""
    some = cases(kind, options)
    most = min(options.rows, SCREENED) if kind == "choose" else options.rows
    jobs = (delayed(run)(case, options.data, most) for case in some)
    found = Parallel(options.jobs, return_as="generator_unordered")(jobs)
    runs = ({"part": kind, **record} for record in found)
    RESULTS.add(told(runs, len(some), line))


def line(run: Record) -> str:
    """Return a run in one line."""
    found = run.get("error") or f"AUROC {run['auroc']:.3f}, {run['seconds']:.1f} s"
    of = f"{run['set']}, {run['protocol']}, seed {run['seed']}, {run['model']}"
    return f"{run['part']} {of}: {found}"


# ------------------------------------------------------------------ summary


def summary(kind: str) -> str:
    """Return Markdown tables of means over sets, for odd-numbered and even-numbered sets."""
    good = [record for record in RESULTS.runs(part=kind) if "auroc" in record]
    parts = []
    for which in ("odd", "even"):
        some = common([record for record in good if parity(record["set"]) == which])
        if some:
            sets = len({record["set"] for record in some})
            parts.append("\n".join([f"### {kind}: {which}, {sets} sets", *lines(some)]))
    return "\n\n".join(parts)


def common(records: list[Record]) -> list[Record]:
    """Return the records of the sets on which every method has run in both protocols."""
    of: dict[str, set[tuple[str, str]]] = {}
    for record in records:
        of.setdefault(record["set"], set()).add((record["protocol"], record["model"]))
    most = max(map(len, of.values()), default=0)
    return [record for record in records if len(of[record["set"]]) == most]


def lines(records: list[Record]) -> list[str]:
    """Return the lines of a table of methods, the best in the mean first."""
    rows = [cells(m, records) for m in dict.fromkeys(r["model"] for r in records)]
    rows.sort(key=lambda row: -row[0])
    heads = [f"{p}: {what}" for p in PROTOCOLS for what in ("AUROC", "AP", "first", "seconds")]
    return [
        "",
        f"| method | {' | '.join(heads)} |",
        f"|{'---|' * (len(heads) + 1)}",
        *(f"| {' | '.join(row[1:])} |" for row in rows),
    ]


def cells(model: str, records: list[Record]) -> tuple[Any, ...]:
    """Return a method's mean AUROC to sort by, and its cells."""
    found = []
    for protocol in PROTOCOLS:
        some = [r for r in records if r["protocol"] == protocol]
        means = {name: over_sets(some, model, name) for name in ("auroc", "average_precision")}
        found.append((*means.values(), first(some, model), over_sets(some, model, "seconds")))
    shown = [(f"{a:.3f}", f"{ap:.3f}", f"{n:d}", f"{s:.1f}") for a, ap, n, s in found]
    return (sum(row[0] for row in found), model, *itertools.chain(*shown))


def over_sets(records: list[Record], model: str, name: str) -> float:
    """Return the mean over sets of the mean over seeds."""
    return float(np.mean([*by_set(records, model, name).values()]))


def by_set(records: list[Record], model: str, name: str) -> dict[str, float]:
    """Return the mean over seeds of each set."""
    found: dict[str, list[float]] = {}
    for record in records:
        if record["model"] == model:
            found.setdefault(record["set"], []).append(record[name])
    return {name: float(np.mean(values)) for name, values in found.items()}


def first(records: list[Record], model: str) -> int:
    """Return on how many sets a method has the largest mean AUROC."""
    models = dict.fromkeys(record["model"] for record in records)
    of = {m: by_set(records, m, "auroc") for m in models}
    return sum(value == max(of[m][name] for m in models) for name, value in of[model].items())


def quick() -> Iterator[Record]:
    """Run ours and two peers on a set that ships with scikit-learn."""
    few = plain(CLUSTERS | {"max_epochs": 2, "prior": "standard_normal"})
    fits = {**OURS, "skvae, clusters": few, **PEERS}
    for protocol in PROTOCOLS:
        data = parts(protocol, *shipped(), 0)
        for model in (*OURS, "IsolationForest", "LocalOutlierFactor"):
            of = {"part": "quick", "set": SHIPPED, "protocol": protocol, "seed": 0, "model": model}
            yield of | measured(fits[model], data, 0)


def parsed() -> argparse.Namespace:
    """Return the command line's options."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=PARTS, default=["runs"])
    parser.add_argument("--sets", choices=("all", "odd", "even"), default="all")
    parser.add_argument("--seeds", type=int, default=5, help="at most; large sets have fewer")
    parser.add_argument("--rows", type=int, default=10_000, help="rows of a set, at most")
    parser.add_argument("--columns", type=int, default=10_000, help="leave out wider sets")
    parser.add_argument("--models", default="", help="run only models with this in their name")
    parser.add_argument("--missing", action="store_true", help="leave out what is written")
    parser.add_argument("--summary", action="store_true", help="print what is written, run nothing")
    options = parser.parse_args()
    if options.data is None and not (options.quick or options.summary):
        parser.error("--data FOLDER is needed, with adbench/*.npz")
    return options


def main() -> None:
    """Run the parts that are asked for."""
    options = parsed()
    if options.quick:
        runs = [*quick()]
        RESULTS.add(told(runs, len(runs), line), quick=True)
        return
    for kind in options.what:
        if options.summary:
            print(summary(kind))
        else:
            do(kind, options)


if __name__ == "__main__":
    main()
