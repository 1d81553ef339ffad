"""VAEOutlierDetector: rows unlike the others, and which of their cells are."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from numbers import Real
from operator import itemgetter
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from ..core.batch import in_chunks
from ..core.families.real import Gaussian
from ..core.objectives.trimmed import Trimmed
from ..fit.fit import Fit
from ..fit.settings import Door, Settings
from ..model.model import CHUNK_ROWS, Model
from ..table.codecs import Float
from ..table.container import column_mask, with_index_of
from ..table.native import as_frame
from ..table.telling import warn
from .base import BaseVAE
from .bases import OutlierMixin
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
from .scores import Scores

#: The share of usual rows that ``contamination="auto"`` takes for outliers, and how many rows that
#: the model was not fitted to say where it begins.
AUTO_SHARE = 0.01
MIN_UNSEEN_ROWS = 500
#: Below so many no rank promises that share.
MIN_RANKED = 99
#: Rows drawn to say it without them.
DRAWN_ROWS = 2_000
#: Training rows whose scores place a threshold at most: more do not move it.
MAX_TRAINING_ROWS = 10_000
#: Completions of a row with holes over which its score is averaged. What is left of their spread is
#: a quarter of that between rows.
COMPLETIONS = 16
#: Columns that ``explain`` leaves out one after the other, at most.
MAX_EXPLAINED = 200


class VAEOutlierDetector(Scores, OutlierMixin, BaseVAE):
    """A variational autoencoder that finds outliers, and says which cells are odd.

    A row's score is its log-likelihood under a model of the table, as in :class:`VAEDensity`;
    ``predict`` is -1 for outliers, whose score is below ``offset_``, and 1 for the others::

        decision_function(x) = log p(x) - offset_,
        explain(x)[j] = -log p(x_j | the other observed cells of the row).

    Tables of mixed columns with missing cells are scored as they are.

    **Outlier detection** is to fit and predict the same rows, some of which are outliers:
    ``fit_predict(X)``. Set ``contamination`` to their share if it is known. **Novelty detection**
    is to fit clean rows and to predict new ones: ``fit(X_clean).predict(X_new)``, which
    ``contamination="auto"`` is made for.

    Parameters
    ----------
    latent_dim : "auto", int or two ints, default=4
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
            "adversarial", "autoencoder", "trimmed", "auto"} or Objective, default="auto"
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
    early_stopping : bool or "auto", default=False
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
    contamination : "auto" or float in (0, 0.5], default="auto"
        A float: ``offset_`` is that quantile of the scores of training rows (at most 10,000 of
        them), so that this share of them are outliers. ``"auto"``: about one new row in a hundred
        is below ``offset_``, if it is like those of the fit. From 2,000 rows on it is the
        1 % quantile of the scores of rows held out, at least 500 of them. With fewer it is that of
        out-of-fold scores: of every row by a model that was fitted, for as many steps as the final
        one, to the rows of the other four of five folds. ``fit`` takes six times as long with it.
        Below 99 rows the lowest of these is taken, which more than 1 % are below, and a warning
        says so. Where neither is to be had (``warm_start``; fewer than ten rows; early stopping by
        fewer than 500 of 2,000 rows or more), it is the higher one of two guesses, by 2,000 rows
        drawn from the model and by training rows.

    Attributes
    ----------
    offset_ : float
        The score below which a row is an outlier, nats.
    offset_rows_ : {"training", "held_out", "out_of_fold", "drawn"}
        Which rows' scores ``offset_`` is a quantile of.
    validation_outlier_rate_ : float or None
        The share of held-out rows that are outliers; None without such rows. (Below 2,000 rows
        there are some with ``early_stopping`` alone, and the final model was fitted to them too.)
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

    The defaults are chosen for outliers, among the rows of the fit or not, and not for a density:
    few latents, one Gaussian scale for each column of numbers (``likelihood="auto"``), one short
    training from the linear start, and a start and steps without the 30 % least likely rows
    (``objective="auto"`` is ``Trimmed(0.3)``), for a flexible model also learns outliers.
    :class:`VAEDensity` is the one for densities.

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
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseVAE._parameter_constraints,
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
    }

    _door: ClassVar[Door] = Door(
        smooth=Gaussian(scale="column"), objective=Trimmed(0.3), max_epochs=30
    )

    def __init__(
        self,
        latent_dim: int | tuple[int, int] | Literal["auto"] = 4,  # own default
        *,
        hidden_layer_sizes: Sequence[int] = (128, 128),
        activation: Activation = "silu",
        dropout: float = 0.0,
        likelihood: LikelihoodLike = "auto",
        prior: PriorLike = "standard_normal",
        posterior: PosteriorLike = "full_gaussian",
        objective: ObjectiveLike = "auto",  # own default
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
        early_stopping: bool | Literal["auto"] = False,  # own default
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
        contamination: float | Literal["auto"] = "auto",
    ):
        super().__init__(
            latent_dim,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            dropout=dropout,
            likelihood=likelihood,
            prior=prior,
            posterior=posterior,
            objective=objective,
            refit_prior=refit_prior,
            categorical_features=categorical_features,
            context_features=context_features,
            handle_unknown=handle_unknown,
            init=init,
            max_epochs=max_epochs,
            max_time=max_time,
            checkpoint=checkpoint,
            batch_size=batch_size,
            lr=lr,
            weight_decay=weight_decay,
            optimizer=optimizer,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            ensemble=ensemble,
            n_draws=n_draws,
            proposal=proposal,
            device=device,
            callbacks=callbacks,
            image_shape=image_shape,
            encoder=encoder,
            decoder=decoder,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
        )
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
            self._fit(X, y)
        return self

    def _settle(self, X: Any, fit: Fit) -> None:
        self._place_offset(self._values(X), fit)

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

    def explain(self, X: Any, *, relative: bool = False, columns: Any = None) -> Any:
        """Return how surprising every cell is, given the other cells of its row.

        ``-log p(x_j | other observed cells) = log p(row without x_j) - log p(row)``, both by draws
        from a mixture: half from ``proposal`` for the row, half from that for the row without the
        cell, which is made anew for each. Draws for the whole row are far from the posterior
        without x_j just where x_j is wrong. The surprises of a row do not add up to its score.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        relative : bool, default=False
            Whether what is usual of its column is taken off every surprise, so that columns
            compare whatever their units: the mean over 100 rows drawn from the model, the same
            ones at every call. The first call takes as long as explaining so many rows.
        columns : None or array-like, default=None
            The columns whose cells are explained: names, positions or a mask, at most 200. None:
            all.

        Returns
        -------
        surprise : ndarray or DataFrame of shape (n_samples, n_features)
            Nats, in the units of X and the order of the columns of ``fit``; the higher, the less
            expected. A DataFrame like that of ``fit``, with the index of X, where X is one. NaN for
            a cell that is missing, conditioned on (``context_features``) or not asked for.

        Raises
        ------
        ValueError, TypeError
            If there are more than 200 columns, a value is one that its column cannot have, or
            ``relative`` is wanted where columns are conditioned on.

        Notes
        -----
        Densities have units. Of cells of one column the larger surprise is the greater one, with or
        without ``relative``; cells of different columns are compared with it, as to say which of a
        row is most likely wrong.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_wine
        >>> from skvae import VAEOutlierDetector
        >>> X = load_wine(as_frame=True).data
        >>> detector = VAEOutlierDetector(4, max_epochs=30, random_state=0).fit(X)
        >>> wrong = X.head(1).assign(flavanoids=0.4)
        >>> detector.explain(wrong, relative=True).idxmax(axis=1)
        0    flavanoids
        dtype: str
        """
        values = self._values(X)
        row, column = self._cells_of(values, columns)
        if relative and self.table_.context is not None:
            raise ValueError(
                "explain(relative=True) has no usual surprise of a column that depends on what it "
                "is given (context_features). Use relative=False, and compare with like rows."
            )
        surprise = np.full(values.shape, np.nan)
        for some in in_chunks(np.arange(len(row)), CHUNK_ROWS):
            i, j = row[some], column[some]
            surprise[i, j] = -self.model_.log_given_rest(values[i], j, self._scoring)
        if relative:
            wanted = np.unique(column)
            surprise[:, wanted] -= self.model_.usual_surprise(wanted.tolist(), self._scoring)
        if as_frame(X) is None:
            return surprise
        return with_index_of(X, self.table_.container.numbers(surprise))

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

    def _comparable(self, values: Float, model: Model | None = None) -> NDArray[np.float64]:
        """Return scores (n,) of values (n, c) that compare whatever is missing of a row.

        By the model that was fitted, or another one of its kind.
        """
        model, scoring = model or self.model_, self._scoring
        completing = model.completing(scoring, self._seed)
        holes = completing.incomplete(values)
        scores = np.empty(len(values))
        for some in in_chunks(np.setdiff1d(np.arange(len(values)), holes), CHUNK_ROWS):
            scores[some] = model.log_p(values[some], scoring)
        for some in in_chunks(holes, CHUNK_ROWS // COMPLETIONS):
            completed = completing.complete_keyed(values[some], COMPLETIONS)
            of_completed = model.log_p(completed, scoring).reshape(-1, COMPLETIONS)
            scores[some] = of_completed.mean(1)
        return scores

    def _settings(self) -> Settings:
        settings = super()._settings()
        if self.contamination != "auto":
            return settings
        door = dataclasses.replace(settings.door, unseen=MIN_UNSEEN_ROWS)
        return dataclasses.replace(settings, door=door)

    def _place_offset(self, values: Float, fit: Fit) -> None:
        """Set the threshold between outliers and other rows, by training rows (n, c)."""
        watched = self._comparable(values[fit.watched])
        if self.contamination == "auto":
            self.offset_rows_, self.offset_ = self._promised(values, watched, fit)
        else:
            self.offset_rows_ = "training"
            self.offset_ = self._quantile(values, float(self.contamination))
        self.validation_outlier_rate_ = (
            float((watched < self.offset_).mean()) if len(watched) else None
        )

    def _promised(self, values: Float, watched: Float, fit: Fit) -> tuple[str, float]:
        """Return the threshold below which one new row in a hundred is, and by which rows.

        By scores of rows that the model, or one of its kind, was not fitted to, wherever it can.
        """
        if len(fit.unseen) >= MIN_UNSEEN_ROWS:
            return "held_out", ranked(watched)
        if fit.folds:
            models = [fit.alone(fold.vae) for fold in fit.folds]
            pairs = zip(models, fit.folds, strict=True)
            scores = [self._comparable(values[fold.rows], model) for model, fold in pairs]
            return "out_of_fold", ranked(np.concatenate(scores))
        drawn = self._log_p(self._like(values, DRAWN_ROWS))
        guesses = {
            "training": self._quantile(values, AUTO_SHARE),
            "drawn": float(np.quantile(drawn, AUTO_SHARE)),
        }
        return max(guesses.items(), key=itemgetter(1))

    def _quantile(self, values: Float, share: float) -> float:
        """Return a quantile of the scores of training rows (n, c)."""
        some = some_of(values, MAX_TRAINING_ROWS, self._seed)
        return float(np.quantile(self._comparable(some), share))

    def _like(self, values: Float, n: int) -> Float:
        """Draw n rows from the model, given the contexts of some of values (n, c)."""
        seed = self._seed
        given = values[np.random.RandomState(seed).randint(len(values), size=n)]
        return self.model_.sample(given, self.model_.context(given), seed)


def ranked(scores: Float) -> float:
    """Return the score below which a new one is with a probability of 1 % at most.

    If it is exchangeable with those (n,): it has each of n + 1 ranks among them alike.
    """
    if len(scores) < MIN_RANKED:
        warn(
            f"contamination='auto' means that 1 % of new rows are called outliers, which no rank "
            f"among {len(scores)} rows can promise: it is one in {len(scores) + 1}, and takes "
            f"{MIN_RANKED} rows or more. Fit more rows, or give contamination a number."
        )
    k = max(int(AUTO_SHARE * (len(scores) + 1) + 1e-9), 1)
    return float(np.partition(scores, k - 1)[k - 1])


def some_of(values: Float, n: int, seed: int) -> Float:
    """Return at most n rows, chosen at random where there are more."""
    if len(values) <= n:
        return values
    return values[np.random.RandomState(seed).choice(len(values), n, replace=False)]
