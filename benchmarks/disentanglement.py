"""Disentanglement on dSprites: mutual information gap and FactorVAE score of three objectives.

Images are brought to 32 x 32 (blocks of 2 x 2 pixels, ink where half of it is). Weights are those
of the papers, fixed beforehand; network and rate were chosen by the held-out ELBO of the plain VAE
with another seed, the length of training by the time there was. A run is written when it is done;
``--missing`` leaves out those that are.

References: "Isolating Sources of Disentanglement in Variational Autoencoders" (Chen et al., 2018),
"Disentangling by Factorising" (Kim and Mnih, 2018), "Challenging Common Assumptions in the
Unsupervised Learning of Disentangled Representations" (Locatello et al., 2019).
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.metrics import mutual_info_score
from threadpoolctl import threadpool_limits
from torch import nn

from benchmarks.report.results import Record, ResultFile, arguments, told
from skvae import VAETransformer
from skvae.objectives import Beta, BetaTC

OBJECTIVES: dict[str, Any] = {
    "VAE": "elbo",
    "beta-VAE, 4": Beta(beta=4.0),
    "beta-TCVAE, 6": BetaTC(beta=6.0),
}
SEEDS = range(10)
RESULTS = ResultFile("disentanglement", ("objective", "seed"))
#: Bins of a latent, by Locatello et al.
N_BINS = 20
#: Batches with a factor fixed, by Kim and Mnih, and their images, by Locatello et al.
N_VOTES, OF_VOTE = 800, 64
#: A latent whose means vary less than this, of a prior's 1, is not in use.
IN_USE = 0.01
WIDTH, N_LATENTS = 256, 10
SETTINGS: dict[str, Any] = {
    "likelihood": "bernoulli",
    "prior": "standard_normal",
    "posterior": "diagonal_gaussian",
    "batch_size": 128,
    "lr": 3e-3,
    "init": "random",
    "early_stopping": False,
}


def body(n_in: int) -> nn.Module:
    """Return one of the two perceptrons, whose heads do not see its inputs, as in the papers."""
    layers = [nn.Linear(n_in, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU()]
    return nn.Sequential(*layers)


def mutual_information_gap(Z: np.ndarray, factors: np.ndarray) -> float:
    """Return the mean over factors of how far the best latent is ahead of the next, in entropies.

    Latents (n, d) are cut into bins of equal width, factors (n, k) are integers.
    """
    codes = [np.digitize(z, np.histogram_bin_edges(z, N_BINS)[1:-1]) for z in Z.T]
    gaps = []
    for factor in factors.T:
        shared = np.sort([mutual_info_score(factor, code) for code in codes])
        gaps.append((shared[-1] - shared[-2]) / mutual_info_score(factor, factor))
    return float(np.mean(gaps))


def factor_vae_score(Z: np.ndarray, factors: np.ndarray, rng: np.random.Generator) -> float:
    """Return how often the stillest latent of images that share a factor tells which factor it is.

    Variances are over those of all images; a majority vote of half of the batches predicts the
    others.
    """
    scale = Z.std(0)
    used = np.flatnonzero(scale**2 > IN_USE)
    if not len(used):
        return 0.0
    Z = Z[:, used] / scale[used]
    votes = np.zeros((2, len(used), factors.shape[1]))
    rows = [[np.flatnonzero(f == level) for level in np.unique(f)] for f in factors.T]
    for half, _ in np.ndindex(2, N_VOTES):
        k = rng.integers(len(rows))
        same = rows[k][rng.integers(len(rows[k]))]
        stillest = Z[rng.choice(same, OF_VOTE)].var(0).argmin()
        votes[half, stillest, k] += 1
    guess = votes[0].argmax(1)
    return float(votes[1, np.arange(len(used)), guess].sum() / N_VOTES)


def dsprites(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 1024) of 0 and 1 and the codes of their five factors."""
    with np.load(data / "dsprites_downsampled.npz") as file:
        packed, factors = file["imgs"], file["latents_classes"]
    images = np.unpackbits(packed, axis=1, count=4096).reshape(-1, 32, 2, 32, 2)
    blocks = images.mean((2, 4)) >= 0.5
    return blocks.reshape(len(images), -1).astype(np.float32), factors.astype(int)


def squares() -> tuple[np.ndarray, np.ndarray]:
    """Return squares of two sizes at all places of a small image, and their factors."""
    sizes, lines, columns = (grid.ravel() for grid in np.indices((2, 6, 6)))
    y, x = np.indices((8, 8)).reshape(2, 1, -1)
    side = 1 + sizes[:, None]
    inside = (abs(y - lines[:, None] - 1) < side) & (abs(x - columns[:, None] - 1) < side)
    return inside.astype(np.float32), np.stack([sizes, lines, columns], 1)


def run(
    objective: str, seed: int, X: np.ndarray, factors: np.ndarray, max_epochs: int
) -> dict[str, Any]:
    """Train one model on one thread, and measure its latents."""
    torch.set_num_threads(1)
    with threadpool_limits(1):
        start = time.process_time()
        model = VAETransformer(
            N_LATENTS,
            objective=OBJECTIVES[objective],
            encoder=partial(body, X.shape[1]),
            decoder=partial(body, N_LATENTS),
            max_epochs=max_epochs,
            random_state=seed,
            **SETTINGS,
        ).fit(X)
        seconds = time.process_time() - start
        Z = model.transform(X)
    return {
        "objective": objective,
        "seed": seed,
        "mig": mutual_information_gap(Z, factors),
        "factor_vae": factor_vae_score(Z, factors, np.random.default_rng(seed)),
        "reconstruction": model.reconstruction_curve_[-1],
        "kl": model.kl_curve_[-1],
        "active_units": int(model.active_units_.sum()),
        "epochs": model.n_iter_,
        "seconds": seconds,
    }


def do(options: argparse.Namespace, X: np.ndarray, factors: np.ndarray) -> None:
    """Run what is wanted, seed by seed, and write each run when it is done."""
    done = RESULTS.done() if options.missing else set()
    cases = [(o, s) for s in SEEDS for o in OBJECTIVES if (o, s) not in done]
    jobs = (delayed(run)(*case, X, factors, options.max_epochs) for case in cases)
    runs = Parallel(options.jobs, return_as="generator_unordered")(jobs)
    RESULTS.add(told(runs, len(cases), line))


def line(run: Record) -> str:
    """Return a run in one line."""
    return (
        f"{run['objective']}, seed {run['seed']}: MIG {run['mig']:.3f}, FactorVAE "
        f"{run['factor_vae']:.3f}, ELBO {run['reconstruction'] - run['kl']:.1f}, "
        f"{run['active_units']} latents, {run['seconds']:.0f} s"
    )


def summary() -> str:
    """Return means, standard deviations and medians over seeds, a line for each objective."""
    lines = []
    for objective in OBJECTIVES:
        of = RESULTS.runs(objective=objective)
        parts = [f"{objective}, {len(of)} seeds"]
        for name in ("factor_vae", "mig"):
            values = np.array([r[name] for r in of])
            parts.append(
                f"{name} {values.mean():.3f} +- {values.std(ddof=1):.3f}, "
                f"median {np.median(values):.3f}"
            )
        lines.append("; ".join(parts))
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, or all, and print the summary."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--max-epochs", type=int, default=10)
    parser.add_argument("--missing", action="store_true", help="leave out what is written")
    parser.add_argument("--summary", action="store_true", help="print what is written, run nothing")
    options = parser.parse_args()
    if options.quick:
        runs = [run("beta-TCVAE, 6", 0, *squares(), max_epochs=2)]
        RESULTS.add(told(runs, 1, line), quick=True)
        return
    if not options.summary:
        do(options, *dsprites(options.data))
    print(summary())


if __name__ == "__main__":
    main()
