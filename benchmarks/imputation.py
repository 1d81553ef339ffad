"""Holes filled by VAEImputer at defaults, beside scikit-learn's imputers.

Seven tables; 10, 30 and 50 % of the cells hidden completely at random, and 30 % at random
(`benchmarks.measures.holes.mar`); five masks each. A seed makes the mask, and a split of the rows
that is the same for all mechanisms. Methods are fitted to four fifths of the rows, with their
holes, and fill the others; hidden test cells are scored. Genuine holes stay, and are never scored.

- nrmse: the root mean square, over hidden numbers, of imputed minus true in standard deviations of
  the complete training column.
- accuracy: the share of hidden categories that were found.
- error: what methods are ranked by. The nrmse if a table has numbers only, 1 - accuracy if it has
  categories only, otherwise the mean of the two, each relative to the mean and the mode.
- coverage: the share of hidden numbers between the least and the largest of 19 drawn imputations,
  ends included: 90 % if the draws are right.

The peers, and what was chosen for them, are in `benchmarks.imputers`. One thread a process, so that
seconds compare.

A run replaces the same tables, masks and methods in the result file and keeps what else is there;
the file's command and versions are those of the last run.
"""

from __future__ import annotations

import time
import warnings
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from benchmarks.data.arrays import load
from benchmarks.data.frames import small
from benchmarks.measures.holes import MECHANISMS, codes, is_category
from benchmarks.peers.imputers import filled, fit_peer
from benchmarks.report.results import Record, ResultFile, arguments, told
from skvae import VAEImputer

TABLES = ("breast_cancer", "wine_quality", "banknote", "letter", "concrete", "adult", "vote")
QUICK_TABLES = ("small numbers", "small")
FILES = {"wine_quality": "wine_quality_red", "adult": "adult", "vote": "vote",
         "banknote": "banknote", "letter": "letter"}  # fmt: skip
LEFT_OUT = {"adult": ["split"], "banknote": ["class"], "letter": ["class"]}
MOST_ROWS = 3_000
BASE, OURS = "mean", "VAEImputer"
METHODS = (BASE, "KNN", "ridge", "trees", OURS)
KEY = ("table", "mechanism", "seed", "method")
MEASURES = ("nrmse", "accuracy", "error", "coverage", "fit_seconds", "transform_seconds")
DRAWS = 19


def read(folder: Path | None, name: str) -> pd.DataFrame:
    """Return a table of floats and categories, at most 3,000 rows of it."""
    table = raw(folder, name)
    if len(table) > MOST_ROWS:
        rows = np.random.default_rng(0).choice(len(table), MOST_ROWS, replace=False)
        table = table.iloc[rows].reset_index(drop=True)
    numbers = table.select_dtypes("number").columns
    return table.astype({c: float if c in numbers else "category" for c in table})


def raw(folder: Path | None, name: str) -> pd.DataFrame:
    """Return a table as it is stored, without the columns that are left out."""
    if name in QUICK_TABLES:
        table = pd.concat(small(), ignore_index=True)
        return table if name == "small" else table[["length", "count"]]
    if name == "breast_cancer":
        return pd.DataFrame(load(name)).add_prefix("x")
    if name == "concrete":
        with np.load(folder / "uci_gal_concrete.npz") as file:
            return pd.DataFrame(np.column_stack([file["X"], file["y"]])).add_prefix("x")
    return pd.read_csv(folder / f"{FILES[name]}.csv.gz").drop(columns=LEFT_OUT.get(name, []))


def by_peer(
    method: str, train: pd.DataFrame, test: pd.DataFrame, seed: int, quick: bool
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return test rows without holes, and seconds."""
    start = time.perf_counter()
    imputer = fit_peer(method, train, seed, quick)
    fitted = time.perf_counter()
    completed = filled(test, imputer.transform(codes(test, train)), train)
    return completed, seconds(start, fitted)


def by_us(
    train: pd.DataFrame, test: pd.DataFrame, seed: int, quick: bool
) -> tuple[pd.DataFrame, dict[str, float], list[pd.DataFrame]]:
    """Return test rows without holes, seconds, and as many drawn completions as are asked for."""
    start = time.perf_counter()
    imputer = VAEImputer(random_state=seed, **({"max_epochs": 2} if quick else {})).fit(train)
    fitted = time.perf_counter()
    completed = imputer.transform(test)
    spent = seconds(start, fitted)
    return completed, spent, imputer.sample_imputations(test, DRAWS, random_state=seed)


def seconds(start: float, fitted: float) -> dict[str, float]:
    """Return seconds of fitting and, until now, of filling."""
    return {"fit_seconds": fitted - start, "transform_seconds": time.perf_counter() - fitted}


def score(
    imputed: pd.DataFrame, test: pd.DataFrame, train: pd.DataFrame, hidden: np.ndarray
) -> dict[str, float | None]:
    """Return nrmse and accuracy over hidden cells; None of a measure without cells."""
    distances, right = [], []
    for (name, column), mask in zip(test.items(), hidden.T, strict=True):
        found, true = imputed[name][mask], column[mask]
        if is_category(column):
            right.append((found == true).to_numpy())
        elif train[name].std(ddof=0) > 0:
            distances.append(((found - true) / train[name].std(ddof=0)).to_numpy(float))
    squares = np.concatenate([np.zeros(0), *distances]) ** 2
    hits = np.concatenate([np.zeros(0), *right])
    return {
        "nrmse": float(squares.mean() ** 0.5) if len(squares) else None,
        "accuracy": float(hits.mean()) if len(hits) else None,
    }


def coverage(
    draws: list[pd.DataFrame], test: pd.DataFrame, train: pd.DataFrame, hidden: np.ndarray
) -> float | None:
    """Return the share of hidden numbers within the range of the draws, ends included."""
    inside = []
    for (name, column), mask in zip(test.items(), hidden.T, strict=True):
        if not is_category(column) and (sd := train[name].std(ddof=0)) > 0:
            drawn = np.stack([draw[name][mask].to_numpy(float) for draw in draws])
            true, slack = column[mask].to_numpy(), 1e-6 * sd  # a draw may have been a float32
            inside.append((drawn.min(0) - slack <= true) & (true <= drawn.max(0) + slack))
    inside = np.concatenate([np.zeros(0), *inside])
    return float(inside.mean()) if len(inside) else None


def error(found: dict[str, Any], base: dict[str, Any], table: pd.DataFrame) -> float:
    """Return what methods are ranked by; of a mixed table, over the kinds that are hidden."""
    pairs = [(f["nrmse"], None if f["accuracy"] is None else 1 - f["accuracy"])
             for f in (found, base)]  # fmt: skip
    ours, theirs = (np.array(pair, dtype=float) for pair in pairs)
    mixed = len({is_category(column) for _, column in table.items()}) == 2
    return float(np.nanmean(ours / theirs if mixed else ours))


def run(
    folder: Path | None, name: str, mechanism: str, seed: int, methods: list[str], quick: bool
) -> list[dict[str, Any]]:
    """Fill the same holes with every method. What a method refuses is said, not raised."""
    torch.set_num_threads(1)
    table = read(folder, name)
    mask = MECHANISMS[mechanism](table, seed=seed)
    parts = train_test_split(np.arange(len(table)), test_size=0.2, random_state=seed)
    (train, test), (seen, given) = (
        [whole.iloc[p].reset_index(drop=True) for p in parts] for whole in (table, table.mask(mask))
    )
    hidden = mask[parts[1]] & test.notna().to_numpy()
    rows: list[dict[str, Any]] = []
    for method in dict.fromkeys([BASE, *methods]):
        row = dict(zip(KEY, (name, mechanism, seed, method), strict=True))
        rows.append(row)
        try:
            with threadpool_limits(1), warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                if method == OURS:
                    imputed, spent, draws = by_us(seen, given, seed, quick)
                    row["coverage"] = coverage(draws, test, train, hidden)
                else:
                    imputed, spent = by_peer(method, seen, given, seed, quick)
        except (TypeError, ValueError) as refusal:
            row["refused"] = str(refusal)
            continue
        row |= score(imputed, test, train, hidden) | spent
        row["error"] = error(row, rows[0], table)
    return rows


def summary(runs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return means and standard errors over masks, and how methods compare, for each table.

    A comparison is over the masks that every method took, but for methods that took none. The
    verdict pairs every mask of every mechanism; the masks of one seed share a split, so that its
    standard error is somewhat too small.
    """
    frame = pd.DataFrame(runs).reindex(columns=[*KEY, *MEASURES])
    tables: dict[str, dict[str, Any]] = {}
    for name, rows in frame.groupby("table", sort=False):
        tables[name] = {
            mechanism: {
                method: {**measured(some), "against_best_other": comparison(part, method)}
                for method, some in part.groupby("method", sort=False)
            }
            for mechanism, part in rows.groupby("mechanism", sort=False)
        }
        tables[name]["verdict"] = {
            method: comparison(rows, method) for method in rows["method"].unique()
        }
    return tables


RESULTS = ResultFile("imputation", KEY, summary)


def measured(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the means of all measures and their standard errors; None where there is none."""
    found = {measure: mean_and_error(rows[measure].astype(float)) for measure in MEASURES}
    return {k: v for k, v in found.items() if v is not None} | {"masks": int(rows["error"].count())}


def mean_and_error(values: pd.Series) -> list[float | None] | None:
    """Return the mean and its standard error, None with one value, of those that are there."""
    values = values.dropna()
    if len(values) == 0:
        return None
    return [
        round(float(values.mean()), 4),
        round(float(values.sem()), 4) if len(values) > 1 else None,
    ]


def comparison(rows: pd.DataFrame, method: str) -> dict[str, Any] | None:
    """Return a method's paired difference in error from the best other; below 0 is ahead."""
    errors = rows.pivot(index=["mechanism", "seed"], columns="method", values="error")
    errors = errors.astype(float).dropna(axis=1, how="all").dropna()
    if method not in errors or errors.shape[1] == 1 or len(errors) == 0:
        return None
    other = errors.drop(columns=method).mean().idxmin()
    difference, uncertain = mean_and_error(errors[method] - errors[other])
    return {
        "error": round(float(errors[method].mean()), 4),
        "best_other": other,
        "difference": difference,
        "standard_error": uncertain,
        "pairs": len(errors),
        "best_or_within_one": difference <= (uncertain or 0.0),
    }


def show(tables: dict[str, dict[str, Any]]) -> None:
    """Print the summary."""
    heads = ("nrmse", "accuracy", "error", "coverage", "fit s", "fill s")
    for name, mechanisms in tables.items():
        print(f"\n{name:22}" + "".join(f"{head:>17}" for head in heads))
        for mechanism, methods in mechanisms.items():
            if mechanism == "verdict":
                continue
            print(f"  {mechanism}")
            for method, row in methods.items():
                print(f"    {method:18}" + "".join(f"{cell(row.get(m)):>17}" for m in MEASURES))
        print("  all mechanisms: error, and the paired difference from the best other method")
        for method, row in mechanisms["verdict"].items():
            print(f"    {method:18}" + (verdict(row) if row else "nothing to compare"))


def cell(found: list[float | None] | None) -> str:
    """Return a mean and its standard error as text."""
    if found is None:
        return "-"
    return f"{found[0]:.3f}" + ("" if found[1] is None else f" +- {found[1]:.3f}")


def verdict(row: dict[str, Any]) -> str:
    """Return a comparison as text."""
    difference = cell([row["difference"], row["standard_error"]])
    best = "  best or within one standard error" if row["best_or_within_one"] else ""
    return f"{row['error']:7.3f}  {difference} from {row['best_other']}, {row['pairs']} pairs{best}"


def line(row: Record) -> str:
    """Return a run in one line."""
    found = row.get("refused") or format(row["error"], ".3f")
    return f"{row['table']}, {row['mechanism']}, mask {row['seed']}, {row['method']}: {found}"


def main() -> None:
    """Run everything and write the result."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--mechanisms", nargs="+", choices=MECHANISMS, default=list(MECHANISMS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--masks", type=int, default=5, help="seeds of masks, from --first on")
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    if options.data is None and not options.quick and set(options.tables) != {"breast_cancer"}:
        parser.error("--data: the folder of the tables is needed, unless --quick")
    cases = list(product(options.tables, options.mechanisms, range(options.first, options.masks)))
    if options.quick:
        cases = [(name, "MCAR 30 %", 0) for name in QUICK_TABLES]
    finished = Parallel(1 if options.quick else options.jobs, return_as="generator")(
        delayed(run)(options.data, *case, options.methods, options.quick) for case in cases
    )
    runs = told(chain.from_iterable(finished), len(cases) * len({BASE, *options.methods}), line)
    show(RESULTS.add(runs, options.quick, parameters=VAEImputer().get_params()))


if __name__ == "__main__":
    main()
