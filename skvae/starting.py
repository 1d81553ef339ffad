"""Starting: where the prior of a model begins, by some rows of the table."""

from __future__ import annotations

import warnings

import torch
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from .core.batch import Batch
from .core.priors import MixtureModule
from .core.vae import VAE

#: Rows that are looked at.
MAX_ROWS = 10_000


@torch.no_grad()
def start_prior(vae: VAE, rows: Batch, seed: int, of_latents: bool) -> None:
    """Start the prior of a model from rows, or their latents where these say something already."""
    some, generator = rows[:: -(-len(rows) // MAX_ROWS)], torch.Generator().manual_seed(seed)
    prior = vae.prior.unmoved()
    if vae.encoder is not None:
        prior.start_from_rows(vae.inputs(some).cpu(), generator)
    if of_latents and isinstance(prior, MixtureModule) and len(some) >= prior.n_components:
        start_mixture(prior, latents(vae, some, generator), seed)


def latents(vae: VAE, rows: Batch, generator: torch.Generator) -> Tensor:
    """Return draws of q(z | x) and not its means: what the prior has to cover. (n, d)."""
    noise = torch.randn((len(rows), vae.n_noise), generator=generator)
    return vae.posterior(rows).rsample(noise.to(rows.x)).double().cpu()


def start_mixture(prior: MixtureModule, z: Tensor, seed: int) -> None:
    """Start the components of a prior from those that are fitted to latents (n, d)."""
    mixture = GaussianMixture(prior.n_components, reg_covar=1e-3, random_state=seed)
    # A user's array API is for arrays of theirs; k-means, which starts the mixture, has none.
    with warnings.catch_warnings(), config_context(array_api_dispatch=False):
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(z.numpy())
    # Lower triangular, L^T L being the precision, as the transpose of scikit-learn's.
    roots = mixture.precisions_cholesky_.swapaxes(-1, -2)
    found = (mixture.weights_, mixture.means_, roots)
    prior.start(*map(torch.as_tensor, found))
