"""Classifiers: whether one tells drawn from real rows, and what one learns from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from .tables import Compared, Float, check_rows, random_rows, read_tables

#: Rows of each table below which trees of 20 rows a leaf cannot be split in five folds.
FEWEST_ROWS = 25
#: Categories that a tree takes, and the rows that each needs where there are more.
MOST_LEVELS, ROWS_A_LEVEL = 254, 10
#: With fewer values in a table a column says no more than where they are missing.
FEWEST_VALUES = 20
#: Classes that a target may have.
MOST_CLASSES = 100


def two_sample_auc(real: Any, synthetic: Any, *, categorical_features: Any = "from_dtype") -> float:
    """Return how well a classifier tells drawn rows from equally many real ones.

    The area under the ROC curve of gradient boosting that was trained to tell the two tables
    apart, on rows it was not trained on: a mean over five folds. It is the probability that of a
    drawn and a real row the drawn one looks more like a drawn one: 0.5 where they cannot be told
    apart, 1 where they always can. Of n rows from each table chance alone moves it by about
    ``0.4 / sqrt(n)``; far below 0.5 it says that rows are near copies of those of the other table.

    Parameters
    ----------
    real, synthetic : DataFrame or array of shape (n_rows, n_columns)
        Tables with the same columns. Of the longer one as many random rows are taken as the
        shorter one has. Which real rows these are matters: rows that the model was fitted to are
        the published comparison, held-out ones give a somewhat lower figure where it has not
        learnt the table by heart.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that hold categories although they are numbers: names, positions or a mask. Strings
        and columns of a categorical dtype are categories anyway.

    Returns
    -------
    auc : float

    Raises
    ------
    ValueError, TypeError
        If a table has fewer than 25 rows, or other columns.

    Notes
    -----
    Missing cells are cells like others. Of a column with more than 254 categories those with fewer
    than ten rows are taken for one. Classifier two-sample tests are those of "Revisiting
    Classifier Two-Sample Tests" (Lopez-Paz and Oquab, 2017); the score of SDMetrics is
    ``1 - max(2 AUC - 1, 0)``.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skvae.metrics import two_sample_auc
    >>> x = np.random.default_rng(0).normal(size=400)
    >>> real = pd.DataFrame({"x": x, "is_positive": x > 0})
    >>> synthetic = real.assign(is_positive=x < 0)
    >>> two_sample_auc(real, synthetic) > 0.9, two_sample_auc(real[:200], real[200:]) < 0.6
    (True, True)
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    columns = read_tables(categorical_features, real=real, synthetic=synthetic)
    check_rows(columns, FEWEST_ROWS, "telling tables apart", real=0, synthetic=1)
    n = min(len(part) for part in columns[0].parts)
    for k in range(2):
        rows = random_rows(len(columns[0].parts[k]), n)
        columns = [column.rows(k, rows) for column in columns]
    X = np.vstack(_inputs(columns))
    is_synthetic = np.arange(2 * n) >= n
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_score(
        _boosting(columns, is_class=True), X, is_synthetic, cv=folds, scoring="roc_auc"
    )
    return float(scores.mean())


def train_on_synthetic(
    real: Any, synthetic: Any, target: Any, *, categorical_features: Any = "from_dtype"
) -> float:
    """Return how well a column of real rows is predicted by what was learnt from drawn ones.

    Gradient boosting is trained on the drawn rows and tested on the real ones ("train on
    synthetic, test on real"; Esteban et al., 2017). What it would be with real rows to learn from
    is the same function, with the training table in the place of ``synthetic``.

    Parameters
    ----------
    real : DataFrame or array of shape (n_rows, n_columns)
        Rows to predict: held-out ones, which the model that draws was not fitted to.
    synthetic : DataFrame or array
        Rows to learn from.
    target : hashable
        The column to predict, by name (by position, in an array).
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that hold categories although they are numbers.

    Returns
    -------
    score : float
        Of categories, booleans, and columns of 0 and 1 alone the area under the ROC curve, with
        more than two classes the mean over those of ``real`` of one against the rest (0.5: nothing
        learnt); else R squared (0: nothing learnt). Rows in which the target is missing are left
        out.

    Raises
    ------
    ValueError, TypeError
        If there is no such column, if it has one value in ``real`` or more than 100 classes, or if
        tables have other columns or too few rows.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skvae.metrics import train_on_synthetic
    >>> x = np.random.default_rng(0).normal(size=600)
    >>> table = pd.DataFrame({"x": x, "is_positive": x > 0})
    >>> train_on_synthetic(table[:300], table[300:], "is_positive") > 0.9
    True
    """
    columns = read_tables(categorical_features, real=real, synthetic=synthetic)
    names = [column.name for column in columns]
    if target not in names:
        raise ValueError(f"target is {target!r}, but the columns are {names}.")
    y = columns.pop(names.index(target))
    if not columns:
        raise ValueError(f"The tables have no column beside {target!r} to predict it by.")
    for k in range(2):
        seen = np.flatnonzero(~np.isnan(y.parts[k]))
        y, columns = y.rows(k, seen), [column.rows(k, seen) for column in columns]
    check_rows([y], 2, f"a test of {target!r}", real=0)
    check_rows([y], FEWEST_ROWS, f"learning {target!r}", synthetic=1)
    if len(np.unique(y.parts[0])) < 2:
        raise ValueError(f"Column {target!r} has one value in real, so that nothing can be tested.")
    inputs, synthetic_inputs = _inputs(columns)
    if y.is_discrete or np.isin(y.parts[0], (0.0, 1.0)).all():
        return _auc(columns, y, inputs, synthetic_inputs)
    model = _boosting(columns, is_class=False).fit(synthetic_inputs, y.parts[1])
    return float(model.score(inputs, y.parts[0]))


def _auc(columns: Sequence[Compared], y: Compared, X: Float, X_synthetic: Float) -> float:
    """Return the mean over classes of the area under the ROC curve of one against the rest."""
    from sklearn.metrics import roc_auc_score

    truth, of_synthetic = y.parts
    classes, learnt = np.unique(truth), np.unique(of_synthetic)
    if max(len(classes), len(learnt)) > MOST_CLASSES:
        raise ValueError(
            f"Column {y.name!r} has {max(len(classes), len(learnt))} classes, but at most "
            f"{MOST_CLASSES} can be predicted."
        )
    if len(learnt) < 2:
        return 0.5  # nothing to learn: all rows get the same score
    model = _boosting(columns, is_class=True).fit(X_synthetic, of_synthetic)
    found = model.predict_proba(X)
    scores = np.zeros((len(X), len(classes)))
    for k, one in enumerate(classes):
        if one in learnt:
            scores[:, k] = found[:, np.searchsorted(learnt, one)]
    if len(classes) == 2:
        return float(roc_auc_score(truth == classes[1], scores[:, 1] - scores[:, 0]))
    areas = [roc_auc_score(truth == one, scores[:, k]) for k, one in enumerate(classes)]
    return float(np.mean(areas))


def _boosting(columns: Sequence[Compared], is_class: bool) -> Any:
    """Return scikit-learn's histogram gradient boosting at its defaults."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    model = HistGradientBoostingClassifier if is_class else HistGradientBoostingRegressor
    mask = [column.is_discrete for column in columns]
    return model(categorical_features=mask if any(mask) else None, random_state=0)


def _inputs(columns: Sequence[Compared]) -> list[Float]:
    """Return the tables as numbers that trees take, (n, c) each."""
    taken = [_few_levels(_with_values(column)) for column in columns]
    return [np.stack(parts, axis=1) for parts in zip(*(c.parts for c in taken), strict=True)]


def _with_values(column: Compared) -> Compared:
    """Return a column, or where it is known if a table has hardly a value of it."""
    known = [~np.isnan(part) for part in column.parts]
    if min(each.sum() for each in known) >= FEWEST_VALUES:
        return column
    return dataclasses.replace(column, parts=tuple(each.astype(float) for each in known))


def _few_levels(column: Compared) -> Compared:
    """Return a column whose rare levels are one, where it has more than a tree takes."""
    if len(column.levels) <= MOST_LEVELS:
        return column
    together = np.concatenate(column.parts)
    counts = np.bincount(together[~np.isnan(together)].astype(int), minlength=len(column.levels))
    often = np.argsort(-counts, kind="stable")[: MOST_LEVELS - 1]
    often = often[counts[often] >= ROWS_A_LEVEL]
    places = np.full(len(counts) + 1, float(len(often)))
    places[often], places[-1] = np.arange(len(often)), np.nan
    parts = [places[np.where(np.isnan(part), -1, part).astype(int)] for part in column.parts]
    return dataclasses.replace(column, parts=tuple(parts))
