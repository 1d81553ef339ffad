"""Every example runs from its own file, as a user would run it."""

from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_runs(path, quick_run):
    assert quick_run(f"examples.{path.stem}").strip()
