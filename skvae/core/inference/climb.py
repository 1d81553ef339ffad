"""The way to the mode of p(z | x_observed), row by row.

Whatever cells are observed, the posterior of one row is a function of d numbers that can be climbed
to its top.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import grad, vjp, vmap

from ..batch import Batch, filled
from ..latents.distributions import axes
from ..vae import VAE

#: Steps towards the mode. The first ones are Fisher scoring, after which quasi-Newton updates are
#: as good at a fraction of the cost. A row far from all others takes a hundred or more, with
#: Fisher's information anew every so many steps.
MAX_STEPS = 300
FISHER_STEPS = 2
FISHER_EVERY = 20
#: Squared distance from the mode, in posterior standard deviations (Newton's decrement), of a row
#: that is left as it is: weights correct the rest.
CLOSE = 1e-2
#: Losses of log p(x, z) smaller than this are rounding and no reason to refuse a step.
SLACK = 1e-6
#: Rows whose gradients are taken at a time, bytes of derivatives by all latents, and rows of a tile
#: of a network in float32, at most.
GRADIENT_ROWS = 256
DERIVATIVE_BYTES = 2**22
FILLED = 64


class Point(NamedTuple):
    """A latent vector for every row, with log p(x_observed, z) and its gradient."""

    z: Tensor  # (n, d)
    log_joint: Tensor  # (n,)
    gradient: Tensor  # (n, d)


def find_mode(vae: VAE, batch: Batch, start: Tensor, close: float = CLOSE) -> tuple[Tensor, Tensor]:
    """Climb log p(x_observed, z) from a start (n, d); return z and Newton's decrement (n,).

    Where the prior's mean is the better start, as for rows unlike any the encoder was trained on,
    the climb begins there. Every row climbs by itself: its steps are accepted, shortened and
    stopped by its own values, so that the mode of a row does not depend on the others. Rows whose
    decrement is below ``close`` leave, and the others go on without them.
    """
    climb = Climb.begin(vae, batch, start)
    z, decrement = climb.here.z.clone(), torch.full_like(climb.length, torch.inf)
    left = torch.arange(len(z), device=z.device)  # the rows that climb
    for step in range(MAX_STEPS):
        if step < FISHER_STEPS or step % FISHER_EVERY == 0:
            climb = climb.informed(vae, batch)
        z[left], decrement[left] = climb.here.z, climb.decrement
        on = climb.decrement > close
        if not on.all():
            left, batch, climb = left[on], batch[on], climb[on]
        if not len(left):
            break
        climb = climb.step(vae, batch)
    return z, decrement


@dataclasses.dataclass(frozen=True)
class Climb:
    """Rows on their way to the mode."""

    here: Point
    length: Tensor  # of the next step, as a part of Newton's, (n,)
    inverse: Tensor  # of the Hessian of -log p, (n, d, d)

    @classmethod
    def begin(cls, vae: VAE, batch: Batch, start: Tensor) -> Climb:
        """Return rows at a start, or at the prior's mean where that is the better one."""
        center = _center(vae, batch, start)
        here = _better(_evaluate(vae, batch, start), _evaluate(vae, batch, center))
        return cls(here, torch.ones_like(here.log_joint), torch.zeros_like(here.z).diag_embed())

    def __getitem__(self, rows: Tensor) -> Climb:
        return Climb(Point(*(x[rows] for x in self.here)), self.length[rows], self.inverse[rows])

    @property
    def uphill(self) -> Tensor:
        """Newton's step, (n, d)."""
        return _times(self.inverse, self.here.gradient)

    @property
    def decrement(self) -> Tensor:
        """Squared distance from the mode in posterior standard deviations, (n,)."""
        return (self.here.gradient * self.uphill).sum(-1)

    def informed(self, vae: VAE, batch: Batch) -> Climb:
        """Return rows with Fisher's information in the place of what steps have told."""
        root = torch.linalg.cholesky_ex(fisher(vae, batch, self.here.z)).L
        return dataclasses.replace(self, inverse=torch.cholesky_inverse(root))

    def step(self, vae: VAE, batch: Batch) -> Climb:
        """Return rows a step further, those of them that it leads higher."""
        here = self.here
        there = _evaluate(vae, batch, here.z + self.length.unsqueeze(-1) * self.uphill)
        accepted = there.log_joint >= here.log_joint - SLACK
        inverse = _where(accepted, _bfgs(self.inverse, here, there), self.inverse)
        length = torch.where(accepted, (2.0 * self.length).clamp_max(1.0), 0.3 * self.length)
        point = Point(*(_where(accepted, new, old) for new, old in zip(there, here, strict=True)))
        return Climb(point, length, inverse)


def fisher(vae: VAE, batch: Batch, z: Tensor) -> Tensor:
    """Return the Fisher information about z with the prior's curvature added, (n, d, d)."""
    return tiled(_fisher, vae, batch, z, derivative_rows(vae))


def _fisher(vae: VAE, batch: Batch, z: Tensor) -> Tensor:
    def decode(z: Tensor) -> tuple[Tensor, ...]:
        return tuple(vae.decode(z, batch.context))

    # Forward derivatives as the transpose of reverse ones: torch's own forward mode fails where
    # two threads use it at a time.
    thetas, pull = vjp(decode, z)[:2]

    def transposed(out: tuple[Tensor, ...]) -> Tensor:
        gradient: Tensor = pull(out)[0]
        return gradient

    push = vjp(transposed, tuple(torch.zeros_like(theta) for theta in thetas))[1]
    (tangents,) = vmap(push)(axes(z))
    return vae.cells.fisher(batch, thetas, tangents) + vae.prior_of(batch).curvature(z)


def derivative_rows(vae: VAE) -> int:
    """Return for how many rows derivatives by all latents are taken at a time."""
    n_bytes = 8 * (vae.cells.n_parameters + vae.decoder.body.n_live) * vae.n_latent
    return max(DERIVATIVE_BYTES // n_bytes, 8)


def tiled(
    function: Callable[[VAE, Batch, Tensor], Tensor], vae: VAE, batch: Batch, z: Tensor, size: int
) -> Tensor:
    """Return a function of rows, so many at a time.

    A network in float32 has tiles of one shape, for its rounding varies with a row's company.
    """
    single, parts = vae.dtype != torch.float64, []
    for some in torch.arange(len(z), device=z.device).split(min(size, FILLED) if single else size):
        tile = filled(some, min(size, FILLED)) if single else some
        parts.append(function(vae, batch[tile], z[tile])[: len(some)])
    return torch.cat(parts)


def _center(vae: VAE, batch: Batch, like: Tensor) -> Tensor:
    return vae.prior_of(batch).mean.expand_as(like).to(like)


def _better(one: Point, other: Point) -> Point:
    """Choose the higher point, row by row; one that is not a number is the lowest."""
    higher = other.log_joint > one.log_joint.nan_to_num(-torch.inf)
    return Point(*(_where(higher, b, a) for a, b in zip(one, other, strict=True)))


def _evaluate(vae: VAE, batch: Batch, z: Tensor) -> Point:
    value_and_gradient = tiled(_upwards, vae, batch, z, GRADIENT_ROWS)
    return Point(z, value_and_gradient[:, 0], value_and_gradient[:, 1:])


def _upwards(vae: VAE, batch: Batch, z: Tensor) -> Tensor:
    """Return log p(x_observed, z) and its gradient, (n, 1 + d)."""

    def total(z: Tensor) -> tuple[Tensor, Tensor]:
        log_joint = vae.log_joint(batch, z.unsqueeze(0))[0]
        return log_joint.sum(), log_joint

    gradient, log_joint = grad(total, has_aux=True)(z)
    return torch.cat([log_joint.unsqueeze(-1), gradient], -1)


def _bfgs(inverse: Tensor, here: Point, there: Point) -> Tensor:
    """Update an inverse Hessian (n, d, d) of -log p by what a step found out."""
    s, y = there.z - here.z, here.gradient - there.gradient
    curvature = (s * y).sum(-1)
    useful = curvature > 1e-10 * s.norm(dim=-1) * y.norm(dim=-1)
    rho = torch.where(useful, 1.0 / curvature, 0.0)[:, None, None]
    across = _times(inverse, y).unsqueeze(-1) * s.unsqueeze(-2)
    bent = (y * _times(inverse, y)).sum(-1)[:, None, None]
    along = s.unsqueeze(-1) * s.unsqueeze(-2)
    return inverse + rho * ((1.0 + rho * bent) * along - across - across.mT)


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    """Multiply (n, d, d) by (n, d)."""
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def _where(rows: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Choose row by row."""
    return torch.where(rows.reshape(-1, *[1] * (new.ndim - 1)), new, old)
