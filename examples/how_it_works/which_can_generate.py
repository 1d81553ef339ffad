"""Which autoencoder can generate: digits drawn by a plain one, a repaired one and two VAEs.

A plain autoencoder learns nothing about where its latents are, so what it decodes from a standard
normal is like no digit; ``refit_prior="mixture"`` fits a prior to its latents afterwards, and a VAE
is trained with one. How like real rows is measured by a classifier that tells them apart (an area
under the ROC curve of 0.5: it cannot), on decoded latents beside reconstructed held-out digits and,
where there is ``sample``, on drawn rows beside held-out ones. How smooth the latent space is, by
the distance to the nearest training digit on the way from one digit to another. Writes
``docs/images/which_can_generate.png``; ``--quick`` makes a small run, whose picture goes to
``output/``.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.model_selection import cross_val_score, train_test_split

from skvae import VAETransformer

QUICK = "--quick" in sys.argv
PICTURE = Path("output" if QUICK else "docs/images") / "which_can_generate.png"
N_SHOWN, N_PAIRS, N_STEPS, LATENTS = 9, 10 if QUICK else 150, 9, 8
MODELS = {
    "autoencoder": {"objective": "autoencoder", "refit_prior": "mixture"},
    "VAE": {"objective": "elbo"},
    "VAE, mixture prior": {"objective": "elbo", "prior": "mixture"},
}
COLORS = {"autoencoder": "#c8442e", "VAE": "#2f6f9f", "VAE, mixture prior": "#2c9c77"}


def fit(settings, X):
    """Return a model of digits, whose pixels are whole numbers."""
    model = VAETransformer(
        LATENTS,
        likelihood="binned",
        init="random",
        hidden_layer_sizes=(32,) if QUICK else (128, 128),
        max_epochs=1 if QUICK else 60,
        early_stopping=not QUICK,
        n_draws=4 if QUICK else 64,
        random_state=0,
        **settings,
    )
    return model.fit(X)


@torch.no_grad()
def from_prior(model, n):
    """Return digits decoded from draws of the model's prior, without the noise of pixels."""
    return model.inverse_transform(model.vae_.sample(n, torch.Generator().manual_seed(0))[0])


def from_standard_normal(model, n):
    """Return digits decoded from draws of a standard normal, whatever the latents follow."""
    return model.inverse_transform(np.random.default_rng(0).standard_normal((n, LATENTS)))


def auc(real, other):
    """Return how well a classifier tells other digits from real ones."""
    rows, labels = np.r_[real, other], np.repeat([0, 1], [len(real), len(other)])
    model = HistGradientBoostingClassifier(random_state=0)
    return cross_val_score(model, rows, labels, cv=5, scoring="roc_auc").mean()


def compare(models, train, test):
    """Return digits decoded by every way to draw, with their AUC, and print it with the rest."""
    print(f"{'':36}{'decoded':>10}{'drawn':>10}{'held-out nats a row':>22}")
    control = auc(models["VAE"].reconstruct(test), models["VAE"].reconstruct(train[: len(test)]))
    print(f"{'real digits, reconstructed by the VAE':36}{control:9.3f}")
    plain = models["autoencoder"]
    decoded = from_standard_normal(plain, len(test))
    found = {"autoencoder": (decoded, auc(plain.reconstruct(test), decoded))}
    print(f"{'autoencoder, standard normal latents':36}{found['autoencoder'][1]:10.3f}")
    for name, model in models.items():
        # The refitted prior leaves the networks of the plain autoencoder as they are.
        name = "autoencoder, refit_prior" if name == "autoencoder" else name
        decoded = from_prior(model, len(test))
        found[name] = decoded, auc(model.reconstruct(test), decoded)
        drawn, nats = auc(test, model.sample(len(test), random_state=0)), model.score(test[:200])
        print(f"{name:36}{found[name][1]:10.3f}{drawn:10.3f}{nats:22.1f}")
    return found


def nearest(rows, train):
    """Return the mean distance of rows to the nearest training row."""
    return pairwise_distances_argmin_min(rows, train)[1].mean()


def along(start, end, decode, train):
    """Return the mean distance to the nearest training row at every step between pairs."""
    steps = np.linspace(0.0, 1.0, N_STEPS)
    return [nearest(decode((1 - t) * start + t * end), train) for t in steps]


def ways(models, train, test):
    """Return the distances along lines between pairs of digits, in every latent space."""
    start, end = test[:N_PAIRS], test[N_PAIRS : 2 * N_PAIRS]
    found = {"mixed pixels": along(start, end, np.asarray, train)}
    for name, model in models.items():
        ends = model.transform(start), model.transform(end)
        found[name] = along(*ends, model.inverse_transform, train)
    print("\nDistance to the nearest training digit: at the ends, half-way, and the rise")
    for name, way in found.items():
        ends, middle = (way[0] + way[-1]) / 2, way[N_STEPS // 2]
        print(f"{name:24}{ends:8.1f}{middle:8.1f}{middle - ends:+8.1f}")
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


def draw_ways(axis, found):
    """Draw the distances along the ways from digit to digit."""
    steps = np.linspace(0.0, 1.0, N_STEPS)
    for name, way in found.items():
        style = {"color": COLORS.get(name, "0.6"), "ls": "-" if name in COLORS else "--"}
        axis.plot(steps, way, lw=2, label=name, **style)
    axis.set_xticks([0, 0.5, 1], ["one digit", "half-way", "another"])
    axis.set_title("distance to the nearest training digit, grey levels", loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0.0, 1.0))
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.35 * (high - low))


def draw(test, decoded, found):
    """Draw real and decoded digits, and beside them the ways; save the picture."""
    figure = plt.figure(figsize=(12.5, 4.2))
    left = figure.add_gridspec(5, 1, left=0.19, right=0.68, top=0.98, bottom=0.02, hspace=0.12)
    axes = [figure.add_subplot(cell) for cell in left]
    strip(axes[0], test, "real digits", "held out")
    for axis, (name, (images, of_classifier)) in zip(axes[1:], decoded.items(), strict=True):
        strip(axis, images, name, f"told apart: AUC {of_classifier:.2f}")
    right = figure.add_gridspec(1, 1, left=0.73, right=0.985, top=0.92, bottom=0.09)
    draw_ways(figure.add_subplot(right[0]), found)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    print(f"wrote {PICTURE}")


def main():
    """Fit the models, compare what they draw, and walk between digits."""
    X = load_digits().data.astype(int)
    train, test = train_test_split(X[:200] if QUICK else X, test_size=0.25, random_state=0)
    models = {name: fit(settings, train) for name, settings in MODELS.items()}
    decoded = compare(models, train, test)
    draw(test, decoded, ways(models, train, test))


if __name__ == "__main__":
    main()
