"""Fixed-binarisation MNIST with the network of the IWAE paper, in a quarter of an hour.

The paper's network (784-200-200-50, tanh) is trained for ``--minutes``, and every test image is
scored by 5,000 encoder draws, as the literature does, and by our default: image by image, the two
estimates of one model's log-likelihood. The model is kept in ``output/``; a second run scores it
again.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from skvae import IWAE, VAEDensity

MODEL = Path("output/mnist.pkl")
FILE = "binarized_mnist_fixed.npz"


def body(n_in: int) -> nn.Module:
    """Return one of the paper's two perceptrons."""
    return nn.Sequential(nn.Linear(n_in, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh())


def encoder() -> nn.Module:
    """Return the body of q(z | x)."""
    return body(784)


def decoder() -> nn.Module:
    """Return the body of p(x | z)."""
    return body(50)


def images(data: Path, part: str) -> np.ndarray:
    """Return the images of one part of the published split, (n, 784), of 0 and 1."""
    return np.unpackbits(np.load(data / FILE)[part], axis=1, count=784).astype(np.float32)


def density(max_epochs: int) -> VAEDensity:
    """Return the model; the learning rate was chosen by four epochs' held-out bound."""
    return VAEDensity(
        50,
        encoder=encoder,
        decoder=decoder,
        likelihood="bernoulli",
        posterior="diagonal_gaussian",
        objective=IWAE(n_draws=5),
        batch_size=128,
        lr=5e-3,
        max_epochs=max_epochs,
        random_state=0,
    )


def seconds_of(model: VAEDensity, X: np.ndarray) -> float:
    """Fit and return the seconds it took."""
    start = time.perf_counter()
    model.fit(X)
    return time.perf_counter() - start


def train(data: Path, minutes: float) -> dict[str, Any]:
    """Plan as many epochs as fit in the time, by the time of three, and train."""
    X = images(data, "train")
    seconds_of(density(1), X)  # the first one is slower
    max_epochs = max(int(60.0 * minutes * 3 / seconds_of(density(3), X)), 1)
    model = density(max_epochs)
    return {"seconds": seconds_of(model, X), "planned_epochs": max_epochs, "model": model}
