"""Labels: a user's y, some of it unknown, as numbers of classes."""

from __future__ import annotations

import dataclasses
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, column_or_1d

from .codecs import Float
from .container import is_missing

#: What marks an unlabelled row among labels that are numbers.
UNLABELLED = -1


@dataclasses.dataclass(frozen=True)
class Labels:
    """The labels of rows.

    Attributes
    ----------
    codes : ndarray of shape (n,), int
        Positions in ``classes``; -1 where the label is unknown.
    classes : ndarray of shape (n_classes,)
        Sorted.
    prior : ndarray of shape (n_classes,)
        p(y).
    """

    codes: NDArray[np.intp]
    classes: NDArray[Any]
    prior: Float

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Which rows have no label, (n,)."""
        return self.codes < 0

    def indicators(self) -> Float:
        """Return an indicator for each class, (n, n_classes), zero where the label is unknown."""
        return (self.codes[:, None] == np.arange(len(self.classes))).astype(float)


def read_labels(y: Any, class_prior: Any = None) -> Labels:
    """Return the labels of a user's y.

    Parameters
    ----------
    y : array-like of shape (n,)
        A missing value is an unknown label; so is -1, where there are two other classes at least.
    class_prior : array-like of shape (n_classes,) or None
        p(y), in the order of the sorted classes; None: their shares of the known labels.

    Raises
    ------
    ValueError
        If no label is known, y is not made of classes, or ``class_prior`` is not a distribution
        over them.
    """
    y = column_or_1d(_kept(y), warn=True)
    unknown = np.array([is_missing(value) for value in y], dtype=bool)
    unknown |= _marked(y, unknown)
    if all(gone or _is_mark(value) for value, gone in zip(y, unknown, strict=True)):
        raise ValueError(
            "y has no label: every row is unlabelled (-1, None or NaN). Label some rows of each "
            "class, or fit a VAEDensity."
        )
    known = _of_one_kind(y[~unknown])
    assert_all_finite(known, input_name="y")
    check_classification_targets(known)
    classes, of_known = np.unique(known, return_inverse=True)
    codes = np.full(len(y), -1)
    codes[~unknown] = of_known
    shares = np.bincount(of_known) / len(of_known)
    return Labels(codes, classes, shares if class_prior is None else _prior(class_prior, classes))


def _kept(y: Any) -> Any:
    """Return labels that NumPy would make others of: as objects, None where they are masked."""
    if isinstance(y, np.ma.MaskedArray):
        labels = np.array(y.data, dtype=object)
        labels[np.ma.getmaskarray(y)] = None
        return labels
    if isinstance(y, list | tuple) and any(isinstance(value, str) for value in y):
        return np.array(y, dtype=object)  # or NaN among strings would be one of them
    return y.astype(object) if getattr(getattr(y, "dtype", None), "kind", "") == "T" else y


def _marked(y: NDArray[Any], missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which labels are -1, where there are two other classes at least."""
    found = [not absent and _is_mark(v) for v, absent in zip(y, missing, strict=True)]
    marked = np.array(found, dtype=bool)
    return marked & (len(set(y[~missing & ~marked].tolist())) >= 2)


def _is_mark(value: Any) -> bool:
    return isinstance(value, Real) and value == UNLABELLED


def _of_one_kind(known: NDArray[Any]) -> NDArray[Any]:
    """Return labels that are strings as they are, others as an array of their own dtype."""
    if known.dtype != object:
        return known
    are_strings = {isinstance(value, str) for value in known}
    if len(are_strings) > 1:
        kinds = sorted({type(value).__name__ for value in known})
        raise ValueError(f"y mixes strings with other labels: {kinds}. Make all of them strings.")
    return known if are_strings == {True} else np.array(known.tolist())


def codes_of(y: Any, labels: NDArray[Any], n_rows: int) -> NDArray[np.intp]:
    """Return positions of a user's y in the classes of ``fit``, -1 where it is unknown.

    One label stands for all rows.

    Raises
    ------
    ValueError
        If a label is not one of the classes, or y has another number of rows.
    """
    y = np.asarray(_kept(y), dtype=object)
    if y.ndim == 0:
        y = np.full(n_rows, y.item(), dtype=object)
    if y.shape != (n_rows,):
        raise ValueError(f"y must be one label, or {n_rows} of them. Got shape {y.shape}.")
    position = {label: code for code, label in enumerate(labels.tolist())}
    wrong = [v for v in y.tolist() if not (is_missing(v) or v in position or _is_mark(v))]
    if wrong:
        raise ValueError(f"y has the label {wrong[0]!r}. Known classes are {labels.tolist()}.")
    return np.array([-1 if is_missing(v) else position.get(v, -1) for v in y.tolist()])


def has_label(y: Any, classes: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows of a user's y have a label, (n,): -1 is one where it is a class."""
    marks = UNLABELLED not in classes.tolist()
    values = np.asarray(_kept(y), dtype=object).ravel()
    return np.array([not (is_missing(v) or (marks and _is_mark(v))) for v in values], dtype=bool)


def true_labels(y: Any, known: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the known labels of a user's y, of which ``fit`` would make classes."""
    return _of_one_kind(column_or_1d(_kept(y))[known])


def _prior(given: Any, classes: NDArray[Any]) -> Float:
    try:
        prior = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        prior = np.empty(0)
    right = prior.shape == classes.shape and (prior > 0.0).all() and abs(prior.sum() - 1.0) < 1e-6
    if not right:
        raise ValueError(
            f"class_prior must have {len(classes)} probabilities > 0 that add up to 1, for the "
            f"classes {classes.tolist()}. Got {given!r}."
        )
    total: Float = prior / prior.sum()
    return total
