"""BaseVAE: what every estimator shares - parameters, fit, device."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import os
from abc import ABC
from collections.abc import Iterator, Sequence
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._version import __version__
from ..core.families.base import Family
from ..core.images import Convolutional
from ..core.inference.proposals import Proposal
from ..core.latents.posteriors import Posterior
from ..core.latents.priors import Prior
from ..core.networks import ACTIVATIONS, CorrelatedNoise
from ..core.objectives.bounds import Objective
from ..core.recipe import recipes
from ..core.vae import VAE
from ..fit.budget import Budget
from ..fit.checkpoint import Checkpoint, fingerprint
from ..fit.columns import learn_columns
from ..fit.combinations import refuse
from ..fit.counts import most_stages
from ..fit.fit import Fit
from ..fit.progress import Listeners, Progress
from ..fit.settings import (
    OPTIMIZERS,
    RECIPES,
    Door,
    Settings,
    available_device,
    changed,
    check_callbacks,
    read_settings,
)
from ..fit.trained import Trained, curve
from ..model.measures import Likelihoods
from ..model.model import Model, Seeds
from ..model.rows import as_rows
from ..model.scoring import Scoring, latent_use
from ..table.codecs import Float
from ..table.container import OTHER, Container
from ..table.known import Known, rows_with_holes
from ..table.labels import Labels
from ..table.others import open_to_others, tell_others, with_others
from ..table.reading import known_context, read, read_context, read_partial
from ..table.sets import read_sets
from ..table.table import Table
from ..table.telling import warn
from .as_usual import shield
from .bases import BaseEstimator, CallbackSupportMixin, with_callbacks
from .parameters import (
    Activation,
    DecoderLike,
    DeviceLike,
    EncoderLike,
    LikelihoodLike,
    ObjectiveLike,
    OptimizerLike,
    PathLike,
    PosteriorLike,
    PriorLike,
    ProposalLike,
    RandomState,
)
from .saved import save
from .spelling import refuse_unknown
from .tasks import Tasks

#: Parameters by which the outcome of a fit is not another one; its seeds count for themselves.
NOT_COUNTED = ("checkpoint", "random_state", "verbose")
#: Rates from here on are no numbers in single precision.
LARGEST_RATE = 1e38
#: Rows whose use of the latents is measured.
MAX_ROWS_OF_USE = 10_000


class BaseVAE(CallbackSupportMixin, BaseEstimator, ABC):
    """What the estimators have in common: their parameters, and how they are fitted.

    Parameters
    ----------
    latent_dim : "auto", int or two ints, default=16
        Dimension of the latent vector z. ``"auto"``: 16, or as many as a row has numbers if these
        are fewer (a category counts as one less than its levels); of more columns, all of real
        numbers, as many, up to 64, where the model then starts ahead on held-out rows by one
        standard error.
        ``(50, 100)`` makes two stochastic layers, p(x | z1) p(z1 | z2) p(z2) with 50 numbers in z2
        and 100 in z1; latent vectors then are both, z2 first.
    hidden_layer_sizes : tuple of int, default=(128, 128)
        Widths of the hidden layers of the encoder and of the decoder; ``()`` for linear ones,
        which make a factor analysis.
    activation : {"silu", "relu", "leaky_relu", "elu", "gelu", "tanh"}, default="silu"
        Activation of the hidden layers.
    dropout : float in [0, 1), default=0.0
        Share of hidden units dropped in a training step.
    likelihood : "auto", "density", str, Family or dict, default="auto"
        The distribution of a column given z: a name, a recipe (``Gaussian(scale="column")``), or a
        dict of them by column, columns left out being ``"auto"``. Names are ``"gaussian"``,
        ``"student_t"``, ``"logistic_mixture"``; ``"log_normal"`` and ``"gamma"`` for positive
        numbers, ``"beta"`` for those between 0 and 1; ``"poisson"`` and ``"negative_binomial"`` for
        counts; ``"discretized_logistic"`` for numbers on a known grid, by default grey levels from
        0 to 255 (:class:`skvae.likelihoods.DiscretizedLogistic`); ``"bernoulli"``,
        ``"categorical"``, ``"ordinal"``; and ``"binned"`` for numbers with repeated values, many
        modes or heavy tails.
        ``"auto"``, which never takes a grid, goes by dtype and values:

        - booleans are Bernoulli, as are numbers that are 0 or 1, both in a twentieth of the rows
          or more; categories are categorical, ordered ones ordinal;
        - other integers are binned, or negative binomial where that is ahead on held-out rows by
          one standard error (and below 50 rows, if none is negative);
        - floats are binned where one value makes up more than a fifth, where there
          are 20 rows or more for each distinct value, or where bins say more of the column than a
          mixture of normals does, given the other columns of numbers: on held-out rows, by one
          standard error beyond what is learned of so many bins from so few rows (as the Bayesian
          information criterion has it). Else they are Gaussian, with a mean and a scale that
          depend on z, but where all are positive and zero is within four standard deviations of
          the mean log-normal, unless a mixture of all such columns says more of held-out rows
          without the logarithm. Both are cut off at the ends of the column
          (:class:`skvae.likelihoods.Gaussian`, ``bounded``);
        - times are binned, in the steps that nearly all of them share.

        An array, a pandas and a polars DataFrame of the same numbers get the same.
        ``"density"`` is ``"auto"`` but for numbers, which get no mass on a value, however often it
        is repeated: Gaussian or log-normal, comparable with ``GaussianMixture.score_samples``.
        ``likelihoods_`` says what was chosen. Learned scales have a lower bound, see
        :class:`skvae.likelihoods.Gaussian`.
    prior : {"standard_normal", "mixture", "vamp", "flow"} or Prior, default="standard_normal"
        p(z). All others are learned with the
        networks: a mixture of normals, ``Mixture()``; one of the posteriors of
        pseudo-inputs, ``Vamp()``, which start at means of five rows each and are kept in the object
        and its pickle; an autoregressive flow, ``FlowPrior()``, which needs
        ``pip install skvae[flows]``. Given a context, z is moved and scaled by what a network makes
        of it.
    posterior : {"full_gaussian", "diagonal_gaussian", "isotropic_gaussian", "flow"} or Posterior, \
            default="full_gaussian"
        The family of q(z | x); ``FlowPosterior()``, a Gaussian bent by couplings, needs
        ``pip install skvae[flows]``.
    objective : {"iwae", "elbo", "dreg", "monte_carlo", "beta", "beta_tc", "denoising", "mmd", \
            "adversarial", "autoencoder", "trimmed", "auto"} or Objective, default="iwae"
        What training maximises. ``"auto"`` is ``"iwae"``, of :class:`VAETransformer`
        ``Beta(beta=0.1)``, of :class:`VAEOutlierDetector` ``Trimmed(0.3)``. The first four are
        bounds of log p(x): ``IWAE(n_draws=10)``,
        ``ELBO(n_draws=2)`` set the draws of z a row, ``"dreg"`` is the bound of ``"iwae"`` by a
        gradient that is less noisy with many draws, ``"monte_carlo"`` draws from the prior and has
        no encoder. The others shape the latents: ``Beta(beta=4.0, warm_up=0.2)`` weighs
        the divergence from the prior, ``BetaTC()`` the total correlation of the latents,
        ``Denoising(noise=0.3, mask=0.2)`` corrupts what the encoder sees. ``"mmd"``,
        ``"adversarial"`` and ``"autoencoder"`` make z a function of x and leave no density, for
        :class:`VAETransformer` alone: the first two match latents to the prior, by a kernel
        or a discriminator. There numbers have one Gaussian scale for the table where the
        likelihood is ``"auto"``, and the posterior is not used. ``"trimmed"``,
        ``Trimmed(fraction=0.1, objective="iwae")``, leaves the least likely rows out.
        ``Clamped(groups=[[0], [1, 2]])`` gives factors latents of their own, from sets of rows that
        ``fit(X, y)`` is told.
    refit_prior : None, {"mixture", "vamp", "flow", "standard_normal"} or Prior, default=None
        What takes the prior's place when training is over: it is fitted to draws of q(z | x) with
        the networks held still, where the prior that was trained with leaves holes that no row has
        been near.
    categorical_features : "from_dtype", None, or array-like, default="from_dtype"
        Columns that hold categories although they are numbers: names, positions or a mask. Strings
        and columns of a categorical dtype are categories anyway.
    context_features : None or array-like, default=None
        Columns that are conditioned on and not modelled: names, positions or a mask. The model is
        p(rest | context), with a prior p(z | context) that is learned: ``score_samples`` is the
        density of the other columns given these, ``sample(context=...)`` draws them. X has these
        columns too, and none of their cells may be missing. Numbers are held within ten standard
        deviations.
    handle_unknown : {"error", "floor"}, default="error"
        What becomes of a category that was not there in ``fit``, in columns that are not
        conditioned on. ``"error"`` refuses it. With ``"floor"`` a warning names it, and its cell
        has a mass of 1e-6 in scores, whatever the rest of the row, and counts as missing for
        latents and for other cells; methods that copy known cells copy it.
    init : {"auto", "linear", "random"}, default="auto"
        Where training starts. ``"linear"``: at the factor analysis of the table, in closed form,
        and with a mixture prior at a mixture of factor analysers. ``"auto"`` trains from both and
        keeps the random start only where it is ahead on the held-out rows by one standard error;
        without held-out rows it is ``"linear"``, with two layers of latents ``"random"``. From
        2,000 rows training is done once with a mixture prior, from the linear start, and with
        categories or bins, from the random one. With ``latent_dim="auto"`` and the mixture prior
        complete rows of up to 64 continuous columns may start at a mixture of normals too, chosen
        by cross-validation, with a latent for each column: if trained models are not ahead of it
        by one standard error, training goes on from it, and it is kept as they are.
    max_epochs : int or "auto", default="auto"
        Passes over the rows for which the learning rate is planned, and at most made. ``"auto"``
        plans eight steps a row, from 400 to 4,000, within 5 to 500 epochs (30 of
        :class:`VAEOutlierDetector`). 0 is allowed: the start is the model.
    max_time : float or None, default=None
        Seconds that ``fit`` may take, within a tenth: steps are timed, and the plan made for as
        many as there is time for, up to that of ``max_epochs``. Fits with it are not repeated bit
        for bit.
    checkpoint : str, path or None, default=None
        A file in which ``fit`` keeps what it has come to, at ends of epochs that are half a minute
        apart. Called again with the same rows and parameters after it was killed, it goes on from
        there and ends with the weights of a fit that was not, bit for bit on one machine; other
        rows or parameters are refused. The file is deleted when the fit is over. Neither
        ``max_time`` nor ``callbacks`` go with it.
    batch_size : int or "auto", default="auto"
        Rows a step; ``"auto"`` is a power of two from 32 to 512, by the number of rows.
    lr : float, default=0.005
        Largest learning rate, reached after a short warm-up and left along a cosine. A step whose
        loss or gradient is not finite is skipped and the rate lowered; where that is repeated, or
        300 steps or more end far below the start, a ``ConvergenceWarning`` says so.
    weight_decay : float, default=0.01
        Decay of weight matrices (not of biases), decoupled from the gradient.
    optimizer : {"adamw", "adam", "sgd"} or torch optimizer class, default="adamw"
        Called with parameter groups and ``lr``.
    early_stopping : bool or "auto", default="auto"
        Whether to hold out rows, keep the weights that are best on them and stop when they stop
        improving. ``"auto"``: from 10 rows. With fewer than 2,000 rows the model is then fitted
        again, to all rows, for the number of epochs that was best.
    validation_fraction : "auto" or float in (0, 1), default="auto"
        Share of the rows held out by early stopping, at most 2,000 of them. ``"auto"`` is a tenth,
        and with fewer than 300 rows 30 of them, or a fifth.
    n_iter_no_change : int or None, default=None
        Epochs without a gain of ``tol`` before training stops. None: a third of ``max_epochs``,
        because much is gained while the learning rate goes down.
    tol : float, default=0.001
        The gain in held-out nats per row that counts.
    ensemble : int or "auto", default=1
        How many models are fitted, p(x) being the mean of theirs. They begin at the start that is
        best for the first, with random numbers and held-out rows of their own, and are not fitted
        again to all rows. Scores, completions and drawn rows are of all; latents, ``vae_``, curves
        and ``n_iter_`` of the first. ``"auto"``: 4 from 50 rows up to 2,000, else 1. Four models of
        some hundred rows gained from 0 to 0.7 nat a row, were 1.6 times as long to fit and four
        times to score.
    n_draws : int, default=64
        Draws of z a row when scoring.
    proposal : {"defensive", "laplace", "encoder", "prior", "ais"} or Proposal, \
            default="defensive"
        Where these draws come from: Laplace's approximation of the row's own p(z | x), q(z | x),
        p(z), half of them from the first and the rest from the other two (``"defensive"``), or
        chains from p(z) to p(z | x) (``"ais"``: slow, a check that trusts no approximation).
    device : str or torch.device, default="auto"
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; ``"auto"`` takes CUDA where there is one.
    callbacks : list of skorch callbacks or None, default=None
        Passed to the training loop. Those of scikit-learn are set by ``set_callbacks``.
    image_shape : tuple of three ints or None, default=None
        Channels, height and width of images that are flattened to rows: the networks then are
        convolutional (:class:`skvae.networks.Convolutional`), and ``hidden_layer_sizes`` are not
        used. All columns, but those that are conditioned on, are pixels, channel by channel and
        line by line; they are standardised together, and share the levels of codes. ``"auto"``
        likelihoods are Bernoulli where all pixels are 0 or 1, else ``Gaussian("shared")``.
    encoder, decoder : torch Module, Convolutional, callable or None, default=None
        Networks in the place of the built-in ones, or functions without arguments that make them.
        They map (n, inputs) to (n, any number of features), on which our heads are linear; the
        encoder's inputs are the standardised columns, with an indicator for each level of one that
        has levels, the decoder's are z. What is conditioned on follows either: standardised
        numbers, an indicator for each level or class. A module is copied.
        ``Convolutional(channels=(32, 64))`` are those of ``image_shape`` in another size.
        ``decoder=CorrelatedNoise(rank=2)`` is the built-in one with noise that is correlated
        between columns.
    warm_start : bool, default=False
        Whether ``fit`` continues from the weights of the last one, with its units and the columns
        it was conditioned on. What was frozen stays as it is:
        ``encoder_.requires_grad_(False)``. A parameter that would build another model is refused.
    random_state : int, RandomState instance or None, default=None
        The source of every random number. With an int, a fit on one machine's CPU is repeated bit
        for bit. No global random state is read or changed, nor do torch's default dtype, device
        and gradient mode matter.
    verbose : int, default=0
        1 shows a progress bar for the fit, stage by stage, with the held-out log-likelihood in nats
        per row, and one for 5,000 rows or more that are scored; 2 writes a line for each stage.

    Attributes
    ----------
    likelihoods_ : dict
        The family of every column, by name (by position, for an array). Printed, it also says what
        a score of each column is: a density, a probability, or for repeated values of a column
        with resolution h a probability over h.
    encoder_, decoder_ : torch Modules
        q(z | x): standardised rows to a distribution of z, None with ``objective="monte_carlo"``;
        p(x | z): z to the parameters of the cells.
    vaes_ : tuple of torch Modules
        All models of an ensemble, else the only one, ``vae_``.
    n_iter_ : int
        Epochs behind the weights that are kept: 0 where no epoch improved on the start.
    loss_curve_, reconstruction_curve_, kl_curve_ : list of float
        Mean over the rows of each epoch of the last fit, to all rows below 2,000 (of the one that
        held rows out, where it improved on the start in no epoch): the negative of
        what is maximised, in nats of standardised columns, and the two terms of the ELBO,
        E log p(x | z) and KL(q(z | x) || p(z)), before they are weighed and without penalties. An
        importance-weighted bound is above their difference.
    validation_scores_ : list of float or None
        Importance-weighted bound of the held-out rows after each epoch, with 16 draws, nats per
        row in the units of X; with objectives that are no bounds, what is maximised with its final
        weights. Epochs of few steps that were not scored have the score before theirs. None without
        held-out rows.
    best_validation_score_ : float or None
        That of the weights that are kept, or of those whose training was repeated on all rows: the
        largest since noise floors came to rest, or the start's. Of an ensemble the mean of its
        members', each by rows of its own.
    active_units_ : ndarray of bool, shape (n_latent,)
        Latents that the encoder uses: those whose posterior mean varies over training rows with a
        variance above 0.01. The others have collapsed to the prior.
    kl_per_unit_ : ndarray of shape (n_latent,)
        Mean over training rows of KL(q(z_j | x) || p(z_j)), nats; NaN where z is a function of x.
    init_ : {"linear", "random", "mixture", "warm"}
        The start that was kept.
    device_ : str
        Where the model is.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Names of the columns, where X had them and all are strings.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "latent_dim": [
            Interval(Integral, 1, None, closed="left"),
            "array-like",
            StrOptions({"auto"}),
        ],
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "likelihood": [str, Family, dict],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "context_features": ["array-like", None],
        "handle_unknown": [StrOptions({"error", "floor"})],
        "prior": [str, Prior],
        "posterior": [str, Posterior],
        "objective": [str, Objective],
        "refit_prior": [str, Prior, None],
        "init": [StrOptions({"auto", "random", "linear"})],
        "max_epochs": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "checkpoint": [str, os.PathLike, None],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "lr": [Interval(Real, 0, LARGEST_RATE, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "ensemble": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "proposal": [str, Proposal],
        "device": [str, torch.device],
        "callbacks": ["array-like", None],
        "image_shape": ["array-like", None],
        "encoder": [nn.Module, Convolutional, callable, None],
        "decoder": [nn.Module, Convolutional, CorrelatedNoise, callable, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    #: What the estimator is for.
    _door: ClassVar[Door] = Door()

    model_: Model

    def __init__(
        self,
        latent_dim: int | tuple[int, int] | Literal["auto"] = 16,
        *,
        hidden_layer_sizes: Sequence[int] = (128, 128),
        activation: Activation = "silu",
        dropout: float = 0.0,
        likelihood: LikelihoodLike = "auto",
        prior: PriorLike = "standard_normal",
        posterior: PosteriorLike = "full_gaussian",
        objective: ObjectiveLike = "iwae",
        refit_prior: PriorLike | None = None,
        categorical_features: ArrayLike | Literal["from_dtype"] | None = "from_dtype",
        context_features: ArrayLike | None = None,
        handle_unknown: Literal["error", "floor"] = "error",
        init: Literal["auto", "linear", "random"] = "auto",
        max_epochs: int | Literal["auto"] = "auto",
        max_time: float | None = None,
        checkpoint: PathLike | None = None,
        batch_size: int | Literal["auto"] = "auto",
        lr: float = 5e-3,
        weight_decay: float = 1e-2,
        optimizer: OptimizerLike = "adamw",
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float | Literal["auto"] = "auto",
        n_iter_no_change: int | None = None,
        tol: float = 1e-3,
        ensemble: int | Literal["auto"] = 1,
        n_draws: int = 64,
        proposal: ProposalLike = "defensive",
        device: DeviceLike = "auto",
        callbacks: Sequence[Any] | None = None,
        image_shape: Sequence[int] | None = None,
        encoder: EncoderLike | None = None,
        decoder: DecoderLike | None = None,
        warm_start: bool = False,
        random_state: RandomState = None,
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
        self.refit_prior = refit_prior
        self.categorical_features = categorical_features
        self.context_features = context_features
        self.handle_unknown = handle_unknown
        self.init = init
        self.max_epochs = max_epochs
        self.max_time = max_time
        self.checkpoint = checkpoint
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.ensemble = ensemble
        self.n_draws = n_draws
        self.proposal = proposal
        self.device = device
        self.callbacks = callbacks
        self.image_shape = image_shape
        self.encoder = encoder
        self.decoder = decoder
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        shield(cls)

    if not TYPE_CHECKING:  # or an editor would show these arguments, in place of __init__'s

        def __new__(cls, /, *args, **parameters):
            """Make an estimator, unless a parameter is misspelt."""
            refuse_unknown(cls, parameters)
            return super().__new__(cls)

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
                raise ValueError(_name_has_no_parameters(outer, value, inner))
        return super().set_params(**params)

    # ------------------------------------------------------------------ fit

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Keep what was fitted before if a block raises.

        An interrupt from the keyboard that left a better model is raised when all of it is kept.
        """
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            self.__dict__ = before
            raise
        if vars(self).pop("_was_interrupted", False):
            raise KeyboardInterrupt

    @with_callbacks
    def _fit(self, X: Any, y: Any, labels: Labels | None = None, sets: Any = None) -> None:
        """Fit the model to X, and to what y has of labels and sets; callbacks are told of y."""
        settings = self._settings()
        with contextlib.closing(Progress(settings.verbose)) as progress:
            self._fit_by(settings, progress, X, y, labels, sets)

    def _fit_by(
        self,
        settings: Settings,
        progress: Progress,
        X: Any,
        y: Any,
        labels: Labels | None,
        sets: Any,
    ) -> None:
        budget = Budget(settings.max_time)
        sets = read_sets(settings.objective.traits.n_groups, X, sets)
        warm = self._warm(settings)
        checkpoint = None if settings.checkpoint is None else Checkpoint(settings.checkpoint)
        seeds = self._seeds(checkpoint)
        progress.begin("columns")
        if warm is None:
            values, container = read(self, X, None, n_min=2)
        else:
            values, container = self._values(X, n_min=2), self.table_.container
        n_stages = most_stages(settings, len(values), labels, warm is not None)
        tasks = Tasks(self, X, y, n_stages)
        tasks.begin("columns")
        if warm is None:
            table, families = learn_columns(values, container, seeds.split, settings)
        else:
            table, families = self.table_, list(self.likelihoods_.values())
        rows, log_det = as_rows(table, values)
        of_sets = None if sets is None else torch.as_tensor(sets)
        rows = dataclasses.replace(rows.to("cpu", torch.float32), sets=of_sets)
        self._note(values, table)
        listener = Listeners(progress, tasks)
        if checkpoint is not None:
            key = self._fingerprint(values, container, labels, sets, seeds)
            checkpoint.begin(key, dataclasses.astuple(seeds))
        fit = Fit(settings, table, families, seeds, labels, budget, listener, checkpoint)
        tasks.fitted = partial(self._within, X, fit)
        stages = fit.run(rows, log_det, copy.deepcopy(warm))
        if fit.interrupted:
            self._take_interrupt(fit)
        self._keep(fit, stages)
        some = fit.rows[:: -(-len(rows) // MAX_ROWS_OF_USE)].to(settings.device)
        self.active_units_, self.kl_per_unit_ = (
            use.cpu().numpy() for use in latent_use(self.vae_, some)
        )
        self._settle(X, fit)
        if checkpoint is not None and not fit.interrupted:
            checkpoint.close()
        tasks.end(lambda: {"_sample_stream": np.random.RandomState(seeds.sampling)})

    def _seeds(self, checkpoint: Checkpoint | None) -> Seeds:
        """Return the seeds of a fit: without a random state those of the one that is gone on with.

        Else the fingerprint tells whether they are the same.
        """
        if checkpoint is not None and checkpoint.seeds and self.random_state is None:
            return Seeds(*checkpoint.seeds)
        return Seeds.of(random_stream(self.random_state))

    def _fingerprint(
        self, values: Float, container: Container, labels: Labels | None, sets: Any, seeds: Seeds
    ) -> str:
        """Return what tells a fit to these rows by the parameters of now from others."""
        given = self.get_params(deep=False)
        parameters = {name: given[name] for name in given if name not in NOT_COUNTED}
        rows = [values, [repr(field) for field in container.fields], sets]
        of_labels = None if labels is None else vars(labels)
        goes_on = self.vae_ if self.warm_start and hasattr(self, "model_") else None
        seed = None if self.random_state is None else dataclasses.astuple(seeds)
        return fingerprint(type(self).__name__, parameters, rows, of_labels, goes_on, seed)

    def _note(self, values: Float, table: Table) -> None:
        """Keep what completed rows are held to: the holes of columns (n, c), and their range."""
        self._has_holes = np.isnan(values).any(0)
        seen = np.where(values == OTHER, np.nan, values)
        self._range = np.fmin.reduce(seen), np.fmax.reduce(seen)  # NaN of an empty column

    def _settle(self, X: Any, fit: Fit) -> None:
        """Set what follows from the model and the rows it was fitted to, where there is more."""

    def _within(self, X: Any, fit: Fit, vae: VAE) -> dict[str, Any]:
        """Return what an estimator has that is fitted, given the model as it is in training."""
        estimator = copy.copy(self)
        estimator._take(fit, vae)
        estimator._settle(X, fit)
        return vars(estimator)

    def _take_interrupt(self, fit: Fit) -> None:
        """Raise an interrupt where the model of before is as good; else note it, and say so."""
        if hasattr(self, "model_") and not fit.is_ahead_of(self.best_validation_score_):
            raise KeyboardInterrupt
        self._was_interrupted = True
        warn(
            f"fit was interrupted after {sum(stage.n_epochs for stage in fit.kept)} epochs: the "
            "best weights so far are kept. Fit again for the rest, with warm_start=True to go on "
            "from them.",
            ConvergenceWarning,
        )

    def _settings(self) -> Settings:
        """Return what the parameters come down to; what cannot work is refused before training."""
        settings = read_settings(vars(self), self._door)
        check_callbacks(settings.callbacks)
        refuse(settings)
        return settings

    def _warm(self, settings: Settings) -> VAE | None:
        """Return the model that a fit goes on with, if it does.

        Raises
        ------
        ValueError
            If the parameters of now would build another one.
        """
        if not (self.warm_start and hasattr(self, "model_")):
            return None
        if settings.ensemble != 1 or len(self.vaes_) > 1:
            raise ValueError(
                "warm_start=True goes on with one model, neither from an ensemble nor to one. Set "
                "warm_start=False, or ensemble=1 for both fits."
            )
        if self.vae_.deterministic != settings.objective.traits.deterministic:
            of_x = "makes z a function of x, which a bound of log p(x) cannot train"
            spread = "gives z a spread, which an objective without a density has no use for"
            raise ValueError(
                "warm_start=True goes on with an encoder that "
                f"{of_x if self.vae_.deterministic else spread}. Set warm_start=False."
            )
        now = settings.built_by
        if name := changed(self._built_by, now):
            raise ValueError(
                f"warm_start=True goes on with a model that was built with {name}="
                f"{self._built_by[name].text}, but now it is {now[name].text}. Set "
                f"warm_start=False, or {name} back."
            )
        return self.vae_

    def _keep(self, fit: Fit, stages: list[Trained]) -> None:
        self.net_ = stages[-1].net
        self._take(fit, self.net_.module_.vae)
        self.init_ = fit.init
        self.n_iter_ = sum(stage.n_epochs for stage in stages)
        self.loss_curve_ = curve(fit.curves, "train_loss")
        self.reconstruction_curve_ = curve(fit.curves, "reconstruction")
        self.kl_curve_ = curve(fit.curves, "kl")
        self.validation_scores_ = fit.validation_scores
        self.best_validation_score_ = fit.best_validation_score
        self._built_by = fit.settings.built_by

    def _take(self, fit: Fit, vae: VAE) -> None:
        """Set what there is to ask."""
        self.model_ = fit.model(vae)
        self.likelihoods_ = Likelihoods.of(fit.table, fit.families)
        self._sample_stream = np.random.RandomState(fit.seeds.sampling)

    # ------------------------------------------------------------------ fitted

    @property
    def vae_(self) -> VAE:
        """The torch module, of an ensemble the first."""
        return self.model_.vae

    @property
    def vaes_(self) -> tuple[VAE, ...]:
        """The torch modules of an ensemble, else the only one."""
        return self.model_.members

    @property
    def encoder_(self) -> nn.Module | None:
        """q(z | x)."""
        return self.vae_.encoder

    @property
    def decoder_(self) -> nn.Module:
        """p(x | z)."""
        return self.vae_.decoder

    @property
    def table_(self) -> Table:
        """What is known of the columns."""
        return self.model_.table

    @property
    def device_(self) -> str:
        """Where the model is."""
        return str(self.model_.device)

    @property
    def _scoring(self) -> Scoring:
        """How rows are scored by the parameters of now."""
        return self.model_.scoring(self.n_draws, self.proposal, self.verbose)

    def _values(self, X: Any, n_min: int = 1, partial: bool = False) -> Float:
        """Return rows, at least ``n_min``, as numbers (n, columns of the user).

        A DataFrame may lack columns where ``partial``.
        """
        check_is_fitted(self)
        table = self.table_
        open_to = open_to_others(table) if self._takes_others else []
        if partial:
            values = read_partial(self, X, table.container, open_to)
        else:
            values, _ = read(self, X, table.container, n_min, open_to)
        if self._takes_others:
            values = with_others(table, values)
            tell_others(table, values, X)
        return values

    @property
    def _takes_others(self) -> bool:
        """Whether rows may hold categories that were not there in ``fit``."""
        return bool(self.handle_unknown == "floor")

    def _known(self, X: Any, values: Float, n_samples: int = 1) -> Known:
        """Return which cells of X are known, of rows that become ``n_samples`` each."""
        container, others = self.table_.container, self._takes_others
        return Known.of(container, X, values, n_samples, others=others)

    def _given(self, context: Any) -> Float:
        """Return values of the columns conditioned on (n, c), one row of NaN where none are."""
        if context is None and self.table_.context is None:
            return np.full((1, len(self.table_.container.fields)), np.nan)
        return read_context(context, self.table_)

    def _rows_of(self, values: Float, given: Any) -> Any:
        """Return values (n, c) in the user's container.

        What is conditioned on is copied from the rows ``given``, of each of which as many rows were
        made.
        """
        known = known_context(given, self.table_, len(values))
        return rows_with_holes(self.table_.container, values, known)

    def _draw_seed(self, random_state: Any) -> int:
        """Return a seed: of the estimator's own stream, or of the one given."""
        stream = self._sample_stream if random_state is None else random_stream(random_state)
        return int(stream.randint(2**31 - 1))

    # ------------------------------------------------------------------ kept

    def save(self, path: PathLike) -> None:
        """Write the fitted estimator to a file that holds no code, for :func:`skvae.load`.

        All of it is kept but ``checkpoint``: parameters, what is known of the columns, the networks
        and the state of the stream that ``sample`` draws from; nothing of the rows but what the
        model learned of them. The file is in safetensors' format.

        Parameters
        ----------
        path : str or path
            A file there is replaced, when the new one is whole.

        Raises
        ------
        TypeError
            If a part is yours: a module, a function, a callback, a class, or a name of a column or
            a category that is neither text, a number, a time nor a tuple of such. ``pickle`` and
            ``joblib`` keep these.
        """
        save(self, path)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: no optimiser, the model on the CPU, and the version."""
        kept: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        state = {name: value for name, value in kept.items() if name != "net_"}
        if "model_" in state:
            state["model_"] = state["model_"].on(torch.device("cpu"))
        return state | {"_skvae_version": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        made_by = state.pop("_skvae_version", "an unknown version")
        if made_by != __version__:
            warn(
                f"This {type(self).__name__} was pickled by skvae {made_by}, and is loaded by "
                f"{__version__}: it may fail, or its scores be others. A file of save is read by "
                "every later version."
            )
        self.__dict__.update(state)
        if hasattr(self, "model_"):
            self.model_ = self.model_.on(available_device(self.device))

    def __copy__(self) -> Self:
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def random_stream(random_state: Any) -> np.random.RandomState:
    """Return scikit-learn's random state, but for None a fresh one: the global stays as it is."""
    return np.random.RandomState() if random_state is None else check_random_state(random_state)


def _name_has_no_parameters(outer: str, value: str, inner: str) -> str:
    known = recipes(RECIPES[outer])
    name = known[value].__name__ if value in known else RECIPES[outer].__name__
    return (
        f"Cannot set {outer}__{inner}: {outer}={value!r} is a name and has no parameters of its "
        f"own. Give the recipe: {outer}={name}({inner}=...)."
    )
