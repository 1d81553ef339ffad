"""Matching objectives: latents of all rows together are made to follow the prior."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..batch import Batch
from ..networks import MLP, Linear, frozen, initialize
from ..noise import normal_points
from ..vae import VAE, join
from .bounds import Bound, Objective, ObjectiveModule, closed_divergence
from .regularised import check_number, reconstruction
from .traits import Traits

#: Distances by differences: those by products are off where points are close.
EXACT = "donot_use_mm_for_euclid_dist"
#: Kernels as functions of a squared distance over a bandwidth.
KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "inverse_multiquadratic": lambda u: 1.0 / (1.0 + u),
    "gaussian": lambda u: torch.exp(-u),
}


@dataclasses.dataclass
class MMD(Objective):
    """Reconstruction, with latents that follow the prior by the maximum mean discrepancy.

    log p(x | z) - kl_weight KL(q(z | x) || p(z)) in the mean over rows, less ``weight`` times the
    squared discrepancy between the latents of a batch and draws of the prior. Without a divergence
    z is a function of the row (a Wasserstein autoencoder): rows can be drawn from the prior, which
    is held still, but no density stays. With one it is an InfoVAE, and a density stays.

    Parameters
    ----------
    weight : float, default=100.0
        Of the discrepancy, in nats: kernels are 1 at a distance of 0.
    kl_weight : float, default=0.0
        Of each row's divergence.
    kernel : {"inverse_multiquadratic", "gaussian"}, default="inverse_multiquadratic"
        1 / (1 + u) or exp(-u), with u the squared distance over a bandwidth.
    bandwidths : sequence of float, default=(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
        The kernel is the mean over them. In units of 2 d, the mean squared distance of two draws
        from a standard normal distribution.

    References
    ----------
    "Wasserstein Auto-Encoders" (Tolstikhin et al., 2018), algorithm 2; "InfoVAE: Balancing
    Learning and Inference in Variational Autoencoders" (Zhao et al., 2019), equation 6; "A Kernel
    Two-Sample Test" (Gretton et al., 2012), lemma 6.
    """

    weight: float = 100.0
    kl_weight: float = 0.0
    kernel: str = "inverse_multiquadratic"
    bandwidths: Sequence[float] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

    @property
    def traits(self) -> Traits:
        return Traits(deterministic=not self.kl_weight)

    def validate(self) -> None:
        check_number(self, "weight", 0.0)
        check_number(self, "kl_weight", 0.0)
        if self.kernel not in KERNELS:
            raise ValueError(f"MMD(kernel={self.kernel!r}): expected one of {sorted(KERNELS)}.")
        if not len(self.bandwidths) or min(self.bandwidths) <= 0.0:
            raise ValueError(f"MMD(bandwidths={self.bandwidths!r}): expected numbers > 0.")

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        return _MMD(vae, dataclasses.replace(self))

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the squared discrepancy between latents (n, d) and (m, d), ()."""
        return discrepancy(a, b, KERNELS[self.kernel], self.bandwidths)


class _Matching(ObjectiveModule, ABC):
    """Reconstruction, and a penalty by which latents of the batch are told from the prior.

    Early stopping watches both on held-out rows, with the discrepancy for the penalty: penalties of
    different epochs may have nothing to do with each other.
    """

    measure: MMD  # how early stopping tells latents from the prior

    @property
    def n_monitored(self) -> int:
        return 1

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        bound, z = self.latents(batch, self.noise(batch, 1, generator))
        return bound._replace(penalty=self.penalty(batch, z, generator))

    def monitor(self, batch: Batch, noise: Tensor) -> Tensor:
        bound, z = self.latents(batch, noise[:1])
        p = self.vae.prior_of(batch)
        drawn = p.rsample(normal_points(len(batch), p.n_noise).to(z))
        return bound.value - self.measure.weight * self.measure.between(z, drawn)

    def latents(self, batch: Batch, noise: Tensor) -> tuple[Bound, Tensor]:
        """Return the bound of rows without a penalty, and their latents (n, d)."""
        z = self.vae.posterior(batch).mean
        return reconstruction(self.vae, batch, z), z

    def from_prior(self, batch: Batch, generator: torch.Generator | None) -> Tensor:
        """Draw from the prior, held still, for every row, (n, d)."""
        p, x = self.vae.prior_of(batch), batch.x
        shape = (len(batch), p.n_noise)
        noise = torch.randn(shape, generator=generator, dtype=x.dtype, device=x.device)
        return p.rsample(noise).detach()

    @abstractmethod
    def penalty(self, batch: Batch, z: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return what latents z (n, d) cost for not being like draws of the prior, ()."""


class _MMD(_Matching):
    def __init__(self, vae: VAE, recipe: MMD):
        super().__init__(vae)
        self.measure = recipe

    def latents(self, batch: Batch, noise: Tensor) -> tuple[Bound, Tensor]:
        if self.measure.traits.deterministic:
            return super().latents(batch, noise)
        q, p = self.vae.posterior(batch), self.vae.prior_of(batch)
        (z,), (log_qz,) = q.draw(noise)
        kl = closed_divergence(q, p)
        kl = log_qz - p.log_prob(z) if kl is None else kl
        bound = reconstruction(self.vae, batch, z)
        return bound._replace(value=bound.log_px - self.measure.kl_weight * kl, kl=kl), z

    def penalty(self, batch: Batch, z: Tensor, generator: torch.Generator | None) -> Tensor:
        return self.measure.weight * self.measure.between(z, self.from_prior(batch, generator))


@dataclasses.dataclass
class Adversarial(Objective):
    """Reconstruction, with latents that a discriminator cannot tell from draws of the prior.

    log p(x | z) in the mean over rows, less ``weight`` times -log D(z), D(z) being the probability
    by the discriminator that z was drawn from the prior. It takes a step of its own before every
    step of the networks. z is a function of the row: rows can be drawn from the prior, which is
    held still, but no density stays. Given a context the discriminator sees it too.

    Parameters
    ----------
    weight : float, default=10.0
        Of the discriminator's verdict.
    hidden_layer_sizes : tuple of int, default=(128, 128)
        Of the discriminator.
    lr : float, default=0.002
        Its learning rate.
    gradient_penalty : float, default=0.01
        Weight of the squared slope of its logit at draws of the prior, without which the two
        circle each other.

    References
    ----------
    "Adversarial Autoencoders" (Makhzani et al., 2016), section 2; "Which Training Methods for GANs
    do actually Converge?" (Mescheder et al., 2018), equation 9, the penalty.
    """

    weight: float = 10.0
    hidden_layer_sizes: Sequence[int] = (128, 128)
    lr: float = 2e-3
    gradient_penalty: float = 0.01

    @property
    def traits(self) -> Traits:
        return Traits(deterministic=True)

    def validate(self) -> None:
        check_number(self, "weight", 0.0)
        check_number(self, "lr", 0.0)
        check_number(self, "gradient_penalty", 0.0)

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        return _Adversarial(vae, self)


class Discriminator:
    """A network that tells latents from draws of the prior, with the optimiser that trains it.

    No module, so that it is none of the model's parts: the model's optimiser, its average of
    weights and its saved parameters know nothing of it.
    """

    def __init__(self, recipe: Adversarial, seen: Tensor, generator: torch.Generator | None):
        body = MLP(seen.shape[1], recipe.hidden_layer_sizes, "leaky_relu")
        network = nn.Sequential(body, Linear(body.n_out, 1)).to(seen)
        initialize(network, generator)
        self.network, self.slope = network, recipe.gradient_penalty
        self.n_seen = seen.shape[1]
        # Without momentum: the ground moves under it.
        self.optimizer = torch.optim.Adam(network.parameters(), recipe.lr, (0.5, 0.99))

    def step(self, z: Tensor, drawn: Tensor) -> None:
        """Learn to tell latents z (n, .) from draws of the prior (n, .)."""
        drawn = drawn.requires_grad_()
        of_drawn = self.network(drawn)
        (slope,) = torch.autograd.grad(of_drawn.sum(), drawn, create_graph=True)
        steep = 0.5 * self.slope * slope.square().sum(-1).mean()
        wrong = softplus(self.network(z)).mean() + softplus(-of_drawn).mean() + steep
        self.optimizer.zero_grad()
        wrong.backward()
        self.optimizer.step()

    def surprise(self, z: Tensor) -> Tensor:
        """Return -log D(z) of latents z (n, .), (n,)."""
        with frozen(self.network):
            return softplus(-self.network(z)).squeeze(-1)


class _Adversarial(_Matching):
    def __init__(self, vae: VAE, recipe: Adversarial):
        super().__init__(vae)
        self.recipe, self.measure = recipe, MMD()
        self.opponent: Discriminator | None = None

    def penalty(self, batch: Batch, z: Tensor, generator: torch.Generator | None) -> Tensor:
        seen = join(z, batch.context)
        if self.opponent is None:
            # Here and not before, as this is where a generator comes from.
            self.opponent = Discriminator(self.recipe, seen, generator)
        if self.training and torch.is_grad_enabled():
            drawn = self.from_prior(batch, generator)
            self.opponent.step(seen.detach(), join(drawn, batch.context))
        return self.recipe.weight * self.opponent.surprise(seen).mean()

    def beside(self) -> Any:
        if self.opponent is None:
            return None
        network, optimizer = self.opponent.network, self.opponent.optimizer
        seen = next(self.opponent.network.parameters()).new_empty(0, self.opponent.n_seen)
        return [seen, dict(network.state_dict()), optimizer.state_dict()]

    def restore(self, beside: Any) -> None:
        seen, network, optimizer = beside
        like = next(self.vae.parameters())
        generator = torch.Generator(like.device)  # another than training's, which has gone on
        self.opponent = Discriminator(self.recipe, seen.to(like), generator)
        self.opponent.network.load_state_dict(network)
        self.opponent.optimizer.load_state_dict(optimizer)

    def __getstate__(self) -> dict[str, Any]:
        # Only training needs the opponent: it is neither copied nor saved.
        return {**self.__dict__, "opponent": None}


def discrepancy(
    a: Tensor, b: Tensor, kernel: Callable[[Tensor], Tensor], bandwidths: Sequence[float]
) -> Tensor:
    """Return the unbiased estimate of the squared maximum mean discrepancy, ().

    Of draws a (n, d) and b (m, d): zero in expectation where they have one distribution, so at
    times negative. Of a single draw nothing can be said: 0.
    """
    if min(len(a), len(b)) < 2:
        return 0.0 * a.sum()

    def mean_kernel(x: Tensor, y: Tensor) -> Tensor:
        square = torch.cdist(x, y, compute_mode=EXACT).square() / (2.0 * x.shape[1])
        return torch.stack([kernel(square / s) for s in bandwidths]).mean(0)

    def within(x: Tensor) -> Tensor:
        k = mean_kernel(x, x)
        return (k.sum() - k.diagonal().sum()) / (len(x) * (len(x) - 1))

    return within(a) + within(b) - 2.0 * mean_kernel(a, b).mean()
