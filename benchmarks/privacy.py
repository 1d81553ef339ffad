"""What drawn rows, and the fitted model itself, tell of who was in the table.

A model at defaults is fitted to training rows of adult, and attackers say of rows whether they were
among them: by the drawn rows alone, by five times as many, with other real rows at hand, by the
scores of the fitted model, and by these less those of another model that was fitted to other real
rows (as many, and at most half of the test rows). Controls: training rows handed out as they are,
and other real rows in the place of drawn ones.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from benchmarks.data.frames import read, small
from benchmarks.report.results import Record, ResultFile, arguments, told
from skvae import VAEDensity
from skvae.metrics import closest_records
from skvae.metrics.privacy import Space, advantage, shuffled_rows
from skvae.metrics.tables import read_tables

#: Rows of either kind that are attacked, and training rows of a run: at most all there are.
ATTACKED = 2_000
SIZES = (500, 5_000, 32_561)
#: Drawn rows for each training row, where the attacker may ask for more.
MORE = 5
#: Share of other rows that are called members, where few may be wronged.
FEW_WRONGED = 0.01

Numbers = tuple[np.ndarray, np.ndarray]


def measured(scores: Numbers) -> dict[str, float]:
    """Return how well members are told by a small number: of members, and of others."""
    members, others = scores
    is_other = np.arange(len(members) + len(others)) >= len(members)
    threshold = np.quantile(others, FEW_WRONGED)
    return {
        "advantage": advantage(members, others),
        "auc": float(roc_auc_score(is_other, np.concatenate(scores))),
        "told_with_few_wronged": float((members < threshold).mean()),
    }


def distances(rows: dict[str, pd.DataFrame], to: pd.DataFrame, real: pd.DataFrame) -> Numbers:
    """Return the distances of members and of others to the closest row of a table."""
    columns = read_tables(real=real, to=to, **rows)
    space = Space(columns, real=(0,))
    members, others = (space.closest(space.rows(k), space.rows(1)) for k in (2, 3))
    return members, others


def attacks(
    train: pd.DataFrame, test: pd.DataFrame, quick: bool
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield every attack by name, and what it tells."""
    half = len(test) // 2
    known, unknown = test[:half][: len(train)], test[half:]
    n = min(len(train), len(unknown), ATTACKED)
    rows = {
        name: table.iloc[shuffled_rows(len(table), n)].reset_index(drop=True)
        for name, table in (("members", train), ("others", unknown))
    }
    parameters = {"max_epochs": 3} if quick else {}
    start = time.process_time()
    model = VAEDensity(random_state=0, **parameters).fit(train)
    seconds = time.process_time() - start
    drawn = model.sample(len(train), random_state=0)
    yield "closest records", closest_records(train, drawn, test)._asdict() | {"seconds": seconds}
    to_drawn = distances(rows, drawn, train)
    yield "drawn rows", measured(to_drawn)
    more = model.sample(MORE * len(train), random_state=1)
    yield "five times as many drawn rows", measured(distances(rows, more, train))
    to_known = distances(rows, known, train)
    ratios = tuple((a + 1e-9) / (b + 1e-9) for a, b in zip(to_drawn, to_known, strict=True))
    yield "drawn rows, beside other real ones", measured(ratios)
    yield "control: other real rows", measured(to_known)
    yield "control: training rows", measured(distances(rows, train, train))
    scores = tuple(-model.score_samples(table) for table in rows.values())
    yield "the fitted model", measured(scores)
    other = VAEDensity(random_state=1, **parameters).fit(known)
    of_other = tuple(-other.score_samples(table) for table in rows.values())
    gains = tuple(a - b for a, b in zip(scores, of_other, strict=True))
    yield "the fitted model, beside another", measured(gains)


def run(folder: Path | None, n_rows: int) -> Iterator[Record]:
    """Yield the attacks on a model of the first training rows."""
    train, test = small() if folder is None else read(folder, "adult")
    train = train[:n_rows]
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for name, found in attacks(train, test, folder is None):
            yield {"rows": len(train), "attack": name, **found}


def summary(runs: list[Record]) -> dict[str, dict[str, Any]]:
    """Return what was found, rounded, by rows and attack."""
    found: dict[str, dict[str, Any]] = {}
    for one in runs:
        figures = {k: round(v, 4) for k, v in one.items() if isinstance(v, float)}
        found.setdefault(str(one["rows"]), {})[one["attack"]] = figures
    return found


RESULTS = ResultFile("privacy", ("rows", "attack"), summary)


def line(found: Record) -> str:
    """Return an attack in one line."""
    figures = ", ".join(f"{k} {v:.3f}" for k, v in found.items() if isinstance(v, float))
    return f"{found['rows']} rows, {found['attack']}: {figures}"


def main() -> None:
    """Run everything and write the result."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", type=int, default=SIZES, help="training rows")
    options = parser.parse_args()
    if options.data is None and not options.quick:
        parser.error("--data: the folder of the tables is needed, unless --quick")
    sizes = options.rows[:1] if options.quick else options.rows
    runs = (found for n in sizes for found in run(None if options.quick else options.data, n))
    RESULTS.add(
        told(runs, 8 * len(sizes), line), options.quick, parameters=VAEDensity().get_params()
    )


if __name__ == "__main__":
    main()
