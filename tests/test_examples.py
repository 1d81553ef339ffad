"""Every example runs from its own file, as a user would run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_runs(path):
    command = [sys.executable, "-m", f"examples.{path.stem}", "--quick"]
    environment = {**os.environ, "JOBLIB_MULTIPROCESSING": "0"}
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()
