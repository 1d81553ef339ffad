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
from collections.abc import Callable, Iterable, Iterator
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


def read_result(name: str) -> dict[str, Any]:
    """Return what a result file has; settings, summary and runs are empty where there is none."""
    file = RESULTS / f"{name}.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    return {"earlier": [], "settings": {}, "summary": {}, "runs": []} | found


def options() -> list[str]:
    """Return the command line's options, with folders left out."""
    shown = []
    for i, word in enumerate(sys.argv[1:]):
        shown.append("FOLDER" if i and sys.argv[i] in ("--data", "--before", "--beside") else word)
    return shown


def told(runs: Iterable[Record], n: int, line: Callable[[Record], str]) -> Iterator[Record]:
    """Yield runs, of which there will be ``n``, and print a line on each when it is done."""
    for i, run in enumerate(runs, 1):
        print(f"{i}/{n} {line(run)}", flush=True)
        yield run


def nothing(runs: list[Record]) -> dict[str, Any]:
    """Return an empty summary."""
    return {}


@dataclasses.dataclass(frozen=True)
class ResultFile:
    """A file of runs that grows run by run, also under several processes at a time.

    It holds how it was made (``command``, ``versions``, ``processor``, ``date``), the same of runs
    made before otherwise (``earlier``), ``settings``, a ``summary``, and the ``runs`` themselves.
    Where a question has parts, a run says by ``part`` which it belongs to.

    Parameters
    ----------
    name : str
        Of the file, without ``.json``.
    of : tuple of str
        The entries of a run that say what was run.
    summarise : callable
        What there is to say about all runs.
    """

    name: str
    of: tuple[str, ...]
    summarise: Callable[[list[Record]], Any] = nothing

    def add(self, runs: Iterable[Record], quick: bool = False, **settings: Any) -> Any:
        """Write each run when it is done, in the place of an earlier one of the same.

        Return the summary: of all that is written or, of a quick run, of what was not.
        """
        if quick:
            found = self.summarise([*runs])
            print("--quick: nothing written")
            return found
        for run in runs:
            self._write(run, settings)
        return self.summarise(self.runs())

    def runs(self, **which: Any) -> list[Record]:
        """Return the written runs whose entries are these."""
        every = read_result(self.name)["runs"]
        return [run for run in every if all(run[name] == of for name, of in which.items())]

    def key(self, run: Record) -> tuple[Any, ...]:
        """Return what a run is of."""
        return tuple(run[name] for name in self.of)

    def done(self) -> set[tuple[Any, ...]]:
        """Return what the written runs are of."""
        return {self.key(run) for run in self.runs()}

    def _write(self, run: Record, settings: dict[str, Any]) -> None:
        with locked():
            before = read_result(self.name)
            runs = [*{self.key(r): r for r in [*before["runs"], run]}.values()]
            parts = {"settings": settings, "summary": self.summarise(runs), "runs": runs}
            self._replace({**made(before), **parts})

    def _replace(self, result: dict[str, Any]) -> None:
        temporary = RESULTS / f"{self.name}.partial"
        temporary.write_text(json.dumps(result, indent=1, default=repr) + "\n")
        temporary.replace(RESULTS / f"{self.name}.json")


def made(before: dict[str, Any]) -> dict[str, Any]:
    """Return the header of now and, as ``earlier``, the different ones of a file as it is."""
    now = header()
    known = [*before["earlier"], {name: before[name] for name in now if name in before}]
    return {**now, "earlier": [one for one in known if one and one != now]}


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
