"""Write README's table from ``results/likelihood.json``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS

README = Path(__file__).parent.parent / "README.md"
START, END = "<!-- likelihood table -->", "<!-- end of table -->"
TABLES = ("breast_cancer", "wine", "digits")


def table(result: dict[str, Any]) -> str:
    """Return a Markdown table of mean held-out log-likelihoods."""
    rows = result["tables"]
    lines = [
        "| | " + " | ".join(name.replace("_", " ") for name in TABLES) + " |",
        "|---|" + "---|" * 3,
    ]
    for model in rows[TABLES[0]]:
        cells = (f"{rows[name][model]['mean']:.2f}" for name in TABLES)
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Replace the table."""
    result = json.loads((RESULTS / "likelihood.json").read_text())
    block = f"{START}\n{table(result)}\n{END}"
    README.write_text(re.sub(f"{START}.*{END}", lambda _: block, README.read_text(), flags=re.S))


if __name__ == "__main__":
    main()
