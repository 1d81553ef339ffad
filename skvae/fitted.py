"""Fitted: what a fitted model can be asked - for scores, and for rows."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from .codecs import Float
from .completion import Completing
from .conditions import conditions
from .core.batch import Batch
from .core.noise import KeyedNoise
from .core.proposals import Proposal
from .core.recipe import resolve
from .core.vae import VAE
from .reading import as_rows, context_of, read, read_context, read_partial
from .result import CompletionQuality, LogLikelihood
from .scoring import Scoring, posterior_mean, precise
from .table import Table

#: Rows drawn or decoded at a time.
CHUNK_ROWS = 10_000


class Fitted:
    """Methods of an estimator that has a model; :class:`skvae.base.BaseVAE` fits it."""

    vae_: VAE
    table_: Table
    device_: str
    n_draws: int
    proposal: str | Proposal

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
        rows, log_det = self._rows(X)
        scores = self._scoring(self.n_draws, self.proposal).log_marginal(self.vae_, rows)
        return scores.numpy() + log_det

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
            If the weights of some rows have Pareto k > 0.7: a few draws decide their estimate,
            and neither it nor its standard error can be trusted.

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
        rows, log_det = self._rows(X)
        scoring = self._scoring(
            self.n_draws if n_draws is None else n_draws,
            self.proposal if proposal is None else proposal,
        )
        found = {name: x.numpy() for name, x in scoring.estimate(self.vae_, rows).items()}
        found["value"] += log_det
        found["elbo"] += log_det
        result = LogLikelihood(**found)
        result.warn()
        return result

    def _scoring(self, n_draws: Any, proposal: Any) -> Scoring:
        n_draws = positive_integer(n_draws, "n_draws")
        recipe = resolve(proposal, Proposal, "proposal")  # type: ignore[type-abstract]
        recipe.validate()
        return Scoring(
            recipe,
            n_draws,
            partial(KeyedNoise, self._seeds.scoring),
            torch.device(self.device_),
            2**20 * get_config()["working_memory"],
        )

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

    @torch.no_grad()
    def sample(self, n_samples: int = 1, random_state: Any = None, *, context: Any = None) -> Any:
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

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            In the container, columns, units and dtypes of the rows seen in ``fit``, without holes
            (but for a column of which ``fit`` saw no value). With a context ``n_samples``
            consecutive rows for each of its rows, in its order, with its values in their columns.

        Raises
        ------
        ValueError, TypeError
            If the context lacks a column, has one that there was not in ``fit``, or values that a
            column cannot have.
        """
        check_is_fitted(self)
        n_samples = positive_integer(n_samples, "n_samples")
        given = self._given(context)
        return self._sample(np.repeat(given, n_samples, axis=0), random_state)

    def _given(self, context: Any) -> Float:
        """Return values of the columns conditioned on (n, c), one row of NaN where none are."""
        if context is None and self.table_.context is None:
            return np.full((1, len(self.table_.container.fields)), np.nan)
        return read_context(context, self.table_)

    def _sample(self, values: Float, random_state: Any) -> Any:
        """Draw a row for each of values (n, c), of which those conditioned on are known."""
        seed = self._draw_seed(random_state)
        generator = torch.Generator(self.device_).manual_seed(seed)
        cells = [
            self.vae_.sample(len(some), generator, self._context(some))[1].cpu()
            for some in chunks(values)
        ]
        drawn = self.table_.decode(torch.cat(cells).double().numpy(), np.random.RandomState(seed))
        return self.table_.container.rows(np.where(np.isnan(drawn), values, drawn))

    def _context(self, values: Float) -> Tensor | None:
        """Return the context of values (n, c) on the model's device."""
        context = context_of(self.table_, values)
        return None if context is None else context.to(self.device_, torch.float32)

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
            container, columns and dtypes seen in ``fit``. Observed cells are as they were.
        quality : CompletionQuality
            Effective sample size, Pareto k and proposals of every row; only with
            ``return_quality``.

        Warns
        -----
        UserWarning
            If some rows have Pareto k > 0.7 after more proposals, and an effective sample size
            below half of these and below 100 a completion: few decide the draws.

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
            values = read_partial(self, X, container)
        elif where:
            values = np.full((1, len(container.fields)), np.nan)
        else:
            raise ValueError("X is None: give rows to complete, or conditions by where={...}.")
        completed, quality = self._complete(values, n_samples, random_state, where)
        quality.warn()
        rows = container.rows(completed)
        return (rows, quality) if return_quality else rows

    def _complete(
        self, values: Float, n_samples: int, random_state: Any, where: Any = None
    ) -> tuple[Float, CompletionQuality]:
        """Return values (n_rows * n_samples, c) without holes."""
        completing = self._completing(self._draw_seed(random_state))
        return completing.complete(values, n_samples, conditions(where or {}, self.table_))

    def _expect(self, values: Float) -> Float:
        """Return values (n, c) with missing ones at their posterior mean or mode."""
        return self._completing(0).expect(values)

    def _completing(self, seed: int) -> Completing:
        scoring = self._scoring(self.n_draws, self.proposal)
        return Completing(precise(self.vae_, scoring.device), self.table_, scoring, seed)

    def _draw_seed(self, random_state: Any) -> int:
        """Return a seed: of the estimator's own stream, or of the one given."""
        stream = self._sample_stream if random_state is None else random_stream(random_state)
        return int(stream.randint(2**31 - 1))

    def _encode(self, X: Any) -> NDArray[np.float64]:
        """Return the mean of q(z | x) for each row, (n, latent_dim)."""
        return posterior_mean(self.vae_, self._rows(X)[0], torch.device(self.device_)).numpy()

    @torch.no_grad()
    def _decode(self, Z: NDArray[np.float64], values: Float) -> Any:
        """Return the mean of p(x | z) for each latent vector, in the user's units.

        Of values (n, c) those conditioned on are known.
        """
        found = [
            self.table_.expect(
                self.vae_.cells.by_column(
                    self.vae_.decode(
                        torch.as_tensor(z, dtype=torch.float32, device=self.device_),
                        self._context(some),
                    )
                )
            )
            for z, some in zip(chunks(Z), chunks(values), strict=True)
        ]
        mean = np.concatenate(found)
        return self.table_.container.rows(np.where(np.isnan(mean), values, mean))

    def _rows(self, X: Any) -> tuple[Batch, Float]:
        """Return rows as cells, and their log-Jacobians (n,)."""
        check_is_fitted(self)
        values, _ = read(self, X, self.table_.container)
        return as_rows(self.table_, values)


def positive_integer(value: Any, name: str) -> int:
    """Return an integer >= 1, or raise ValueError naming the parameter."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be an integer >= 1. Got {value!r}.")
    return int(value)


def random_stream(random_state: Any) -> np.random.RandomState:
    """Return scikit-learn's random state, but for None a fresh one: the global stays as it is."""
    return np.random.RandomState() if random_state is None else check_random_state(random_state)


def chunks(rows: Float) -> Iterator[Float]:
    """Cut rows into chunks."""
    for start in range(0, len(rows), CHUNK_ROWS):
        yield rows[start : start + CHUNK_ROWS]
