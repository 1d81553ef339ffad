"""A result file of runs that grows run by run, also under several processes at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, header

KINDS = ("table", "peers", "choose", "search")
FILE = RESULTS / "likelihood_table.json"
Record = dict[str, Any]


def load() -> dict[str, Any]:
    """Return the result file, or four empty lists."""
    found = json.loads(FILE.read_text()) if FILE.exists() else {}
    return {kind: [] for kind in KINDS} | found


def append(kind: str, record: Record) -> None:
    """Add a run to the file; it replaces an earlier one of the same table, split and model."""
    with locked():
        result = load()
        others = [other for other in result[kind] if key(other) != key(record)]
        result = {**header(), **{k: result[k] for k in KINDS}, kind: [*others, record]}
        temporary = FILE.with_suffix(".partial")
        temporary.write_text(json.dumps(result, indent=1, default=repr) + "\n")
        temporary.replace(FILE)


@contextmanager
def locked() -> Iterator[None]:
    """Keep the other processes of this benchmark from the result file."""
    import fcntl  # not on Windows, where nothing but writing needs it

    RESULTS.mkdir(exist_ok=True)
    folder = os.open(RESULTS, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def key(record: Record) -> tuple[str, int, str]:
    """Return what a run is of."""
    return record["table"], record["split"], record["model"]


def seconds(kind: str, table: str, split: int, model: str) -> float | None:
    """Return the seconds a model took on a split, else in the mean on other splits of the table."""
    took = {
        r["split"]: r["seconds"]
        for r in load()[kind]
        if (r["table"], r["model"]) == (table, model) and "seconds" in r
    }
    return took.get(split, float(np.mean([*took.values()])) if took else None)


def summary(kinds: Iterable[str] = KINDS) -> str:
    """Return Markdown tables, one for each kind of run and table."""
    result = load()
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
