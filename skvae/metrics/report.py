"""Report: a drawn table judged, in a line, a short table and a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from .classifiers import FEWEST_ROWS, two_sample_auc
from .distances import column_distances, pair_distances
from .findings import Findings
from .page import framed, page
from .privacy import FEWEST_ROWS as FEWEST_ATTACKED
from .privacy import closest_records, membership_advantage
from .relations import RelationLike, relations_kept
from .tables import read_tables


class SyntheticReport(Findings):
    """What :func:`synthetic_report` found of a drawn table.

    Printed it is a short table; in a notebook it shows the page.

    Attributes
    ----------
    auc : float or None
        :func:`two_sample_auc` of the two tables; None where they have too few rows.
    columns, pairs : dict
        :func:`column_distances` and :func:`pair_distances`.
    holdout_columns, holdout_pairs : dict or None
        The same of the held-out rows in the place of the drawn ones: how far real rows are from
        real rows.
    relations : dict
        :func:`relations_kept`; empty where there are none.
    closest : ClosestRecords or None
        :func:`closest_records`; None without held-out rows, or with too few.
    advantage : float or None
        :func:`membership_advantage`, likewise.
    n_real, n_synthetic, n_holdout : int
        Rows.
    verdict : str
        The whole in one line.
    advice : list of str
        What to do, most urgent first.
    """

    def to_html(self) -> str:
        """Return the report as a page that needs no other file."""
        return page(self)

    def _repr_html_(self) -> str:
        """Return the page in a frame, whose style keeps to itself."""
        return framed(self.to_html())


def synthetic_report(
    real: Any,
    synthetic: Any,
    holdout: Any = None,
    *,
    relations: Literal["auto"] | Iterable[RelationLike] = "auto",
    categorical_features: Any = "from_dtype",
) -> SyntheticReport:
    """Return what there is to say of a drawn table: how like it is, and what it gives away.

    Parameters
    ----------
    real : DataFrame or array of shape (n_rows, n_columns)
        The rows that the model was fitted to.
    synthetic : DataFrame or array
        Drawn rows, best as many.
    holdout : DataFrame or array, default=None
        Real rows of the same origin that the model has not seen: needed for all that is said of
        privacy, and a yardstick for the rest.
    relations : "auto" or iterable, default="auto"
        What :func:`relations_kept` is to look at: by default the relations that are found in the
        real table.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that hold categories although they are numbers: names, positions or a mask.

    Returns
    -------
    report : SyntheticReport
        Its ``to_html()`` is a page that needs no other file, its ``str`` a short table, and each
        number an attribute. A notebook shows the page.

    Raises
    ------
    ValueError, TypeError
        If tables have other columns, or no rows.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skvae.metrics import synthetic_report
    >>> x = np.random.default_rng(0).normal(size=300)
    >>> table = pd.DataFrame({"x": x, "is_positive": x > 0})
    >>> print(synthetic_report(table[:100], table[100:200], holdout=table[200:]))
    A classifier hardly tells drawn rows from real ones (area under the curve ...
    >>> page = synthetic_report(table[:150], table[150:]).to_html()
    >>> page.startswith("<!doctype html>")
    True
    """
    given: dict[str, Any] = {"categorical_features": categorical_features}
    tables = {"real": real, "synthetic": synthetic}
    if holdout is not None:
        tables["holdout"] = holdout
    compared = read_tables(categorical_features, **tables)
    n_real, n_synthetic, *others = (len(part) for part in compared[0].parts)
    n_holdout = others[0] if others else 0
    told = min(n_real, n_synthetic) >= FEWEST_ROWS
    private = min(n_real, n_synthetic, n_holdout) >= FEWEST_ATTACKED
    return SyntheticReport(
        auc=two_sample_auc(real, synthetic, **given) if told else None,
        columns=column_distances(real, synthetic, **given),
        pairs=pair_distances(real, synthetic, **given),
        holdout_columns=column_distances(real, holdout, **given) if n_holdout else None,
        holdout_pairs=pair_distances(real, holdout, **given) if n_holdout else None,
        relations=relations_kept(real, synthetic, relations, **given),
        closest=closest_records(real, synthetic, holdout, **given) if private else None,
        advantage=membership_advantage(real, synthetic, holdout, **given) if private else None,
        n_real=n_real,
        n_synthetic=n_synthetic,
        n_holdout=n_holdout,
        compared=tuple(column.of(0, 1) for column in compared),
    )
