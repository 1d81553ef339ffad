"""How good the estimates of log p(x) are: error, error bars, and an independent check.

Models are default ``VAEDensity`` (and other likelihoods and posteriors) on split 0, with 8 latents
for breast cancer and 16 for digits. An error is the difference from 20,000 defensive draws; the
judge of those is annealed importance sampling. ``--parts`` measures default estimates of models of
breast cancer with one part changed: those that are named or all. ``--quick`` makes a small run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.model_selection import train_test_split
from torch import Tensor

from benchmarks.data.arrays import load
from benchmarks.data.arrays import standardised_split as split
from benchmarks.measures.draws import Weights
from benchmarks.report.results import Record, ResultFile, arguments
from skvae import VAEDensity
from skvae.core import effective_sample_size, log_marginal, pareto_k, standard_error
from skvae.likelihoods import Gaussian
from skvae.proposals import AISProposal, DefensiveProposal, EncoderProposal, LaplaceProposal

LATENTS = {"breast_cancer": 8, "digits": 16}
PROPOSALS = {
    "defensive": DefensiveProposal(),
    "laplace": LaplaceProposal(),
    "encoder": EncoderProposal(),
}
#: Likelihoods and posteriors beside the defaults; digits are cut at a half for Bernoulli.
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "diagonal posterior": {"posterior": "diagonal_gaussian"},
    "scale row": {"likelihood": Gaussian("row")},
    "scale column": {"likelihood": Gaussian("column")},
    "scale shared": {"likelihood": Gaussian("shared")},
    "bernoulli": {"likelihood": "bernoulli"},
    "bernoulli, diagonal posterior": {
        "likelihood": "bernoulli",
        "posterior": "diagonal_gaussian",
    },
}
DRAWS = (64, 1024)
KINDS = ("quasi-random", "independent")
N_SEEDS = 20
CHAINS, TEMPERATURES = 16, 1000
PLAIN = {"latent_dim": 8, "prior": "standard_normal"}
#: Models by part: ``VAEDensity`` with 8 latents and one part changed, on breast cancer.
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
QUICK_PARTS = ("prior flow", "two layers")
N_SEEDS_BY_PART = 8


def fit(table: str, variant: str, quick: bool) -> tuple[VAEDensity, np.ndarray]:
    """Return a model of split 0's training rows, and the test rows."""
    if variant.startswith("bernoulli"):
        train, test = train_test_split(1.0 * (load(table) > 0.5), test_size=0.2, random_state=0)
    else:
        train, test = split(load(table), 0)
    parameters = {**VARIANTS[variant], **({"max_epochs": 3} if quick else {})}
    density = VAEDensity(LATENTS[table], prior="standard_normal", random_state=0, **parameters)
    return density.fit(train), test[:10] if quick else test


def run(table: str, variant: str, quick: bool) -> dict[str, Any]:
    """Measure every proposal on one model."""
    torch.set_num_threads(1)
    density, rows = fit(table, variant, quick)
    full = variant == "default"
    n_reference = 2_000 if quick else 20_000
    n_seeds = 2 if quick else N_SEEDS if full else 3
    value, error = Weights(density, rows, DefensiveProposal()).reference(n_reference)
    found = {
        name: {
            str(n_draws): accuracy(Weights(density, rows, proposal), n_draws, value, error, n_seeds)
            for n_draws in DRAWS
        }
        for name, proposal in PROPOSALS.items()
        if full or name == "defensive"
    }
    result = {
        "table": table,
        "variant": variant,
        "reference": {
            "mean": float(value.mean()),
            "median_standard_error": float(error.median()),
            "largest_standard_error": float(error.max()),
        },
        "proposals": found,
    }
    if full:
        result["annealed"] = judge(density, rows, value, error, 20 if quick else TEMPERATURES)
    return result


def accuracy(
    weights: Weights,
    n_draws: int,
    value: Tensor,
    reference_error: Tensor,
    n_seeds: int,
    kinds: Sequence[str] = KINDS,
) -> dict[str, Any]:
    """Return errors over the noise seeds, and whether the error bars hold them."""
    result = {}
    for kind in kinds:
        draws = [weights.draw(n_draws, s, kind == "independent") for s in range(n_seeds)]
        difference = torch.stack([log_marginal(log_w) - value for log_w in draws])
        bars = torch.stack([standard_error(log_w) for log_w in draws])
        inside = difference.abs() <= 3.0 * torch.hypot(bars, reference_error)
        k = torch.stack([pareto_k(log_w) for log_w in draws])
        size = torch.stack([effective_sample_size(log_w) for log_w in draws])
        result[kind] = {
            "rms_error": float(difference.square().mean().sqrt()),
            "bias": float(difference.mean()),
            "median_absolute_error": float(difference.abs().median()),
            "largest_error": float(difference.abs().max()),
            "rms_error_of_the_mean": float(difference.mean(1).square().mean().sqrt()),
            "covered_by_3_standard_errors": float(inside.double().mean()),
            "median_bar_over_median_error": float(bars.median() / difference.abs().median()),
            "effective_share": float(size.median()) / n_draws,
            "share_of_rows_with_k_above_0.7": float((k > 0.7).double().mean()),
        }
    return result


def judge(
    density: VAEDensity, rows: np.ndarray, value: Tensor, error: Tensor, n_temperatures: int
) -> dict[str, Any]:
    """Return how annealed importance sampling differs from the reference."""
    start = time.perf_counter()
    log_w = Weights(density, rows, AISProposal(n_temperatures)).draw(CHAINS, 0)
    difference = log_marginal(log_w) - value
    joint = torch.hypot(standard_error(log_w), error)
    apart = difference.abs() > 3.0 * joint
    return {
        "chains": CHAINS,
        "temperatures": n_temperatures,
        "seconds": time.perf_counter() - start,
        "mean_difference": float(difference.mean()),
        "standard_error_of_the_mean": float(joint.square().sum().sqrt() / len(joint)),
        "median_absolute_difference": float(difference.abs().median()),
        "median_joint_standard_error": float(joint.median()),
        "rows": len(joint),
        "rows_more_than_3_standard_errors_apart": int(apart.sum()),
        "of_these_annealed_is_higher": int((apart & (difference > 0)).sum()),
        "differences_of_these": [round(float(x), 3) for x in difference[apart]],
    }


def shown(runs: Iterable[Record]) -> Iterator[Record]:
    """Yield runs, and print the errors of each."""
    for result in runs:
        print(f"\n{result['table']}, {result['variant']}: {result['reference']}")
        for name, by_draws in result["proposals"].items():
            for n_draws, kinds in by_draws.items():
                for kind, row in kinds.items():
                    print(f"  {name:10}{n_draws:>5} {kind:13} {errors(row)}", flush=True)
        print(f"  annealed: {result.get('annealed', 'not run')}")
        yield result


def errors(row: dict[str, float]) -> str:
    """Return the errors of an estimate in one line."""
    return (
        f"rms {row['rms_error']:.3f}  bias {row['bias']:.4f}  "
        f"covered {row['covered_by_3_standard_errors']:.3f}  "
        f"bar/error {row['median_bar_over_median_error']:.2f}  "
        f"of the mean {row['rms_error_of_the_mean']:.4f}  largest {row['largest_error']:.2f}  "
        f"effective {row['effective_share']:.2f}  "
        f"k > 0.7 {row['share_of_rows_with_k_above_0.7']:.3f}"
    )


def run_part(name: str, quick: bool) -> Record:
    """Fit one model with a part changed, and measure the default estimates of it."""
    torch.set_num_threads(1)
    train, rows = split(load("breast_cancer"), 0)
    parameters = PLAIN | PARTS[name] | ({"max_epochs": 3} if quick else {})
    start = time.process_time()
    density = VAEDensity(random_state=0, **parameters).fit(train)
    seconds = time.process_time() - start
    weights = Weights(density, rows[:10] if quick else rows, DefensiveProposal())
    value, error = weights.reference(2_000 if quick else 20_000)
    n_seeds = 2 if quick else N_SEEDS_BY_PART
    found = {str(n): accuracy(weights, n, value, error, n_seeds, KINDS[:1]) for n in DRAWS}
    return {
        "table": "breast_cancer",
        "variant": name,
        "parameters": PARTS[name],
        "seconds": seconds,
        "reference": {"mean": float(value.mean()), "median_standard_error": float(error.median())},
        "proposals": {"defensive": found},
    }


def cases(quick: bool) -> list[tuple[str, str]]:
    """Return tables and variants."""
    if quick:
        return [("breast_cancer", "default")]
    return [
        ("digits", "default"),
        ("breast_cancer", "default"),
        *(("digits", v) for v in VARIANTS if v.startswith("bernoulli")),
        *(("breast_cancer", v) for v in VARIANTS if v[:4] in ("diag", "scal")),
    ]


def parts(options: argparse.Namespace) -> Sequence[str]:
    """Return the parts that are named, or all of them; without ``--parts`` some if quick."""
    if options.parts is None:
        return QUICK_PARTS if options.quick else ()
    return options.parts or [*PARTS]


def runs(options: argparse.Namespace) -> Iterator[Record]:
    """Yield a run for each variant, but with ``--parts``, and for each part."""
    if options.parts is None:
        yield from Parallel(options.jobs, return_as="generator")(
            delayed(run)(*case, options.quick) for case in cases(options.quick)
        )
    for name in parts(options):
        yield run_part(name, options.quick)


RESULTS = ResultFile("estimates", ("table", "variant"))


def main() -> None:
    """Run everything and write the result."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), help="measure these parts alone")
    options = parser.parse_args()
    RESULTS.add(shown(runs(options)), options.quick)


if __name__ == "__main__":
    main()
