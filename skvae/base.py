"""BaseVAE: what every estimator shares - parameters, fit, device, randomness."""

from __future__ import annotations

import copy
from abc import ABC
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from torch import nn

from .codecs import Float
from .container import Container, as_frame, categorical_mask
from .core.cells import Batch
from .core.families import Family
from .core.networks import ACTIVATIONS, CorrelatedNoise
from .core.objectives import Objective
from .core.posteriors import Posterior
from .core.priors import Prior
from .core.proposals import Proposal
from .core.recipe import recipes, resolve
from .core.vae import VAE
from .fitting import Fit, Parts, Seeds
from .likelihoods import Likelihoods, choose_families, models
from .result import LogLikelihood
from .scoring import Scoring, latent_use, posterior_mean
from .table import Table, check_finite, check_rows, refuse_strings
from .training import OPTIMIZERS, Trained

#: Rows drawn or decoded at a time.
CHUNK_ROWS = 10_000
#: Parameters that take a recipe, or its name.
RECIPES = {
    "prior": Prior,
    "posterior": Posterior,
    "objective": Objective,
    "proposal": Proposal,
    "likelihood": Family,
}


class BaseVAE(BaseEstimator, ABC):  # type: ignore[misc]
    """Parameters and machinery common to the estimators; each documents them in full."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "likelihood": [str, Family, dict],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "prior": [str, Prior],
        "posterior": [str, Posterior],
        "objective": [str, Objective],
        "init": [StrOptions({"auto", "random", "linear"})],
        "max_epochs": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "proposal": [str, Proposal],
        "device": [str, torch.device],
        "callbacks": ["array-like", None],
        "encoder": [nn.Module, callable, None],
        "decoder": [nn.Module, CorrelatedNoise, callable, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        latent_dim: int = 16,
        *,
        hidden_layer_sizes: Any = (128, 128),
        activation: str = "silu",
        dropout: float = 0.0,
        likelihood: Any = "auto",
        prior: str | Prior = "standard_normal",
        posterior: str | Posterior = "full_gaussian",
        objective: str | Objective = "iwae",
        categorical_features: Any = "from_dtype",
        init: str = "auto",
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        lr: float = 5e-3,
        weight_decay: float = 1e-2,
        optimizer: Any = "adamw",
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = None,
        tol: float = 1e-3,
        n_draws: int = 64,
        proposal: str | Proposal = "defensive",
        device: str | torch.device = "auto",
        callbacks: Any = None,
        encoder: Any = None,
        decoder: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.latent_dim = latent_dim
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.likelihood = likelihood
        self.prior = prior
        self.posterior = posterior
        self.objective = objective
        self.categorical_features = categorical_features
        self.init = init
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.n_draws = n_draws
        self.proposal = proposal
        self.device = device
        self.callbacks = callbacks
        self.encoder = encoder
        self.decoder = decoder
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, also those of a recipe: ``objective__n_draws=10``.

        Raises
        ------
        ValueError
            If a name is unknown, or reaches into a part that was given by name.
        """
        for key in params:
            outer, _, inner = key.partition("__")
            value = params.get(outer, getattr(self, outer, None))
            if inner and outer in RECIPES and isinstance(value, str):
                known = recipes(RECIPES[outer])  # type: ignore[type-abstract]
                name = known[value].__name__ if value in known else RECIPES[outer].__name__
                raise ValueError(
                    f"Cannot set {key}: {outer}={value!r} is a name and has no parameters of its "
                    f"own. Give the recipe: {outer}={name}({inner}=...)."
                )
        return super().set_params(**params)  # type: ignore[no-any-return]

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the model to the rows of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Numbers, booleans, categories and times, without missing values, at least two rows.
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
        before = dict(vars(self))
        try:
            self._fit(X)
        except BaseException:
            self.__dict__ = before
            raise
        return self

    def _fit(self, X: Any) -> None:
        self._validate_params()
        parts = self._parts()
        warm = self.vae_ if self.warm_start and hasattr(self, "vae_") else None
        seeds = Seeds(random_stream(self.random_state))
        values, container = self._read(X, reset=warm is None, n_min=2)
        if warm is None:
            families = choose_families(self.likelihood, values, container, seeds.split)
            table = Table.learn(values, container, models(families))
        else:
            table, families = self.table_, list(self.likelihoods_.values())
        cells, log_det = table.encode(values)
        cells = cells.astype(np.float32)
        fit = Fit(self, parts, table, families, seeds, resolve_device(self.device))
        self._keep(fit, fit.run(cells, log_det, copy.deepcopy(warm)))
        some_rows = cells[:: -(-len(cells) // CHUNK_ROWS)]
        some = Batch(torch.as_tensor(some_rows, device=fit.device))
        self.active_units_, self.kl_per_unit_ = (
            use.cpu().numpy() for use in latent_use(self.vae_, some)
        )

    def _parts(self) -> Parts:
        """Resolve names to recipes, and refuse what cannot work before training starts."""
        parts = Parts(
            **{
                name: resolve(getattr(self, name), base, name)  # type: ignore[type-abstract]
                for name, base in RECIPES.items()
                if name != "likelihood"
            }
        )
        for part in (parts.prior, parts.objective, parts.proposal):
            part.validate()
        return parts

    def _keep(self, fit: Fit, trained: Trained) -> None:
        vae: VAE = trained.net.module_.vae
        self.vae_, self.net_, self.table_ = vae, trained.net, fit.table
        self.encoder_, self.decoder_ = vae.encoder, vae.decoder
        self.device_ = str(fit.device)
        self.likelihoods_ = Likelihoods.of(fit.table, fit.families)
        self.init_ = fit.init
        self.n_iter_ = trained.n_epochs
        self.loss_curve_ = trained.curve("train_loss")
        self.reconstruction_curve_ = trained.curve("reconstruction")
        self.kl_curve_ = trained.curve("kl")
        self.validation_scores_ = fit.validation_scores
        self.best_validation_score_ = fit.best_validation_score
        self._seeds = fit.seeds
        self._sample_stream = np.random.RandomState(fit.seeds.sampling)
        self._n_features_out = vae.n_latent

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "vae_")

    # ------------------------------------------------------------------ use

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

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            Natural logarithms, in the units of X: a density over numbers (of integers that is a
            probability) times the probability of categories and booleans. On the same X they
            compare with ``GaussianMixture.score_samples``.

        Raises
        ------
        ValueError, TypeError
            If a value is not finite, or one that its column cannot have, as a category not seen in
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
            If a value is not finite, or a parameter is not usable.

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
        if not isinstance(n_draws, Integral) or n_draws < 1:
            raise ValueError(f"n_draws must be an integer >= 1. Got {n_draws!r}.")
        recipe = resolve(proposal, Proposal, "proposal")  # type: ignore[type-abstract]
        recipe.validate()
        return Scoring(
            recipe,
            int(n_draws),
            self._seeds.scoring,
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
    def sample(self, n_samples: int = 1, random_state: Any = None) -> Any:
        """Draw rows from the model: z from the prior, then x from p(x | z).

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            An int gives the same rows at every call. None continues the estimator's own stream
            of random numbers: two calls differ, and an estimator fitted again with the same
            ``random_state`` repeats them.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            In the container, columns, units and dtypes of the rows seen in ``fit``.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples must be an integer >= 1. Got {n_samples!r}.")
        stream = self._sample_stream if random_state is None else random_stream(random_state)
        seed = int(stream.randint(2**31 - 1))
        generator = torch.Generator(self.device_).manual_seed(seed)
        cells = [self.vae_.sample(n, generator)[1].cpu() for n in chunk_sizes(int(n_samples))]
        return self.table_.decode(torch.cat(cells).double().numpy(), np.random.RandomState(seed))

    def _encode(self, X: Any) -> NDArray[np.float64]:
        """Return the mean of q(z | x) for each row, (n, latent_dim)."""
        return posterior_mean(self.vae_, self._rows(X)[0], torch.device(self.device_)).numpy()

    @torch.no_grad()
    def _decode(self, Z: NDArray[np.float64]) -> Any:
        """Return the mean of p(x | z) for each latent vector, in the user's units."""
        cells = self.vae_.cells
        values = [
            self.table_.expect(cells.by_column(self.vae_.decode(some.to(self.device_))))
            for some in torch.as_tensor(Z, dtype=torch.float32).split(CHUNK_ROWS)
        ]
        return self.table_.container.rows(np.concatenate(values))

    def _rows(self, X: Any) -> tuple[Batch, Float]:
        """Return rows as cells, and their log-Jacobians (n,)."""
        check_is_fitted(self)
        values, _ = self._read(X, reset=False, n_min=1)
        cells, log_det = self.table_.encode(values)
        # Through float32, as in training: rows that differ by rounding alone (another unit of
        # measure) are the same row, to the bit.
        return Batch(torch.as_tensor(cells.astype(np.float32)).double()), log_det

    def _read(self, X: Any, *, reset: bool, n_min: int) -> tuple[Float, Container]:
        """Validate X and return its values and the container they came in."""
        fitted = None if reset else self.table_.container
        if as_frame(X) is not None or self._has_categories(fitted):
            values, container = self._read_columns(X, fitted, n_min)
        else:
            refuse_strings(X)
            values = validate_data(
                self,
                X,
                reset=reset,
                dtype=np.float64,
                ensure_all_finite=False,
                ensure_min_samples=n_min,
            )
            container = fitted or Container.of(X if hasattr(X, "dtype") else np.asarray(X))
        check_finite(values, container, type(self).__name__)
        return values, container

    def _read_columns(
        self, X: Any, fitted: Container | None, n_min: int
    ) -> tuple[Float, Container]:
        """Read a DataFrame, or an array with categories, column by column."""
        if as_frame(X) is None:
            X = check_array(X, dtype=None, ensure_all_finite=False, ensure_min_samples=n_min)
        validate_data(self, X, reset=fitted is None, skip_check_array=True)
        check_rows(len(X), n_min, type(self).__name__)
        container = fitted or Container.of(X, categorical_mask(self.categorical_features, X))
        return container.values(X), container

    def _has_categories(self, container: Container | None) -> bool:
        if container is None:
            return not isinstance(self.categorical_features, str | None)
        return any(field.is_category for field in container.fields)


def random_stream(random_state: Any) -> np.random.RandomState:
    """Return scikit-learn's random state, but for None a fresh one: the global stays as it is."""
    return np.random.RandomState() if random_state is None else check_random_state(random_state)


def chunk_sizes(n: int) -> Iterator[int]:
    """Cut n rows into chunks.

    >>> list(chunk_sizes(25_000))
    [10000, 10000, 5000]
    """
    for start in range(0, n, CHUNK_ROWS):
        yield min(CHUNK_ROWS, n - start)


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device; ``"auto"`` takes CUDA where there is one.

    Raises
    ------
    ValueError
        If there is no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device={device!r} is not available here ({reason}). Use device='auto' or 'cpu'."
        ) from error
    return found
