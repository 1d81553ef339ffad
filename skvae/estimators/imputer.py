"""VAEImputer: the missing cells of a table."""

from __future__ import annotations

from typing import Any, ClassVar

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from ..fit.settings import Door
from ..table.codecs import Float
from ..table.container import as_frame, with_index_of
from ..table.reading import positive_integer
from .base import BaseVAE, with_common_parameters
from .manual import manual
from .scores import Scores


class VAEImputer(TransformerMixin, Scores, BaseVAE):  # type: ignore[misc]  # noqa: D101
    __doc__ = manual("""A variational autoencoder that fills the holes of a table.

    ``transform`` puts the posterior mean in the place of a missing number and the likeliest level
    in that of a missing category, by self-normalised importance sampling:

        E[x_missing | x_observed] = sum_k w_k E[x_missing | z_k],
        w_k in proportion to p(x_observed | z_k) p(z_k) / q(z_k),

    with the draws z_k that ``score_samples`` has too. It is fitted to rows with holes, and any
    cells may be missing later. ``sample_imputations`` draws completed tables, which differ by as
    much as is not known.

    Parameters
    ----------
    {PARAMETERS}
    sample_posterior : bool, default=False
        Whether ``transform`` draws missing cells from p(missing | observed) in place of the mean
        or mode. It then differs from call to call, as ``sample`` does.
    add_indicator : bool, default=False
        Whether ``transform`` adds a column ``missingindicator_<name>`` for each that had a missing
        cell in ``fit``.
    keep_empty_features : bool, default=False
        Whether a column of which ``fit`` saw no value is kept, with zeros where it holds numbers,
        or left out of what ``transform`` returns.

    Attributes
    ----------
    {ATTRIBUTES}

    See Also
    --------
    VAEDensity : The same model as a density, with ``sample_conditional``.
    sklearn.impute.IterativeImputer : A regression of every column on the others.

    Notes
    -----
    ``likelihood="auto"`` has one meaning of its own here: numbers and times of all kinds are
    Gaussian, with a mean and a scale that depend on z. Bins, which the other estimators give
    columns with repeated values, draw such columns better, but guess worse.

    Rows come back in the container they came in: a DataFrame stays one, with its dtypes and index,
    unless ``set_output`` asks for another. Imputed numbers are within the range seen in ``fit``.
    Means of integers may be fractions; drawn integers are whole.

    Values are taken to be missing at random: what is missing may depend on observed cells, but not
    on what it would have been.

    References
    ----------
    "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets" (Mattei and Frellsen,
    2019); "Multiple Imputation for Nonresponse in Surveys" (Rubin, 1987).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEImputer
    >>> X = load_iris(as_frame=True).data
    >>> holes = X.mask(np.random.default_rng(0).random(X.shape) < 0.2)
    >>> imputer = VAEImputer(latent_dim=2, max_epochs=30, random_state=0).fit(holes)
    >>> completed = imputer.transform(holes)
    >>> int(completed.isna().sum().sum())
    0
    >>> tables = imputer.sample_imputations(holes, n_imputations=5, random_state=0)
    >>> len(tables)
    5
    """)

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseVAE._parameter_constraints,
        "sample_posterior": ["boolean"],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
    }

    _door: ClassVar[Door] = Door(smooth=True)

    @with_common_parameters
    def __init__(
        self,
        latent_dim: int | tuple[int, int] | str = 16,
        *,
        sample_posterior: bool = False,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
        **parameters: Any,
    ):
        super().__init__(latent_dim, **parameters)
        self.sample_posterior = sample_posterior
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features

    def transform(self, X: Any) -> Any:
        """Fill the missing cells of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features_out)
            With observed cells as they were. In the container of ``fit``, or that of
            ``set_output``.

        Raises
        ------
        ValueError, TypeError
            If a value is infinite, or one that its column cannot have; the message names it.
        """
        values = self._values(X)
        if self.sample_posterior:
            filled = self._draw(values, 1, None)
        else:
            expected = self.model_.completing(self._scoring, seed=0).expect(values)
            filled = self._in_range(expected, values)
        return with_index_of(X, self._with_indicator(self._kept_rows(filled), values))

    def sample_imputations(
        self, X: Any, n_imputations: int = 5, random_state: Any = None
    ) -> list[Any]:
        """Draw completed tables from p(missing | observed): multiple imputation.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        n_imputations : int, default=5
            Number of tables.
        random_state : int, RandomState instance or None, default=None
            An int gives the same tables at every call; None continues the estimator's own stream
            of random numbers.

        Returns
        -------
        tables : list of ndarray or DataFrame, each of shape (n_samples, n_features)
            X completed ``n_imputations`` times. An analysis of each, pooled by Rubin's rules, knows
            how uncertain the imputation is.

        Warns
        -----
        UserWarning
            If some rows have Pareto k > 0.7: few proposals decide their draws.

        References
        ----------
        "Multiple Imputation for Nonresponse in Surveys" (Rubin, 1987).
        """
        check_is_fitted(self)
        n_imputations = positive_integer(n_imputations, "n_imputations")
        values = self._values(X)
        filled = self._draw(values, n_imputations, random_state)
        tables = (self._kept_rows(filled[i::n_imputations]) for i in range(n_imputations))
        return [with_index_of(X, table) for table in tables]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns that ``transform`` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X; None: those of ``fit``, or ``x0``, ``x1``, ...

        Returns
        -------
        names : ndarray of str
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        indicators = [f"missingindicator_{names[j]}" for j in self._indicated]
        return np.array([*names[self._kept], *indicators], dtype=object)

    @property
    def _kept(self) -> list[int]:
        """Positions of the columns that are returned."""
        if self.keep_empty_features:
            return list(range(len(self.table_.container.fields)))
        return self.table_.known

    @property
    def _indicated(self) -> list[int]:
        return np.flatnonzero(self._has_holes).tolist() if self.add_indicator else []

    @property
    def _n_features_out(self) -> int:
        return len(self._kept) + len(self._indicated)

    def _draw(self, values: Float, n_samples: int, random_state: Any) -> Float:
        """Return values (n * n_samples, c) with missing ones drawn."""
        seed = self._draw_seed(random_state)
        filled, quality = self.model_.complete(values, n_samples, self._scoring, seed)
        quality.warn()
        roles = [field.role for field in self.table_.container.fields]
        whole = np.isin(roles, ["integer", "time"])
        filled[:, whole] = np.round(filled[:, whole])
        return self._in_range(filled, np.repeat(values, n_samples, axis=0))

    def _in_range(self, filled: Float, values: Float) -> Float:
        """Hold filled values within the range of the training rows."""
        return np.where(np.isnan(values), filled.clip(*self._range), values)

    def _kept_rows(self, filled: Float) -> Any:
        """Return the kept columns of completed values as rows."""
        fields = self.table_.container.fields
        for j in self._kept:
            if not fields[j].is_category and fields[j].clock is None:
                filled[np.isnan(filled[:, j]), j] = 0.0  # of an empty column
        return self.table_.container.subset(self._kept).rows(filled[:, self._kept])

    def _with_indicator(self, rows: Any, values: Float) -> Any:
        """Add a column for each that had a missing cell in ``fit``."""
        indicated = self._indicated
        if not indicated:
            return rows
        missing, frame = np.isnan(values[:, indicated]), as_frame(rows)
        if frame is None:
            return np.hstack([rows, missing.astype(rows.dtype)])
        names = self.get_feature_names_out().tolist()
        kept, added = names[: len(self._kept)], names[len(self._kept) :]
        if clash := set(kept) & set(added):
            raise ValueError(
                f"add_indicator=True: X has columns {sorted(clash)} of its own. Rename them."
            )
        if not all(isinstance(name, str) for name in frame.to_native().columns):
            rows.columns = kept  # scikit-learn refuses names of two kinds
        new = [
            nw.new_series(name, of_column, backend=frame.implementation)
            for name, of_column in zip(added, missing.T, strict=True)
        ]
        return as_frame(rows).with_columns(*new).to_native()  # type: ignore[union-attr]
