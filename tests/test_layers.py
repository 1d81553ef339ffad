"""Imports point downward only: from room to room, and within the core."""

import ast
from pathlib import Path

import pytest

import skvae

ROOT = Path(skvae.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT)
#: The rooms that each room may import from.
BELOW = {
    "estimators": {"fit", "files", "model", "metrics", "table", "core"},
    "fit": {"files", "model", "table", "core"},
    "files": {"table", "core"},
    "model": {"table", "core"},
    "metrics": {"table"},
    "table": set(),
    "core": set(),
}
#: What a room may not know, or the only file of it that may.
FOREIGN = {
    "core": {"sklearn", "skorch", "pandas", "polars", "narwhals", "numpy", "scipy", "joblib"},
    "table": {"torch", "skorch", "pandas", "polars"},
    "model": {"skorch", "pandas", "polars"},
    "metrics": {"torch", "skorch", "pandas", "polars"},
    "files": {"sklearn", "skorch", "scipy", "joblib", "pandas", "polars"},
    "fit": {"pandas", "polars"},
    "estimators": {"skorch", "pandas", "polars"},
}


def imports(path):
    """Return the absolute names of the modules a file imports."""
    package = ("skvae", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join((*base, *([node.module] if node.module else [])))


def room(path):
    return path.relative_to(ROOT).parts[0]


def test_every_folder_is_a_room():
    folders = {path.name for path in ROOT.iterdir() if any(path.glob("*.py"))}
    assert folders == set(BELOW)


#: The only file of its room that knows more than the others, and what.
EXCEPT = {
    ROOT / "core" / "minimum.py": {"scipy"},
    ROOT / "files" / "frames.py": {"pandas", "polars"},
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward(path):
    names, here = list(imports(path)), room(path)
    rooms = {name.split(".")[1] for name in names if name.startswith("skvae.")} - {"_version"}
    assert rooms <= {here} | BELOW[here]
    foreign = FOREIGN[here] - EXCEPT.get(path, set())
    assert not foreign & {name.split(".")[0] for name in names}


def test_skorch_stays_in_one_file():
    found = [path for path in FILES if any(n.split(".")[0] == "skorch" for n in imports(path))]
    assert found == [ROOT / "fit" / "training.py"]


def test_no_circle():
    files = {
        ".".join(("skvae", *path.relative_to(ROOT).with_suffix("").parts)): path for path in FILES
    }
    below = {name: {n for n in imports(path) if n in files} for name, path in files.items()}
    while found := [name for name, names in below.items() if not names]:
        for name in found:
            del below[name]
        below = {name: names - set(found) for name, names in below.items()}
    assert not below, f"files that import each other, or what does: {sorted(below)}"
