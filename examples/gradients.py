"""How noisy the encoder's gradient is, by estimator and number of draws, on breast cancer.

Left, the variance of four estimators of the ELBO's gradient: the score function, with and without
a baseline, and the reparameterised one. Right, why more draws can be worse: the signal-to-noise
ratio of the importance-weighted bound's gradient falls with draws, that of DReG rises. Writes a
picture, ``output/gradients.png``; ``--quick`` makes a small run.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from skvae.core import ELBO, IWAE, Batch, Columns, DReG, Gaussian, build_vae

QUICK = "--quick" in sys.argv
PICTURE = Path("output/gradients.png")
N_NOISES = 20 if QUICK else 200
N_STEPS = 20 if QUICK else 300
ELBO_DRAWS = [1, 2, 4] if QUICK else [1, 2, 4, 8, 16, 32]
IWAE_DRAWS = [1, 4] if QUICK else [1, 4, 16, 64, 256]
SCORE = "score_function"


def fit(x, generator):
    """Return a model that is trained for a while: its encoder still has somewhere to go."""
    vae = build_vae([Columns(Gaussian(), range(x.shape[1]))], 4, generator=generator)
    objective = ELBO().build(vae, len(x))
    optimizer = torch.optim.Adam(objective.parameters(), lr=1e-3)
    for _ in range(N_STEPS):
        some = torch.randint(len(x), (64,), generator=generator)
        optimizer.zero_grad()
        (-objective(Batch(x[some]), generator).value.mean()).backward()
        optimizer.step()
    return vae


def gradients(objective, x, generator):
    """Return the encoder's gradient on the same rows for many noises, (noises, parameters)."""
    parameters = list(objective.vae.encoder.parameters())
    found = []
    for _ in range(N_NOISES):
        value = objective(Batch(x), generator).value.mean()
        found.append(torch.cat([g.flatten() for g in torch.autograd.grad(value, parameters)]))
    return torch.stack(found)


def variance(objective, x, generator):
    """Return the variance of the encoder's gradient, summed over its parameters."""
    return gradients(objective, x, generator).var(0).sum().item()


def signal_to_noise(recipe, vae, x, generator):
    """Return |mean| / standard deviation, averaged over the encoder's parameters."""
    g = gradients(recipe.build(vae, len(x)), x, generator)
    used = g.std(0) > 0
    return (g.mean(0).abs() / g.std(0))[used].mean().item()


def moving(vae, x, generator):
    """Return the score function with a moving baseline that has settled."""
    objective = ELBO(1, SCORE).build(vae, len(x)).train()
    gradients(objective, x, generator)
    return objective


def variances(vae, x, generator):
    """Return the variance by estimator and number of draws."""
    # Rows repeated k times, with a draw each, are k draws that know nothing of each other.
    bare, settled = ELBO(1, SCORE).build(vae, len(x)).eval(), moving(vae, x, generator)
    estimators = {
        "score function": lambda k: (bare, x.repeat(k, 1)),
        "… moving baseline": lambda k: (settled, x.repeat(k, 1)),
        "… other draws as baseline": lambda k: (ELBO(k, SCORE).build(vae, len(x)), x),
        "reparameterised": lambda k: (ELBO(k).build(vae, len(x)), x),
        "… separate noise": lambda k: (ELBO(k, separate_noise=True).build(vae, len(x)), x),
    }
    return {
        name: {
            k: variance(*estimator(k), generator)
            for k in ELBO_DRAWS
            if k > 1 or "other" not in name
        }
        for name, estimator in estimators.items()
    }


def ratios(vae, x, generator):
    """Return the signal-to-noise ratio by bound and number of draws."""
    return {
        recipe.__name__: {k: signal_to_noise(recipe(k), vae, x, generator) for k in IWAE_DRAWS}
        for recipe in (IWAE, DReG)
    }


def show(title, found):
    """Print a table, estimators by numbers of draws."""
    draws = sorted({k for by_draws in found.values() for k in by_draws})
    print(f"{title:36}" + "".join(f"{k:>10}" for k in draws))
    for name, by_draws in found.items():
        print(f"{name:36}" + "".join(f"{by_draws.get(k, np.nan):10.3g}" for k in draws))
    print(flush=True)


def picture(variance_of, ratio_of):
    """Draw both tables."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    styles = ["C3o-", "C1s-", "C8^-", "C0o-", "C9x--"]
    for (name, by_draws), style in zip(variance_of.items(), styles, strict=True):
        left.plot(list(by_draws), list(by_draws.values()), style, ms=6, label=name)
    left.set(title="ELBO: variance of the encoder's gradient", ylabel="sum over parameters")
    left.set(xlabel="draws a row", yscale="log")
    for (name, by_draws), style in zip(ratio_of.items(), ["C1s-", "C0o-"], strict=True):
        right.plot(list(by_draws), list(by_draws.values()), style, ms=6, label=name)
    floor = np.sqrt(2 / np.pi / N_NOISES)  # E|mean| / std of so many numbers around zero
    right.axhline(floor, color="k", ls=":", lw=1, label=f"noise alone, of {N_NOISES} gradients")
    right.set(title="Bounds of k draws: signal-to-noise ratio", xlabel="draws a row, k")
    right.set(ylabel="|mean| / std, mean over parameters", yscale="log")
    for ax, draws in ((left, ELBO_DRAWS), (right, IWAE_DRAWS)):
        ax.set_xscale("log", base=2)
        ax.set_xticks(draws, draws)
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small")
    PICTURE.parent.mkdir(exist_ok=True)
    fig.savefig(PICTURE, dpi=120)
    print(f"wrote {PICTURE}")


def main():
    """Fit a model, and measure both."""
    generator = torch.Generator().manual_seed(0)
    table = StandardScaler().fit_transform(load_breast_cancer().data)
    x = torch.tensor(table, dtype=torch.float32)
    vae, rows = fit(x, generator), x[:16]
    variance_of = variances(vae, rows, generator)
    show("variance, by draws a row", variance_of)
    ratio_of = ratios(vae, rows, generator)
    show("signal-to-noise ratio, by draws a row", ratio_of)
    picture(variance_of, ratio_of)


if __name__ == "__main__":
    main()
