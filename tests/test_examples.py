"""Every example runs from its own file, as a user would run it, and stands alone."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = [path.relative_to(ROOT) for path in sorted(ROOT.glob("examples/**/*.py"))]
GROUPS = {"first_steps", "tasks", "how_it_works"}
each_example = pytest.mark.parametrize("path", EXAMPLES, ids=str)


def imported(source):
    """Return the packages that a module imports; "" stands for its own."""
    nodes = list(ast.walk(ast.parse(source)))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    of = ["" if n.level else n.module for n in nodes if isinstance(n, ast.ImportFrom)]
    return {name.split(".")[0] for name in plain + of}


@pytest.mark.slow
@each_example
def test_example_runs(path, quick_run):
    assert quick_run(".".join(path.with_suffix("").parts)).strip()


@each_example
def test_example_stands_alone(path):
    neighbours = {other.stem for other in EXAMPLES}
    assert imported((ROOT / path).read_text()).isdisjoint(
        {"examples", "benchmarks", "tests", "", *neighbours}
    )


@each_example
def test_example_is_in_a_group_and_in_its_list(path):
    assert path.parent.name in GROUPS
    assert f"({'/'.join(path.parts[1:])})" in (ROOT / "examples/README.md").read_text()


@pytest.mark.parametrize(
    "line",
    [
        "import benchmarks.peers as peers",
        "from benchmarks import peers",
        "def f():\n    from examples.tasks.images import main",
        "from . import images",
        "from .images import main",
    ],
)
def test_borrowing_is_seen(line):
    assert imported(line) & {"examples", "benchmarks", ""}
