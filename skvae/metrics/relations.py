"""Relations: what always holds among the cells of a real row, and how often of a drawn one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..table.native import as_frame
from ..table.relations.base import Relation
from ..table.relations.finding import find_relations
from .tables import own_columns


class RelationLike(Protocol):
    """Anything that says of which rows it holds: a rule of a user's own, or a relation of ours."""

    def holds(self, frame: Any) -> Any:
        """Return whether it holds, one for each row; NaN or None where it cannot be said."""


class RelationKept(NamedTuple):
    """How often a relation holds.

    Attributes
    ----------
    real, synthetic : float
        Share of the rows in which it holds, of those of which it can be said; NaN where there is
        none.
    """

    real: float
    synthetic: float


def relations_kept(
    real: Any,
    synthetic: Any,
    relations: Literal["auto"] | Iterable[RelationLike] = "auto",
    *,
    categorical_features: Any = "from_dtype",
) -> dict[str, RelationKept]:
    """Return the share of real and of drawn rows in which each relation holds.

    Parameters
    ----------
    real, synthetic : DataFrame or array of shape (n_rows, n_columns)
    relations : "auto" or iterable, default="auto"
        Those that are found in the real table, a DataFrame of 200 rows or more, as
        :class:`skvae.VAEDensity` finds them; or some of :mod:`skvae.relations`, learned from the
        real table unless they were (``relations_`` of a density). Or objects with a method
        ``holds(frame)`` that returns a boolean for each row, or NaN or None where a missing cell
        leaves it open. Its ``str`` names it.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that hold categories although they are numbers, where relations are to be found.

    Returns
    -------
    kept : dict
        A :class:`RelationKept` by name, in the order given.

    Raises
    ------
    TypeError, ValueError
        If a relation has no such method, names a column that there is not, or answers for another
        number of rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from skvae.metrics import relations_kept
    >>> from skvae.relations import Sum
    >>> real = pd.DataFrame({"net": [1, 2], "tax": [1, 1], "total": [2, 3]})
    >>> relations_kept(real, real.assign(total=3), [Sum("total", ["net", "tax"])])
    {'total = net + tax': RelationKept(real=1.0, synthetic=0.5)}
    """
    asked = _found(real, categorical_features) if isinstance(relations, str) else relations
    learned = [r.learned_from(real) if isinstance(r, Relation) else r for r in asked]
    return {
        str(relation): RelationKept(*(_share(relation, frame) for frame in (real, synthetic)))
        for relation in learned
    }


def _found(real: Any, categorical_features: Any) -> list[Relation]:
    """Return the relations of a DataFrame."""
    if as_frame(real) is None:
        return []
    values, container = own_columns("real", real, categorical_features)
    return find_relations(container, values)


def _share(relation: RelationLike, frame: Any) -> float:
    """Return the share of rows in which a relation holds."""
    if not callable(getattr(relation, "holds", None)):
        raise TypeError(
            f"relations has {relation!r}, which has no method holds(frame) that says of each row "
            "whether it holds."
        )
    if isinstance(relation, Relation):
        found = relation.answers(frame)
    else:
        found = _answers(relation.holds(frame))
    if len(found) != len(frame):
        raise ValueError(f"{relation} answers for {len(found)} rows of {len(frame)}.")
    told = found[~np.isnan(found)]
    return float(told.mean()) if len(told) else float("nan")


def _answers(given: Any) -> NDArray[np.float64]:
    """Return answers as 1, 0, and NaN where there is none."""
    answers = given.to_list() if hasattr(given, "to_list") else list(given)
    return np.array([float(a) if a in (True, False) else np.nan for a in map(_plain, answers)])


def _plain(answer: Any) -> Any:
    """Return an answer that can be compared: pandas' NA cannot."""
    return None if type(answer).__name__ == "NAType" else answer
