"""How noisy the encoder's gradient is, by estimator and number of draws, on breast cancer.

The model is factor analysis, whose posterior is known, with an encoder that is moved off it.
First, the variance of four estimators of the ELBO's gradient: the score function, without and with
either baseline, and the reparameterised one. Then why more draws can be worse: near the posterior
the signal-to-noise ratio of the importance-weighted bound's gradient falls with draws, and that of
DReG rises; far from it neither need be so. Writes a picture, ``output/gradients.png``; ``--quick``
makes a small run.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from skvae.core import Batch, Columns, build_vae, linear_model, log_marginal, start_linear
from skvae.likelihoods import Gaussian
from skvae.objectives import ELBO, IWAE, DReG

QUICK = "--quick" in sys.argv
PICTURE = Path("output/gradients.png")
N_NOISES = 20 if QUICK else 200
ELBO_DRAWS = [1, 2, 4] if QUICK else [1, 2, 4, 8, 16, 32]
IWAE_DRAWS = [1, 4] if QUICK else [1, 4, 16, 64, 256]
SCORE = "score_function"
#: Standard deviation of what is added to the encoder's parameters.
MOVED = {"near": 0.003, "far": 0.03}


def fit(x, moved):
    """Return factor analysis as a VAE, with its encoder moved off the exact posterior."""
    generator = torch.Generator().manual_seed(0)
    floor = torch.full(x.shape[1:], 0.1)
    columns = Columns(Gaussian(scale="column"), range(x.shape[1]), floor=floor)
    vae = build_vae([columns], 4, hidden_layer_sizes=(), generator=generator)
    start_linear(vae, linear_model(vae, Batch(x)), Batch(x))
    with torch.no_grad():
        for p in vae.encoder.parameters():
            p += moved * torch.randn(p.shape, generator=generator)
    return vae


def gap(vae, x, generator):
    """Return how far the ELBO is below log p(x), nats a row."""
    with torch.no_grad():
        log_w = vae.draw(Batch(x), torch.randn(4096, len(x), 4, generator=generator)).log_w
    return (log_marginal(log_w) - log_w.mean(0)).mean().item()


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
    return (g.mean(0).abs() / g.std(0)).mean().item()


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
    found = {}
    for name, estimator in estimators.items():
        draws = ELBO_DRAWS[1:] if "other" in name else ELBO_DRAWS
        found[name] = {k: variance(*estimator(k), generator) for k in draws}
    return found


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


def lines(ax, found, styles):
    """Draw a line an estimator, by numbers of draws."""
    for (name, by_draws), style in zip(found.items(), styles, strict=True):
        ax.plot(list(by_draws), list(by_draws.values()), style, ms=6, label=name)
    draws = sorted({k for by_draws in found.values() for k in by_draws})
    ax.set(yscale="log", xlabel="draws a row")
    ax.set_xscale("log", base=2)
    ax.set_xticks(draws, draws)
    ax.grid(alpha=0.3)


def picture(variance_of, ratio_of, gaps):
    """Draw the tables."""
    fig, (first, *others) = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    lines(first, variance_of, ["C3o-", "C1s-", "C8^-", "C0o-", "C9x--"])
    first.set(title="encoder near: gradient of the ELBO", ylabel="variance, sum over parameters")
    first.set(ylim=(None, first.get_ylim()[1] * 30))  # room for the legend
    first.legend(fontsize="small", loc="upper right")
    floor = np.sqrt(2 / np.pi / N_NOISES)  # E|mean| / std of so many numbers around zero
    for ax, (where, found) in zip(others, ratio_of.items(), strict=True):
        lines(ax, found, ["C1s-", "C0o-"])
        ax.axhline(floor, color="k", ls=":", lw=1, label=f"noise alone, {N_NOISES} gradients")
        ax.set(title=f"encoder {where}: ELBO {gaps[where]:.1f} nats below log p(x)")
        ax.set(ylabel="signal / noise, mean over parameters", ylim=(floor / 1.5, 20))
    others[-1].legend(fontsize="small")
    PICTURE.parent.mkdir(exist_ok=True)
    fig.savefig(PICTURE, dpi=120)
    print(f"wrote {PICTURE}")


def main():
    """Measure both, the second with either encoder."""
    generator = torch.Generator().manual_seed(0)
    table = StandardScaler().fit_transform(load_breast_cancer().data)
    x = torch.tensor(table, dtype=torch.float32)
    rows, vaes = x[:16], {where: fit(x, moved) for where, moved in MOVED.items()}
    gaps = {where: gap(vae, rows, generator) for where, vae in vaes.items()}
    variance_of = variances(vaes["near"], rows, generator)
    show("variance, by draws a row", variance_of)
    ratio_of = {where: ratios(vae, rows, generator) for where, vae in vaes.items()}
    for where, found in ratio_of.items():
        show(f"signal / noise, encoder {where}", found)
    picture(variance_of, ratio_of, gaps)


if __name__ == "__main__":
    main()
