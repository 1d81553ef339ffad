"""Restore noisy digits: reconstruct rows that are noisier than those a model has seen.

Models see clean training digits alone: one with ``objective=Denoising(noise=...)``, which corrupts
what the encoder is given, one with the plain ``"elbo"``. Test digits get Gaussian noise and are
reconstructed, beside principal components and the mean digit. The noise is in standard deviations
of each pixel, as Denoising has it. Last comes noise that is the same in all of them, for which it
is not made: at the border, where digits are nearly constant, that is far from any row it has seen.
The number of components and the strength of Denoising are chosen on noisy digits of the training
rows, never on test rows. Prints the peak signal-to-noise ratio (larger is better; 1 dB is a fifth
less squared error) and writes ``docs/images/restore_noisy_digits.png``; ``--quick`` makes a small
run, whose picture goes to ``output/``.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skvae import VAETransformer
from skvae.likelihoods import Gaussian
from skvae.objectives import Denoising

QUICK = "--quick" in sys.argv
PICTURE = Path("output" if QUICK else "docs/images") / "restore_noisy_digits.png"
LEVELS = (0.0, 0.5, 1.0, 1.5, 2.0)  # standard deviation of the noise, in those of each pixel
SHOWN_LEVEL, N_SHOWN = 1.0, 10
STRENGTHS = (0.5, 1.0) if not QUICK else (0.5,)
PIXEL_SCALE = load_digits().data.std(0)
COLORS = {"denoising": "#c8442e", "elbo": "#2f6f9f", "PCA": "#2c9c77", "mean digit": "#c9a227"}


def noisy(X, level, seed=0, scale=PIXEL_SCALE):
    """Return digits with Gaussian noise, in standard deviations of each pixel."""
    return X + level * scale * np.random.default_rng(seed).standard_normal(X.shape)


def decibels(clean, restored):
    """Return the peak signal-to-noise ratio, of the squared error over all digits."""
    return 10.0 * np.log10(16.0**2 / np.mean((clean - restored) ** 2))


def model(objective, X):
    """Return a model of clean digits."""
    vae = VAETransformer(
        16,
        objective=objective,
        likelihood=Gaussian("column"),
        init="random",
        max_epochs=2 if QUICK else 100,
        early_stopping=not QUICK,
        random_state=0,
    )
    return vae.fit(X)


def components(n, X):
    """Return what projects digits on so many principal components."""
    pca = PCA(n).fit(X)
    return lambda rows: pca.inverse_transform(pca.transform(rows))


def best(candidates, X):
    """Return the candidate, a function of noisy digits, that restores digits best; and its name."""
    found = {name: decibels(X, f(noisy(X, SHOWN_LEVEL, 1))) for name, f in candidates.items()}
    name = max(found, key=found.get)
    return name, candidates[name]


def methods(train):
    """Return ways to restore, by name; what is chosen is chosen within the training rows."""
    fitting, choosing = train_test_split(train, test_size=0.2, random_state=1)
    subspaces = {n: components(n, fitting) for n in range(2, 41, 2)}
    n, pca = best(subspaces, choosing)
    strengths = {s: model(Denoising(noise=s), fitting).reconstruct for s in STRENGTHS}
    strength, denoising = best(strengths, choosing)
    print(f"chosen on training rows: {n} components, Denoising(noise={strength})")
    mean = fitting.mean(0)
    return {
        "denoising": denoising,
        "elbo": model("elbo", fitting).reconstruct,
        "PCA": pca,
        "mean digit": lambda rows: np.broadcast_to(mean, rows.shape),
        "not restored": lambda rows: rows,
    }


def compare(ways, test):
    """Return the ratio of every way at every level of noise, and print it."""
    print(f"{'noise':16}" + "".join(f"{level:8.1f}" for level in LEVELS))
    found = {}
    for name, restore in ways.items():
        with np.errstate(divide="ignore"):
            found[name] = [decibels(test, restore(noisy(test, level))) for level in LEVELS]
        print(f"{name:16}" + "".join(f"{value:8.2f}" for value in found[name]))
    even = noisy(test, 4.0, scale=np.ones(64))
    restored = {name: f"{decibels(test, restore(even)):.2f}" for name, restore in ways.items()}
    print("4 grey levels of noise in every pixel:", ", ".join(map(" ".join, restored.items())))
    return found


def strip(axis, images, name, note):
    """Draw digits side by side, with a name on their left."""
    framed = np.pad(images[:N_SHOWN].reshape(-1, 8, 8), ((0, 0), (0, 0), (1, 1)))
    axis.imshow(np.concatenate(framed, axis=1), cmap="gray_r", vmin=0, vmax=16)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    style = {"transform": axis.transAxes, "ha": "right", "fontsize": 9.5}
    axis.text(-0.015, 0.56, name, va="bottom", weight="bold", **style)
    axis.text(-0.015, 0.46, note, va="top", color="0.4", **style)


def draw_levels(axis, found):
    """Draw the ratios over the level of noise."""
    for name, values in found.items():
        style = {"color": COLORS.get(name, "0.6"), "ls": "-" if name in COLORS else "--"}
        axis.plot(LEVELS, values, "o", lw=2, ms=4, label=name, **style)
    axis.axvline(SHOWN_LEVEL, color="0.85", lw=6, zorder=0)
    axis.set(xlabel="noise, in standard deviations of each pixel", ylim=(5, 24), xticks=LEVELS)
    axis.set_title("peak signal-to-noise ratio, dB", loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=9)


def draw(ways, found, test):
    """Draw digits restored from one level of noise, and the ratios of all; save the picture."""
    shown, at = noisy(test, SHOWN_LEVEL), LEVELS.index(SHOWN_LEVEL)
    figure = plt.figure(figsize=(12.5, 5.0))
    left = figure.add_gridspec(6, 1, left=0.11, right=0.66, top=0.99, bottom=0.01, hspace=0.12)
    axes = [figure.add_subplot(cell) for cell in left]
    strip(axes[0], test, "real digits", "held out")
    order = ["not restored", *COLORS]
    for axis, name in zip(axes[1:], order, strict=True):
        title = "with noise" if name == "not restored" else name
        strip(axis, ways[name](shown), title, f"{found[name][at]:.1f} dB")
    right = figure.add_gridspec(1, 1, left=0.71, right=0.985, top=0.92, bottom=0.11)
    draw_levels(figure.add_subplot(right[0]), found)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    print(f"wrote {PICTURE}")


def main():
    """Fit, restore and compare."""
    X = load_digits().data
    train, test = train_test_split(X[:300] if QUICK else X, test_size=0.25, random_state=0)
    ways = methods(train)
    draw(ways, compare(ways, test), test)


if __name__ == "__main__":
    main()
