"""Regularised objectives: the two terms of the ELBO with other weights, inputs or none of them."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Normal

from ..batch import Batch
from ..latents.distributions import LatentDistribution, TriangularNormal
from ..latents.usage import kl_per_unit
from ..vae import VAE
from .bounds import ELBO, Bound, Objective, ObjectiveModule, closed_divergence
from .traits import Traits

#: Rows whose aggregate posterior is looked at in one piece when early stopping watches.
AGGREGATED_ROWS = 256


@dataclasses.dataclass
class Autoencoder(Objective):
    """Reconstruction alone: log p(x | z), with z = m(x) a function of the row.

    Nothing holds the latents to the prior, so no density stays and the prior says nothing about
    them: ``refit_prior`` fits one to them when training is over. The posterior is not used. With
    linear networks and one Gaussian scale it spans the subspace of principal component analysis.
    Where there are as many latents as columns, or rows to learn by heart, scales go down to their
    lower bound: ``Gaussian(scale=1.0)`` minimises the squared error, and has no scale.

    References
    ----------
    "Neural Networks and Principal Component Analysis" (Baldi and Hornik, 1989); "Reducing the
    Dimensionality of Data with Neural Networks" (Hinton and Salakhutdinov, 2006).
    """

    @property
    def traits(self) -> Traits:
        return Traits(matches_prior=False, deterministic=True)

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        return _Autoencoder(vae)


class _Autoencoder(ObjectiveModule):
    @property
    def n_monitored(self) -> int:
        return 1

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        return reconstruction(self.vae, batch, self.vae.posterior(batch).mean)

    def monitor(self, batch: Batch, noise: Tensor) -> Tensor:
        return self.forward(batch).value


def reconstruction(vae: VAE, batch: Batch, z: Tensor) -> Bound:
    """Return log p(x | z) of a latent vector a row, (n, d), as a bound without a divergence."""
    log_px = vae.log_px(batch, z.unsqueeze(0))[0]
    return Bound(log_px, None, log_px, torch.zeros_like(log_px))


class JointModule(ObjectiveModule):
    """log p(x, z) at z = m(x): what fits a prior to latents without spread."""

    @property
    def n_monitored(self) -> int:
        return 1

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        z = self.vae.posterior(batch).mean
        log_pz = self.vae.prior_of(batch).log_prob(z)
        bound = reconstruction(self.vae, batch, z)
        return bound._replace(value=bound.log_px + log_pz, kl=-log_pz)

    def monitor(self, batch: Batch, noise: Tensor) -> Tensor:
        return self.forward(batch).value


@dataclasses.dataclass
class Beta(Objective):
    """The ELBO with another weight: E_q[log p(x | z)] - beta KL(q(z | x) || p(z)).

    A weight above 1 pays for latents that are few, independent and hold for many rows with worse
    reconstructions. The model is the same VAE, and its scores estimate log p(x) as ever.

    Parameters
    ----------
    beta : float, default=4.0
        Weight of the divergence.
    warm_up : float in [0, 1), default=0.0
        Share of the training steps over which the weight rises linearly from 0. Early stopping
        watches the final weighting, and decides nothing before.
    free_bits : float, default=0.0
        Nats that each latent may have for nothing: below it, in the mean over a batch, its
        divergence is not pressed down further. Of a latent by its mean and variance.
    n_draws : int, default=1
        Draws of z a row.

    References
    ----------
    "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework" (Higgins et
    al., 2017); "Ladder Variational Autoencoders" (Sønderby et al., 2016), warm-up; "Improved
    Variational Inference with Inverse Autoregressive Flow" (Kingma et al., 2016), free bits.
    """

    beta: float = 4.0
    warm_up: float = 0.0
    free_bits: float = 0.0
    n_draws: int = 1

    def validate(self) -> None:
        check_number(self, "beta", 0.0)
        check_number(self, "warm_up", 0.0, 1.0)
        check_number(self, "free_bits", 0.0)
        ELBO(self.n_draws).validate()

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        return _Beta(vae, self, n_train)


class _Beta(ObjectiveModule):
    def __init__(self, vae: VAE, recipe: Beta, n_train: int):
        super().__init__(vae)
        self.beta, self.warm_up = recipe.beta, recipe.warm_up
        self.free_bits = recipe.free_bits
        self.elbo = ELBO(recipe.n_draws).build(vae, n_train)

    @property
    def settled(self) -> bool:
        return self.progress >= self.warm_up

    @property
    def weight(self) -> float:
        """The weight of the divergence by now."""
        return self.beta if self.settled else self.beta * self.progress / self.warm_up

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        plain: Bound = self.elbo(batch, generator)
        paid = plain.kl + self.shortfall(batch)
        return plain._replace(value=plain.log_px - self.weight * paid)

    def shortfall(self, batch: Batch) -> Tensor | float:
        """Return by how much latents are below what they may have for nothing.

        Added to the divergence it leaves those without a gradient.
        """
        if not self.free_bits:
            return 0.0
        kl = kl_per_unit(self.vae.posterior(batch), self.vae.prior_of(batch)).mean(0)
        return torch.relu(self.free_bits - kl).sum()

    def monitor(self, batch: Batch, noise: Tensor) -> Tensor:
        draw = self.vae.draw(batch, noise)
        kl = (draw.log_qz - draw.log_pz).mean(0)
        return draw.log_px.mean(0) - self.beta * (kl + self.shortfall(batch))


@dataclasses.dataclass
class BetaTC(Objective):
    """The ELBO with a weight on the total correlation of the latents alone.

    With q(z) the mean of q(z | x) over the training rows, the mean of KL(q(z | x) || p(z)) is the
    sum of

    - E log q(z | x) / q(z), what a latent vector tells about which row it is of;
    - E log q(z) / prod_j q(z_j), the total correlation: how far latents are from independent;
    - E log prod_j q(z_j) / p(z), how far each is from the prior.

    Only the second has the weight ``beta``. Densities under q(z) are estimated within the batch. It
    needs a Gaussian posterior, whose margins are known.

    Parameters
    ----------
    beta : float, default=4.0
        Weight of the total correlation; with 1 it is the ELBO.

    References
    ----------
    "Isolating Sources of Disentanglement in Variational Autoencoders" (Chen et al., 2018),
    equations 2 and 4, appendix C.
    """

    beta: float = 4.0

    @property
    def traits(self) -> Traits:
        return Traits(needs_margins=True)

    def validate(self) -> None:
        check_number(self, "beta", 0.0)

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        return _BetaTC(vae, self.beta, n_train)


class _BetaTC(ObjectiveModule):
    def __init__(self, vae: VAE, beta: float, n_train: int):
        super().__init__(vae)
        self.beta, self.n_train = beta, n_train

    @property
    def n_monitored(self) -> int:
        return 4  # each is held against all rows

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        q = self.vae.posterior(batch)
        (z,), (log_qz,) = q.draw(self.noise(batch, 1, generator))
        log_px, p = self.vae.log_px(batch, z.unsqueeze(0))[0], self.vae.prior_of(batch)
        log_pz, kl = p.log_prob(z), closed_divergence(q, p)
        kl = log_qz - log_pz if kl is None else kl
        correlation = split_divergence(q, z, log_qz, log_pz, self.n_train).total_correlation
        return Bound(log_px - kl - (self.beta - 1.0) * correlation, None, log_px, kl)

    def monitor(self, batch: Batch, noise: Tensor) -> Tensor:
        parts = torch.arange(len(batch), device=batch.x.device).split(AGGREGATED_ROWS)
        return torch.cat([self._monitor(batch[some], noise[:, some]) for some in parts])

    def _monitor(self, batch: Batch, noise: Tensor) -> Tensor:
        q, draw = self.vae.posterior(batch), self.vae.draw(batch, noise)
        correlation = [
            split_divergence(q, z, log_qz, log_pz, self.n_train).total_correlation
            for z, _, log_pz, log_qz in zip(*draw, strict=True)
        ]
        return (draw.log_w - (self.beta - 1.0) * torch.stack(correlation)).mean(0)


class Divergence(NamedTuple):
    """The three parts of log q(z | x) - log p(z) at a draw of z for each row, (n,) each."""

    index_code: Tensor  # log q(z | x) / q(z)
    total_correlation: Tensor  # log q(z) / prod_j q(z_j)
    dimension_wise: Tensor  # log prod_j q(z_j) / p(z)


def split_divergence(
    q: LatentDistribution, z: Tensor, log_qz: Tensor, log_pz: Tensor, n_train: int
) -> Divergence:
    """Split log q(z | x) - log p(z) of draws z (n, d) from Gaussians q of n of the training rows.

    A row's own q(z | x) has the weight 1 / n_train that it has in q(z), and the others of the batch
    share what is left: unbiased for q(z), and exact where the batch is all rows.
    """
    # DIFF: the mean over all choices of the paper's minibatch stratified sampling.
    n, n_train = len(z), max(n_train, len(z))
    others = torch.as_tensor((1.0 - 1.0 / n_train) / max(n - 1, 1)).log()
    log_share = others.to(z).repeat(n, n).fill_diagonal_(-math.log(n_train))
    log_of_each = log_share + log_of_pairs(q, z, log_qz)
    margins = Normal(q.mean, q.variance.sqrt(), validate_args=False).log_prob(z.unsqueeze(1))
    log_q = torch.logsumexp(log_of_each, 1)
    log_margins = torch.logsumexp(log_share.unsqueeze(-1) + margins, 1).sum(-1)
    return Divergence(log_qz - log_q, log_q - log_margins, log_margins - log_pz)


def log_of_pairs(q: LatentDistribution, z: Tensor, log_qz: Tensor) -> Tensor:
    """Return log q(z_i | x_j) of a draw for each row, (n draws, n rows).

    A normal that is nearly flat, as an odd row may have, has no density at the draws of others.
    """
    if not isinstance(q, TriangularNormal):
        return q.log_prob(z.unsqueeze(1))
    log_prob, flat = q.log_prob_apart(z.unsqueeze(1))
    own = torch.eye(len(z), dtype=torch.bool, device=z.device)
    return torch.where(own & flat, log_qz, log_prob)


@dataclasses.dataclass
class Denoising(Objective):
    """The ELBO of rows whose encoder sees them corrupted: it learns not to trust single cells.

    E log p(x, z) / q(z | x'), x' the corrupted row and x the clean one: below the ELBO of the
    mixture of q(z | x') over corruptions, and so below log p(x). A density stays; scores and
    latents are of rows as they are.

    Parameters
    ----------
    noise : float, default=0.3
        Standard deviation of the noise that is added to the encoder's inputs, in standard
        deviations of a column (or of the indicator of a level).
    mask : float in [0, 1), default=0.0
        Share of the observed cells that the encoder is told are missing.
    n_draws : int, default=1
        Draws of z a row, each from a corruption of its own.

    References
    ----------
    "Denoising Criterion for Variational Auto-Encoding Framework" (Im et al., 2017), equation 5;
    "Extracting and Composing Robust Features with Denoising Autoencoders" (Vincent et al., 2008).
    """

    noise: float = 0.3
    mask: float = 0.0
    n_draws: int = 1

    @property
    def traits(self) -> Traits:
        return Traits(hides_cells=self.mask > 0.0)

    def validate(self) -> None:
        check_number(self, "noise", 0.0)
        check_number(self, "mask", 0.0, 1.0)
        ELBO(self.n_draws).validate()

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        return _Denoising(vae, self)


class _Denoising(ObjectiveModule):
    def __init__(self, vae: VAE, recipe: Denoising):
        super().__init__(vae)
        self.scale, self.mask, self.n_draws = recipe.noise, recipe.mask, recipe.n_draws

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        bounds = [self._draw(batch, generator) for _ in range(self.n_draws)]
        log_px, kl = (torch.stack(term).mean(0) for term in zip(*bounds, strict=True))
        return Bound(log_px - kl, None, log_px, kl)

    def _draw(self, batch: Batch, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Return log p(x | z) and the divergence for one corruption of every row, (n,) each."""
        assert self.vae.encoder is not None
        q = self.vae.encoder(self.corrupted(batch, generator), batch.x.dtype)
        (z,), (log_qz,) = q.draw(self.noise(batch, 1, generator))
        p = self.vae.prior_of(batch)
        kl = closed_divergence(q, p)
        log_px = self.vae.log_px(batch, z.unsqueeze(0))[0]
        return log_px, log_qz - p.log_prob(z) if kl is None else kl

    def corrupted(self, batch: Batch, generator: torch.Generator | None) -> Tensor:
        """Return what the encoder is given of rows in the place of what they are, (n, f)."""
        if self.mask:
            u = torch.rand(batch.x.shape, generator=generator, device=batch.x.device)
            batch = dataclasses.replace(batch, mask=batch.observed & (u >= self.mask))
        inputs, owner = self.vae.inputs(batch), self.vae.cells.owner
        # Of the inputs those that say which cells are observed, and the context, stay as they are.
        shape, of_cells = (len(inputs), len(owner)), batch.observed[:, owner]
        noise = torch.randn(shape, generator=generator, dtype=inputs.dtype, device=inputs.device)
        moved = inputs[:, : len(owner)] + self.scale * noise * of_cells
        return torch.cat([moved, inputs[:, len(owner) :]], 1)


def check_number(recipe: Objective, name: str, low: float, below: float = math.inf) -> None:
    """Raise ValueError where a field is no number from ``low``, and below another one."""
    value = getattr(recipe, name)
    if not isinstance(value, int | float) or not low <= value < below:
        expected = f">= {low:g}" + (f" and < {below:g}" if below < math.inf else "")
        raise ValueError(
            f"{type(recipe).__name__}({name}={value!r}): expected a number {expected}."
        )
