"""The minimum of a smooth function, by a quasi-Newton method.

torch's own is an optimiser of training, the first of which takes over a second to import what
compiles models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

#: Largest derivative, and gain, at which it is found.
FLAT, NO_GAIN = 1e-9, 1e-12
#: Share of the gain that the slope promises with which a step is content.
CONTENT = 1e-4
#: How far a step goes at most: from a bad metric it would jump to another, worse minimum.
FARTHEST = 2.0
#: Steps that are remembered, and times that one is shortened.
MEMORY, MAX_SHORTER = 50, 25


class Evaluated(NamedTuple):
    """A point (c,), the function's value there, (), and its gradient (c,)."""

    x: Tensor
    value: Tensor
    slope: Tensor


def minimum(function: Callable[[Tensor], Tensor], start: Tensor, max_iter: int) -> Tensor:
    """Return where a function of x (c,) has a minimum, in so many steps from a start at most.

    References
    ----------
    "Updating Quasi-Newton Matrices with Limited Storage" (Nocedal, 1980).
    """
    here, pairs = _at(function, start), list[tuple[Tensor, Tensor]]()
    for _ in range(max_iter):
        if here.slope.abs().max() <= FLAT:
            break
        there = _next(function, here, -_scaled(here.slope, pairs), first=not pairs)
        if there is None:
            break
        moved, turned = there.x - here.x, there.slope - here.slope
        if moved @ turned > 0.0:  # else its curvature is no metric
            pairs = [*pairs[-MEMORY + 1 :], (moved, turned)]
        gain, here = here.value - there.value, there
        if gain <= NO_GAIN:
            break
    return here.x


@torch.enable_grad()
def _at(function: Callable[[Tensor], Tensor], x: Tensor) -> Evaluated:
    x = x.detach().requires_grad_()
    value = function(x)
    return Evaluated(x.detach(), value.detach(), torch.autograd.grad(value, x)[0])


def _next(
    function: Callable[[Tensor], Tensor], here: Evaluated, direction: Tensor, first: bool
) -> Evaluated | None:
    """Return a lower point in a direction, None where there is none."""
    direction = direction * (FARTHEST / direction.abs().max()).clamp_max(1.0)
    promised = here.slope @ direction
    step = (1.0 / here.slope.abs().sum()).clamp_max(1.0) if first else torch.ones_like(promised)
    for _ in range(MAX_SHORTER):
        there = _at(function, here.x + step * direction)
        if there.value <= here.value + CONTENT * step * promised:
            return there
        # The minimum of the parabola through what is known, but not too near.
        excess = there.value - here.value - step * promised
        step = torch.clamp(-0.5 * promised * step.square() / excess, 0.1 * step, 0.5 * step)
        step = step.nan_to_num(0.0)
    return None


def _scaled(slope: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the inverse of the curvature that pairs of a move and a turn tell, times the slope."""
    result, shares = slope.clone(), []
    for moved, turned in reversed(pairs):
        share = (moved @ result) / (moved @ turned)
        result -= share * turned
        shares.append(share)
    if pairs:
        moved, turned = pairs[-1]
        result *= (moved @ turned) / (turned @ turned)
    for (moved, turned), share in zip(pairs, reversed(shares), strict=True):
        result += (share - (turned @ result) / (moved @ turned)) * moved
    return result
