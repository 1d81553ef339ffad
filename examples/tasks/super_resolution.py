"""Super-resolution: digits of 8 x 8 pixels given the means of their 4 x 4 blocks.

A conditional VAE models p(image | blocks): the blocks are context_features, never modelled
themselves. Of test digits several images are drawn that agree with their blocks. Their likelihood
is compared with that of a regression on the blocks with a normal residual. Writes
``docs/images/super_resolution.png``; ``--quick`` makes a small run, whose picture goes to
``output/``.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import multivariate_normal
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split

from skvae import VAEDensity

N_SHOWN, N_DRAWS = 10, 4


def blocks(images):
    """Return the means of blocks of 2 x 2 pixels in whole grey levels, (n, 16).

    As a camera of 4 x 4 pixels sees them: exact means would leave the pixels no density, as they
    add up to them.
    """
    return np.round(images.reshape(-1, 4, 2, 4, 2).mean((2, 4)).reshape(-1, 16))


def densities(images):
    """Return pixels as numbers with a density: integers from 0 to 16, spread over their step."""
    return (images + np.random.default_rng(0).uniform(size=images.shape)) / 17


def regression(given, train, of_test, test):
    """Return log-densities of test images by ridge regression with a normal residual."""
    model = RidgeCV(np.logspace(-4, 4, 17)).fit(given, train)
    covariance = np.cov((train - model.predict(given)).T, bias=True)
    return multivariate_normal(np.zeros(64), covariance).logpdf(test - model.predict(of_test))


def draw(given, test, drawn, path):
    """Draw blocks, images drawn given them and the true image, a column for each of some digits."""
    rows = [("given", given[:N_SHOWN] / 16, 4)]
    rows += [("drawn", drawn[k::N_DRAWS], 8) for k in range(N_DRAWS)]
    rows += [("true", test[:N_SHOWN], 8)]
    figure, axes = plt.subplots(len(rows), N_SHOWN, figsize=(0.75 * N_SHOWN, 0.8 * len(rows)))
    for axis_row, (name, images, height) in zip(axes, rows, strict=True):
        for axis, image in zip(axis_row, images, strict=True):
            axis.imshow(image.reshape(height, height), cmap="gray_r", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        axis_row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, bbox_inches="tight")


def main():
    """Fit, compare and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    options = parser.parse_args()
    images = train_test_split(load_digits().data, test_size=0.2, random_state=0)
    (given, of_test), (train, test) = map(blocks, images), map(densities, images)
    model = VAEDensity(
        context_features=range(64, 80),
        random_state=0,
        **({"max_epochs": 2} if options.quick else {}),
    ).fit(np.hstack([train, given]))
    drawn = model.sample(N_DRAWS, random_state=0, context=of_test[:N_SHOWN])[:, :64]
    agree = np.abs(blocks(drawn * 17 - 0.5) - np.repeat(of_test[:N_SHOWN], N_DRAWS, axis=0)) <= 1
    print(
        f"log p(image | blocks), nats per test digit: {model.score(np.hstack([test, of_test])):.1f}"
    )
    print(
        f"  regression with a normal residual: {regression(given, train, of_test, test).mean():.1f}"
    )
    print(f"Blocks of drawn images within a grey level of those given: {agree.mean():.2f}")
    folder = Path("output") if options.quick else Path("docs/images")
    draw(of_test, test, drawn, folder / "super_resolution.png")
    print(f"wrote {folder / 'super_resolution.png'}")


if __name__ == "__main__":
    main()
