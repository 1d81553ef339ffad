"""MNIST as the IWAE paper has it: images of the fixed binarisation, and its network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

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
