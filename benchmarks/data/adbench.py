"""Sets of ADBench with outliers among their rows; most are files of the data folder.

Those with an odd number in their name are for choosing, those with an even one for confirming.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer

Rows = np.ndarray
#: The one that ships with scikit-learn.
SHIPPED = "breast_cancer"


def names(folder: Path | None, which: str = "all") -> list[str]:
    """Return the sets of a folder, by number: all, or those with an odd or an even one."""
    found = sorted((path.stem for path in (folder / "adbench").glob("*.npz")), key=number)
    return [name for name in found if which == "all" or parity(name) == which]


def number(name: str) -> int:
    """Return a set's number."""
    return int(name.split("_")[0])


def parity(name: str) -> str:
    """Return whether a set is for choosing (odd) or for confirming (even)."""
    return "odd" if number(name) % 2 else "even"


def read(folder: Path | None, name: str, most: int) -> tuple[Rows, Rows]:
    """Return rows (n, c), at most so many, and which of them are outliers (n,)."""
    X, y = shipped() if name == SHIPPED else stored(folder, name)
    if len(X) > most:
        chosen = np.random.default_rng(0).choice(len(X), most, replace=False)
        X, y = X[chosen], y[chosen]
    return X, y


def stored(folder: Path | None, name: str) -> tuple[Rows, Rows]:
    """Return a set of the data folder."""
    with np.load(folder / "adbench" / f"{name}.npz") as file:
        return file["X"].astype(float), file["y"].astype(int)


def shipped() -> tuple[Rows, Rows]:
    """Return the benign rows of breast cancer and, outliers, the first 21 malignant ones."""
    X, benign = load_breast_cancer(return_X_y=True)
    return np.vstack([X[benign == 1], X[benign == 0][:21]]), np.repeat([0, 1], [357, 21])
