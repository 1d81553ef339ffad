"""What every benchmark does: arguments, splits, and a result file that says how it was made."""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skvae.table.table import resolution

RESULTS = Path(__file__).parent / "results"


def arguments(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options all benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, help="folder of the data sets that are not shipped")
    parser.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    return parser


def processor() -> str:
    """Return the processor's model."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def header() -> dict[str, Any]:
    """Return the command, versions, processor and date that a result comes from."""
    module = Path(sys.argv[0]).stem
    packages = ("skvae", "torch", "scikit-learn", "skorch", "numpy")
    return {
        "command": shlex.join(["python", "-m", f"benchmarks.{module}", *options()]),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in packages}},
        "processor": processor(),
        "date": datetime.date.today().isoformat(),
    }


def write_result(name: str, result: dict[str, Any], quick: bool = False) -> None:
    """Write a result under its header."""
    if quick:
        print("--quick: nothing written")
        return
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({**header(), **result}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(f"wrote benchmarks/results/{name}.json")


def options() -> list[str]:
    """Return the command line's options, with folders left out."""
    shown = []
    for i, word in enumerate(sys.argv[1:]):
        shown.append("FOLDER" if i and sys.argv[i] == "--data" else word)
    return shown


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


def split(X: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return training and test rows, a fifth, in standard deviations of the training rows."""
    train, test = train_test_split(X, test_size=0.2, random_state=seed)
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)
