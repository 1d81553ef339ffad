"""Tables of mixed columns, as DataFrames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

TARGETS = {
    "adult": "income",
    "shoppers": "Revenue",
    "default": "default payment next month",
    "magic": "class",
    "beijing": "pm2.5",
}
#: Categories written as integers. Strings are categories anyway.
CODES = {
    "shoppers": ("OperatingSystems", "Browser", "Region", "TrafficType"),
    "default": (
        *("SEX", "EDUCATION", "MARRIAGE", "PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6"),
        TARGETS["default"],
    ),
    "beijing": ("year", "month", "day", "hour"),
}


def read(folder: Path, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training and test rows of a table in its published split, categories typed.

    A missing category is a category of its own, "?".
    """
    table = pd.read_csv(folder / f"{name}.csv.gz")
    part = table.pop("split")
    for column in [*table.select_dtypes(["object", "string"]), *CODES.get(name, ())]:
        filled = table[column].fillna("?") if table[column].hasnans else table[column]
        table[column] = filled.astype("category")
    train, test = (table[part == p].reset_index(drop=True) for p in ("train", "test"))
    return train, test


def small(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training and test rows of a small table with columns of all types."""
    generator = np.random.default_rng(seed)
    z = generator.normal(size=600)
    table = pd.DataFrame(
        {
            "length": z + 0.3 * generator.normal(size=600),
            "count": generator.poisson(np.exp(z)),
            "colour": pd.Categorical.from_codes(np.digitize(z, [-1, 1]), ["red", "green", "blue"]),
            "sold": z + generator.normal(size=600) > 0,
        }
    )
    return table[:400], table[400:].reset_index(drop=True)
