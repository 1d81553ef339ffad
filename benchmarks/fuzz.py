"""What becomes of odd tables: every estimator, every public method, by outcome.

``tests/fuzz.py`` says what a case is and what must hold. Run as ``python -m benchmarks.fuzz``; what
is written of a seed is not run again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from benchmarks.report.results import Record, ResultFile, arguments, told
from tests.fuzz import Outcome, outcomes, smaller

#: Cases of a run: hypothesis draws those of a block from one seed.
BLOCK = 100


def summarise(runs: list[Record]) -> dict[str, Any]:
    """Return how many cases ended how."""
    counts: Counter[str] = Counter()
    for run in runs:
        counts.update(run["outcomes"])
    return {"cases": counts.total(), "outcomes": dict(sorted(counts.items()))}


RESULTS = ResultFile("fuzz", of=("seed", "block"), summarise=summarise)


def counted(seed: int, block: int, n: int) -> Record:
    """Run a block of cases; return their counts, and the smallest case of each that is broken."""
    found = outcomes(n, of=1000 * seed + block)
    broken = {one.kind: one for one in reversed(found) if one.is_broken}
    return {
        "seed": seed,
        "block": block,
        "outcomes": dict(sorted(Counter(one.kind for one in found).items())),
        "examples": [described(smaller(one)) for one in broken.values()],
    }


def described(found: Outcome) -> Record:
    """Return a broken case in words."""
    return {"kind": found.kind, "why": found.why[:300], "case": repr(found.case)}


def runs(seed: int, n: int) -> Iterator[Record]:
    """Run so many cases, block by block."""
    done = RESULTS.done()
    for block in range(-(-n // BLOCK)):
        if (seed, block) not in done:
            yield counted(seed, block, min(BLOCK, n - block * BLOCK))


def line(run: Record) -> str:
    """Return a line on a block, and one on each case that is broken."""
    return "\n".join([str(run["outcomes"]), *(str(example) for example in run["examples"])])


def main() -> None:
    """Run the cases of a seed."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=3000)
    options = parser.parse_args()
    if options.quick:
        few = [counted(options.seed, 0, 3)]
        print(RESULTS.add(told(few, 1, line), quick=True))
        return
    n_blocks = -(-options.cases // BLOCK)
    print(RESULTS.add(told(runs(options.seed, options.cases), n_blocks, line), block=BLOCK))


if __name__ == "__main__":
    main()
