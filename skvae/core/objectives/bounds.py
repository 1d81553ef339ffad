"""Objectives: what training maximises, row by row."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence

from ..batch import Batch
from ..importance import log_marginal
from ..latents.distributions import LatentDistribution
from ..recipe import Recipe
from ..vae import VAE, Draw
from .traits import Traits

GRADIENTS = ("reparameterisation", "score_function")
#: How far the moving average of the signal goes towards that of a new batch.
BASELINE_RATE = 0.1
#: Rounding error of log q(z | x) that a row may have for DReG, in units of the dtype's precision: a
#: thousand say that latents are nearly functions of each other given x. The derivative of log q is
#: so large then that its noise rules the step, and the row has the gradient of IWAE. On digits, 40
#: epochs, the bound is -43.6 nats so, -44.2 with IWAE and -99.5 with a limit of 0.1 nat.
ROUNDED = 1e3
#: Draws a held-out row gets when early stopping looks at it.
MONITOR_DRAWS = 16


class Bound(NamedTuple):
    """An objective's value on a batch, with the two terms a training curve is split into."""

    value: Tensor  # to maximise, (n,)
    penalty: Tensor | None  # to minimise beside the mean of value, (), None where there is none
    log_px: Tensor  # reconstruction, mean over draws of log p(x | z), (n,)
    kl: Tensor  # divergence of q(z | x) from the prior, (n,)


class Objective(Recipe, ABC):
    """A recipe for what training maximises: a bound of log p(x), or something in its place."""

    @property
    def traits(self) -> Traits:
        """What the rest of the model has to know of it; those of a plain bound by default."""
        return Traits()

    def around(self, bound: Objective) -> Objective:
        """Return another bound with what this objective does around its own, as trimming."""
        return bound

    @abstractmethod
    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        """Return the objective of ``vae``, which is to be trained on ``n_train`` rows."""


class ObjectiveModule(nn.Module, ABC):
    """An objective bound to a model; it may own parameters, which are trained too."""

    def __init__(self, vae: VAE):
        super().__init__()
        self.vae = vae
        self.progress = 1.0  # share of the training steps done

    def advance(self, progress: float) -> None:
        """Tell the objective which share of the training steps is done, for weights that move."""
        self.progress = progress
        for child in self.children():
            if isinstance(child, ObjectiveModule):
                child.advance(progress)

    @property
    def settled(self) -> bool:
        """Whether its weights are the final ones, so that training may stop."""
        return True

    def beside(self) -> Any:
        """Return what training changes of it beside its tensors, for a checkpoint; None: nothing.

        In plain containers of tensors and numbers.
        """
        return None

    def restore(self, beside: Any) -> None:
        """Set what :meth:`beside` returned."""

    @abstractmethod
    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        """Evaluate the objective on a batch, with noise from ``generator``."""

    def monitor(self, batch: Batch, noise: Tensor) -> Tensor:
        """Return what early stopping watches, (n,): the importance-weighted bound.

        Of a batch and standard normal noise (K, n, n_noise).
        """
        return log_marginal(self.vae.draw(batch, noise).log_w)

    @property
    def n_monitored(self) -> int:
        """How many draws of noise a row gets in :meth:`monitor`."""
        return MONITOR_DRAWS

    def counted(self, value: Tensor) -> slice | Tensor:
        """Return which rows count in the mean of a value (n,): all, or the indices of some.

        That mean over a batch is what training maximises; over held-out rows it is what early
        stopping compares.
        """
        return slice(None)

    def noise(self, batch: Batch, n_draws: int, generator: torch.Generator | None) -> Tensor:
        """Return standard normal noise (n_draws, n, n_noise)."""
        shape = (n_draws, len(batch), self.vae.n_noise)
        x = batch.x
        return torch.randn(shape, generator=generator, dtype=x.dtype, device=x.device)


@dataclasses.dataclass
class ELBO(Objective):
    """The evidence lower bound, E_q[log p(x | z)] - KL(q(z | x) || p(z)).

    Its gradient for the encoder can be estimated in three ways, all unbiased. The value and the
    decoder's gradient are the same in all three.

    Parameters
    ----------
    n_draws : int, default=1
        Draws of z a row. The divergence is taken in closed form where there is one for the
        posterior and prior in use, else from the same draws.
    gradient : {"reparameterisation", "score_function"}, default="reparameterisation"
        ``"reparameterisation"`` follows the draws, z = z(noise, phi). ``"score_function"`` holds
        them still and takes (f - b) d log q(z | x) / d phi, where f is what of the bound is left
        to the draws: log p(x | z), or log p(x, z) - log q(z | x) where the divergence has no
        closed form. It needs no derivative of f, and its variance is far larger. The baseline b is
        the mean of f over the row's other draws; with a single draw a moving average of f over
        batches, zero at the first.
    separate_noise : bool, default=False
        Whether the encoder's gradient comes from draws of its own, so that it is independent of
        the decoder's and prior's. The value is that of the draws of the decoder. It costs a second
        pass through the decoder.

    References
    ----------
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2014), equation 10; "Simple Statistical
    Gradient-Following Algorithms for Connectionist Reinforcement Learning" (Williams, 1992), the
    score function; "Neural Variational Inference and Learning in Belief Networks" (Mnih and Gregor,
    2014), section 2.3, the moving average; "Buy 4 REINFORCE Samples, Get a Baseline for Free!"
    (Kool et al., 2019), the mean of the other draws.
    """

    n_draws: int = 1
    gradient: str = "reparameterisation"
    separate_noise: bool = False

    def validate(self) -> None:
        _check_draws(self)
        if self.gradient not in GRADIENTS:
            raise ValueError(
                f"ELBO(gradient={self.gradient!r}): expected one of {sorted(GRADIENTS)}."
            )
        if self.separate_noise and self.gradient == "score_function":
            raise ValueError(
                "ELBO(gradient='score_function', separate_noise=True): separate_noise splits the "
                "reparameterised gradient; with the score function leave it False."
            )

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        if self.gradient == "score_function":
            return _ScoreFunctionELBO(vae, self.n_draws)
        return (_SeparateNoiseELBO if self.separate_noise else _ELBO)(vae, self.n_draws)


def closed_divergence(q: LatentDistribution, p: LatentDistribution) -> Tensor | None:
    """Return KL(q || p) where it has a closed form, (n,)."""
    try:
        return kl_divergence(q, p)
    except NotImplementedError:
        return None


class _Terms(NamedTuple):
    """The terms of an ELBO."""

    log_px: Tensor  # (K, n)
    kl: Tensor  # (n,)
    signal: Tensor  # what of the bound is left to the draws, (K, n)

    def bound(self) -> Bound:
        log_px = self.log_px.mean(0)
        return Bound(log_px - self.kl, None, log_px, self.kl)


class _ELBO(ObjectiveModule):
    def __init__(self, vae: VAE, n_draws: int):
        super().__init__(vae)
        self.n_draws = n_draws

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        q = self.vae.posterior(batch)
        z, log_qz = q.draw(self.noise(batch, self.n_draws, generator))
        return self.terms(batch, z, log_qz, self.closed_kl(batch, q)).bound()

    def closed_kl(self, batch: Batch, q: LatentDistribution) -> Tensor | None:
        """Return the divergence of q(z | x) from the prior where it has a closed form, (n,)."""
        return closed_divergence(q, self.vae.prior_of(batch))

    def terms(self, batch: Batch, z: Tensor, log_qz: Tensor, kl: Tensor | None) -> _Terms:
        """Return the terms of draws z (K, n, d) that came with log-density log_qz (K, n)."""
        if kl is not None:
            log_px = self.vae.log_px(batch, z)
            return _Terms(log_px, kl, log_px)
        draw = self.vae.weigh(batch, z, log_qz)
        return _Terms(draw.log_px, (draw.log_qz - draw.log_pz).mean(0), draw.log_w)


class _ScoreFunctionELBO(_ELBO):
    average: Tensor
    weight: Tensor

    def __init__(self, vae: VAE, n_draws: int):
        super().__init__(vae, n_draws)
        self.register_buffer("average", torch.zeros(()), persistent=False)
        self.register_buffer("weight", torch.zeros(()), persistent=False)

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        q = self.vae.posterior(batch)
        z, log_qz = map(Tensor.detach, q.draw(self.noise(batch, self.n_draws, generator)))
        terms = self.terms(batch, z, log_qz, self.closed_kl(batch, q))
        f = terms.signal.detach()
        return _led(terms.bound(), ((f - self.baseline(f)) * q.log_prob(z)).mean(0))

    def baseline(self, f: Tensor) -> Tensor:
        """Return what is taken off the signal f (K, n) of each draw, and is independent of it."""
        if len(f) > 1:
            return (f.sum(0) - f) / (len(f) - 1)
        # As in Adam, divided by the weight that the average has gathered since it started at 0.
        b = torch.where(self.weight > 0.0, self.average / self.weight, self.average).to(f)
        if self.training:
            self.average.lerp_(f.mean().to(self.average), BASELINE_RATE)
            self.weight.lerp_(torch.ones_like(self.weight), BASELINE_RATE)
        return b


class _SeparateNoiseELBO(_ELBO):
    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        q = self.vae.posterior(batch)
        kl = self.closed_kl(batch, q)
        z, log_qz = map(Tensor.detach, q.draw(self.noise(batch, self.n_draws, generator)))
        bound = self.terms(batch, z, log_qz, kl).bound()
        if not torch.is_grad_enabled():
            return bound
        z, log_qz = q.draw(self.noise(batch, self.n_draws, generator))
        leaf = z.detach().requires_grad_()
        path = _along(z, _slope(self.terms(batch, leaf, log_qz.detach(), kl).signal, leaf))
        return _led(bound, (path if kl is not None else path - log_qz).mean(0))


@dataclasses.dataclass
class IWAE(Objective):
    """The importance-weighted bound, E log (1/K) sum_k p(x, z_k) / q(z_k | x).

    Parameters
    ----------
    n_draws : int, default=5
        K, draws of z a row; with 1 it is the ELBO.

    References
    ----------
    "Importance Weighted Autoencoders" (Burda et al., 2016), equation 8.
    """

    n_draws: int = 5

    def validate(self) -> None:
        _check_draws(self)

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        return _IWAE(vae, self.n_draws)


class _IWAE(ObjectiveModule):
    def __init__(self, vae: VAE, n_draws: int):
        super().__init__(vae)
        self.n_draws = n_draws

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        return _weighted(self.vae.draw(batch, self.noise(batch, self.n_draws, generator)))


@dataclasses.dataclass
class DReG(Objective):
    """The importance-weighted bound with the doubly reparameterised gradient.

    The value and the gradient of the decoder and the prior are those of :class:`IWAE`. The
    encoder's is sum_k v_k^2 (d log w_k / d z_k) (d z_k / d phi), with v_k = w_k / sum_j w_j and the
    parameters of log q(z | x) held still. It has the same expectation. With q(z | x) near the
    posterior its signal-to-noise ratio rises with K, where that of :class:`IWAE` falls, and at the
    posterior it has no noise at all; far from it neither is sure to be the clearer. With K = 1 it
    is "sticking the landing". It needs the density of q(z | x) at a given z.

    Parameters
    ----------
    n_draws : int, default=5
        K, draws of z a row.

    References
    ----------
    "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives" (Tucker et al., 2019),
    equation 8; "Tighter Variational Bounds are Not Necessarily Better" (Rainforth et al., 2018);
    "Sticking the Landing" (Roeder et al., 2017).
    """

    n_draws: int = 5

    def validate(self) -> None:
        _check_draws(self)

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        return _DReG(vae, self.n_draws)


class _DReG(_IWAE):
    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        if not torch.is_grad_enabled():
            return super().forward(batch, generator)
        q = self.vae.posterior(batch)
        z, log_qz = q.draw(self.noise(batch, self.n_draws, generator))
        leaf = z.detach().requires_grad_()
        draw = self.vae.weigh(batch, leaf, log_qz.detach())
        of_p = _slope(draw.log_px + draw.log_pz, leaf)
        # log_qz came with its draw; as a function of z alone the density is asked for again.
        again = q.log_prob(leaf)
        v = torch.softmax(draw.log_w.detach(), 0)
        limit = ROUNDED * torch.finfo(z.dtype).eps
        exact = ((again - log_qz).detach().abs() < limit).all(0)
        of_q = torch.where(exact.unsqueeze(-1), _slope(again, leaf), 0.0)
        doubly = (v.square() * _along(z, of_p - of_q)).sum(0)
        plain = (v * (_along(z, of_p) - log_qz)).sum(0)
        return _led(_weighted(draw), torch.where(exact, doubly, plain))


@dataclasses.dataclass
class MonteCarlo(Objective):
    """Simple Monte Carlo, E log (1/K) sum_k p(x | z_k) with z_k from the prior: no encoder.

    It shows what an encoder is for: all but a few of the draws are nothing like the row. Scores use
    Laplace's approximation as ever, with the prior in the encoder's place.

    Parameters
    ----------
    n_draws : int, default=100
        K. Without a context all rows of a batch share them.

    References
    ----------
    "Importance Weighted Autoencoders" (Burda et al., 2016), equation 8, with q(z | x) = p(z).
    """

    n_draws: int = 100

    @property
    def traits(self) -> Traits:
        return Traits(needs_encoder=False)

    def validate(self) -> None:
        _check_draws(self)

    def build(self, vae: VAE, n_train: int) -> ObjectiveModule:
        return _MonteCarlo(vae, self.n_draws)


class _MonteCarlo(ObjectiveModule):
    def __init__(self, vae: VAE, n_draws: int):
        super().__init__(vae)
        self.n_draws = n_draws

    @property
    def n_monitored(self) -> int:
        return max(MONITOR_DRAWS, self.n_draws)

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Bound:
        p = self.vae.prior_of(batch)
        some = batch[:1] if batch.context is None else batch
        z = p.rsample(self.noise(some, self.n_draws, generator)).detach()
        log_pz = p.log_prob(z)
        # Draws that are held still: a prior with parameters learns by how its density there rises.
        log_w = self.vae.log_px(batch, z) + log_pz - log_pz.detach()
        v = torch.softmax(log_w.detach(), 0)
        log_px = (v * log_w).sum(0)
        value = log_marginal(log_w)
        return Bound(value, None, log_px, log_px - value)


def _weighted(draw: Draw) -> Bound:
    """Return the importance-weighted bound of draws."""
    kl = (draw.log_qz - draw.log_pz).mean(0)
    return Bound(log_marginal(draw.log_w), None, draw.log_px.mean(0), kl)


def _slope(value: Tensor, z: Tensor) -> Tensor:
    """Return d value / dz as a constant, (K, n, d), for value (K, n) at a leaf z.

    The graph is kept, and no parameter's gradient is touched.
    """
    return torch.autograd.grad(value.sum(), z, retain_graph=True)[0]


def _along(z: Tensor, slope: Tensor) -> Tensor:
    """Return what has the gradient slope . dz / dphi, (K, n)."""
    return (slope * z).sum(-1)


def _led(bound: Bound, surrogate: Tensor) -> Bound:
    """Return a bound with the gradient of a surrogate (n,) added, and its value unchanged."""
    return bound._replace(value=bound.value + (surrogate - surrogate.detach()))


def _check_draws(recipe: ELBO | IWAE | DReG | MonteCarlo) -> None:
    if not isinstance(recipe.n_draws, int) or recipe.n_draws < 1:
        raise ValueError(
            f"{type(recipe).__name__}(n_draws={recipe.n_draws!r}): expected an integer >= 1."
        )
