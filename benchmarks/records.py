"""Result files of runs that grow run by run, also under several processes at a time."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, header

KINDS = ("table", "peers", "choose", "search")
Record = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Runs:
    """A result file.

    Parameters
    ----------
    name : str
        Of the file, without ``.json``.
    kinds : tuple of str
        Of runs: one list each.
    of : tuple of str
        The entries of a record that say what was run.
    """

    name: str
    kinds: tuple[str, ...]
    of: tuple[str, ...]

    @property
    def file(self) -> Path:
        """Return where the runs are written."""
        return RESULTS / f"{self.name}.json"

    def load(self) -> dict[str, Any]:
        """Return the result file, or empty lists."""
        found = json.loads(self.file.read_text()) if self.file.exists() else {}
        return {kind: [] for kind in self.kinds} | found

    def append(self, kind: str, record: Record) -> None:
        """Add a run to the file; it replaces an earlier one of the same."""
        with locked():
            result = self.load()
            others = [other for other in result[kind] if self.key(other) != self.key(record)]
            result = {**header(), **{k: result[k] for k in self.kinds}, kind: [*others, record]}
            temporary = self.file.with_suffix(".partial")
            temporary.write_text(json.dumps(result, indent=1, default=repr) + "\n")
            temporary.replace(self.file)

    def key(self, record: Record) -> tuple[Any, ...]:
        """Return what a run is of."""
        return tuple(record[name] for name in self.of)

    def done(self, kind: str) -> set[tuple[Any, ...]]:
        """Return what the written runs of a kind are of."""
        return {self.key(record) for record in self.load()[kind]}


LIKELIHOOD = Runs("likelihood_table", KINDS, ("table", "split", "model"))


@contextmanager
def locked() -> Iterator[None]:
    """Keep the other processes of a benchmark from the result files."""
    import fcntl  # not on Windows, where nothing but writing needs it

    RESULTS.mkdir(exist_ok=True)
    folder = os.open(RESULTS, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def seconds(kind: str, table: str, split: int, model: str) -> float | None:
    """Return the seconds a model took on a split, else in the mean on other splits of the table."""
    took = {
        r["split"]: r["seconds"]
        for r in LIKELIHOOD.load()[kind]
        if (r["table"], r["model"]) == (table, model) and "seconds" in r
    }
    return took.get(split, float(np.mean([*took.values()])) if took else None)


def summary(kinds: Iterable[str] = KINDS) -> str:
    """Return Markdown tables, one for each kind of run and table."""
    result = LIKELIHOOD.load()
    parts = []
    for kind in kinds:
        for table in dict.fromkeys(r["table"] for r in result[kind]):
            runs = [r for r in result[kind] if r["table"] == table]
            parts.append("\n".join([f"### {kind}: {table}", "", *lines(runs)]))
    return "\n\n".join(parts)


def lines(runs: list[Record]) -> list[str]:
    """Return the lines of a table of runs, the best model first."""
    models = dict.fromkeys(r["model"] for r in runs)
    rows = [row(model, [r for r in runs if r["model"] == model]) for model in models]
    rows.sort(key=lambda cells: -cells[0])
    return [
        "| model | nats per row | +- of rows | median row | seconds | to score | splits |",
        "|---|---|---|---|---|---|---|",
        *(f"| {' | '.join(cells)} |" for _, *cells in rows),
    ]


def row(model: str, runs: list[Record]) -> tuple[Any, ...]:
    """Return a model's mean to sort by, and its cells: means over splits."""
    good = [r for r in runs if "mean" in r]
    failed = f", {len(runs) - len(good)} failed" if len(good) < len(runs) else ""
    if not good:
        return -np.inf, model, "", "", "", "", "", f"0{failed}"

    def mean(name: str) -> float:
        return float(np.mean([r[name] for r in good]))

    cells = [f"{mean(name):.2f}" for name in ("mean", "standard_error", "median")]
    times = [f"{mean(name):.1f}" for name in ("seconds", "scoring_seconds")]
    return mean("mean"), model, *cells, *times, f"{len(good)}{failed}"
