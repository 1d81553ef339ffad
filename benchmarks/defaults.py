"""What the defaults were chosen by: variants on tables that no other benchmark here scores.

Needs the data folder. Each table is cut to a number of rows that users have; rounded columns get
uniform noise of one resolution; the score is that of up to 1,000 other rows, in nats per row of
standardised columns, with 2,000 draws. A row of the result is one variant of the defaults.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.preprocessing import StandardScaler

from benchmarks.data.arrays import rows_to_choose_on
from benchmarks.peers.densities import mixture_by_validation, quietly
from benchmarks.report.results import Record, ResultFile, arguments, told
from skvae import VAEDensity
from skvae.likelihoods import Gaussian
from skvae.objectives import ELBO, IWAE

#: (table, training rows): the small ones stand for wine, the wide one for digits.
CASES = (
    ("wine_quality_white", 150),
    ("wine_quality_red", 450),
    ("banknote", 140),
    ("abalone", 450),
    ("landsat", 450),
    ("landsat", 1400),
    ("magic", 4000),
)
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "standard normal prior": {"prior": "standard_normal"},
    "init linear": {"init": "linear"},
    "init random": {"init": "random"},
    "8 latents": {"latent_dim": 8},
    "diagonal posterior": {"posterior": "diagonal_gaussian"},
    "ELBO": {"objective": ELBO()},
    "ELBO, diagonal posterior": {"objective": ELBO(), "posterior": "diagonal_gaussian"},
    "IWAE, 10 draws": {"objective": IWAE(10)},
    "one scale a column": {"likelihood": Gaussian("column")},
    "one scale a row": {"likelihood": Gaussian("row")},
    "learning rate 0.002": {"lr": 2e-3},
    "dropout 0.1": {"dropout": 0.1},
    "weight decay 0.1": {"weight_decay": 0.1},
    "width 256": {"hidden_layer_sizes": (256, 256)},
}
PEER = "GaussianMixture, by validation"


def run(folder: Path, case: tuple[str, int], seed: int, variant: str) -> dict[str, Any]:
    """Fit one variant, or the peer, and score other rows."""
    name, n_rows = case
    X = rows_to_choose_on(folder, name)
    order = np.random.default_rng(100 + seed).permutation(len(X))
    scaler = StandardScaler().fit(X[order[:n_rows]])
    train, test = (
        scaler.transform(X[rows]) for rows in (order[:n_rows], order[n_rows : n_rows + 1000])
    )
    start = time.perf_counter()
    if variant == PEER:
        model = quietly(mixture_by_validation, train)
    else:
        model = VAEDensity(random_state=seed, n_draws=2000).set_params(**VARIANTS[variant])
        model.fit(train)
    seconds = time.perf_counter() - start
    scores = model.score_samples(test)
    return {
        "table": name,
        "rows": n_rows,
        "seed": seed,
        "variant": variant,
        "mean": round(float(scores.mean()), 3),
        "median": round(float(np.median(scores)), 3),
        "seconds": round(seconds, 1),
    }


def summary(runs: list[Record]) -> dict[str, dict[str, float]]:
    """Return the means over seeds, by table and variant."""
    means = pd.DataFrame(runs).pivot_table("mean", "variant", ["table", "rows"]).round(3)
    return {f"{table}, {n} rows": means[table, n].to_dict() for table, n in means.columns}


RESULTS = ResultFile("defaults", ("table", "rows", "seed", "variant"), summary)


def line(run: Record) -> str:
    """Return a line on a run."""
    return " ".join(map(str, run.values()))


def main() -> None:
    """Run every variant on every table."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    if options.data is None:
        parser.error("--data FOLDER is needed: these tables do not ship with scikit-learn")
    cases = CASES[:1] if options.quick else CASES
    jobs = [
        delayed(run)(options.data, case, seed, variant)
        for case in cases
        for seed in range(options.seeds)
        for variant in (PEER, *VARIANTS)
    ]
    runs = Parallel(options.jobs, return_as="generator")(jobs)
    print(pd.DataFrame(RESULTS.add(told(runs, len(jobs), line), options.quick)).to_string())


if __name__ == "__main__":
    main()
