"""VAEClassifier: classes by a density of each, with few labels or many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length, check_is_fitted
from torch import Tensor

from ..core.batch import in_chunks
from ..core.families.real import Gaussian
from ..core.objectives.labelled import (
    given_each_class,
    joined,
    log_marginal_over_classes,
    log_posterior,
)
from ..core.tempering import (
    FEWEST_JUDGES,
    MOST_JUDGES,
    likeliest_temperature,
    log_of_label,
    tempered,
)
from ..fit.choosing import is_ahead
from ..fit.fit import Fit
from ..fit.settings import Door
from ..model.model import CHUNK_ROWS, Model
from ..model.rows import as_rows
from ..table.codecs import Float
from ..table.labels import codes_of, has_label, read_labels, true_labels
from ..table.reading import positive_integer
from ..table.telling import warn
from .base import BaseVAE, random_stream
from .bases import ClassifierMixin
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


class VAEClassifier(ClassifierMixin, BaseVAE):
    """A variational autoencoder that classifies and learns from unlabelled rows.

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
    class_prior : array-like of shape (n_classes,) or None, default=None
        p(y), in the order of ``classes_``; None: the shares of the known labels. Give it where some
        classes were labelled more often than they occur.

    Attributes
    ----------
    temperature_ : float
        What the log-posterior is divided by, chosen on held-out rows with a label: 1 or more.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    class_prior_ : ndarray of shape (n_classes,)
        p(y).
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
    VAETransformer : With a linear classifier on its latents, another way to use unlabelled rows.
    sklearn.discriminant_analysis.LinearDiscriminantAnalysis : Where a linear model with one
        Gaussian scale a column starts.
    sklearn.semi_supervised.LabelSpreading : What training starts from.

    Notes
    -----
    ``-1`` means unlabelled where at least two other classes remain; else it is a class, and where
    it is all there is, an error. With unlabelled rows, those held out to stop early are unlabelled
    where there are enough: what is watched is the bound of log p(x), not the accuracy. Each of the
    two stages then has half of ``max_epochs``; curves have both, one after the other.

    Where all rows have a label, from 80 rows on and from the linear start, held-out rows judge by
    log p(y | x), tempered: ``validation_scores_`` are means of it. ``validation_fraction="auto"``
    then is a quarter below 2,000 rows, and ``init="auto"`` the linear start alone where no column
    has categories. Classes that no network tells better than the start have its density.

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
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseVAE._parameter_constraints,
        "class_prior": ["array-like", None],
    }

    _door: ClassVar[Door] = Door(smooth=Gaussian())

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
        class_prior: ArrayLike | None = None,
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
            self.classes_, self.class_prior_ = labels.classes, labels.prior
            self._fit(X, y, labels)
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
        return tempered(self._log_posterior(self._values(X)), self.temperature_).numpy()

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of every class by Bayes' rule, tempered.

        These are p(y | x) to the power of 1 / ``temperature_``, normalised again: the classes are
        those of Bayes' rule, but with a temperature above 1 their odds are nearer to even than
        ``score_samples(X, y)`` and ``class_prior_`` have them. Each log p(x | y) is an estimate by
        importance sampling, as ``VAEDensity`` makes it, with ``n_draws`` draws from ``proposal``
        that all classes share.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Missing cells are marginalised; a row without any observed has the prior, tempered.

        Returns
        -------
        probability : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        probability: NDArray[np.float64] = np.exp(self.predict_log_proba(X))
        return probability

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likeliest class of each row, (n_samples,).

        Every row has one of ``classes_``, whether it had a label in ``fit`` or not.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        """
        codes = self.predict_log_proba(X).argmax(1)
        labels: NDArray[Any] = self.classes_[codes]
        return labels

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of :meth:`predict` on the rows that have a label.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            True labels. Rows without one (``-1``, None or NaN) are not counted, with a warning.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
            The share of labelled rows whose class is right.

        Raises
        ------
        ValueError
            If no row has a label, or none of these a weight.
        """
        from sklearn.metrics import accuracy_score  # imports much

        check_is_fitted(self)
        known = has_label(y, self.classes_)
        if not known.any():
            raise ValueError(
                f"y has no label to count: all {len(known)} rows are unlabelled (-1, None or NaN). "
                "Give the true labels of some rows."
            )
        check_consistent_length(X, y, sample_weight)
        if not known.all():
            warn(
                f"{len(known) - known.sum()} of {len(known)} rows of y are unlabelled: the "
                f"accuracy is that of the other {known.sum()}."
            )
        weight = None if sample_weight is None else np.asarray(sample_weight)[known]
        predicted = self.predict(X)[known]
        return float(accuracy_score(true_labels(y, known), predicted, sample_weight=weight))

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
        log_given = self._log_given(self._values(X), self.model_)
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
        n_samples, given = positive_integer(n_samples, "n_samples"), self._given(context)
        self.model_.tell_of_draws(n_samples * len(given))
        given = np.repeat(given, n_samples, axis=0)
        codes = codes_of(y, self.classes_, len(given))
        stream = random_stream(self._draw_seed(random_state))
        drawn = stream.choice(len(self.classes_), len(given), p=self.class_prior_)
        label = np.eye(len(self.classes_), dtype=np.float32)[np.where(codes < 0, drawn, codes)]
        numbers = joined(self.model_.context(given), torch.as_tensor(label, device=self.device_))
        rows = self.model_.sample(given, numbers, stream.randint(2**31 - 1))
        return self._rows_of(self.table_.container.drawn(rows), context)

    @property
    def _prior(self) -> Tensor:
        return torch.as_tensor(self.class_prior_)

    def _settle(self, X: Any, fit: Fit) -> None:
        self.temperature_ = 1.0
        if not fit.kept or fit.labels is None:
            return  # in training
        judges = fit.watched[fit.labels.codes[fit.watched] >= 0][:MOST_JUDGES]
        if len(judges) < FEWEST_JUDGES:
            return
        # By the model from before the fit to all rows, or one of several: it has not seen these.
        judged = fit.alone(fit.tried[-1].net.module_.vae)
        sure = self._log_posterior(self._values(X)[judges], judged)
        label = torch.as_tensor(fit.labels.codes[judges])
        likeliest = likeliest_temperature(sure, label)
        gain = log_of_label(tempered(sure, likeliest), label) - log_of_label(sure, label)
        if is_ahead(gain.numpy()):
            self.temperature_ = likeliest

    def _log_posterior(self, values: Float, model: Model | None = None) -> Tensor:
        """Return log p(y | x) by Bayes' rule, (n, n_classes)."""
        return log_posterior(self._log_given(values, model or self.model_), self._prior)

    def _log_given(self, values: Float, model: Model) -> Tensor:
        """Return log p(x | y) of every row and class, (n, n_classes), in the units of X."""
        rows, log_det = as_rows(model.table, values)
        scoring, n_classes = self._scoring, len(self.classes_)
        # A row and its classes are scored together: they fill the tiles that climb.
        every = [
            scoring.log_marginal(model.precise, given_each_class(some, n_classes))
            for some in in_chunks(rows, CHUNK_ROWS // n_classes)
        ]
        scores = torch.cat(every).view(len(rows), n_classes)
        return scores + torch.as_tensor(log_det).unsqueeze(1)
