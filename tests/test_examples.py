"""Every example runs from its own file, as a user would run it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = [path.relative_to(ROOT) for path in sorted(ROOT.glob("examples/**/*.py"))]
each_example = pytest.mark.parametrize("path", EXAMPLES, ids=str)


@each_example
def test_example_runs(path, quick_run):
    assert quick_run(".".join(path.with_suffix("").parts)).strip()
