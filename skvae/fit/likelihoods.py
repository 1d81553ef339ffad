"""Likelihoods: which family models a column - as the user says, or by its dtype and values."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..core.cells import Columns
from ..core.families.base import Family
from ..core.families.bounded import LogNormal
from ..core.families.codes import Bernoulli, Binned, Categorical, Ordinal
from ..core.families.counts import MAX_SIZE, NegativeBinomial
from ..core.families.real import Gaussian
from ..core.recipe import resolve
from ..table.codecs import Affine, Float
from ..table.container import Container, Field
from ..table.table import ColumnModel, is_binary, learn_column, observed
from .choosing import is_ahead

#: Share of rows with one and the same number above which it is an atom, for ``likelihood="auto"``.
ATOM_SHARE = 0.2
#: A number with so many rows a distinct value is discrete.
ROWS_A_VALUE = 20
#: Below this many rows nothing is compared: the plainest candidate is taken.
MIN_ROWS = 50
#: Rows by which candidates are compared, three quarters of them to fit.
MAX_ROWS = 8_000
#: A positive column whose mean is below so many standard deviations would get negative draws.
FAR_FROM_ZERO = 4.0
#: Components of the mixture that stands for what a continuous family with latents can be.
N_COMPONENTS = 5


def models(families: list[Family | None]) -> list[ColumnModel | None]:
    """Return what a table has to know of families."""
    return [None if family is None else model(family) for family in families]


def model(family: Family) -> ColumnModel:
    """Return what a table has to know of a family."""
    return ColumnModel(type(family).__name__, family.kind, family.options)


def choose_families(
    likelihood: Any,
    values: Float,
    container: Container,
    seed: int,
    smooth: Family | None = None,
    context: Sequence[int] = (),
) -> list[Family | None]:
    """Return the family of every column, None for one without an observed value.

    Neither has one that is conditioned on.

    Parameters
    ----------
    likelihood : str, Family or dict
        The estimator's parameter.
    values : ndarray of shape (n, c)
        NaN where missing.
    container : Container
    seed : int
        Of the rows by which candidates are compared.
    smooth : Family, optional
        Of numbers of all kinds where the likelihood is "auto"; by default it goes by their values.
    context : sequence of int
        Positions of the columns that are conditioned on.

    Raises
    ------
    ValueError, TypeError
        If a name is unknown, of a family or of a column.
    """
    names, given = container.names, [container.names[j] for j in context]
    if isinstance(likelihood, dict):
        unknown = [name for name in likelihood if name not in names]
        if unknown:
            raise ValueError(
                f"likelihood names columns {unknown}, which X does not have. X has {names}."
            )
        modelled_too = [name for name in likelihood if name in given]
        if modelled_too:
            raise ValueError(
                f"likelihood names columns {modelled_too}, which are conditioned on "
                "(context_features) and not modelled."
            )
    some = np.random.RandomState(seed).permutation(len(values))[:MAX_ROWS]
    families: list[Family | None] = []
    for j, field in enumerate(container.fields):
        wanted = likelihood.get(field.name, "auto") if isinstance(likelihood, dict) else likelihood
        if j in context or np.isnan(values[:, j]).all():
            families.append(None)
        elif isinstance(wanted, str) and wanted == "auto":
            in_frame = container.backend is not None
            column, of_some = observed(values[:, j]), observed(values[some, j])
            families.append(choose(field, column, of_some, in_frame, smooth))
        else:
            family = resolve(wanted, Family, "likelihood")
            family.validate()
            families.append(family)
    return families


def choose(
    field: Field, values: Float, some: Float, in_frame: bool, smooth: Family | None = None
) -> Family:
    """Return the family of a column by what it holds; ``some`` of its values decide close calls."""
    if field.role == "boolean":
        return Bernoulli()
    if field.is_category:
        return Ordinal() if field.role == "ordered" else Categorical()
    if field.role != "time" and is_binary(values):
        return Bernoulli()
    if smooth is not None:
        return smooth
    if field.role == "time":
        return Binned()
    if field.role == "integer":
        return _choose_integer(field, values, some)
    if not in_frame:
        return Gaussian()
    return _choose_number(field, values, some)


def _choose_integer(field: Field, values: Float, some: Float) -> Family:
    # Bins keep to the range of a column; a count that has a tail must earn it.
    if values.min() < 0:
        return Binned()
    if len(some) < MIN_ROWS:
        return NegativeBinomial() if _spread_as_counts(values) else Binned()
    count, binned = (
        marginal_log_prob(family, field, *_halves(some))
        for family in (NegativeBinomial(), Binned())
    )
    return NegativeBinomial() if is_ahead(count - binned) else Binned()


def _spread_as_counts(values: Float) -> bool:
    """Whether values vary as much as counts: years and times since long ago do not."""
    mean, variance = values.mean(), values.var()
    return bool(variance >= max(0.5 * mean, mean**2 / MAX_SIZE))


def _choose_number(field: Field, values: Float, some: Float) -> Family:
    distinct, counts = np.unique(values, return_counts=True)
    if counts.max() > ATOM_SHARE * len(values) or ROWS_A_VALUE * len(distinct) <= len(values):
        return Binned()
    low, far = values.min(), values.mean() >= FAR_FROM_ZERO * values.std()
    near_zero = low >= 0 and not far
    plain: Family = LogNormal() if near_zero else Gaussian()
    if near_zero and low == 0:
        return Binned()
    if len(some) < MIN_ROWS:
        return plain
    fit, held_out = _halves(some)
    smooth = _smooth(fit, held_out, logarithmic=near_zero)
    binned = marginal_log_prob(Binned(), field, fit, held_out)
    return Binned() if is_ahead(binned - smooth) else plain


def _halves(some: Float) -> tuple[Float, Float]:
    """Cut rows in shuffled order into those to fit and those to compare by."""
    cut = 3 * len(some) // 4
    return some[:cut], some[cut:]


def marginal_log_prob(family: Family, field: Field, fit: Float, held_out: Float) -> Float:
    """Return log-densities of held-out values of a column by a family fitted without latents."""
    column = learn_column(0, field, model(family), fit, Affine())
    cells = torch.as_tensor(column.codec.encode(fit)[0]).unsqueeze(-1)
    columns = Columns.measure(
        family, [0], cells, torch.tensor([column.resolution]), [column.codec.n_levels]
    )
    values, log_det = column.codec.encode(held_out)
    log_prob = columns.marginal().log_prob(torch.as_tensor(values).unsqueeze(-1))
    return log_prob[:, 0].numpy() + log_det


def _smooth(fit: Float, held_out: Float, *, logarithmic: bool) -> Float:
    """Return log-densities of held-out values by a mixture of normals, of logarithms if wanted.

    With latents a continuous family is such a mixture, of many more components.
    """
    from sklearn.mixture import GaussianMixture  # imports much

    log_det = -np.log(held_out) if logarithmic else 0.0
    fit, held_out = (np.log(x) if logarithmic else x for x in (fit, held_out))
    center, scale = fit.mean(), fit.std() or 1.0
    mixture = GaussianMixture(N_COMPONENTS, reg_covar=1e-4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mixture.fit(((fit - center) / scale)[:, None])
    return mixture.score_samples(((held_out - center) / scale)[:, None]) - np.log(scale) + log_det
