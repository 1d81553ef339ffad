"""Tables of numbers to compare densities on, and their splits.

Three ship with scikit-learn and a fourth is made of its two sample images; the others are files of
the data folder. The tables of ``CHOOSING`` are those on which defaults may be chosen, by
``validation_split`` of training rows; those of ``CONFIRMING`` say what was won.

- Rounded columns of many ties get uniform noise of one resolution (``ROUNDED``), so that no density
  can win on rounding. The others are as they came.
- Wine quality is the red and the white wines together, 11 measurements; the quality, a label, is
  left out. 1,179 of its 6,497 rows repeat another one before the noise, as published.
- Splits 0 to 9 were looked at before: those here begin at ``FIRST_SPLIT``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits, load_sample_images, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skvae.table.table import resolution

CHOOSING = ("breast_cancer", "digits", "magic", "abalone", "power_plant", "banknote")
CONFIRMING = ("wine", "patches", "wine_quality", "kin8nm", "bsds300")
TABLES = (*CHOOSING, *CONFIRMING)
SHIPPED = ("breast_cancer", "digits", "wine", "patches")
ROUNDED = ("abalone", "wine_quality", "power_plant")
FIRST_SPLIT = 10
#: Training and test rows drawn from the split that BSDS300 comes with.
BSDS300_ROWS = (30_000, 10_000)


def dequantise(X: np.ndarray) -> np.ndarray:
    """Add uniform noise of one resolution, so that no density can win on rounding."""
    return X + np.random.default_rng(0).uniform(-0.5, 0.5, X.shape) * [resolution(x) for x in X.T]


def load(name: str, dequantised: bool = False) -> np.ndarray:
    """Return one of the tables that ship with scikit-learn.

    Digits are ``(x + u) / 16`` with u uniform: its pixels are integers, and some are constant.
    """
    if name == "digits":
        X = load_digits().data
        return (X + np.random.default_rng(0).uniform(size=X.shape)) / 16
    X = {"breast_cancer": load_breast_cancer, "wine": load_wine}[name]().data
    return dequantise(X) if dequantised else X


def standardised_split(X: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return training and test rows, a fifth, in standard deviations of the training rows."""
    train, test = train_test_split(X, test_size=0.2, random_state=seed)
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def read(folder: Path | None, name: str) -> np.ndarray:
    """Return a table's rows, before any split; all tables but ``bsds300``."""
    if name in SHIPPED:
        return patches() if name == "patches" else load(name)
    if folder is None:
        raise ValueError(f"--data FOLDER is needed: {name} does not ship with scikit-learn.")
    X = READERS[name](folder)
    return dequantise(X) if name in ROUNDED else X


def split(folder: Path | None, name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return training and test rows.

    In standard deviations of the training rows; ``bsds300`` in its own units, as published.
    """
    if name == "bsds300":
        return bsds300(folder, seed)
    return standardised_split(read(folder, name), seed)


def validation_split(train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the training rows to fit and those to choose by, a fifth."""
    return train_test_split(train, test_size=0.2, random_state=0)


def patches() -> np.ndarray:
    """Return the 5 x 5 grey patches of scikit-learn's two sample images, (21760, 24)."""
    grey = np.stack(
        [np.rint(image @ (0.299, 0.587, 0.114)) for image in load_sample_images().images]
    )
    n, height, width = grey.shape
    whole = grey[:, : height // 5 * 5, : width // 5 * 5]
    squares = whole.reshape(n, height // 5, 5, width // 5, 5).swapaxes(2, 3).reshape(-1, 25)
    return without_mean(squares, np.random.default_rng(0))


def bsds300(folder: Path | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return training and test rows of the 8 x 8 patches of BSDS300, by its own split."""
    if folder is None:
        raise ValueError("--data FOLDER is needed: bsds300 does not ship with scikit-learn.")
    rng = np.random.default_rng(seed)
    with np.load(folder / "bsds300_regen_patches.npz") as file:
        train, test = (
            file[part][rng.choice(len(file[part]), n, replace=False)]
            for part, n in zip(("train", "test"), BSDS300_ROWS, strict=True)
        )
    return without_mean(train, rng), without_mean(test, rng)


def without_mean(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return patches of integer pixels as (x + u) / 256 less their mean, without the last pixel."""
    x = (pixels + rng.uniform(size=pixels.shape)) / 256
    return (x - x.mean(1, keepdims=True))[:, :-1]


def numbers(folder: Path, name: str) -> np.ndarray:
    """Return the numeric columns of a file, without labels."""
    frame = pd.read_csv(folder / f"{name}.csv.gz").select_dtypes("number")
    return frame.drop(columns=["class", "quality"], errors="ignore").to_numpy(float)


def wine_quality(folder: Path) -> np.ndarray:
    """Return the red wines and below them the white ones."""
    return np.vstack([numbers(folder, f"wine_quality_{colour}") for colour in ("red", "white")])


def regression(folder: Path, name: str) -> np.ndarray:
    """Return a regression table, its target the last column."""
    with np.load(folder / f"uci_gal_{name}.npz") as file:
        return np.column_stack([file["X"], file["y"]])


READERS: dict[str, Callable[[Path], np.ndarray]] = {
    "magic": lambda folder: numbers(folder, "magic"),
    "abalone": lambda folder: numbers(folder, "abalone"),
    "banknote": lambda folder: numbers(folder, "banknote"),
    "wine_quality": wine_quality,
    "kin8nm": lambda folder: regression(folder, "kin8nm"),
    "power_plant": lambda folder: regression(folder, "power_plant"),
}


def rows_to_choose_on(folder: Path, name: str) -> np.ndarray:
    """Return the numeric columns of a table, without labels."""
    if name == "landsat":
        file = np.load(folder / "adbench" / "19_landsat.npz", allow_pickle=True)
        return dequantise(file["X"].astype(float))
    frame = pd.read_csv(folder / f"{name}.csv.gz").select_dtypes("number")
    X = frame.drop(columns="split", errors="ignore").to_numpy(float)
    if name == "banknote":
        return X[:, :4]
    return X if name == "magic" else dequantise(X)
