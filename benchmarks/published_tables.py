"""The published protocol of drawn tables: VAEDensity at its defaults, beside printed figures.

Five tables in their published splits, targets included as columns. Each training draws as many rows
as it was fitted to, and XGBoost tells these from the *training* rows, over three folds: the
detection of SDMetrics, as an area under the curve. Pairs are its "trend". A model trained on drawn
rows is judged on the test rows, by the area under the curve or, of a number, by the root mean
square error of its logarithm. Printed are the figures of TabPC's repository, each a mean of five
trainings.

Runs that are written are not made again. XGBoost is to be installed beside.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import roc_auc_score, root_mean_squared_error
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from benchmarks.data.frames import TARGETS, read, small
from benchmarks.report.results import Record, ResultFile, arguments, told
from skvae import VAEDensity
from skvae.metrics import pair_distances

#: Area under the curve of XGBoost, as published: lower is better, 0.5 a guess.
PUBLISHED = {
    "adult": {"TabPC": 0.572, "TabDiff": 0.580, "TabSyn": 0.603, "TVAE": 1.0},
    "default": {"TabPC": 0.869, "TabDiff": 0.704, "TabSyn": 0.799, "TVAE": 1.0},
    "shoppers": {"TabPC": 0.553, "TabDiff": 0.632, "TabSyn": 0.672, "TVAE": 1.0},
    "magic": {"TabPC": 0.570, "TabDiff": 0.613, "TabSyn": 0.620, "TVAE": None},
    "beijing": {"TabPC": 0.715, "TabDiff": 0.614, "TabSyn": 0.737, "TVAE": 1.0},
}
MEASURES = ("detection", "trend", "trained_on_drawn", "trained_on_real", "seconds")
N_FOLDS = 3


def codes(real: pd.DataFrame, other: pd.DataFrame) -> list[np.ndarray]:
    """Return two tables as numbers, of categories the place among those of the first."""
    parts = []
    for table in (real, other):
        columns = [
            table[name].astype(real[name].dtype).cat.codes
            if isinstance(real[name].dtype, pd.CategoricalDtype)
            else table[name]
            for name in real
        ]
        parts.append(np.column_stack([np.asarray(column, float) for column in columns]))
    return parts


def classifier(quick: bool) -> Any:
    """Return what tells rows apart: of a quick run one that needs no installation."""
    if quick:
        return HistGradientBoostingClassifier(max_iter=20)
    from xgboost import XGBClassifier

    return XGBClassifier(random_state=0, n_jobs=1)


def detection(real: pd.DataFrame, drawn: pd.DataFrame, model: Any) -> float:
    """Return the mean area under the curve of a classifier that tells drawn rows from real ones."""
    X, y = np.vstack(codes(real, drawn)), np.arange(len(real) + len(drawn)) >= len(real)
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    areas = [
        roc_auc_score(y[test], model.fit(X[train], y[train]).predict_proba(X[test])[:, 1])
        for train, test in folds.split(X, y)
    ]
    return float(np.mean(areas))


def trained(rows: pd.DataFrame, test: pd.DataFrame, target: str) -> float:
    """Return how well what is trained on rows predicts the target of test rows."""
    X, of_test = codes(test, rows)[::-1]
    at = list(test).index(target)
    X, y = np.delete(X, at, 1), X[:, at]
    of_test, wanted = np.delete(of_test, at, 1), of_test[:, at]
    if len(np.unique(wanted)) == 2:
        model = HistGradientBoostingClassifier(random_state=0).fit(X, y)
        return float(roc_auc_score(wanted, model.predict_proba(of_test)[:, 1]))
    model = HistGradientBoostingRegressor(random_state=0).fit(X, np.log(y.clip(1)))
    return float(root_mean_squared_error(np.log(wanted.clip(1)), model.predict(of_test)))


def run(folder: Path | None, name: str, seed: int, quick: bool) -> Record:
    """Fit, draw and measure one table."""
    case = {"table": name, "seed": seed}
    train, test = small() if quick else read(folder, name)
    target = "sold" if quick else TARGETS[name]
    torch.set_num_threads(1)
    with threadpool_limits(1):
        start = time.process_time()
        density = VAEDensity(random_state=seed, max_epochs=5 if quick else "auto").fit(train)
        drawn = density.sample(len(train), random_state=seed)
        seconds = time.process_time() - start
        distances = pair_distances(train, drawn)
        return {
            **case,
            "detection": detection(train, drawn, classifier(quick)),
            "trend": 1.0 - float(np.mean([*distances.values()])),
            "trained_on_drawn": trained(drawn, test, target),
            "trained_on_real": trained(train, test, target),
            "seconds": seconds,
            "relations": [str(relation) for relation in density.relations_],
        }


def summary(runs: list[Record]) -> dict[str, Any]:
    """Return the means over trainings by table, beside what is published, best first."""
    tables: dict[str, Any] = {}
    for name in dict.fromkeys(run["table"] for run in runs):
        some = [run for run in runs if run["table"] == name]
        means = {m: round(float(np.mean([run[m] for run in some])), 4) for m in MEASURES}
        beside = {**PUBLISHED.get(name, {}), "VAEDensity": means["detection"]}
        known = {model: area for model, area in beside.items() if area is not None}
        ranked = dict(sorted(known.items(), key=lambda item: item[1]))
        tables[name] = {**means, "trainings": len(some), "ranked": ranked}
    return tables


RESULTS = ResultFile("published_tables", ("table", "seed"), summary)


def line(run: Record) -> str:
    """Return a run in one line."""
    return (
        f"{run['table']}, seed {run['seed']}: told from training rows {run['detection']:.3f}, "
        f"trend {run['trend']:.3f}, {run['seconds']:.0f} s"
    )


def runs(options: Any) -> Iterator[Record]:
    """Yield the runs that are not written yet."""
    names = ["small"] if options.quick else options.tables
    cases = [*product(names, range(1 if options.quick else options.seeds))]
    done = set() if options.quick else RESULTS.done()
    left = [case for case in cases if case not in done]
    made = Parallel(1 if options.quick else options.jobs, return_as="generator")(
        delayed(run)(options.data, *case, options.quick) for case in left
    )
    return told(made, len(left), line)


def main() -> None:
    """Run what is left and write the result."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    if options.data is None and not options.quick:
        parser.error("--data: the folder of the tables is needed, unless --quick")
    if find_spec("xgboost") is None and not options.quick:
        parser.error("pip install xgboost, unless --quick")
    found = RESULTS.add(runs(options), options.quick, parameters=VAEDensity().get_params())
    for name, row in found.items():
        print(name, {k: v for k, v in row.items() if k != "ranked"})
        print("  " + ", ".join(f"{model} {area:.3f}" for model, area in row["ranked"].items()))


if __name__ == "__main__":
    main()
