"""What every benchmark does: its arguments, and a result file that says how it was made."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"
Record = dict[str, Any]


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
    with locked():
        _replace(name, result)
    print(f"wrote benchmarks/results/{name}.json")


def read_result(name: str) -> dict[str, Any]:
    """Return what a result file has, nothing where there is none."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else {}


def _replace(name: str, result: dict[str, Any]) -> None:
    temporary = RESULTS / f"{name}.partial"
    temporary.write_text(json.dumps({**header(), **result}, indent=1, default=repr) + "\n")
    temporary.replace(RESULTS / f"{name}.json")


def options() -> list[str]:
    """Return the command line's options, with folders left out."""
    shown = []
    for i, word in enumerate(sys.argv[1:]):
        shown.append("FOLDER" if i and sys.argv[i] == "--data" else word)
    return shown


@dataclasses.dataclass(frozen=True)
class Runs:
    """A result file that grows run by run, also under several processes at a time.

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

    def load(self) -> dict[str, Any]:
        """Return the result file, or empty lists."""
        return {kind: [] for kind in self.kinds} | read_result(self.name)

    def append(self, kind: str, record: Record) -> None:
        """Add a run to the file; it replaces an earlier one of the same."""
        with locked():
            result = self.load()
            others = [other for other in result[kind] if self.key(other) != self.key(record)]
            _replace(self.name, {k: result[k] for k in self.kinds} | {kind: [*others, record]})

    def key(self, record: Record) -> tuple[Any, ...]:
        """Return what a run is of."""
        return tuple(record[name] for name in self.of)

    def done(self, kind: str) -> set[tuple[Any, ...]]:
        """Return what the written runs of a kind are of."""
        return {self.key(record) for record in self.load()[kind]}


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
