"""How good the default estimate of log p(x) is for every prior, posterior, depth and objective.

Models are ``VAEDensity`` with 8 latents and one part changed, on breast cancer's split 0: trained
on its training rows, its test rows being no more than points at which an error is measured. An
error is the difference of 64 or 1,024 defensive draws from 20,000 others, by 8 noises. ``--only``
names the models to measure, whose entries replace those of the result file; all by default.
``--quick`` makes a small run.
"""

from __future__ import annotations

import json
import time
from typing import Any

import torch

from benchmarks.common import RESULTS, arguments, load, split, write_result
from benchmarks.draws import Weights
from benchmarks.estimates import DRAWS, accuracy
from skvae import VAEDensity
from skvae.proposals import DefensiveProposal

PLAIN = {"latent_dim": 8, "prior": "standard_normal"}
#: What is changed.
PARTS: dict[str, dict[str, Any]] = {
    "prior standard normal": {},
    "prior mixture": {"prior": "mixture"},
    "prior vamp": {"prior": "vamp"},
    "prior flow": {"prior": "flow"},
    "refitted prior mixture": {"refit_prior": "mixture"},
    "refitted prior flow": {"refit_prior": "flow"},
    "posterior diagonal": {"posterior": "diagonal_gaussian"},
    "posterior isotropic": {"posterior": "isotropic_gaussian"},
    "posterior flow": {"posterior": "flow"},
    "two layers": {"latent_dim": (4, 8)},
    "objective dreg": {"objective": "dreg"},
    "objective elbo": {"objective": "elbo"},
    "objective monte_carlo": {"objective": "monte_carlo"},
}
QUICK = ("prior flow", "two layers")
N_SEEDS = 8


def run(name: str, quick: bool) -> dict[str, Any]:
    """Fit one model and measure its estimates."""
    torch.set_num_threads(1)
    train, rows = split(load("breast_cancer"), 0)
    parameters = PLAIN | PARTS[name] | ({"max_epochs": 3} if quick else {})
    start = time.process_time()
    density = VAEDensity(random_state=0, **parameters).fit(train)
    seconds = time.process_time() - start
    weights = Weights(density, rows[:10] if quick else rows, DefensiveProposal())
    value, error = weights.reference(2_000 if quick else 20_000)
    n_seeds, kinds = 2 if quick else N_SEEDS, ("quasi-random",)
    return {
        "parameters": PARTS[name],
        "seconds": seconds,
        "reference": {"mean": float(value.mean()), "median_standard_error": float(error.median())},
        "draws": {
            str(n): accuracy(weights, n, value, error, n_seeds, kinds)["quasi-random"]
            for n in DRAWS
        },
    }


def show(name: str, result: dict[str, Any]) -> None:
    """Print the result of one model."""
    print(f"{name}: mean {result['reference']['mean']:.3f}, {result['seconds']:.0f} s")
    for n_draws, row in result["draws"].items():
        print(
            f"  {n_draws:>5}  rms {row['rms_error']:.3f}  bias {row['bias']:.4f}  "
            f"covered {row['covered_by_3_standard_errors']:.3f}  "
            f"bar/error {row['median_bar_over_median_error']:.2f}  "
            f"largest {row['largest_error']:.2f}  effective {row['effective_share']:.2f}  "
            f"k > 0.7 {row['share_of_rows_with_k_above_0.7']:.3f}",
            flush=True,
        )


def main() -> None:
    """Measure all models, or those named, and write the result."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="models to measure")
    options = parser.parse_args()
    file = RESULTS / "estimates_by_part.json"
    models = json.loads(file.read_text())["models"] if file.exists() and options.only else {}
    for name in options.only or (QUICK if options.quick else PARTS):
        models[name] = run(name, options.quick)
        show(name, models[name])
        if not options.quick:  # each by itself, for all of them take several minutes
            write_result("estimates_by_part", {"models": models})
    if options.quick:
        write_result("estimates_by_part", {}, quick=True)


if __name__ == "__main__":
    main()
