"""Imports point downward only, and the core knows nothing above torch."""

import ast
from pathlib import Path

import pytest

import skvae

ROOT = Path(skvae.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LAYERS = {
    "core": 0,
    "clock": 1,
    "combinations": 1,
    "available": 2,
    "starting": 1,
    "codecs": 1,
    "training": 1,
    "scoring": 1,
    "result": 1,
    "bins": 2,
    "container": 2,
    "context": 3,
    "labels": 3,
    "table": 4,
    "reading": 5,
    "likelihoods": 5,
    "conditions": 5,
    "fitting": 6,
    "completion": 6,
    "fitted": 7,
    "base": 8,
    "generative": 9,
    "latent_tools": 9,
    "classifier": 10,
    "density": 10,
    "imputer": 10,
    "outlier": 10,
    "transformer": 10,
}
OF_THE_TABLE = ("clock", "codecs", "container", "bins", "context", "table")
ABOVE_CORE = {"sklearn", "skorch", "pandas", "polars", "narwhals", "numpy", "scipy", "joblib"}


def imports(path):
    """Return the absolute names of the modules a file imports."""
    package = ("skvae", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join((*base, *([node.module] if node.module else [])))


def layer(module):
    parts = module.split(".")
    return LAYERS.get(parts[1]) if parts[0] == "skvae" and len(parts) > 1 else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward(path):
    names = list(imports(path))
    here = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if here == "core":
        assert not ABOVE_CORE & {name.split(".")[0] for name in names}
        assert all(layer(name) in (0, None) for name in names)
    if here in LAYERS and here != "core":
        assert all(layer(name) is None or layer(name) < LAYERS[here] for name in names)
    if here != "training":
        assert not any(name.split(".")[0] == "skorch" for name in names)


def test_the_table_and_the_core_do_not_know_each_other():
    for name in OF_THE_TABLE:
        assert not any(part.startswith("skvae.core") for part in imports(ROOT / f"{name}.py"))
    for path in (ROOT / "core").rglob("*.py"):
        assert not any(layer(name) not in (0, None) for name in imports(path))
