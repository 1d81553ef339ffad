"""How a number is made: log p(x) of one row by five ways, against the number of draws.

Simple Monte Carlo from the prior, the encoder, Laplace's approximation, half and half, and
annealed importance sampling as the judge. Writes a picture, ``docs/images/estimates.png``; run
with ``--quick`` for a small run, whose picture goes to ``output/``.
"""

import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skvae import VAEDensity
from skvae.proposals import AISProposal

QUICK = "--quick" in sys.argv
PICTURE = Path("output" if QUICK else "docs/images") / "estimates.png"
N_DRAWS = [2**i for i in range(3, 8 if QUICK else 15)]
PROPOSALS = {"prior": "C7", "encoder": "C1", "laplace": "C0", "defensive": "C2"}
LABELS = {"prior": "prior", "encoder": "encoder", "laplace": "Laplace", "defensive": "defensive"}


def fit():
    """Return a model of breast cancer's standardised columns, and held-out rows."""
    train, test = train_test_split(load_breast_cancer().data, test_size=0.2, random_state=0)
    scaler = StandardScaler().fit(train)
    density = VAEDensity(8, random_state=0, **({"max_epochs": 2} if QUICK else {}))
    return density.fit(scaler.transform(train)), scaler.transform(test)


def draw(density, row, axes):
    """Draw the estimates of one row, with two standard errors, and print the last ones."""
    for i, (proposal, color) in enumerate(PROPOSALS.items()):
        found = [density.log_likelihood(row, n_draws=n, proposal=proposal) for n in N_DRAWS]
        value = np.array([r.value[0] for r in found])
        error = np.array([r.standard_error[0] for r in found])
        x = np.array(N_DRAWS) * 1.06 ** (i - 1.5)  # side by side
        style = {"fmt": "o-", "ms": 3, "lw": 1, "color": color, "label": LABELS[proposal]}
        for ax in axes:
            ax.errorbar(x, value, 2 * error, **style)
        print(f"{LABELS[proposal]:10} {N_DRAWS[-1]} draws: {value[-1]:8.3f} +- {error[-1]:.3f}, "
              f"Pareto k {found[-1].pareto_k[0]:.2f}")  # fmt: skip
    return found[-1]


def main():
    """Fit, choose the row whose encoder is worst, and draw its estimates."""
    density, rows = fit()
    with warnings.catch_warnings():
        # Pareto k is what the picture is about: it is printed instead.
        warnings.simplefilter("ignore", UserWarning)
        gap = density.log_likelihood(rows[:40]).gap
        row = rows[[np.argmax(gap)]]
        grid = {"height_ratios": (3, 1)}
        fig, axes = plt.subplots(2, sharex=True, figsize=(7, 5), layout="constrained", **grid)
        last = draw(density, row, axes)
        annealing = AISProposal(n_temperatures=50 if QUICK else 4000)
        judge = density.log_likelihood(row, n_draws=64, proposal=annealing)
    value, error = judge.value[0], judge.standard_error[0]
    print(f"annealed, {annealing.n_temperatures} temperatures: {value:.3f} +- {error:.3f}")
    print(f"ELBO: {last.elbo[0]:.3f}")
    near, far = axes
    near.axhspan(value - 2 * error, value + 2 * error, color="k", alpha=0.15, label="annealed")
    near.axhline(last.elbo[0], color="k", ls=":", label="ELBO")
    near.set(title="log p(x) of one row, nats, with two standard errors", xscale="log")
    near.set_ylim(last.elbo[0] - 1, value + 2)
    near.legend(ncols=3, loc="lower right", bbox_to_anchor=(1, 0.1), fontsize="small")
    # The prior is far below, and still rising.
    far.set(ylim=(None, last.elbo[0] - 10), xlabel="draws")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(PICTURE, dpi=120)
    print(f"wrote {PICTURE}")


if __name__ == "__main__":
    main()
