"""The torch core: three conditional distributions and the functions of their log-weights.

Nothing here knows of scikit-learn, skorch or dataframes, so the core can be used alone in a
ten-line training loop, of recipes from the name spaces:

>>> import torch
>>> from skvae.core import Batch, Columns, build_vae
>>> from skvae.likelihoods import Gaussian
>>> from skvae.objectives import ELBO
>>> generator = torch.Generator().manual_seed(0)
>>> x = torch.randn(256, 3, generator=generator)
>>> vae = build_vae([Columns(Gaussian(), [0, 1, 2])], n_latent=2, generator=generator)
>>> objective = ELBO().build(vae, n_train=256)
>>> optimizer = torch.optim.Adam(objective.parameters(), lr=1e-2)
>>> for step in range(20):
...     optimizer.zero_grad()
...     loss = -objective(Batch(x), generator).value.mean()
...     loss.backward()
...     optimizer.step()
>>> bool(loss < 10)
True
"""

from .batch import Batch
from .build import build_vae
from .cells import Columns
from .families.base import Family
from .images import ImageShape
from .importance import effective_sample_size, log_marginal, pareto_k, resample, standard_error
from .inference.ais import bidirectional
from .inference.proposals import Proposal
from .inference.resampling import complete, expectation
from .latents.posteriors import Posterior
from .latents.priors import Prior
from .latents.usage import active_units, kl_per_unit
from .linear import linear_model, start_linear
from .objectives.bounds import Bound, Objective
from .recipe import Recipe
from .vae import VAE, Draw

__all__ = [
    "VAE",
    "Batch",
    "Bound",
    "Columns",
    "Draw",
    "Family",
    "ImageShape",
    "Objective",
    "Posterior",
    "Prior",
    "Proposal",
    "Recipe",
    "active_units",
    "bidirectional",
    "build_vae",
    "complete",
    "effective_sample_size",
    "expectation",
    "kl_per_unit",
    "linear_model",
    "log_marginal",
    "pareto_k",
    "resample",
    "standard_error",
    "start_linear",
]
