"""What a prior is for: rows drawn under each, and the latent space that they are drawn from.

Two moons, and a model so plain that its decoder cannot cut the latent space in two. Above, rows
drawn under each prior beside real ones, with held-out nats a row; below, the density of the prior
under draws of q(z | x) of real rows. Where the standard normal is dense and there are no draws is
the prior's hole: rows decoded from there are like no real one. A prior that learns puts its mass
where the latents are. Writes a picture, ``output/priors.png``; ``--quick`` makes a small run.
"""

import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import make_moons
from sklearn.preprocessing import StandardScaler

from skvae import VAEDensity
from skvae.core import Batch
from skvae.likelihoods import Gaussian

QUICK = "--quick" in sys.argv
PICTURE = Path("output/priors.png")
PRIORS = ("standard_normal", "mixture", "vamp", "flow")


def rows():
    """Return training and held-out rows, with columns of mean 0 and standard deviation 1."""
    X = StandardScaler().fit_transform(make_moons(5000, noise=0.05, random_state=0)[0])
    return X[:4000], X[4000:]


def fit(prior, X):
    """Return a plain model with a prior."""
    density = VAEDensity(
        2,
        hidden_layer_sizes=(16,),
        likelihood=Gaussian("column"),
        prior=prior,
        objective="iwae",
        init="random",
        lr=0.02,
        max_epochs=2 if QUICK else 60,
        random_state=0,
    )
    return density.fit(X)


@torch.no_grad()
def latents(vae, X):
    """Return a draw of q(z | x) for each row."""
    # The columns are standardised already, so that the cells of the model are the rows' own.
    noise = torch.randn(len(X), 2, generator=torch.Generator().manual_seed(0))
    return vae.posterior(Batch(torch.tensor(X, dtype=torch.float32))).rsample(noise).numpy()


@torch.no_grad()
def prior_density(vae, edges):
    """Return the prior's density on a square with the given limits, (240, 240)."""
    (left, right), (low, high) = edges
    y, x = torch.meshgrid(
        torch.linspace(low, high, 240), torch.linspace(left, right, 240), indexing="ij"
    )
    return vae.prior(None).log_prob(torch.stack([x, y], -1)).exp().numpy()


def around(z, drawn):
    """Return limits of both axes that hold nearly all of two sets of points."""
    ends = np.quantile(np.concatenate([z, drawn]), [0.002, 0.998], axis=0)
    margin = 0.08 * (ends[1] - ends[0])
    return np.transpose([ends[0] - margin, ends[1] + margin])


@torch.no_grad()
def draw_latents(ax, vae, X):
    """Draw the prior's density, and over it the latents of rows."""
    z = latents(vae, X)
    drawn = vae.sample(2000, torch.Generator().manual_seed(0))[0].numpy()
    edges = around(z, drawn)
    # As dark as the prior is dense at its own draws, whatever ridge it has elsewhere.
    full = vae.prior(None).log_prob(torch.tensor(drawn)).exp().quantile(0.8).item()
    style = {"origin": "lower", "extent": edges.ravel(), "aspect": "auto", "cmap": "Blues"}
    ax.imshow(np.sqrt(prior_density(vae, edges)), vmin=0, vmax=np.sqrt(full), **style)
    ax.plot(*z.T, "C1.", ms=1.5)
    ax.set(xlim=edges[0], ylim=edges[1], xticks=[], yticks=[])


def draw_rows(ax, X, title, color):
    """Draw rows."""
    ax.plot(*X.T, ".", color=color, ms=1.5)
    ax.set(title=title, xlim=(-2.3, 2.3), ylim=(-2.3, 2.3), xticks=[], yticks=[])


def explain(ax):
    """Say what the panels of latents show."""
    ax.axis("off")
    ax.plot([], [], "s", color="C0", label="density of the prior")
    ax.plot([], [], "C1o", label="q(z | x) of real rows,\na draw each")
    ax.legend(loc="center", title="latent space", frameon=False)


def main():
    """Fit a model with every prior and draw it beside the others."""
    train, test = rows()
    shape = {"figsize": (13, 5.6), "layout": "constrained"}
    fig, axes = plt.subplots(2, 1 + len(PRIORS), **shape)
    draw_rows(axes[0, 0], test, "real rows\n", "k")
    explain(axes[1, 0])
    print(f"{'prior':18}{'nats a row':>12}{'seconds':>10}")
    for (above, below), prior in zip(axes.T[1:], PRIORS, strict=True):
        start = time.perf_counter()
        density = fit(prior, train)
        seconds = time.perf_counter() - start
        nats = density.score(test)
        print(f"{prior:18}{nats:12.2f}{seconds:10.1f}", flush=True)
        drawn = density.sample(len(test), random_state=0)
        draw_rows(above, drawn, f"{prior.replace('_', ' ')}\n{nats:.2f} nats a row", "C0")
        draw_latents(below, density.vae_, test)
    PICTURE.parent.mkdir(exist_ok=True)
    fig.savefig(PICTURE, dpi=120)
    print(f"wrote {PICTURE}")


if __name__ == "__main__":
    main()
