"""Write the parameters and attributes of ``BaseVAE`` into the estimators, which have them all.

Run as ``python -m docs.signatures`` after a change in ``skvae/estimators/base.py``; a test keeps
the files the same. A class keeps the parameters that it assigns itself, the attributes that
``BaseVAE`` does not have, and the defaults on lines that end in ``# own default``.
"""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "skvae" / "estimators"
SOURCE = FOLDER / "base.py"
ESTIMATORS = [
    FOLDER / f"{name}.py" for name in ("classifier", "density", "imputer", "outlier", "transformer")
]
OWN_DEFAULT = "  # own default"
CLASS = re.compile(r"^class (?:Base)?VAE\w*\(", re.M)
INIT = re.compile(
    r"    def __init__\(\n        self,\n(?P<signature>(?:        .*\n)*?)    \):\n"
    r"(?P<body>(?:        .*\n)*)"
)


def rewritten(text: str, source: str) -> str:
    """Return an estimator's module with what it has in common as it is in the source."""
    start = CLASS.search(text).start()
    before, text, source = text[:start], text[start:], source[CLASS.search(source).start() :]
    for title, entries in (("Parameters", parameters), ("Attributes", attributes)):
        text = with_section(text, title, entries(text, source))
    return before + with_init(text, source)


def signature(text: str) -> dict[str, str]:
    """Return the lines of a signature by the parameter's name, and that of ``*``."""
    lines = INIT.search(text)["signature"].splitlines()
    return {re.search(r"[\w*]+", line)[0]: line for line in lines}


def own(text: str) -> dict[str, str]:
    """Return the lines of the parameters that the class assigns itself."""
    body = INIT.search(text)["body"]
    return {name: line for name, line in signature(text).items() if f" self.{name} = " in body}


def own_defaults(text: str) -> dict[str, str]:
    """Return the lines of the parameters that have another default than in the source."""
    return {name: line for name, line in signature(text).items() if line.endswith(OWN_DEFAULT)}


def with_init(text: str, source: str) -> str:
    """Return a class whose ``__init__`` has the source's parameters, then its own."""
    common, added = signature(source), own(text)
    lines = common | own_defaults(text) | added
    passed = [name for name in common if name not in ("*", "latent_dim")]
    new = [
        "    def __init__(",
        "        self,",
        *lines.values(),
        "    ):",
        "        super().__init__(",
        "            latent_dim,",
        *(f"            {name}={name}," for name in passed),
        "        )",
        *(f"        self.{name} = {name}" for name in added),
    ]
    return INIT.sub(lambda _: "\n".join(new) + "\n", text, count=1)


def section(title: str) -> re.Pattern[str]:
    """Return the pattern of a section of a docstring: its heading, and what is below it."""
    heading, end = rf"    {title}\n    -+\n", r'\n    [A-Z][\w ]+\n    ---|    """'
    return re.compile(rf"(?P<heading>{heading})(?P<entries>.*?)\n(?={end})", re.S)


def with_section(text: str, title: str, entries: list[str]) -> str:
    """Return a class with other entries in a section of its docstring."""
    return section(title).sub(lambda m: "\n".join([m["heading"][:-1], *entries, ""]), text, count=1)


def entries_of(text: str, title: str) -> dict[str, str]:
    """Return the entries of a section by what they describe."""
    entries = re.split(r"\n(?=    \S)", section(title).search(text)["entries"])
    return {entry.split(" : ")[0].strip(): entry for entry in entries}


def parameters(text: str, source: str) -> list[str]:
    """Return the source's parameters, with the class's defaults, then its own."""
    common, added = entries_of(source, "Parameters"), own(text)
    for name, line in own_defaults(text).items():
        default = line.removesuffix(OWN_DEFAULT).rpartition(" = ")[2].rstrip(",")
        header, _, text_below = common[name].partition("default=")
        common[name] = f"{header}default={default}\n{text_below.partition(chr(10))[2]}"
    old = entries_of(text, "Parameters")
    return [*common.values(), *(entry for name, entry in old.items() if name in added)]


def attributes(text: str, source: str) -> list[str]:
    """Return the class's own attributes, then the source's."""
    common, old = entries_of(source, "Attributes"), entries_of(text, "Attributes")
    return [*(entry for name, entry in old.items() if name not in common), *common.values()]


def main() -> None:
    """Rewrite the five modules."""
    source = SOURCE.read_text()
    for path in ESTIMATORS:
        path.write_text(rewritten(path.read_text(), source))


if __name__ == "__main__":
    main()
