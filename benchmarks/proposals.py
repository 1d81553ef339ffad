"""Which proposal is the default: the error of each at equal cost, on five tables.

Needs the data folder. The models are defaults fitted to some rows of a table, the estimates those
of 256 other rows, and an error is the difference from 20,000 defensive draws. The encoder gets as
many draws as cost the time of 64 defensive ones.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.preprocessing import StandardScaler

from benchmarks.data.arrays import rows_to_choose_on
from benchmarks.measures.draws import Weights
from benchmarks.report.results import Record, ResultFile, arguments
from skvae import VAEDensity
from skvae.core import Proposal, effective_sample_size, log_marginal
from skvae.proposals import DefensiveProposal, EncoderProposal, LaplaceProposal, PriorProposal

CASES = (
    ("wine_quality_white", 150),
    ("wine_quality_red", 450),
    ("abalone", 450),
    ("landsat", 1400),
    ("magic", 2000),
)
PROPOSALS: dict[str, tuple[Proposal, int]] = {
    "defensive": (DefensiveProposal(), 64),
    "defensive, share 0.75": (DefensiveProposal(0.75), 64),
    "defensive, share 0.25": (DefensiveProposal(0.25), 64),
    "laplace": (LaplaceProposal(), 64),
    "encoder, 64 draws": (EncoderProposal(), 64),
    "prior, 500 draws": (PriorProposal(), 500),
}
SEEDS = range(5)
N_SCORED = 256


RESULTS = ResultFile("proposals", ("table",))


def run(folder: Path, case: tuple[str, int], parameters: dict[str, Any]) -> dict[str, Any]:
    """Fit one model and measure every proposal on other rows."""
    torch.set_num_threads(1)
    X = rows_to_choose_on(folder, case[0])
    order = np.random.default_rng(7).permutation(len(X))[: case[1] + N_SCORED]
    train, test = X[order[: case[1]]], X[order[case[1] :]]
    scaler = StandardScaler().fit(train)
    density = VAEDensity(prior="standard_normal", random_state=0, **parameters)
    density.fit(scaler.transform(train))
    rows = scaler.transform(test)
    value, error = Weights(density, rows, DefensiveProposal()).reference()
    found = {
        name: measure(density, rows, proposal, n_draws, value)
        for name, (proposal, n_draws) in PROPOSALS.items()
    }
    ours, encoder = found["defensive"], found["encoder, 64 draws"]
    n_draws = round(64 * ours["milliseconds"] / encoder["milliseconds"])
    found["encoder, at the cost of defensive"] = measure(
        density, rows, EncoderProposal(), n_draws, value
    )
    return {
        "table": f"{case[0]} {case[1]}",
        "reference": {
            "mean": float(value.mean()),
            "largest_standard_error": float(error.max()),
        },
        "proposals": found,
    }


def measure(
    density: VAEDensity, X: np.ndarray, proposal: Proposal, n_draws: int, value: torch.Tensor
) -> dict[str, Any]:
    """Return the error of one proposal over the seeds, and its time."""
    seconds, errors, shares = [], [], []
    for seed in SEEDS:
        start = time.perf_counter()
        log_w = Weights(density, X, proposal).draw(n_draws, seed)
        seconds.append(time.perf_counter() - start)
        errors.append(log_marginal(log_w) - value)
        shares.append(effective_sample_size(log_w) / n_draws)
    error = torch.stack(errors)
    return {
        "n_draws": n_draws,
        "rms_error": float(error.square().mean().sqrt()),
        "bias": float(error.mean()),
        "median_absolute_error": float(error.abs().median()),
        "largest_error": float(error.abs().max()),
        "effective_share": float(torch.stack(shares).median()),
        "milliseconds": 1e3 * float(np.median(seconds)),
    }


def shown(runs: Iterable[Record]) -> Iterator[Record]:
    """Yield runs, and print the errors of each."""
    for result in runs:
        print(f"\n{result['table']}: error in nats per row, against {result['reference']}")
        for name, row in result["proposals"].items():
            print(
                f"  {name:36}{row['n_draws']:5} draws {row['milliseconds']:7.0f} ms   "
                f"rms {row['rms_error']:.3f}  bias {row['bias']:6.3f}  "
                f"median {row['median_absolute_error']:.3f}  largest {row['largest_error']:.2f}"
            )
        yield result


def main() -> None:
    """Run everything and write the result."""
    options = arguments(__doc__.splitlines()[0]).parse_args()
    cases = CASES[:1] if options.quick else CASES
    parameters = {"max_epochs": 5} if options.quick else {}
    runs = Parallel(options.jobs, return_as="generator")(
        delayed(run)(options.data, case, parameters) for case in cases
    )
    proposals = {name: dataclasses.asdict(p) for name, (p, _) in PROPOSALS.items()}
    RESULTS.add(shown(runs), options.quick, proposals=proposals)


if __name__ == "__main__":
    main()
