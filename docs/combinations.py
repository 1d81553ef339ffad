"""Write the table of which parts go together into ``priors_and_bounds.md``.

Run as ``python -m docs.combinations``; a test keeps the page and the rules the same.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path
from typing import Any

from torch.nn import Linear

from skvae.core import ImageShape, Objective, Posterior, Prior, Proposal
from skvae.core.recipe import recipes, resolve
from skvae.fit.combinations import refusals
from skvae.fit.settings import Door, Settings

PAGE = Path(__file__).parent / "priors_and_bounds.md"
START, END = "<!-- combinations -->", "<!-- end of combinations -->"
KINDS = {"prior": Prior, "posterior": Posterior, "objective": Objective, "proposal": Proposal}
DEFAULTS = {
    "prior": "mixture",
    "posterior": "full_gaussian",
    "objective": "iwae",
    "proposal": "defensive",
}
#: Settings beside the recipes, as they are written and as the rules know them.
OTHERS: dict[str, dict[str, dict[str, Any]]] = {
    "latent_dim": {"16": {}, "(8, 16)": {"latent_dim": (8, 16)}},
    "refit_prior": {"None": {}, "'mixture'": {"refit_prior": resolve("mixture", Prior, "prior")}},
    "init": {"'auto'": {}, "'linear'": {"init": "linear"}, "'random'": {"init": "random"}},
    "encoder": {"None": {}, "Linear(3, 4)": {"encoder": Linear(3, 4)}},
    "image_shape": {
        "None": {},
        "(1, 1, 3)": {"image_shape": ImageShape(1, 1, 3)},
    },
    "estimator": {
        "VAEDensity": {"door": Door()},
        "VAETransformer": {"door": Door(encodes=True, needs_density=False)},
    },
}
Setting = tuple[str, str]


def settings() -> dict[Setting, dict[str, Any]]:
    """Return every setting, by parameter and value, as fields of Settings."""
    found: dict[Setting, dict[str, Any]] = {}
    for parameter, base in KINDS.items():
        for name in sorted(recipes(base)):
            found[parameter, repr(name)] = {parameter: resolve(name, base, parameter)}
    for parameter, values in OTHERS.items():
        found |= {(parameter, value): fields for value, fields in values.items()}
    return found


def with_fields(**fields: Any) -> Settings:
    """Return the defaults with some fields changed."""
    default = {name: resolve(value, KINDS[name], name) for name, value in DEFAULTS.items()}
    anything = Door(needs_density=False)
    return dataclasses.replace(Settings(**default, door=anything), **fields)


def refused() -> dict[tuple[Setting, Setting], str]:
    """Return the pairs of settings of two parameters that do not go together, and why."""
    found = {}
    for (a, of_a), (b, of_b) in itertools.combinations(settings().items(), 2):
        if a[0] != b[0]:
            for reason in refusals(with_fields(**(of_a | of_b))):
                found[a, b] = reason
    return found


def table() -> str:
    """Return a Markdown table: settings down, those that some other one excludes across."""
    no = refused()
    across = [s for s in settings() if any(s in pair for pair in no)]
    lines = ["| | " + " | ".join(f"`{a}={b}`" for a, b in across) + " |"]
    lines.append("|---|" + "---|" * len(across))
    for down in settings():
        cells = [_cell(down, column, no) for column in across]
        lines.append(f"| `{down[0]}={down[1]}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(down: Setting, across: Setting, no: dict[tuple[Setting, Setting], str]) -> str:
    if down[0] == across[0]:
        return ""
    return "**no**" if (down, across) in no or (across, down) in no else "yes"


def section() -> str:
    """Return the table, and the reasons below it."""
    reasons = dict.fromkeys(refused().values())
    return "\n".join([START, table(), "", *(f"- {reason}" for reason in reasons), END])


def main() -> None:
    """Replace the section of the page."""
    text = PAGE.read_text()
    PAGE.write_text(re.sub(f"{START}.*{END}", lambda _: section(), text, flags=re.S))


if __name__ == "__main__":
    main()
