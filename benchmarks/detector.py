"""What ``VAEOutlierDetector()`` is worth as it comes: ranks, false alarms and wrong cells.

- ranks: sets of ADBench in the data folder, at most ``--rows`` rows of each, beside scikit-learn's
  detectors, ECOD and one Gaussian. By two protocols: contaminated (the rows that are fitted are
  ranked, outliers included) and clean (half of the normal rows are fitted, the others and the
  outliers ranked). Columns are standardised by the fitted rows. Defaults may be chosen on sets with
  an odd number; those with an even one confirm.
- alarms: twelve tables of 100 to 5,000 rows, ``contamination="auto"``, which means 1 %. What is
  written is how many of up to 5,000 new rows of the same table are flagged.
- corruption: 5,000 rows of California housing, of which 25 have the cell of one column six times
  too large: the area under the curve, and how often ``explain`` puts that cell first.

A run is written when it is done; what is written is not run again (``--again`` does).
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import beta
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.data import adbench
from benchmarks.peers import detectors
from benchmarks.report.results import Record, ResultFile, arguments, told
from skvae import VAEOutlierDetector

PARTS = ("ranks", "alarms", "corruption")
OURS = "VAEOutlierDetector"
PEERS = ("IsolationForest", "LocalOutlierFactor", "ECOD", "One Gaussian")
PROTOCOLS = ("contaminated", "clean")
#: Sets of more columns take too long.
MAX_COLUMNS = 300

#: Rows to fit of each table of normal rows.
ALARMS = {
    "iris": 100,
    "wine": 118,
    "kin8nm": 150,
    "breast_cancer": 200,
    "banknote": 300,
    "california_housing": 400,
    "abalone": 500,
    "adult": 800,
    "digits": 1_000,
    "power_plant": 1_500,
    "shoppers": 2_500,
    "magic": 5_000,
}
#: New rows that are judged, at most.
JUDGED = 5_000
#: Columns with labels of rows that are not all normal, and the label that is.
NORMAL = {"banknote": ("class", 0), "magic": ("class", "g")}
SHIPPED: dict[str, Callable[..., Any]] = {
    "iris": load_iris,
    "wine": load_wine,
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
}

CORRUPTED = ("median_income", "population", "total_rooms")
N_CORRUPTED, TIMES = 25, 6.0
#: A part, what it is of, a protocol, a seed and a model.
Case = tuple[str, str, str, int, str]


# ------------------------------------------------------------------ rows


def protocol_rows(protocol: str, X: np.ndarray, y: np.ndarray, seed: int) -> tuple[Any, Any, Any]:
    """Return rows to fit, rows to rank, standardised, and which of these are outliers."""
    fitted, ranked, truth = X, X, y
    if protocol == "clean":
        normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
        fit, rest = np.split(normal, [len(normal) // 2])
        rest = np.concatenate([rest, np.flatnonzero(y)])
        fitted, ranked, truth = X[fit], X[rest], y[rest]
    scaler = StandardScaler().fit(fitted)
    return scaler.transform(fitted), scaler.transform(ranked), truth


def normal_rows(folder: Path | None, name: str) -> pd.DataFrame:
    """Return the normal rows of a table."""
    if name in SHIPPED:
        bunch = SHIPPED[name](as_frame=True)
        return bunch.data[bunch.target == 1] if name == "breast_cancer" else bunch.data
    if folder is None:
        raise ValueError(f"--data FOLDER is needed: {name} does not ship with scikit-learn.")
    if name in ("kin8nm", "power_plant"):
        return pd.DataFrame(np.load(folder / f"uci_gal_{name}.npz")["X"])
    frame = pd.read_csv(folder / f"{name}.csv.gz").drop(columns="split", errors="ignore")
    if name in NORMAL:
        column, label = NORMAL[name]
        frame = frame[frame[column] == label].drop(columns=column)
    return frame


def corrupted(frame: pd.DataFrame, column: str, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return 5,000 rows of a table with wrong cells in one column, and which rows have one."""
    some = frame.sample(min(5_000, len(frame)), random_state=seed).reset_index(drop=True)
    wrong = np.isin(np.arange(len(some)), np.arange(N_CORRUPTED))
    some[column] = some[column].astype(float) * np.where(wrong, TIMES, 1.0)
    return some, wrong


# ------------------------------------------------------------------ runs


def ranks(case: Case, options: argparse.Namespace) -> Record:
    """Fit a detector to a set and rank rows."""
    _, name, protocol, seed, model = case
    X, y = adbench.read(options.data, name, options.rows)
    fitted, ranked, truth = protocol_rows(protocol, X, y, seed)
    start = time.process_time()
    if model == OURS:
        # A share moves the threshold alone, and spares the models that place it.
        detector = ours(options, seed).set_params(contamination=0.1).fit(fitted)
        scores = detector.decision_function(ranked)
    else:
        scores = detectors.PEERS[model](fitted, seed).score_samples(ranked)
    return {
        "auroc": round(float(roc_auc_score(truth, -scores)), 4),
        "average_precision": round(float(average_precision_score(truth, -scores)), 4),
        "rows": len(fitted),
        "columns": X.shape[1],
        "seconds": round(time.process_time() - start, 1),
    }


def alarms(case: Case, options: argparse.Namespace) -> Record:
    """Fit normal rows and count how many new ones are flagged."""
    _, name, _, seed, _ = case
    frame = normal_rows(options.data, name).sample(frac=1.0, random_state=seed)
    n = ALARMS[name]
    fitted, new = frame.iloc[:n], frame.iloc[n : n + JUDGED]
    start = time.process_time()
    detector = ours(options, seed).fit(fitted)
    seconds = time.process_time() - start
    new = known(new, fitted)
    return {
        "rows": n,
        "by": detector.offset_rows_,
        "flagged": int((detector.predict(new) == -1).sum()),
        "judged": len(new),
        "seconds": round(seconds, 1),
    }


def known(new: pd.DataFrame, fitted: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without a category that was not there in ``fit``."""
    text = [name for name in new.columns if not pd.api.types.is_numeric_dtype(new[name])]
    seen = [new[name].isna() | new[name].isin(fitted[name].unique()) for name in text]
    return new[np.logical_and.reduce(seen)] if seen else new


def corruption(case: Case, options: argparse.Namespace) -> Record:
    """Fit rows with wrong cells, and look for these."""
    _, column, _, seed, model = case
    numbers = normal_rows(options.data, "california_housing").select_dtypes("number")
    frame, wrong = corrupted(numbers, column, seed)
    start = time.process_time()
    if model == "IsolationForest":
        whole = frame.fillna(frame.median())
        scores = IsolationForest(random_state=seed).fit(whole).score_samples(whole)
        return {"auroc": round(float(roc_auc_score(wrong, -scores)), 4)}
    detector = ours(options, seed).fit(frame)
    seconds = time.process_time() - start
    scores = detector.decision_function(frame)
    surprise = np.asarray(detector.explain(frame[wrong], relative=True))
    first = np.nanargmax(surprise, axis=1) == frame.columns.get_loc(column)
    return {
        "auroc": round(float(roc_auc_score(wrong, -scores)), 4),
        "found_first": int(first.sum()),
        "of": N_CORRUPTED,
        "seconds": round(seconds, 1),
    }


def ours(options: argparse.Namespace, seed: int) -> VAEOutlierDetector:
    """Return ours as it comes: it is told nothing of the rows."""
    few = {"max_epochs": 2, "n_draws": 8} if options.quick else {}
    return VAEOutlierDetector(random_state=seed, **few)


RUNS = {"ranks": ranks, "alarms": alarms, "corruption": corruption}


def run(case: Case, options: argparse.Namespace) -> Record:
    """Run one case on one thread."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = RUNS[case[0]](case, options)
    return dict(zip(RESULTS.of, case, strict=True)) | found


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Yield what there is to run, seed after seed."""
    if options.quick:
        yield from (("ranks", adbench.SHIPPED, "clean", 0, model) for model in (OURS, *PEERS))
        yield "alarms", "iris", "clean", 0, OURS
        return
    wanted = [name for name in adbench.names(options.data, options.sets) if fits(options, name)]
    for seed in range(options.seeds):
        for part in options.what:
            if part == "ranks":
                models = [OURS] if options.ours else [OURS, *PEERS]
                for name in wanted:
                    yield from ((part, name, p, seed, m) for p in PROTOCOLS for m in models)
            elif part == "alarms":
                yield from ((part, name, "clean", seed, OURS) for name in ALARMS)
            else:
                for column in CORRUPTED:
                    models = [OURS, "IsolationForest"]
                    yield from ((part, column, "contaminated", seed, m) for m in models)


def fits(options: argparse.Namespace, name: str) -> bool:
    """Whether a set is narrow enough, and has outliers among its rows."""
    X, y = adbench.read(options.data, name, options.rows)
    return X.shape[1] <= MAX_COLUMNS and bool(y.any())


# ------------------------------------------------------------------ summary


def summary(runs: list[Record]) -> dict[str, Any]:
    """Return means over sets, rates with intervals, and what was found of wrong cells."""
    by_part = {part: [run for run in runs if run["part"] == part] for part in PARTS}
    of = {"ranks": of_ranks, "alarms": of_alarms, "corruption": of_corruption}
    return {part: of[part](pd.DataFrame(found)) for part, found in by_part.items() if found}


def of_ranks(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the mean AUROC over sets of the mean over seeds."""
    odd = frame["table"].map(lambda name: "confirming" if is_even(name) else "choosing")
    found: dict[str, Any] = {}
    for (protocol, which), some in frame.groupby(["protocol", odd]):
        by_set = some.pivot_table("auroc", "table", "model").dropna()
        means = by_set.mean().sort_values(ascending=False).round(4)
        found[f"{protocol}, {which}, {len(by_set)} sets"] = means.to_dict()
    return found


def is_even(name: str) -> bool:
    """Whether a set is one to confirm on."""
    return name == adbench.SHIPPED or adbench.parity(name) == "even"


def of_alarms(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the share of new rows that are flagged, with a 95 % binomial interval."""
    found: dict[str, Any] = {}
    for name, some in frame.groupby("table", sort=False):
        flagged, judged = int(some["flagged"].sum()), int(some["judged"].sum())
        low, high = interval(flagged, judged)
        found[str(name)] = {
            "rows": int(some["rows"].iloc[0]),
            "by": "/".join(sorted(set(some["by"]))),
            "rate": round(flagged / judged, 4),
            "interval": [round(low, 4), round(high, 4)],
            "largest_of_a_fit": round(float((some["flagged"] / some["judged"]).max()), 4),
            "seconds": round(float(some["seconds"].mean()), 1),
        }
    return found


def interval(k: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of Clopper and Pearson."""
    low = beta.ppf(0.025, k, n - k + 1) if k else 0.0
    return float(low), float(beta.ppf(0.975, k + 1, n - k) if k < n else 1.0)


def of_corruption(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the means over seeds by column."""
    some = [name for name in ("auroc", "found_first", "seconds") if name in frame]
    means = frame.groupby(["table", "model"], sort=False)[some].mean().round(3)
    return {" by ".join(map(str, of)): row.dropna().to_dict() for of, row in means.iterrows()}


RESULTS = ResultFile("detector", ("part", "table", "protocol", "seed", "model"), summary)


def line(run: Record) -> str:
    """Return a run in one line."""
    return " ".join(map(str, run.values()))


def main() -> None:
    """Run the parts that are asked for."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--sets", choices=("all", "odd", "even"), default="all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=2_000, help="rows of a set, at most")
    parser.add_argument("--ours", action="store_true", help="leave peers out")
    parser.add_argument("--again", action="store_true", help="run also what is written")
    options = parser.parse_args()
    if options.data is None and not options.quick:
        parser.error("--data FOLDER is needed")
    done = set() if options.again or options.quick else RESULTS.done()
    todo = [case for case in cases(options) if case not in done]
    runs = Parallel(options.jobs, return_as="generator")(delayed(run)(c, options) for c in todo)
    for part, found in RESULTS.add(told(runs, len(todo), line), options.quick).items():
        print(part, *(f"  {of}: {figures}" for of, figures in found.items()), sep="\n")


if __name__ == "__main__":
    main()
