"""Scores: what a fitted density can be asked - for scores, and for rows."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..core.holes import Holes
from ..core.inference.proposals import Proposal
from ..model.result import LogLikelihood
from ..table.codecs import Bool, Float
from ..table.container import with_index_of
from ..table.known import rows_like, rows_with_holes
from ..table.native import as_array, as_frame
from ..table.reading import positive_integer
from .available import available_if, draws, scores

if TYPE_CHECKING:
    from ..metrics.report import SyntheticReport
    from .base import BaseVAE as Base
else:
    Base = object


class Scores(Base):
    """The public methods of an estimator of a density: scores, draws and completions."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the model to the rows of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Numbers, booleans, categories and times, at least two rows. Missing cells (NaN, None,
            NA, null) are left out of the likelihood.
        y : array-like of shape (n_samples, 2), optional
            Ignored, but with :class:`skvae.objectives.Clamped`: the set that a row belongs to, and
            the group of latents that varies in it.

        Returns
        -------
        self : object
            The fitted estimator. If fitting raises, whatever was fitted before stays.

        Raises
        ------
        ValueError, TypeError
            If a parameter or a column is not usable; the message says which and why.

        Warns
        -----
        UserWarning
            If a column has no observed value, and is left out of the model; or may be something
            else than its dtype says: an identifier, numbers in strings, codes, dates. If the fit
            takes more than about five minutes of a processor core or 4 GiB of memory.
        """
        with self._all_or_nothing():
            self._validate_params()
            self._fit(X, y, sets=y)
        return self

    @available_if(scores)
    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return the log-likelihood of each row, by importance sampling.

        ``log (1/K) sum_k p(x | z_k) p(z_k) / q(z_k)`` with K = ``n_draws`` draws from
        ``proposal``: in expectation a lower bound of log p(x), tighter with more draws, whose
        error :meth:`log_likelihood` tells. The draws of a row depend on the row and the fit
        alone, so a score does not change with the order or the company of rows, nor from call to
        call.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Missing cells are marginalised.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            Natural logarithms, in the units of X: a density over numbers (of integers that is a
            probability) times the probability of categories and booleans, of the observed cells; 0
            for a row without any. On the same X they compare with
            ``GaussianMixture.score_samples``. Scores of rows with different cells missing do not
            compare with each other.

        Raises
        ------
        ValueError, TypeError
            If a value is infinite, or one that its column cannot have, as a category not seen in
            ``fit``; the message names the column.

        References
        ----------
        "Importance Weighted Autoencoders" (Burda et al., 2016).
        """
        values = self._values(X)
        return self.model_.log_p(values, self._scoring)

    @available_if(scores)
    def log_likelihood(
        self, X: Any, *, n_draws: int | None = None, proposal: str | Proposal | None = None
    ) -> LogLikelihood:
        """Return the log-likelihood of each row with its standard error and diagnostics.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        n_draws : int, default=None
            Draws of z a row; None: the estimator's.
        proposal : str or Proposal, default=None
            Where they come from; None: the estimator's. ``"ais"`` is slow and trusts no
            approximation of the posterior: the independent check.

        Returns
        -------
        result : LogLikelihood
            With ``value`` (what :meth:`score_samples` returns), ``standard_error``,
            ``effective_sample_size``, ``pareto_k`` and ``elbo``, each of shape (n_samples,).

        Warns
        -----
        UserWarning
            If the weights of some rows have Pareto k > 0.7 and an effective sample size below half
            of ``n_draws``: a few draws decide their estimate, and neither it nor its standard error
            can be trusted.

        Raises
        ------
        ValueError
            If a value is infinite, or a parameter is not usable.

        References
        ----------
        "Importance Weighted Autoencoders" (Burda et al., 2016);
        "Pareto Smoothed Importance Sampling" (Vehtari et al., 2024).

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skvae import VAEDensity
        >>> X = load_iris().data
        >>> density = VAEDensity(2, max_epochs=30, random_state=0).fit(X)
        >>> result = density.log_likelihood(X[:3], n_draws=256)
        >>> bool((result.standard_error < 0.2).all())
        True
        """
        values = self._values(X)
        scoring = self.model_.scoring(
            self.n_draws if n_draws is None else n_draws,
            self.proposal if proposal is None else proposal,
            self.verbose,
        )
        result = self.model_.log_likelihood(values, scoring)
        result.warn(scoring.n_draws)
        return result

    @available_if(scores)
    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log-likelihood of the rows, nats per row in the units of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        score : float
            The mean of :meth:`score_samples`.
        """
        return float(self.score_samples(X).mean())

    @available_if(draws)
    def sample(
        self,
        n_samples: int = 1,
        random_state: Any = None,
        *,
        context: Any = None,
        missing: bool = False,
    ) -> Any:
        """Draw rows from the model: z from the prior, then x from p(x | z).

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows; with a context, for each row of it.
        random_state : int, RandomState instance or None, default=None
            An int gives the same rows at every call. None continues the estimator's own stream
            of random numbers: two calls differ, and an estimator fitted again with the same
            ``random_state`` repeats them.
        context : DataFrame, dict or array-like of shape (n_rows, n_context), default=None
            What the rows are given: values of the ``context_features``, needed where there are
            some. A dict has a value, or one for each row, by column; an array has these columns
            alone, in their order in X; a DataFrame may have others.
        missing : bool, default=False
            Whether cells are missing as they were in ``fit``: which ones is drawn given z, too. For
            ``VAEDensity(model_missing=True)``, which learns it.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            In the container, columns, units and dtypes of the rows seen in ``fit``, without holes
            (but for a column of which ``fit`` saw no value, cells that a relation says are empty,
            and ``missing=True``). With a context ``n_samples``
            consecutive rows for each of its rows, in its order, with its values in their columns.

        Raises
        ------
        ValueError, TypeError
            If the context lacks a column, or has a value that its column cannot have; or cells are
            to be missing, and how was not learned.
        """
        check_is_fitted(self)
        n_samples = positive_integer(n_samples, "n_samples")
        given = self._given(context)
        self.model_.tell_of_draws(n_samples * len(given))
        given = np.repeat(given, n_samples, axis=0)
        numbers = self.model_.context(given)
        seed = self._draw_seed(random_state)
        if missing:
            drawn, holes = self.model_.sample_with_holes(given, numbers, seed, self._learned_holes)
        else:
            drawn, holes = self.model_.sample(given, numbers, seed), None
        drawn = self.table_.container.drawn(drawn)
        return self._rows_of(self._related(drawn, ~np.isnan(given), seed, holes), context)

    @available_if(draws)
    def report(self, X: Any, holdout: Any = None, random_state: Any = None) -> SyntheticReport:
        """Draw as many rows as X has, with missing cells if these were learned, and judge them.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Real rows, those of ``fit``. With ``context_features`` the rows are drawn given theirs.
        holdout : array-like or DataFrame, default=None
            Real rows that were not there in ``fit``: needed for all that is said of privacy.
        random_state : int, RandomState instance or None, default=None
            As in :meth:`sample`.

        Returns
        -------
        report : SyntheticReport
            See :func:`skvae.metrics.synthetic_report`: printed it is a short table,
            ``to_html()`` is a page, and a notebook shows it.

        Raises
        ------
        ValueError, TypeError
            If tables have other columns than those of ``fit``.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skvae import VAEDensity
        >>> X = load_iris(as_frame=True).data
        >>> density = VAEDensity(latent_dim=2, max_epochs=30, random_state=0).fit(X[::2])
        >>> report = density.report(X[::2], holdout=X[1::2], random_state=0)
        >>> max(report.columns.values()) < 0.3
        True
        """
        from ..metrics.report import synthetic_report  # whose classifiers take time to import

        n, context = len(self._values(X)), self.table_.context
        learned = getattr(self, "_holes", None) is not None
        if context is None:
            drawn = self.sample(n, random_state, missing=learned)
        else:
            given = X if as_frame(X) is not None else as_array(X)[:, context.positions]
            drawn = self.sample(1, random_state, context=given, missing=learned)
        return synthetic_report(
            X,
            drawn,
            holdout,
            relations=getattr(self, "relations_", None) or "auto",
            categorical_features=self.categorical_features,
        )

    @available_if(scores)
    def sample_conditional(
        self,
        X: Any = None,
        n_samples: int = 1,
        random_state: Any = None,
        *,
        where: dict[Hashable, Any] | None = None,
        return_quality: bool = False,
    ) -> Any:
        """Draw the missing cells of rows from p(missing | observed), whatever is missing.

        Draws of z from ``proposal``, new ones for every row and at least ten for each of
        ``n_samples``, are resampled by their weights p(x_observed, z) / q(z), and missing cells
        drawn given z. Rows whose effective sample size is small get more of them, by proposals
        adapted to the first.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features), or None
            Cells that are missing, and columns that a DataFrame does not have, are unknown. None:
            nothing is known of a single row but ``where``.
        n_samples : int, default=1
            Draws of each row.
        random_state : int, RandomState instance or None, default=None
            As in :meth:`sample`.
        where : dict or None, default=None
            What more is known of missing cells, by column: a range ``(low, high)`` of numbers,
            times or ordered categories, both ends included and None where it is open, or a set
            of values. For example ``{"age": (30, 40), "city": {"Rome", "Oslo"}}``.
        return_quality : bool, default=False
            Whether to return the quality of the weights as well.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_rows * n_samples, n_features)
            Completed rows, ``n_samples`` consecutive ones for each row of X, in its order, in the
            container and columns seen in ``fit``. Observed cells are copied; dtypes hold both
            what there was in ``fit`` and what there is in X.
        quality : CompletionQuality
            Effective sample size, Pareto k and proposals of every row; only with
            ``return_quality``.

        Warns
        -----
        UserWarning
            If some rows have Pareto k > 0.7 after more proposals, and an effective sample size
            below half of these and below 50 a completion: few decide the draws.

        Raises
        ------
        ValueError, TypeError
            If a value cannot be had by its column, ``where`` names an unknown column, an observed
            cell contradicts it, or the model never draws what it asks for.

        References
        ----------
        "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets" (Mattei and
        Frellsen, 2019); "Adaptive Importance Sampling in Monte Carlo Integration" (Oh and Berger,
        1992).

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_iris
        >>> from skvae import VAEDensity
        >>> density = VAEDensity(2, max_epochs=30, random_state=0).fit(load_iris().data)
        >>> row = [[5.1, np.nan, 1.4, np.nan]]
        >>> density.sample_conditional(row, n_samples=3, random_state=0)[:, [0, 2]]
        array([[5.1, 1.4],
               [5.1, 1.4],
               [5.1, 1.4]])
        """
        check_is_fitted(self)
        n_samples = positive_integer(n_samples, "n_samples")
        container = self.table_.container
        if X is not None:
            values = self._values(X, partial=True)
        elif where:
            if self.table_.context is not None:
                raise ValueError(
                    "The model is conditioned on columns (context_features): give X with them, "
                    "beside where."
                )
            values = np.full((1, len(container.fields)), np.nan)
        else:
            raise ValueError("X is None: give rows to complete, or conditions by where={...}.")
        self.model_.tell_of_draws(n_samples * len(values))
        seed = self._draw_seed(random_state)
        completed, quality = self.model_.complete(values, n_samples, self._scoring, seed, where)
        quality.warn()
        known = ~np.isnan(np.repeat(values, n_samples, axis=0))
        known[:, [container.names.index(name) for name in where or {}]] = True
        completed = self._related(completed, known, seed)
        if X is None:
            rows = rows_with_holes(container, completed)
        else:
            rows = rows_like(container, completed, self._known(X, values, n_samples))
        if n_samples == 1:
            rows = with_index_of(X, rows)
        return (rows, quality) if return_quality else rows

    @property
    def _learned_holes(self) -> tuple[Holes, ...]:
        """The models of which cells are missing, one a member."""
        raise ValueError(
            "missing=True draws which cells are missing, which was not learned: fit with "
            "VAEDensity(model_missing=True)."
        )

    def _related(self, values: Float, known: Bool, seed: int, holes: Bool | None = None) -> Float:
        """Return drawn values (n, c) as relations between columns have them, where some are kept.

        Cells that are ``known`` (n, c) stay; ``holes`` (n, c) are to be missing.
        """
        return values if holes is None else np.where(holes & ~known, np.nan, values)
