"""Write README's tables from the files in ``results``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.report.results import read_result

README = Path(__file__).parents[2] / "README.md"
END = "<!-- end of table -->"
TABLES = ("breast_cancer", "wine", "digits")
IMPUTERS = {
    "mean": "mean, mode",
    "KNN": "KNNImputer",
    "ridge": "IterativeImputer, BayesianRidge",
    "trees": "IterativeImputer, ExtraTreesRegressor",
    "VAEImputer": "VAEImputer",
}
SETTINGS = ("digits 50", "digits 100", "mnist 100", "mnist 1000")
SYNTHETIC = (
    "VAEDensity",
    "VAEDensity, standard normal prior",
    "GaussianMixture",
    "shuffled columns",
)


def likelihood(result: dict[str, Any]) -> str:
    """Return a Markdown table of mean held-out log-likelihoods."""
    rows = result["summary"]
    lines = [
        "| | " + " | ".join(name.replace("_", " ") for name in TABLES) + " |",
        "|---|" + "---|" * 3,
    ]
    for model in rows[TABLES[0]]:
        cells = (f"{rows[name][model]['mean']:.2f}" for name in TABLES)
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def synthetic(result: dict[str, Any]) -> str:
    """Return a Markdown table of two-sample AUCs, and of training on drawn rows."""
    tables = result["summary"]
    lines = ["| | " + " | ".join(tables) + " |", "|---|" + "---|" * len(tables)]

    def line(label: str, model: str, measure: str) -> None:
        found = [rows.get(model, {}).get(measure) for rows in tables.values()]
        cells = ("" if value is None else f"{value:.3f}" for value in found)
        lines.append(f"| {label} | " + " | ".join(cells) + " |")

    for model in SYNTHETIC:
        line(f"told from real rows, {model}", model, "two_sample_auc")
    line("trained on real rows", SYNTHETIC[0], "trtr")
    for model in SYNTHETIC[:2]:
        line(f"trained on drawn rows, {model}", model, "tstr")
    return "\n".join(lines)


def imputation(result: dict[str, Any]) -> str:
    """Return a Markdown table of errors in hidden cells, means over masks and mechanisms."""
    tables = result["summary"]
    names = [name.replace("_", " ") for name in tables]
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(tables)]
    for method, label in IMPUTERS.items():
        cells = (f"{rows['verdict'][method]['error']:.3f}" for rows in tables.values())
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def few_labels(result: dict[str, Any]) -> str:
    """Return a Markdown table of test accuracies, mean and standard deviation over draws."""
    settings = [name for name in SETTINGS if name in result["summary"]]
    methods = list(dict.fromkeys(m for name in settings for m in result["summary"][name]))
    names = [f"{name} labels" for name in settings]
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(settings)]
    for method in methods:
        found = [result["summary"][name].get(method) for name in settings]
        cells = ("" if one is None else f"{one['mean']:.3f} ± {one['sd']:.3f}" for one in found)
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


QUOTED: dict[str, Callable[[dict[str, Any]], str]] = {
    "likelihood": likelihood,
    "synthetic": synthetic,
    "imputation": imputation,
    "few_labels": few_labels,
}


def main() -> None:
    """Replace the tables."""
    text = README.read_text()
    for name, write in QUOTED.items():
        start = f"<!-- {name} table -->"
        block = f"{start}\n{write(read_result(name))}\n{END}"
        text = re.sub(f"{start}.*?{END}", lambda _, block=block: block, text, flags=re.S)
    README.write_text(text)


if __name__ == "__main__":
    main()
