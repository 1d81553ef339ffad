"""Inpaint images: the lower half of digits, drawn from p(lower half | upper half).

A density is fitted to whole images. Of test images the lower half is then unknown, and is drawn
several times, and expected: where the upper half leaves it open the draws differ, and the mean is
grey. Writes a picture, ``docs/images/inpainted.png``. ``--mnist FILE`` takes images of 28 x 28 from
an ``npz`` with ``X_train`` and ``X_test``, and writes ``docs/images/inpainted_mnist.png``;
``--quick`` makes a small run, whose picture goes to ``output/``.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import train_test_split

from skvae import VAEDensity

N_SHOWN, N_DRAWS, N_MANY = 10, 4, 10


def images(options):
    """Return training and test images, flattened, from 0 to 1, and their height."""
    if options.mnist is None:
        # Pixels are integers from 0 to 16: spread evenly over their step they have a density.
        X = load_digits().data
        X = (X + np.random.default_rng(0).uniform(size=X.shape)) / 17
        train, test = train_test_split(X, test_size=0.2, random_state=0)
        return train, test[:100], 8
    with np.load(options.mnist) as file:
        train, test = (file[name].reshape(-1, 784) / 255 for name in ("X_train", "X_test"))
    # Ink or none, as they were drawn.
    return (train[:6_000] > 0.5).astype(float), (test[:50] > 0.5).astype(float), 28


def model(options):
    """Return the density to be fitted."""
    quick = {"max_epochs": 2} if options.quick else {}
    if options.mnist is None:
        return VAEDensity(random_state=0, **quick)
    return VAEDensity(
        32,
        likelihood="bernoulli",
        hidden_layer_sizes=(256, 256),
        init="random",
        max_epochs=quick.get("max_epochs", 30),
        random_state=0,
    )


def draw(columns, height, path):
    """Draw a column of images for each of some test images, and save the picture."""
    n_rows = len(columns)
    figure, axes = plt.subplots(n_rows, N_SHOWN, figsize=(0.75 * N_SHOWN, 0.8 * n_rows))
    for axis_row, (name, rows) in zip(axes, columns, strict=True):
        for axis, image in zip(axis_row, rows, strict=True):
            axis.imshow(image.reshape(height, height), cmap="gray_r", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        axis_row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize="small")
    figure.subplots_adjust(left=0.16, right=0.99, top=0.99, bottom=0.01, wspace=0.05, hspace=0.05)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(f"wrote {path}")


def main():
    """Fit, hide, complete and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--mnist", type=Path)
    options = parser.parse_args()
    train, test, height = images(options)
    if options.quick:
        train, test = train[:300], test[:40]
    density = model(options).fit(train)
    lower = np.arange(height * height) >= height * height // 2
    upper = np.where(lower, np.nan, test)
    several, quality = density.sample_conditional(
        upper[:N_SHOWN], N_DRAWS, random_state=0, return_quality=True
    )
    draws = several.reshape(N_SHOWN, N_DRAWS, -1).swapaxes(0, 1)
    print(f"effective sample sizes: {np.round(quality.effective_sample_size).astype(int)}")
    many = density.sample_conditional(upper, N_MANY, random_state=1)
    mean = many.reshape(len(test), N_MANY, -1).mean(1)
    forest = ExtraTreesRegressor(100, min_samples_leaf=3, random_state=0, n_jobs=1)
    forest.fit(train[:5_000][:, ~lower], train[:5_000][:, lower])
    for name, found in (
        (f"mean of {N_MANY} draws", mean[:, lower]),
        ("extremely randomised trees", forest.predict(test[:, ~lower])),
        ("mean image", np.broadcast_to(train.mean(0)[lower], test[:, lower].shape)),
    ):
        error = np.sqrt(((found - test[:, lower]) ** 2).mean())
        print(f"root mean square error of the lower half, {name}: {error:.3f}")
    shown = [("image", test[:N_SHOWN]), ("known", np.nan_to_num(upper[:N_SHOWN]))]
    shown += [(f"draw {i + 1}", rows) for i, rows in enumerate(draws)]
    name = "inpainted" if options.mnist is None else "inpainted_mnist"
    folder = Path("output" if options.quick else "docs/images")
    draw([*shown, ("mean", mean[:N_SHOWN])], height, folder / f"{name}.png")


if __name__ == "__main__":
    main()
