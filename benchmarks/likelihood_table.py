"""Held-out log-likelihood of every prior, posterior and bound, beside peers, on eleven tables.

``--what`` names the parts, in the order in which they run:

- table: every variant at defaults otherwise, scored on the test rows.
- peers: scikit-learn's densities, and flows trained for as long as the default variant took.
- choose: variants, or ``CANDIDATES``, fitted to a part of the training rows of one split and scored
  on the rest of them, on the tables for choosing: never a test row.
- search: GridSearchCV inside the training rows. ``seconds`` are of search and refit together; the
  flows are searched for as long as ours were.

Every model runs on one thread. A run is written when it is done, and replaces an earlier one of the
same table, split and model; ``--missing`` leaves out those that are written. Two processes may run
at a time, on different tables.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.model_selection import GridSearchCV, KFold, ParameterGrid, ShuffleSplit
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.data.arrays import CHOOSING, FIRST_SPLIT, SHIPPED, TABLES, split, validation_split
from benchmarks.peers.densities import PEERS, quietly
from benchmarks.peers.flows import FlowDensity
from benchmarks.report.results import Record, ResultFile, arguments, told
from skvae import VAEDensity
from skvae.fit.plan import default_batch_size, default_max_epochs
from skvae.objectives import IWAE

#: "prior, posterior, bound": the defaults, and what each of the three is worth.
DEFAULT = "mixture, full_gaussian, iwae"
VARIANTS = (
    DEFAULT,
    "mixture, full_gaussian, dreg",
    "vamp, full_gaussian, dreg",
    "flow, full_gaussian, dreg",
    "standard_normal, full_gaussian, dreg",
    "standard_normal, full_gaussian, iwae",
    "standard_normal, full_gaussian, elbo",
    "mixture, diagonal_gaussian, dreg",
    "mixture, isotropic_gaussian, dreg",
    "mixture, flow, dreg",
)
#: Parameters that the defaults were chosen among, with ``--what choose --candidates``.
CANDIDATES: dict[str, dict[str, Any]] = {
    **{
        f"{prior}, {bound}": {"prior": prior, "objective": bound}
        for prior in ("standard_normal", "mixture", "vamp", "flow")
        for bound in ("iwae", "dreg")
    },
    "flow, diagonal, iwae": {
        "prior": "flow",
        "posterior": "diagonal_gaussian",
        "objective": "iwae",
    },
    "flow, iwae, 10 draws": {"prior": "flow", "objective": IWAE(10)},
    "standard_normal, iwae, refitted to a mixture": {
        "prior": "standard_normal",
        "objective": "iwae",
        "refit_prior": "mixture",
    },
}

OURS = "VAEDensity"
FLOWS = {"MAF": "maf", "NSF": "nsf"}
MIXTURE = "GaussianMixture, by validation"
SCIKIT_LEARN = ("FactorAnalysis", MIXTURE, "KernelDensity")
#: Training rows that a kernel density may have: it keeps them all.
KERNELS = 5000
#: Rows from which on one split is enough to search by.
ENOUGH = 2000
#: Numbers of a table from which on a fit takes minutes, and the epochs alone are searched.
LARGE = 300_000

Fit = Callable[[np.ndarray], Any]
#: A table, a split and a model.
Case = tuple[str, int, str]

PARTS = ("table", "peers", "choose", "search")
RESULTS = ResultFile("likelihood_table", ("part", "table", "split", "model"))


class Standardised:
    """A density fitted in standard deviations, whose scores are in the units of its rows."""

    def __init__(self, fit: Fit, X: np.ndarray):
        self.scaler = StandardScaler().fit(X)
        self.model = fit(self.scaler.transform(X))

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """Return the log-density of each row."""
        return self.model.score_samples(self.scaler.transform(X)) - np.log(self.scaler.scale_).sum()


def measured(fit: Fit, train: np.ndarray, test: np.ndarray) -> tuple[Any, dict[str, Any]]:
    """Return a fitted model with its scores, in nats per row, and times."""
    start = time.perf_counter()
    model = fit(train)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    scores = model.score_samples(test)
    return model, {
        "mean": float(scores.mean()),
        "median": float(np.median(scores)),
        "standard_error": float(scores.std(ddof=1) / len(scores) ** 0.5),
        "seconds": seconds,
        "scoring_seconds": time.perf_counter() - start,
    }


def ours(
    parameters: dict[str, Any], seed: int, train: np.ndarray, test: np.ndarray
) -> dict[str, Any]:
    """Fit and score VAEDensity."""
    model = VAEDensity(random_state=seed).set_params(**parameters)
    model, found = measured(model.fit, train, test)
    return {
        **found,
        "init": model.init_,
        "epochs": model.n_iter_,
        "latents": model.vae_.n_latent,
    }


def variant(name: str) -> dict[str, Any]:
    """Return the parameters of a variant or a candidate."""
    if name in CANDIDATES:
        return CANDIDATES[name]
    return dict(zip(("prior", "posterior", "objective"), name.split(", "), strict=True))


def peer(
    name: str, seed: int, seconds: float | None, train: np.ndarray, test: np.ndarray
) -> dict[str, Any]:
    """Fit and score a peer; a flow for a number of seconds."""
    if name in FLOWS:
        flow = FlowDensity(FLOWS[name], seconds=seconds, random_state=seed)
        _, found = measured(lambda X: Standardised(flow.fit, X), train, test)
        return {**found, "budget": seconds, "epochs": flow.n_iter_, "best_epoch": flow.best_epoch_}
    if name == "KernelDensity" and len(train) > KERNELS:
        train = np.random.default_rng(0).choice(train, KERNELS, replace=False)
    return measured(lambda X: Standardised(lambda x: quietly(PEERS[name], x), X), train, test)[1]


def search(
    name: str, seed: int, seconds: float | None, train: np.ndarray, test: np.ndarray
) -> dict[str, Any]:
    """Search parameters inside the training rows and score the refitted best."""
    if name == MIXTURE:
        return peer(name, seed, None, train, test)
    if name == OURS:
        return searched(VAEDensity(random_state=seed), ours_grid(train), train, test)
    grid = flow_grid(len(train))
    fits = 1 + len(ParameterGrid(grid)) * folds(len(train)).get_n_splits()
    flow = FlowDensity(FLOWS[name], seconds=seconds / fits, random_state=seed)
    found = searched(flow, grid, train, test)
    return {**found, "budget": seconds}


def searched(
    model: Any, grid: dict[str, list[Any]], train: np.ndarray, test: np.ndarray
) -> dict[str, Any]:
    """Search a grid by held-out log-likelihood; standardised rows are ours to standardise again."""
    grid_search = GridSearchCV(model, grid, cv=folds(len(train)), n_jobs=1)
    _, found = measured(lambda X: Standardised(grid_search.fit, X), train, test)
    return {
        **found,
        "search_seconds": found["seconds"] - grid_search.refit_time_,
        "refit_seconds": grid_search.refit_time_,
        "chosen": grid_search.best_params_,
    }


def ours_grid(train: np.ndarray) -> dict[str, list[Any]]:
    """Return what VAEDensity is searched by."""
    epochs = default_max_epochs(len(train), default_batch_size(len(train)))
    grid: dict[str, list[Any]] = {"max_epochs": [epochs, 3 * epochs]}
    if train.size < LARGE:
        grid |= {"prior": ["mixture", "vamp"], "likelihood": ["auto", "logistic_mixture"]}
    return grid


def flow_grid(rows: int) -> dict[str, list[Any]]:
    """Return what flows are searched by: the noise that helps few rows costs many a nat."""
    return {"transforms": [3, 5], "noise": [0.03, 0.1] if rows < ENOUGH else [0.0, 0.03]}


def folds(rows: int) -> Any:
    """Return three folds, or where there are enough rows one split of a fifth."""
    if rows < ENOUGH:
        return KFold(3, shuffle=True, random_state=0)
    return ShuffleSplit(1, test_size=0.2, random_state=0)


def run(
    kind: str,
    case: Case,
    folder: Path | None,
    seconds: float | None = None,
    parameters: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Run one model on one split on one thread; that it failed is a result, too."""
    table, seed, name = case
    rows = split(folder, table, seed)
    if kind == "choose":
        rows = validation_split(rows[0])
    torch.set_num_threads(1)
    with threadpool_limits(1):
        try:
            if kind in ("table", "choose"):
                found = ours(variant(name) | (parameters or {}), seed, *rows)
            else:
                found = {"peers": peer, "search": search}[kind](name, seed, seconds, *rows)
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"}
    return {"part": kind, "table": table, "split": seed, "model": name, **found}


def models(kind: str, options: argparse.Namespace) -> list[str]:
    """Return the names of what a part runs."""
    chosen = CANDIDATES if options.candidates else VARIANTS
    names = {
        "table": VARIANTS,
        "peers": (*SCIKIT_LEARN, *FLOWS),
        "choose": chosen,
        "search": (OURS, MIXTURE, *FLOWS),
    }[kind]
    return [name for name in names if options.variants in name]


def cases(kind: str, options: argparse.Namespace) -> list[Case]:
    """Return a part's runs: whole splits one after another."""
    choose = kind == "choose"
    tables = [table for table in options.tables if table in CHOOSING or not choose]
    seeds = range(FIRST_SPLIT, FIRST_SPLIT + (1 if choose else options.splits))
    done = RESULTS.done() if options.missing else set()
    every = [(t, s, m) for s in seeds for t in tables for m in models(kind, options)]
    return [case for case in every if (kind, *case) not in done]


def budget(kind: str, case: Case, otherwise: float) -> float:
    """Return the seconds a flow may take: those that ours took."""
    table, seed, _ = case
    took = ("search", OURS) if kind == "search" else ("table", DEFAULT)
    return seconds_of(took[0], table, seed, took[1]) or otherwise


def do(kind: str, some: list[Case], options: argparse.Namespace) -> None:
    """Run some cases of a part, and write each when it is done."""
    jobs = (
        delayed(run)(kind, case, options.data, budget(kind, case, options.budget)) for case in some
    )
    runs = Parallel(options.jobs, return_as="generator_unordered")(jobs)
    RESULTS.add(told(runs, len(some), line))


def line(run: Record) -> str:
    """Return a run in one line."""
    found = run.get("error") or f"{run['mean']:.2f} nats, {run['seconds']:.1f} s"
    return f"{run['part']} {run['table']} split {run['split']}, {run['model']}: {found}"


def quick() -> Iterator[Record]:
    """Run two variants and a peer on a table that ships with scikit-learn."""
    few = {"parameters": {"max_epochs": 3}}
    for kind, name, extra in (
        ("table", DEFAULT, few),
        ("table", "standard_normal, full_gaussian, elbo", few),
        ("peers", "FactorAnalysis", {}),
    ):
        record = run(kind, ("wine", FIRST_SPLIT, name), None, **extra)
        if "error" in record:
            raise RuntimeError(record["error"])
        yield record


def parsed() -> argparse.Namespace:
    """Return the command line's options."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=PARTS, default=["table", "peers"])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--splits", type=int, default=1, help="how many, from split 10 on")
    parser.add_argument("--variants", default="", help="run only models with this in their name")
    parser.add_argument("--candidates", action="store_true", help="choose among CANDIDATES")
    parser.add_argument(
        "--budget", type=float, default=60, help="seconds of a flow if ours are unknown"
    )
    parser.add_argument("--missing", action="store_true", help="leave out what is written")
    parser.add_argument("--summary", action="store_true", help="print what is written, run nothing")
    options = parser.parse_args()
    runs = not (options.quick or options.summary)
    if runs and options.data is None and set(options.tables) - set(SHIPPED):
        parser.error(f"--data FOLDER is needed for all tables but {', '.join(SHIPPED)}")
    return options


def seconds_of(kind: str, table: str, split: int, model: str) -> float | None:
    """Return the seconds a model took on a split, else in the mean on other splits of the table."""
    took = {
        r["split"]: r["seconds"]
        for r in RESULTS.runs(part=kind, table=table, model=model)
        if "seconds" in r
    }
    return took.get(split, float(np.mean([*took.values()])) if took else None)


def summary() -> str:
    """Return Markdown tables of what is written, one for each part and table."""
    every = sorted(RESULTS.runs(), key=lambda run: PARTS.index(run["part"]))
    parts = []
    for part, table in dict.fromkeys((r["part"], r["table"]) for r in every):
        runs = [r for r in every if (r["part"], r["table"]) == (part, table)]
        parts.append("\n".join([f"### {part}: {table}", "", *lines(runs)]))
    return "\n\n".join(parts)


def lines(runs: list[Record]) -> list[str]:
    """Return the lines of a table of runs, the best model first."""
    models = dict.fromkeys(r["model"] for r in runs)
    rows = [row(model, [r for r in runs if r["model"] == model]) for model in models]
    rows.sort(key=lambda cells: -cells[0])
    return [
        "| model | nats per row | +- of rows | median row | seconds | to score | splits |",
        "|---|---|---|---|---|---|---|",
        *(f"| {' | '.join(cells)} |" for _, *cells in rows),
    ]


def row(model: str, runs: list[Record]) -> tuple[Any, ...]:
    """Return a model's mean to sort by, and its cells: means over splits."""
    good = [r for r in runs if "mean" in r]
    failed = f", {len(runs) - len(good)} failed" if len(good) < len(runs) else ""
    if not good:
        return -np.inf, model, "", "", "", "", "", f"0{failed}"

    def mean(name: str) -> float:
        return float(np.mean([r[name] for r in good]))

    cells = [f"{mean(name):.2f}" for name in ("mean", "standard_error", "median")]
    times = [f"{mean(name):.1f}" for name in ("seconds", "scoring_seconds")]
    return mean("mean"), model, *cells, *times, f"{len(good)}{failed}"


def main() -> None:
    """Run the parts that are asked for; flows last, for they take the time that ours took."""
    options = parsed()
    if options.summary:
        print(summary())
        return
    if options.quick:
        RESULTS.add(told(quick(), 3, line), quick=True)
        return
    for kind in options.what:
        for flows in (False, True):
            do(kind, [c for c in cases(kind, options) if (c[2] in FLOWS) == flows], options)


if __name__ == "__main__":
    main()
