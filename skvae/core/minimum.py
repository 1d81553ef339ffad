"""The minimum of a smooth function, by a quasi-Newton method.

scipy's: torch's own is an optimiser of training, the first of which takes over a second to import
what compiles models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

#: Largest derivative at which it is found.
FLAT = 1e-9
#: Steps that are remembered.
MEMORY = 50


def minimum(
    function: Callable[[Tensor], Tensor], start: Tensor, max_iter: int, no_gain: float = 1e-14
) -> Tensor:
    """Return where a function of x (c,) has a minimum, in so many steps from a start at most.

    It is found where a step gains no more than ``no_gain``, of 1 or of the function's value.
    """
    if not max_iter:
        return start
    from scipy.optimize import minimize  # imports much

    @torch.enable_grad()
    def value_and_slope(x: Any) -> tuple[float, Any]:
        at = torch.as_tensor(x, dtype=torch.float64).requires_grad_()
        value = function(at.to(start))
        return float(value.detach()), torch.autograd.grad(value, at)[0].numpy()

    options: dict[str, float] = {"gtol": FLAT, "ftol": no_gain}
    options |= {"maxiter": max_iter, "maxfun": 2 * max_iter, "maxcor": MEMORY}
    first = start.detach().double().cpu().numpy()
    found = minimize(value_and_slope, first, jac=True, method="L-BFGS-B", options=options)
    return torch.as_tensor(found.x).to(start)
