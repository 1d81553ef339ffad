"""Images in rows: digits drawn, interpolated and inpainted by convolutional networks.

``image_shape=`` is all there is to say; the rest is as with any table. Above, images that the model
draws; below, two digits and five on the way between their latents; then images of which the right
half is unknown, and draws of it. By default these are scikit-learn's digits of 8 x 8 grey levels,
with a probability for each level; ``--mnist FILE`` takes images of 28 x 28 from an ``npz`` with
``X_train`` and ``X_test``, ink or none. Prints held-out nats per image, beside those of the
perceptrons that there are without ``image_shape``. Writes ``docs/images/images.png`` or
``docs/images/images_mnist.png``; ``--quick`` makes a small run, whose picture goes to ``output/``.
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skvae import VAEDensity
from skvae.likelihoods import DiscretizedLogistic

N_SHOWN = 7


def images(options):
    """Return training and test images, flattened, and the height and likelihood of their pixels."""
    if options.mnist is None:
        train, test = train_test_split(load_digits().data, test_size=0.2, random_state=0)
        return train, test, 8, DiscretizedLogistic(high=16)
    with np.load(options.mnist) as file:
        train, test = (file[name].reshape(-1, 784) for name in ("X_train", "X_test"))
    return (train[:10_000] > 127) * 1.0, (test[:200] > 127) * 1.0, 28, "bernoulli"


def model(options, likelihood, **parameters):
    """Return a density of images."""
    return VAEDensity(
        16,
        likelihood=likelihood,
        objective="elbo",
        init="random",
        max_epochs=2 if options.quick else 60 if options.mnist is None else 15,
        random_state=0,
        **parameters,
    )


def report(name, density, train, test):
    """Fit, and print what a test image scores."""
    start = time.perf_counter()
    density.fit(train)
    seconds = time.perf_counter() - start
    print(f"{name}: {density.score(test):.1f} nats per test image, {seconds:.0f} s of training")
    return density


def rows(density, test, side):
    """Return names and strips of images."""
    strips = [("drawn", strip) for strip in density.sample(2 * N_SHOWN).reshape(2, N_SHOWN, -1)]
    for a, b in ((0, 1), (2, 3)):
        strips.append(("interpolated", density.interpolate(test[a], test[b], n_steps=N_SHOWN)))
    right = np.arange(side * side) % side >= side // 2
    for image in test[4:7]:
        seen = np.where(right, np.nan, image)
        drawn = density.sample_conditional(seen[None], N_SHOWN - 2, random_state=0)
        strips.append(("inpainted", np.vstack([image, seen, drawn])))
    return strips


def draw(strips, side, path):
    """Draw the strips of images, one below the other; save the picture."""
    top = max(np.nanmax(strip) for _, strip in strips)
    figure, axes = plt.subplots(len(strips), N_SHOWN, figsize=(6.2, 0.78 * len(strips)))
    colors = plt.get_cmap("gray_r").copy()
    colors.set_bad("#d5e3ef")
    for line, (name, strip) in zip(axes, strips, strict=True):
        for axis, image in zip(line, strip, strict=True):
            axis.imshow(image.reshape(side, side), cmap=colors, vmin=0, vmax=top)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    figure.subplots_adjust(0.17, 0.01, 0.99, 0.99, wspace=0.06, hspace=0.06)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(f"wrote {path}")


def main():
    """Fit with convolutions and without, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, help="npz of 28 x 28 images")
    parser.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    options = parser.parse_args()
    train, test, side, likelihood = images(options)
    some = test[:20] if options.quick else test[:200]
    shape = (1, side, side)
    density = report("convolutional", model(options, likelihood, image_shape=shape), train, some)
    if not options.quick:
        report("perceptrons", model(options, likelihood), train, some)
    name = "images" if options.mnist is None else "images_mnist"
    folder = Path("output" if options.quick else "docs/images")
    draw(rows(density, test, side), side, folder / f"{name}.png")


if __name__ == "__main__":
    main()
