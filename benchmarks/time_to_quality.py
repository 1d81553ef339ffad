"""What a fit at the defaults takes, and how good it gets, beside an older copy of skvae.

``--before FOLDER`` names the copy (a checkout, or where one was installed). Every split is fitted
and scored by both, one after the other, each in a process of its own with one thread, which has
fitted a few rows before. Seconds are those of the processor; scores are of 512 draws, so that
models are compared and not estimates. A table's quality holds when the mean paired difference is
above -0.05 nats per row, and its lower 95 % bound above -0.3. Tables that do not ship with
scikit-learn need the data folder. Splits are those of training rows alone: of the rows that other
benchmarks train on, a fifth is held out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from benchmarks.data.arrays import SHIPPED, split, validation_split
from benchmarks.report.results import Record, ResultFile, arguments, told

#: Tables, and of how many splits.
SPLITS = {
    "wine": 10,
    "breast_cancer": 10,
    "digits": 10,
    "abalone": 10,
    "banknote": 10,
    "magic": 3,
    "power_plant": 3,
    "patches": 3,
}
SCORED = 1_000
NEW, OLD = "now", "before"
FIT = """
import json, sys, time, warnings
import numpy as np
import torch
from skvae import VAEDensity

warnings.simplefilter("ignore")
torch.set_num_threads(1)
tables, seed, quick = np.load(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True"
few = {"max_epochs": 2} if quick else {}
VAEDensity(2, max_epochs=1).fit(tables["train"][:50])
start = time.process_time()
density = VAEDensity(random_state=seed, **few).fit(tables["train"])
seconds = time.process_time() - start
scores = density.set_params(n_draws=512).score_samples(tables["held_out"])
found = {"seconds": seconds, "mean": float(scores.mean()), "median": float(np.median(scores))}
print(json.dumps(found))
"""


def fitted(copy: Path, rows: str, seed: int, quick: bool) -> dict[str, float]:
    """Fit and score with a copy of skvae, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", FIT, rows, str(seed), str(quick)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment, cwd=copy
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compared(copies: dict[str, Path], data: Path | None, quick: bool) -> Iterator[Record]:
    """Yield what every copy takes and reaches, split by split."""
    for table, n_splits in SPLITS.items():
        if (data is None and table not in SHIPPED) or (quick and table != "wine"):
            continue
        for seed in range(1 if quick else n_splits):
            train, held_out = validation_split(split(data, table, seed)[0])
            with tempfile.TemporaryDirectory() as folder:
                rows = f"{folder}/rows.npz"
                np.savez(rows, train=train, held_out=held_out[: 10 if quick else SCORED])
                found = {name: fitted(copy, rows, seed, quick) for name, copy in copies.items()}
            yield {"table": table, "split": seed, **found}


def summary(runs: list[Record]) -> dict[str, Any]:
    """Return by table how time and quality compare."""
    tables = dict.fromkeys(run["table"] for run in runs)
    return {table: of_table([run for run in runs if run["table"] == table]) for table in tables}


def of_table(runs: list[Record]) -> dict[str, float]:
    """Return seconds of both, their ratio, and the paired difference with its lower bound."""
    seconds = {name: float(np.mean([run[name]["seconds"] for run in runs])) for name in (NEW, OLD)}
    gain = np.array([run[NEW]["mean"] - run[OLD]["mean"] for run in runs])
    n = len(gain)
    error = gain.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return {
        "seconds": round(seconds[NEW], 2),
        "seconds_before": round(seconds[OLD], 2),
        "times_faster": round(seconds[OLD] / seconds[NEW], 2),
        "gain_in_nats": round(float(gain.mean()), 3),
        "lower_bound": round(float(gain.mean() - t.ppf(0.95, max(n - 1, 1)) * error), 3),
    }


RESULTS = ResultFile("time_to_quality", ("table", "split"), summary)


def line(run: Record) -> str:
    """Return what there is to say of a split."""
    new, old = run[NEW], run[OLD]
    return (
        f"{run['table']}, split {run['split']}: {new['seconds']:.1f} s for {old['seconds']:.1f}, "
        f"{new['mean'] - old['mean']:+.3f} nats per row"
    )


def main() -> None:
    """Compare on every table there is."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="folder of the older copy")
    options = parser.parse_args()
    here = Path(__file__).parents[1]
    if options.before is None and not options.quick:
        parser.error("--before FOLDER is needed: an older copy of skvae, to compare with")
    copies = {NEW: here, OLD: (options.before or here).resolve()}
    n_runs = 1 if options.quick else sum(SPLITS.values())
    runs = told(compared(copies, options.data, options.quick), n_runs, line)
    for table, found in RESULTS.add(runs, options.quick).items():
        print(table, found)


if __name__ == "__main__":
    main()
