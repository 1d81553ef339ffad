"""VAEDensity: a density model of a table."""

from __future__ import annotations

from typing import Any

from sklearn.base import DensityMixin

from ..core.latents.priors import Prior
from .base import BaseVAE, with_common_parameters
from .latents import Latents
from .manual import manual
from .scores import Scores


class VAEDensity(Scores, Latents, DensityMixin, BaseVAE):  # type: ignore[misc]  # noqa: D101
    __doc__ = manual(
        """A variational autoencoder as a density model of a table.

    Scores rows by their log-likelihood, in nats and in the units of X, and draws new rows. The
    model is ``p(x) = integral of p(x | z) p(z) dz``; a second network, q(z | x), makes training
    and scoring possible:

        log p(x) >= log (1/K) sum_k p(x | z_k) p(z_k) / q(z_k | x),   z_k from q(z | x).

    Columns are standardised inside and scores brought back to the user's units, so they compare
    with those of ``GaussianMixture`` or ``KernelDensity`` on the same X.

    Parameters
    ----------
    {PARAMETERS}

    Attributes
    ----------
    {ATTRIBUTES}

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
    'city'    Categorical()                                   probability
    'visits'  Binned(n_bins=64, min_share=0.004, atoms=True)  probability
    >>> sorted(set(density.sample(100)["city"]))
    ['Oslo', 'Rome']
    """,
        prior="mixture",
        latent_dim='"auto"',
    )

    @with_common_parameters
    def __init__(
        self,
        latent_dim: int | tuple[int, int] | str = "auto",
        *,
        prior: str | Prior = "mixture",
        **parameters: Any,
    ):
        super().__init__(latent_dim, prior=prior, **parameters)
