"""VAEDensity: a density model of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import StrOptions

from ..core.holes import Holes
from ..fit.combinations import NO_ENCODER
from ..fit.fit import Fit
from ..fit.settings import Door
from ..table.codecs import Bool, Float
from ..table.identifiers import with_new_ones
from ..table.relations.keeping import Relations
from ..table.relations.reading import read_relations
from ..table.table import Table
from .available import encodes
from .base import BaseVAE
from .bases import DensityMixin
from .latents import Latents
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


class VAEDensity(Scores, Latents, DensityMixin, BaseVAE):
    """A variational autoencoder as a density model of a table.

    Scores rows by their log-likelihood, in nats and in the units of X, and draws new rows. The
    model is ``p(x) = integral of p(x | z) p(z) dz``; a second network, q(z | x), makes training
    and scoring possible:

        log p(x) >= log (1/K) sum_k p(x | z_k) p(z_k) / q(z_k | x),   z_k from q(z | x).

    Columns are standardised inside and scores brought back to the user's units, so they compare
    with those of ``GaussianMixture`` or ``KernelDensity`` on the same X.

    Parameters
    ----------
    latent_dim : "auto", int or two ints, default="auto"
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
    prior : {"standard_normal", "mixture", "vamp", "flow"} or Prior, default="mixture"
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
    relations : "auto", None or list, default="auto"
        Relations between columns that drawn and completed rows keep; scores do not depend on them.
        ``"auto"`` finds, in a DataFrame of 200 rows or more: a column that is a function of
        another, or is for some of its values; a number that is a sum or a difference of up to three
        others; a number or a time that is never above another; a cell that is missing exactly where
        another says so. What holds in all training rows holds in all that are drawn; where up to
        1 % of the rows are exceptions, as many are drawn. A list names relations of
        :mod:`skvae.relations`, which are kept in every row; with ``"auto"`` in it those that are
        found as well, but for the ones that are ``Refused``. Known cells are never changed.
    model_missing : bool, default=False
        Whether to learn which cells are missing, given z, for ``sample(missing=True)``. Scores
        leave it out.

    Attributes
    ----------
    relations_ : list
        The relations that are kept, of :mod:`skvae.relations`. Printed, it says in how many
        training rows each was seen, and how many of these are exceptions.
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
    VAETransformer : The same model as a transformer to its latent space.
    sklearn.mixture.GaussianMixture : Exact likelihoods, Gaussian clusters.
    sklearn.neighbors.KernelDensity : A kernel on every training row.

    Notes
    -----
    ``score`` is a mean, as in ``GaussianMixture``, so ``GridSearchCV`` maximises held-out
    log-likelihood. A score is an estimate: in expectation below log p(x), and nearer with more
    ``n_draws``.

    Every number scores a density in its own units: mass on a repeated value counts as mass over the
    column's resolution, which for integers is 1. So scores compare across families; against models
    that have no such mass, compare with ``likelihood="gaussian"``.

    The density of a rounded column is unbounded in principle: compare models on such columns with
    uniform noise of one resolution added, or after the lower bound on scales has been checked.

    References
    ----------
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2014);
    "Importance Weighted Autoencoders" (Burda et al., 2016).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEDensity
    >>> X = load_iris(as_frame=True).data
    >>> density = VAEDensity(latent_dim=2, max_epochs=30, random_state=0).fit(X)
    >>> density.score_samples(X).shape
    (150,)
    >>> density.sample(3).columns.tolist() == X.columns.tolist()
    True
    >>> import pandas as pd
    >>> table = pd.DataFrame({"city": ["Rome", "Oslo"] * 30, "visits": [2, 0, 1] * 20})
    >>> density = VAEDensity(1, max_epochs=5, random_state=0).fit(table)
    >>> density.likelihoods_
    'city'    Categorical(unseen=False)                       probability
    'visits'  Binned(n_bins=64, min_share=0.004, atoms=True)  probability
    >>> sorted(set(density.sample(100)["city"]))
    ['Oslo', 'Rome']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseVAE._parameter_constraints,
        "relations": [StrOptions({"auto"}), "array-like", None],
        "model_missing": ["boolean"],
    }

    _door: ClassVar[Door] = Door(draws_identifiers=True)

    relations_: Relations

    def __init__(
        self,
        latent_dim: int | tuple[int, int] | Literal["auto"] = "auto",  # own default
        *,
        hidden_layer_sizes: Sequence[int] = (128, 128),
        activation: Activation = "silu",
        dropout: float = 0.0,
        likelihood: LikelihoodLike = "auto",
        prior: PriorLike = "mixture",  # own default
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
        relations: Literal["auto"] | Sequence[Any] | None = "auto",
        model_missing: bool = False,
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
        self.relations = relations
        self.model_missing = model_missing

    def _note(self, values: Float, table: Table) -> None:
        super()._note(values, table)
        of_images = self.image_shape is not None and self.relations == "auto"
        given = None if of_images else self.relations
        self.relations_ = read_relations(given, table.container, values, {*table.known})
        if self.model_missing and not _has_latents(self):
            raise ValueError(
                "model_missing=True learns which cells are missing from latents of rows. "
                f"{NO_ENCODER}"
            )

    def _settle(self, X: Any, fit: Fit) -> None:
        self._holes: tuple[Holes, ...] | None = None
        if self.model_missing:
            self._holes = self.model_.learn_holes(self._values(X), fit.seeds.sampling)

    @property
    def _learned_holes(self) -> tuple[Holes, ...]:
        return self._holes or super()._learned_holes

    def _related(self, values: Float, known: Bool, seed: int, holes: Bool | None = None) -> Float:
        random = np.random.RandomState([seed, 1])
        values = with_new_ones(self.table_.container, values, random)
        return self.relations_.keep(values, known, random, holes)


def _has_latents(estimator: VAEDensity) -> bool:
    """Whether rows of an estimator have latents."""
    try:
        return encodes(estimator)
    except AttributeError:
        return False
