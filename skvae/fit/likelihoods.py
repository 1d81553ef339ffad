"""Likelihoods: which family models a column - as the user says, or by its dtype and values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
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
from ..table.bins import Bins
from ..table.codecs import Affine, Float
from ..table.container import Container, Field
from ..table.table import Column, ColumnModel, is_binary, learn_column, observed
from .choosing import is_ahead
from .logarithms import logarithms
from .mixtures import Candidate, log_prob
from .neighbours import MAX_COLUMNS, Neighbours

#: What a likelihood may be in place of a family.
BY_VALUES = ("auto", "density")
#: Share of rows with one and the same number above which it is an atom, for ``likelihood="auto"``.
ATOM_SHARE = 0.2
#: A number with so many rows a distinct value is discrete.
ROWS_A_VALUE = 20
#: A column of numbers that are 0 and 1 has two states where each is in so large a share of rows.
BOTH_SHARE = 0.05
#: Below this many rows nothing is compared: the plainest candidate is taken.
MIN_ROWS = 50
#: Rows by which candidates are compared, three quarters of them to fit.
MAX_ROWS = 8_000
#: A positive column whose mean is below so many standard deviations would get negative draws.
FAR_FROM_ZERO = 4.0
#: Latents that a bin's probability is taken to depend on, at most.
MOST_LATENTS = 16
#: The mixture that stands for what a continuous family with latents can be.
OF_A_COLUMN = Candidate(5, reg_covar=1e-4)


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
    *,
    density: bool = False,
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
    density : bool
        Whether "auto" stands for "density".

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
    rows = Rows(values, container, seed)
    families: list[Family | None] = []
    smoothly: list[int] = []  # modelled without a word from the user
    for j, field in enumerate(container.fields):
        wanted = likelihood.get(field.name, "auto") if isinstance(likelihood, dict) else likelihood
        if j in context or np.isnan(values[:, j]).all():
            families.append(None)
        elif isinstance(wanted, str) and wanted in BY_VALUES:
            continuous = density or wanted == "density"
            plain = smooth if wanted == "auto" else None
            family = choose(j, field, rows, plain, density=continuous)
            families.append(family)
            smoothly += [j] * isinstance(family, Gaussian | LogNormal)
        else:
            family = resolve(wanted, Family, "likelihood")
            family.validate()
            families.append(family)
    positive = {j for j in smoothly if isinstance(families[j], LogNormal)}
    for j in positive - rows.logarithms(smoothly, positive):
        families[j] = Gaussian(bounded=True)
    return families


class Rows:
    """Rows of a table by which candidates are compared: three quarters to fit, the others to judge.

    Parameters
    ----------
    values : ndarray of shape (n, c)
        NaN where missing.
    container : Container
    seed : int
        Of the rows that are taken.
    """

    def __init__(self, values: Float, container: Container, seed: int):
        some = np.random.RandomState(seed).permutation(len(values))[:MAX_ROWS]
        cut = 3 * len(some) // 4
        self.values, self._fit, self._held_out = values, some[:cut], some[cut:]
        self._seed = seed
        self._numbers = [
            j
            for j, field in enumerate(container.fields)
            if not field.is_category and not np.isnan(values[self._fit, j]).all()
        ]

    def of(self, j: int) -> tuple[Float, Float]:
        """Return the observed values of a column: those to fit and those to judge by."""
        return observed(self.values[self._fit, j]), observed(self.values[self._held_out, j])

    def gains(self, j: int, bins: Bins) -> tuple[Float, Float]:
        """Return by how much the other columns raise what is said of held-out values of one.

        Of the log-densities of the values, and of the log-probabilities of their bins.
        """
        held_out = self.values[self._held_out, j]
        seen = ~np.isnan(held_out)
        if self.neighbours is None or j not in self._numbers:
            return np.zeros(seen.sum()), np.zeros(seen.sum())
        k = self._numbers.index(j)
        of_range = self.neighbours.gain_of_range(k, *bins.span(np.where(seen, held_out, 0.0)))
        return self.neighbours.gain_of_value(k)[seen], of_range[seen]

    def price(self, n_levels: int) -> float:
        """Return what bins cost a row: what is learned of each, from so few rows.

        By the Bayesian information criterion, with a weight of each bin for each latent that there
        may be; a smooth family has two numbers in place of the bins.
        """
        n_weights = 1 + min(MOST_LATENTS, len(self.values[0]) - 1)
        n = len(self._fit)
        return max(n_levels - 2, 0) * n_weights * float(np.log(n)) / (2.0 * n)

    def logarithms(self, smooth: list[int], positive: set[int]) -> set[int]:
        """Return which positive columns are told by their logarithm, of smooth ones (positions)."""
        if len(self._fit) + len(self._held_out) < MIN_ROWS:
            return positive
        fit, held_out = (self.values[rows][:, smooth] for rows in (self._fit, self._held_out))
        wanted = {smooth.index(j) for j in positive}
        return {smooth[i] for i in logarithms(fit, held_out, wanted, self._seed)}

    @cached_property
    def neighbours(self) -> Neighbours | None:
        """What the columns of numbers say of each other; None where there are too many."""
        if not 1 < len(self._numbers) <= MAX_COLUMNS:
            return None
        parts = (self.values[rows][:, self._numbers] for rows in (self._fit, self._held_out))
        return Neighbours(*parts)


def choose(
    j: int, field: Field, rows: Rows, smooth: Family | None = None, *, density: bool = False
) -> Family:
    """Return the family of a column by what it holds; some of the rows decide close calls.

    With ``density`` numbers get one that has no mass on a value, even if they are repeated.
    """
    values = observed(rows.values[:, j])
    if field.role == "boolean":
        return Bernoulli() if np.ptp(values) else Binned()  # the other one was never seen
    if field.is_category:
        return Ordinal() if field.role == "ordered" else Categorical()
    if field.role != "time" and is_binary(values) and not density:
        return Bernoulli() if _are_both_frequent(values) else smooth or Binned()
    if smooth is not None:
        return smooth
    if field.role == "time":
        return Binned()
    if density:
        return _plain(values)
    if field.role == "integer":
        return _choose_integer(field, values, *rows.of(j))
    return _choose_number(j, field, values, rows)


def _are_both_frequent(values: Float) -> bool:
    """Whether zeros and ones are such that a third value is not to be expected.

    What is 0 but for a few ones may be 2 in a row to come, which Bernoulli refuses and bins do not.
    """
    return bool(BOTH_SHARE <= values.mean() <= 1.0 - BOTH_SHARE)


def _choose_integer(field: Field, values: Float, fit: Float, held_out: Float) -> Family:
    # Bins keep to the range of a column; a count that has a tail must earn it.
    if values.min() < 0:
        return Binned()
    if len(fit) + len(held_out) < MIN_ROWS:
        return NegativeBinomial() if _spread_as_counts(values) else Binned()
    count, binned = (
        marginal_log_prob(family, column_of(family, field, fit), fit, held_out)
        for family in (NegativeBinomial(), Binned())
    )
    return NegativeBinomial() if is_ahead(count - binned) else Binned()


def _spread_as_counts(values: Float) -> bool:
    """Whether values vary as much as counts: years and times since long ago do not."""
    mean, variance = values.mean(), values.var()
    return bool(variance >= max(0.5 * mean, mean**2 / MAX_SIZE))


def _choose_number(j: int, field: Field, values: Float, rows: Rows) -> Family:
    distinct, counts = np.unique(values, return_counts=True)
    if counts.max() > ATOM_SHARE * len(values) or ROWS_A_VALUE * len(distinct) <= len(values):
        return Binned()
    plain = _plain(values)
    fit, held_out = rows.of(j)
    if len(fit) + len(held_out) < MIN_ROWS:
        return plain
    column = column_of(Binned(), field, fit)
    smooth = _smooth(fit, held_out, logarithmic=isinstance(plain, LogNormal))
    binned = marginal_log_prob(Binned(), column, fit, held_out)
    assert isinstance(column.codec, Bins)
    of_value, of_bin = rows.gains(j, column.codec)
    gain = binned + of_bin - smooth - of_value
    return Binned() if is_ahead(gain - rows.price(column.codec.n_levels)) else plain


def _plain(values: Float) -> Gaussian | LogNormal:
    """Return the continuous family of a column by itself."""
    far = values.mean() >= FAR_FROM_ZERO * values.std()
    return Gaussian(bounded=True) if far or values.min() <= 0.0 else LogNormal(bounded=True)


def column_of(family: Family, field: Field, fit: Float) -> Column:
    """Return a column alone as it is learned from values."""
    return learn_column(0, field, model(family), fit, Affine())


def marginal_log_prob(family: Family, column: Column, fit: Float, held_out: Float) -> Float:
    """Return log-densities of held-out values of a column by a family fitted without latents."""
    cells = torch.as_tensor(column.codec.encode(fit)[0]).unsqueeze(-1)
    resolution, ends = torch.tensor([column.resolution]), torch.tensor(column.ends).unsqueeze(-1)
    n_levels = [column.codec.n_levels]
    columns = Columns.measure(family, [0], cells, resolution, n_levels, ends.double())
    values, log_det = column.codec.encode(held_out)
    log_prob = columns.marginal().log_prob(torch.as_tensor(values).unsqueeze(-1))
    return log_prob[:, 0].numpy() + log_det


def _smooth(fit: Float, held_out: Float, *, logarithmic: bool) -> Float:
    """Return log-densities of held-out values by a mixture of normals, of logarithms if wanted.

    With latents a continuous family is such a mixture, of many more components.
    """
    logs = {0} if logarithmic else set()
    return log_prob([OF_A_COLUMN], fit[:, None], held_out[:, None], logs, 0)
