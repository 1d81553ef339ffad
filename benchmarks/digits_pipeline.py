"""Accuracy of LogisticRegression on k latent dimensions of digits, over ten splits.

At the defaults every pixel has its own noise given z, and a likelihood may be gained by describing
the noise of pixels that say nothing of the digit. ``--scale shared --max-epochs 60`` gives all
pixels one noise, as in PCA: chosen among five scales and two objectives on two validation splits
inside the training rows of split 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.common import arguments, write_result
from skvae import Gaussian, VAETransformer

SIZES = (2, 8, 16)


def run(k: int, seed: int, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the test accuracies on one split."""
    X, y = load_digits(return_X_y=True)
    train_X, test_X, train_y, test_y = train_test_split(X, y, test_size=0.2, random_state=seed)
    reducers = {
        "scaled PCA": [("scale", StandardScaler()), ("vae", PCA(k, random_state=0))],
        "PCA": [("vae", PCA(k, random_state=0))],
        "VAETransformer": [
            ("scale", StandardScaler()),
            ("vae", VAETransformer(k, random_state=seed, **parameters)),
        ],
    }
    accuracy = {
        name: Pipeline([*steps, ("clf", LogisticRegression(max_iter=5000))])
        .fit(train_X, train_y)
        .score(test_X, test_y)
        for name, steps in reducers.items()
    }
    return {"k": k, "seed": seed, "accuracy": accuracy}


def main() -> None:
    """Run all splits and write means, errors and wins."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--scale", help="scale of the Gaussian likelihood, in place of the default")
    parser.add_argument("--max-epochs", type=int, help="in place of the default")
    options = parser.parse_args()
    seeds = range(1 if options.quick else options.splits)
    sizes = SIZES[:1] if options.quick else SIZES
    parameters: dict[str, Any] = {"max_epochs": 5} if options.quick else {}
    if options.max_epochs:
        parameters["max_epochs"] = options.max_epochs
    if options.scale:
        parameters["likelihood"] = Gaussian(scale=options.scale)
    runs = Parallel(options.jobs)(delayed(run)(k, s, parameters) for k in sizes for s in seeds)
    table = {}
    for k in sizes:
        some = [r["accuracy"] for r in runs if r["k"] == k]
        columns = {name: np.array([a[name] for a in some]) for name in some[0]}
        ours = columns["VAETransformer"]
        table[str(k)] = {
            name: {
                "mean": round(float(values.mean()), 4),
                "ours_ahead_by": round(float((ours - values).mean()), 4),
                "wins": int((ours > values).sum()),
            }
            for name, values in columns.items()
        }
        print(k, table[str(k)])
    chosen = {name: repr(value) for name, value in parameters.items()}
    result = {"seeds": list(seeds), "parameters": chosen, "table": table, "runs": runs}
    name = "digits_pipeline" + (f"_{options.scale}" if options.scale else "")
    write_result(name, result, options.quick)


if __name__ == "__main__":
    main()
