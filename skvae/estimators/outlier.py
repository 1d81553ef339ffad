"""VAEOutlierDetector: rows unlike the others, and which of their cells are."""

from __future__ import annotations

from numbers import Real
from operator import itemgetter
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OutlierMixin
from sklearn.utils._param_validation import Interval, StrOptions

from ..core.batch import in_chunks
from ..fit.fit import Fit
from ..model.model import CHUNK_ROWS
from ..table.codecs import Float
from ..table.container import column_mask
from .base import BaseVAE, with_common_parameters
from .manual import manual
from .scores import Scores

#: The share of usual rows that ``contamination="auto"`` takes for outliers, and how many rows that
#: the model was not fitted to say where it begins.
AUTO_SHARE = 0.01
MIN_UNSEEN_ROWS = 500
#: Rows drawn to say it without them.
DRAWN_ROWS = 2_000
#: Training rows whose scores place a threshold at most: more do not move it.
MAX_TRAINING_ROWS = 10_000
#: Completions of a row with holes over which its score is averaged. What is left of their spread is
#: a quarter of that between rows.
COMPLETIONS = 16
#: Columns that ``explain`` leaves out one after the other, at most.
MAX_EXPLAINED = 200


class VAEOutlierDetector(Scores, OutlierMixin, BaseVAE):  # type: ignore[misc]  # noqa: D101
    __doc__ = manual("""A variational autoencoder that finds outliers, and says which cells are odd.

    A row's score is its log-likelihood under a model of the table, as in :class:`VAEDensity`;
    ``predict`` is -1 for outliers, whose score is below ``offset_``, and 1 for the others::

        decision_function(x) = log p(x) - offset_,
        explain(x)[j] = -log p(x_j | the other observed cells of the row).

    Tables of mixed columns with missing cells are scored as they are.

    **Outlier detection** is to fit and predict the same rows, some of which are outliers:
    ``fit_predict(X)``. Set ``contamination`` to their share if it is known. A flexible model also
    learns outliers, if there are many or they are alike: ``objective="trimmed"`` leaves the least
    likely rows out of every step. **Novelty detection** is to fit clean rows and to predict new
    ones: ``fit(X_clean).predict(X_new)``, where ``contamination="auto"`` is made for.

    Parameters
    ----------
    {PARAMETERS}
    contamination : "auto" or float in (0, 0.5], default="auto"
        A float: ``offset_`` is that quantile of the scores of training rows (at most 10,000 of
        them), so that this share of them are outliers. ``"auto"``: ``offset_`` is the 1 %
        quantile of the scores of at least 500 held-out rows that the model was not fitted to.
        Where there are not as many it is the higher one of two, of 2,000 rows drawn from the model
        (which are too low if the model draws rows between clusters) and of training rows (which
        are too high if the model has learned them by heart): on tables of a few hundred rows both
        may be, and one clean new row in ten below ``offset_``. A threshold by clean rows that were
        kept apart can be set, ``offset_``.

    Attributes
    ----------
    offset_ : float
        The score below which a row is an outlier, nats.
    offset_rows_ : {"training", "held_out", "drawn"}
        Which rows' scores ``offset_`` is a quantile of.
    validation_outlier_rate_ : float or None
        The share of rows held out for early stopping that are outliers; None without such rows.
        Far above 0.01 with ``contamination="auto"``, the table has outliers, or the model does
        not fit it. (Below 2,000 rows the final model was fitted to these rows as well.)
    {ATTRIBUTES}

    See Also
    --------
    VAEDensity : The same model as a density.
    sklearn.ensemble.IsolationForest : Outliers by how few random cuts single a row out.
    sklearn.neighbors.LocalOutlierFactor : By how dense the row's neighbourhood is.

    Notes
    -----
    Log-likelihoods of rows with different cells missing have no threshold in common. Therefore
    ``decision_function`` completes a row with holes sixteen times, by draws from
    p(missing | observed), and takes the mean of log p(completed row); ``score_samples`` stays the
    log-likelihood of the observed cells. On rows without holes they are the same but for
    ``offset_``. A row of which nothing is known is no outlier. Neither depends on the company of a
    row, nor on how often it is asked for.

    With ``context_features`` a row is an outlier if it is unlikely given its context.

    A density is not always an outlier score: simple rows may have a higher one than any training
    row, and it changes with the units that a column is measured on, as from x to log x. The page
    "Outliers, with reasons" has figures.

    References
    ----------
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2014);
    "Variational Autoencoder based Anomaly Detection using Reconstruction Probability" (An and Cho,
    2015), which scores by E log p(x | z) alone; "Do Deep Generative Models Know What They Don't
    Know?" (Nalisnick et al., 2019).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEOutlierDetector
    >>> X = load_iris().data
    >>> detector = VAEOutlierDetector(latent_dim=2, max_epochs=30, random_state=0).fit(X)
    >>> wrong = X[:2].copy()
    >>> wrong[1, 2] = 6.0  # a petal far too long for the flower
    >>> detector.predict(wrong)
    array([ 1, -1])
    >>> bool(detector.explain(wrong)[1].argmax() == 2)
    True
    >>> VAEOutlierDetector(2, contamination=0.1, max_epochs=30, random_state=0).fit_predict(X).shape
    (150,)
    """)

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseVAE._parameter_constraints,
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
    }

    @with_common_parameters
    def __init__(
        self,
        latent_dim: int | tuple[int, int] | str = 16,
        *,
        contamination: float | str = "auto",
        **parameters: Any,
    ):
        super().__init__(latent_dim, **parameters)
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the model to the rows of X, and place the threshold.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Numbers, booleans, categories and times, at least two rows. Missing cells (NaN, None,
            NA, null) are left out of the likelihood.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted estimator. If fitting raises, whatever was fitted before stays.

        Raises
        ------
        ValueError, TypeError
            If a parameter or a column is not usable; the message says which and why.
        """
        with self._all_or_nothing():
            self._validate_params()
            fit = self._fit(X)
            self._place_offset(self._values(X), fit)
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return how much likelier than the threshold each row is: negative for outliers.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Missing cells are completed by draws from p(missing | observed), over which the score
            is averaged; the same ones at every call.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
            Nats; ``score_samples(X) - offset_`` for rows without holes.

        Raises
        ------
        ValueError, TypeError
            If a value is infinite, or one that its column cannot have; the message names it.
        """
        return self._comparable(self._values(X)) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return -1 for outliers and 1 for the other rows, (n_samples,).

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def explain(self, X: Any, *, columns: Any = None) -> NDArray[np.float64]:
        """Return how surprising every cell is, given the other cells of its row.

        ``-log p(x_j | other observed cells) = log p(row without x_j) - log p(row)``, both by draws
        from a mixture: half from ``proposal`` for the row, half from that for the row without the
        cell, which is made anew for each. Draws for the whole row are far from the posterior
        without x_j just where x_j is wrong. The surprises of a row do not add up to its score.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        columns : None or array-like, default=None
            The columns whose cells are explained: names, positions or a mask, at most 200. None:
            all.

        Returns
        -------
        surprise : ndarray of shape (n_samples, n_features)
            Nats, in the units of X and the order of its columns; the higher, the less expected. An
            array also where X is a DataFrame. NaN for a cell that is missing, conditioned on
            (``context_features``) or not asked for.

        Raises
        ------
        ValueError, TypeError
            If there are more than 200 columns, or a value is one that its column cannot have.

        Notes
        -----
        Densities have units: where columns have different families or units, what a cell's
        surprise is compared with is that of other rows in its column, as by
        ``explain(X) - np.nanmedian(explain(X_train), axis=0)``.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_wine
        >>> from skvae import VAEOutlierDetector
        >>> X = load_wine(as_frame=True).data
        >>> detector = VAEOutlierDetector(4, max_epochs=30, random_state=0).fit(X)
        >>> wrong = X.head(1).assign(flavanoids=0.4)
        >>> X.columns[np.argmax(detector.explain(wrong))]
        'flavanoids'
        """
        values = self._values(X)
        row, column = self._cells_of(values, columns)
        surprise = np.full(values.shape, np.nan)
        for some in in_chunks(np.arange(len(row)), CHUNK_ROWS):
            i, j = row[some], column[some]
            surprise[i, j] = -self.model_.log_given_rest(values[i], j, self._scoring)
        return surprise

    def _cells_of(self, values: Float, columns: Any) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the rows and the columns of the cells that are to be explained."""
        container = self.table_.container
        wanted = np.full(len(container.fields), columns is None)
        wanted |= column_mask(columns, container.names, "columns")
        modelled = np.zeros(len(container.fields), dtype=bool)
        modelled[[column.position for column in self.table_.columns]] = True
        if (n := int((wanted & modelled).sum())) > MAX_EXPLAINED:
            raise ValueError(
                f"explain scores every row again without each of its columns, of which there are "
                f"{n}, more than {MAX_EXPLAINED}. Name some, explain(X, columns=[...]), or fit on "
                "fewer columns."
            )
        row, column = np.nonzero(~np.isnan(values) & wanted & modelled)
        return row, column

    @property
    def _seed(self) -> int:
        return self.model_.seeds.scoring

    def _log_p(self, values: Float) -> NDArray[np.float64]:
        return self.model_.log_p(values, self._scoring)

    def _comparable(self, values: Float) -> NDArray[np.float64]:
        """Return scores (n,) of values (n, c) that compare whatever is missing of a row."""
        completing = self.model_.completing(self._scoring, self._seed)
        holes = completing.incomplete(values)
        scores = np.empty(len(values))
        for some in in_chunks(np.setdiff1d(np.arange(len(values)), holes), CHUNK_ROWS):
            scores[some] = self._log_p(values[some])
        for some in in_chunks(holes, CHUNK_ROWS // COMPLETIONS):
            completed = completing.complete_keyed(values[some], COMPLETIONS)
            scores[some] = self._log_p(completed).reshape(-1, COMPLETIONS).mean(1)
        return scores

    def _place_offset(self, values: Float, fit: Fit) -> None:
        """Set the threshold between outliers and other rows, by training rows (n, c)."""
        watched = self._comparable(values[fit.watched])
        thresholds = self._thresholds(values, watched[: len(fit.unseen)])
        self.offset_rows_, self.offset_ = max(thresholds.items(), key=itemgetter(1))
        self.validation_outlier_rate_ = (
            float((watched < self.offset_).mean()) if len(watched) else None
        )

    def _thresholds(self, values: Float, unseen: Float) -> dict[str, float]:
        """Return the thresholds to choose from, by the rows whose scores they are quantiles of.

        Of training rows (n, c), and the scores of some that the model was not fitted to.
        """
        auto = self.contamination == "auto"
        share = AUTO_SHARE if auto else float(self.contamination)
        if auto and len(unseen) >= MIN_UNSEEN_ROWS:
            return {"held_out": float(np.quantile(unseen, share))}
        scores = {"training": self._comparable(some_of(values, MAX_TRAINING_ROWS, self._seed))}
        if auto:
            scores["drawn"] = self._log_p(self._like(values, DRAWN_ROWS))
        return {rows: float(np.quantile(of_rows, share)) for rows, of_rows in scores.items()}

    def _like(self, values: Float, n: int) -> Float:
        """Draw n rows from the model, given the contexts of some of values (n, c)."""
        seed = self._seed
        given = values[np.random.RandomState(seed).randint(len(values), size=n)]
        return self.model_.sample(given, self.model_.context(given), seed)


def some_of(values: Float, n: int, seed: int) -> Float:
    """Return at most n rows, chosen at random where there are more."""
    if len(values) <= n:
        return values
    return values[np.random.RandomState(seed).choice(len(values), n, replace=False)]
