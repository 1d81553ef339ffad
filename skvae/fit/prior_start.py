"""Starting: where the prior of a model begins, by some rows of the table."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.batch import Batch
from ..core.latents.priors import MixtureModule
from ..core.latents.usage import active_units
from ..core.networks import measuring
from ..core.vae import VAE
from .mixtures import Candidate

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
        with measuring(vae):
            found = latents(vae, some, generator)
        start_mixture(prior, *found, seed)


def latents(vae: VAE, rows: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return draws of q(z | x), which the prior has to cover, and the means of it, (n, d)."""
    noise = torch.randn((len(rows), vae.n_noise), generator=generator)
    posterior = vae.posterior(rows)
    return posterior.rsample(noise.to(rows.x)).double().cpu(), posterior.mean.double().cpu()


def start_mixture(prior: MixtureModule, z: Tensor, mean: Tensor, seed: int) -> None:
    """Start the components of a prior from those that are fitted to latents z (n, d).

    Latents whose mean (n, d) hardly differs between rows are noise, among which no cluster could
    be found: all components have their moments.
    """
    active = active_units(mean / z.std(0))
    if not active.any():
        return
    mixture = Candidate(prior.n_components).fit(z[:, active].numpy(), seed)
    means = z.mean(0).repeat(prior.n_components, 1)
    means[:, active] = torch.as_tensor(mixture.means_)
    # Lower triangular, L^T L being the precision, as the transpose of scikit-learn's.
    roots = torch.diag(1.0 / z.std(0)).repeat(prior.n_components, 1, 1)
    place = torch.nonzero(active).squeeze(1)
    roots[:, place[:, None], place] = torch.as_tensor(mixture.precisions_cholesky_).mT
    prior.start(torch.as_tensor(mixture.weights_), means, roots)
