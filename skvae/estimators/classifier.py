"""VAEClassifier: classes by a density of each, with few labels or many."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted
from torch import Tensor

from ..core.objectives.labelled import given_class, joined, log_marginal_over_classes, log_posterior
from ..fit.settings import Door
from ..model.rows import as_rows
from ..table.labels import codes_of, read_labels
from ..table.reading import positive_integer
from .base import BaseVAE, random_stream, with_common_parameters
from .manual import manual


class VAEClassifier(ClassifierMixin, BaseVAE):  # type: ignore[misc]  # noqa: D101
    __doc__ = manual("""A variational autoencoder that classifies and learns from unlabelled rows.

    The model is ``p(x, y) = p(y) integral of p(x | y, z) p(z | y) dz``: a density of the rows of
    each class, by networks that all of them share. It predicts by Bayes' rule,

        p(y | x) = p(x | y) p(y) / sum_c p(x | c) p(c),

    and so says how unlike any class a row is (``score_samples``), draws rows of a class
    (``sample(y=...)``) and takes missing cells as they come.

    Unlabelled rows are marked ``-1`` in y, or by None or NaN. They are summed over the classes they
    may have. As such a sum has many maxima, training starts where every row has the likeliest label
    by the labelled rows around it.

    Parameters
    ----------
    {PARAMETERS}
    class_prior : array-like of shape (n_classes,) or None, default=None
        p(y), in the order of ``classes_``; None: the shares of the known labels. Give it where some
        classes were labelled more often than they occur.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    class_prior_ : ndarray of shape (n_classes,)
        p(y).
    {ATTRIBUTES}

    See Also
    --------
    VAETransformer : With a linear classifier on its latents, another way to use unlabelled rows.
    sklearn.discriminant_analysis.LinearDiscriminantAnalysis : Where a linear model with one
        Gaussian scale a column starts.
    sklearn.semi_supervised.LabelSpreading : What training starts from.

    Notes
    -----
    ``-1`` means unlabelled where at least two other classes remain; else it is a class. Rows held
    out to stop early are unlabelled ones where there are enough: what is watched is the bound of
    log p(x), not the accuracy. With unlabelled rows each of the two stages has half of
    ``max_epochs``; curves have both, one after the other.

    p(y) does not depend on ``context_features``, which are conditioned on: a column that tells the
    class belongs in the model.

    ``likelihood="auto"`` means what it does in :class:`VAEImputer`: numbers and times of all kinds
    are Gaussian given z, which finds classes better than bins do. Where drawn rows matter more,
    name ``"binned"`` for columns of integers or repeated values.

    There is no network that classifies: for given bounds of log p(x | y) the best q(y | x) is in
    proportion to p(y) times their exponentials.

    References
    ----------
    "Semi-supervised Learning with Deep Generative Models" (Kingma et al., 2014), the model M2;
    "Learning with Local and Global Consistency" (Zhou et al., 2004), the start.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> few = np.where(np.arange(150) % 10 == 0, y, -1)  # 15 labels
    >>> classifier = VAEClassifier(latent_dim=2, max_epochs=100, random_state=0).fit(X, few)
    >>> classifier.score(X, y) > 0.85
    True
    >>> classifier.sample(3, y=2).shape
    (3, 4)
    """)

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseVAE._parameter_constraints,
        "class_prior": ["array-like", None],
    }

    _door: ClassVar[Door] = Door(smooth=True)

    @with_common_parameters
    def __init__(
        self,
        latent_dim: int | tuple[int, int] | str = 16,
        *,
        class_prior: Any = None,
        **parameters: Any,
    ):
        super().__init__(latent_dim, **parameters)
        self.class_prior = class_prior

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the model to rows, of which some or all have a label.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Numbers, booleans, categories and times, at least two rows. Missing cells (NaN, None,
            NA, null) are left out of the likelihood.
        y : array-like of shape (n_samples,)
            Labels: integers, strings or booleans. ``-1``, None and NaN stand for unknown ones.

        Returns
        -------
        self : object
            The fitted estimator. If fitting raises, whatever was fitted before stays.

        Raises
        ------
        ValueError, TypeError
            If a parameter or a column is not usable, or y has no label; the message says why.
        """
        with self._all_or_nothing():
            self._validate_params()
            if y is None:
                raise ValueError(
                    f"{type(self).__name__} requires y to be passed, but the target y is None."
                )
            labels = read_labels(y, self.class_prior)
            check_consistent_length(X, y)
            self._check_classes(labels.classes)
            self._fit(X, labels)
            self.classes_, self.class_prior_ = labels.classes, labels.prior
        return self

    def _check_classes(self, classes: NDArray[Any]) -> None:
        """Raise ValueError if training is to go on with other classes than it had."""
        goes_on = self.warm_start and hasattr(self, "classes_")
        if goes_on and classes.tolist() != self.classes_.tolist():
            raise ValueError(
                f"warm_start=True goes on with the classes {self.classes_.tolist()}, but y has "
                f"{classes.tolist()}. Set warm_start=False."
            )

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the logarithms of :meth:`predict_proba`, (n_samples, n_classes).

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        """
        return log_posterior(self._log_given(X), self._prior).numpy()

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of every class by Bayes' rule.

        Each log p(x | y) is an estimate by importance sampling, as ``VAEDensity`` makes it, with
        ``n_draws`` draws from ``proposal`` that all classes share.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Missing cells are marginalised; a row without any observed has the prior.

        Returns
        -------
        probability : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return log_posterior(self._log_given(X), self._prior).exp().numpy()

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likeliest class of each row, (n_samples,).

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        """
        codes = self.predict_log_proba(X).argmax(1)
        labels: NDArray[Any] = self.classes_[codes]
        return labels

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of :meth:`predict`.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
            The share of rows whose class is right.
        """
        return float(super().score(X, y, sample_weight))

    def score_samples(self, X: Any, y: Any = None) -> NDArray[np.float64]:
        """Return the log-likelihood of each row, of its class or of any.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        y : label, or array-like of shape (n_samples,), default=None
            Rows with a label have log p(x | y), others (``-1``, None or NaN) log p(x).

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            Natural logarithms in the units of X, as of :meth:`VAEDensity.score_samples`.

        Raises
        ------
        ValueError
            If a label is not one of ``classes_``.
        """
        log_given = self._log_given(X)
        whole = log_marginal_over_classes(log_given, self._prior).numpy()
        codes = codes_of(y, self.classes_, len(whole))
        return np.where(codes < 0, whole, log_given.numpy()[np.arange(len(whole)), codes])

    def sample(
        self, n_samples: int = 1, random_state: Any = None, *, y: Any = None, context: Any = None
    ) -> Any:
        """Draw rows given their classes: z from p(z | y), then x from p(x | y, z).

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows; with a context, for each row of it.
        random_state : int, RandomState instance or None, default=None
            An int gives the same rows at every call; None continues the estimator's own stream of
            random numbers.
        y : label, or array-like of labels, default=None
            One for all rows, or one for each. Where it is unknown (None: for all rows) a class is
            drawn from p(y).
        context : DataFrame, dict or array-like of shape (n_rows, n_context), default=None
            As in :meth:`VAEDensity.sample`.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            In the container, columns, units and dtypes of the rows seen in ``fit``.

        Raises
        ------
        ValueError
            If a label is not one of ``classes_``, or there is another number of them than of rows.
        """
        check_is_fitted(self)
        given = np.repeat(self._given(context), positive_integer(n_samples, "n_samples"), axis=0)
        codes = codes_of(y, self.classes_, len(given))
        stream = random_stream(self._draw_seed(random_state))
        drawn = stream.choice(len(self.classes_), len(given), p=self.class_prior_)
        label = np.eye(len(self.classes_), dtype=np.float32)[np.where(codes < 0, drawn, codes)]
        context = joined(self.model_.context(given), torch.as_tensor(label, device=self.device_))
        return self._rows_of(self.model_.sample(given, context, stream.randint(2**31 - 1)))

    @property
    def _prior(self) -> Tensor:
        return torch.as_tensor(self.class_prior_)

    def _log_given(self, X: Any) -> Tensor:
        """Return log p(x | y) of every row and class, (n, n_classes), in the units of X."""
        values = self._values(X)
        rows, log_det = as_rows(self.table_, values)
        scoring, n_classes = self._scoring, len(self.classes_)
        scores = [
            scoring.log_marginal(self.model_.precise, given_class(rows, label, n_classes))
            for label in range(n_classes)
        ]
        return torch.stack(scores, 1) + torch.as_tensor(log_det).unsqueeze(1)
