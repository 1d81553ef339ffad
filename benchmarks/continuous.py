"""Held-out log-likelihood of the continuous columns of magic, beside a Gaussian mixture.

The ten numeric columns in the published split, as a DataFrame in their own units; nats per row of
standardised columns. ``likelihood="auto"`` may put mass on values that repeat, which the mixture
cannot: the fair comparison is the one with Gaussian cells. One process a model.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from benchmarks.common import arguments, write_result
from benchmarks.peers import mixture_by_validation, quietly
from benchmarks.synthetic import read, small
from skvae import VAEDensity

VARIANTS: dict[str, dict[str, Any]] = {
    "VAEDensity, Gaussian cells, standard normal prior": {
        "likelihood": "gaussian",
        "prior": "standard_normal",
    },
    "VAEDensity, Gaussian cells": {"likelihood": "gaussian"},
    "VAEDensity, auto, standard normal prior": {"prior": "standard_normal"},
}
PEER = "GaussianMixture, by validation"


def numeric(folder: Path | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training and test rows of the floats of magic, or of a small table."""
    train, test = small() if folder is None else read(folder, "magic")
    return train.select_dtypes("float"), test.select_dtypes("float")


def run(folder: Path | None, model: str) -> dict[str, Any]:
    """Fit a model and score the test rows."""
    train, test = numeric(folder)
    start = time.perf_counter()
    if model == PEER:
        scaled = (train - train.mean()) / train.std(ddof=0)
        fitted = quietly(mixture_by_validation, scaled.to_numpy())
        scores = fitted.score_samples(((test - train.mean()) / train.std(ddof=0)).to_numpy())
    else:
        quick = {"max_epochs": 5} if folder is None else {}
        fitted = VAEDensity(random_state=0, **VARIANTS[model], **quick).fit(train)
        scores = fitted.score_samples(test) + np.log(train.std(ddof=0)).sum()
    return {
        "model": model,
        "mean": round(float(scores.mean()), 3),
        "median": round(float(np.median(scores)), 3),
        "standard_error": round(float(scores.std(ddof=1) / len(scores) ** 0.5), 3),
        "seconds": round(time.perf_counter() - start, 1),
    }


def main() -> None:
    """Run all models and write the result."""
    parser = arguments(__doc__.splitlines()[0])
    options = parser.parse_args()
    if options.data is None and not options.quick:
        parser.error("--data: the folder of the tables is needed, unless --quick")
    folder = None if options.quick else options.data
    runs = Parallel(options.jobs)(delayed(run)(folder, model) for model in (PEER, *VARIANTS))
    for found in runs:
        print(*found.values())
    write_result("continuous", {"runs": runs}, options.quick)


if __name__ == "__main__":
    main()
