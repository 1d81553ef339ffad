"""Two stochastic layers: p(x | z1) p(z1 | z2) p(z2), encoded from x to z1 and from z1 to z2.

To the rest of the core they are one latent vector z = [z2, z1] with a prior and a posterior whose
parts depend on each other, and a decoder that sees z1 alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..networks import MLP, Linear
from .distributions import DiagonalNormal, PriorDistribution, gram, moments
from .posteriors import LOG_SCALE_LIMIT, EncoderHead
from .priors import PriorModule


class Chain(PriorDistribution):
    """The distribution of two vectors, of which the second depends on the first.

    Parameters
    ----------
    first : PriorDistribution
    then : callable
        The first vector (..., a) -> the distribution of the second one, a diagonal normal.
    n_second : int
        Dimension of the second vector.
    first_comes_last : bool
        Whether in z = [z2, z1] the first one to be drawn is z1.
    """

    def __init__(
        self,
        first: PriorDistribution,
        then: Callable[[Tensor], DiagonalNormal],
        n_second: int,
        first_comes_last: bool,
    ):
        self.first, self.then, self.n_second = first, then, n_second
        self.first_comes_last = first_comes_last
        shape = torch.Size((first.event_shape[0] + n_second,))
        super().__init__(first.batch_shape, shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """By quasi-random draws."""
        return moments(self, self.first.mean)[0]

    @property
    def variance(self) -> Tensor:
        """By quasi-random draws."""
        return moments(self, self.first.mean)[1]

    @property
    def n_noise(self) -> int:
        return self.first.n_noise + self.n_second

    def rsample(self, noise: Tensor) -> Tensor:  # type: ignore[override]
        return self.draw(noise)[0]

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        first, log_first = self.first.draw(noise[..., : self.first.n_noise])
        second, log_second = self.then(first).draw(noise[..., self.first.n_noise :])
        return self._joined(first, second), log_first + log_second

    def log_prob(self, value: Tensor) -> Tensor:
        first, second = self._parts(value)
        log_first: Tensor = self.first.log_prob(first)
        return log_first + self.then(first).log_prob(second)

    def curvature(self, z: Tensor) -> Tensor:
        """Return the Fisher information of the second vector, the first's curvature added."""

        def standardised(z: Tensor) -> Tensor:
            first, second = self._parts(z)
            p = self.then(first)
            # Of a normal the information about a mean is 1 / s^2, about log s it is 2.
            away = (second - p.loc) * torch.exp(-p.log_scale)
            return torch.cat([away, 2.0**0.5 * p.log_scale.expand_as(away)], -1)

        of_first = self.first.curvature(self._parts(z)[0])
        zero = z.new_zeros(*z.shape[:-1], self.n_second, self.n_second)
        blocks = (zero, of_first) if self.first_comes_last else (of_first, zero)
        return gram(standardised, z) + _block_diagonal(*blocks)

    def __getitem__(self, rows: Tensor) -> PriorDistribution:
        first = self.first[rows] if self.batch_shape else self.first
        return Chain(first, self.then, self.n_second, self.first_comes_last)

    def _parts(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first and the second vector."""
        if self.first_comes_last:
            return z[..., self.n_second :], z[..., : self.n_second]
        n_first = self.event_shape[0] - self.n_second
        return z[..., :n_first], z[..., n_first:]

    def _joined(self, first: Tensor, second: Tensor) -> Tensor:
        return torch.cat([second, first] if self.first_comes_last else [first, second], -1)


class Link(nn.Module):
    """The distribution of one layer given the other: a diagonal Gaussian by a perceptron."""

    def __init__(self, body: MLP, n_out: int):
        super().__init__()
        self.n_out = n_out
        self.body, self.linear = body, Linear(body.n_out, 2 * n_out)

    def forward(self, z: Tensor) -> DiagonalNormal:
        """(..., d) -> batch shape (...), event shape (n_out,)."""
        raw = self.linear(self.body(z.to(self.linear.weight.dtype))).to(z)
        loc, log_scale = raw.chunk(2, -1)
        if not self.training:
            log_scale = log_scale.clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)
        return DiagonalNormal(loc, log_scale)


class TwoLayerPrior(PriorModule):
    """p(z2) p(z1 | z2), the first by any prior.

    References
    ----------
    "Importance Weighted Autoencoders" (Burda et al., 2016), section 5.1.
    """

    def __init__(self, top: PriorModule, link: Link):
        super().__init__()
        self.top, self.link = top, link

    def forward(self, context: Tensor | None = None) -> PriorDistribution:
        return Chain(self.top(None), self.link, self.link.n_out, first_comes_last=False)


class TwoLayerPosterior(EncoderHead):
    """q(z1 | x) q(z2 | z1), the first by any posterior."""

    def __init__(self, lower: EncoderHead, link: Link):
        super().__init__()
        self.lower, self.link = lower, link

    def forward(self, h: Tensor, dtype: torch.dtype | None = None) -> PriorDistribution:
        return Chain(self.lower(h, dtype), self.link, self.link.n_out, first_comes_last=True)


def _block_diagonal(upper: Tensor, lower: Tensor) -> Tensor:
    """Return matrices (..., a + b, a + b) with two blocks on their diagonal."""
    a, b = upper.shape[-1], lower.shape[-1]
    whole = upper.new_zeros(*lower.shape[:-2], a + b, a + b)
    whole[..., :a, :a], whole[..., a:, a:] = upper, lower
    return whole
