"""Optimisers: torch's fused Adam without torch.optim.

The first optimiser that torch makes in a process takes over a second to import what compiles
models.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .settings import Settings

#: Of the averages of gradients and of their squares; and what keeps a step finite.
BETAS, EPSILON = (0.9, 0.999), 1e-8


class FusedAdam:
    """Adam by torch's fused kernel, as ``torch.optim.Adam(..., fused=True)``.

    Parameters
    ----------
    params : list of dict
        Groups, each with its parameters and perhaps a weight decay.
    lr : float

    Attributes
    ----------
    param_groups : list of dict
        A change of ``lr`` in one counts from the next step.
    state : dict
        Averages and number of steps of each parameter.
    found_inf : Tensor or None
        Where it is 1, a step leaves everything as it is.
    """

    _kernel: Any = staticmethod(torch._fused_adam_)

    def __init__(self, params: list[dict[str, Any]], lr: float):
        self.param_groups = [{"weight_decay": 0.0, **group, "lr": lr} for group in params]
        self.state: dict[Tensor, tuple[Tensor, Tensor, Tensor]] = {}
        self.found_inf: Tensor | None = None

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move all parameters that have a gradient."""
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            if moved:
                self._move(moved, group["lr"], group["weight_decay"])

    def state_dict(self) -> dict[str, Any]:
        """Return the averages and numbers of steps, None of a parameter that has none yet."""
        parameters = [p for group in self.param_groups for p in group["params"]]
        return {"state": [self.state.get(parameter) for parameter in parameters]}

    @torch.no_grad()
    def load_state_dict(self, found: dict[str, Any]) -> None:
        """Set them."""
        parameters = [p for group in self.param_groups for p in group["params"]]
        self.state = {}
        for parameter, parts in zip(parameters, found["state"], strict=True):
            for here, there in zip(self._state(parameter), parts, strict=True) if parts else ():
                if here.shape != there.shape:
                    raise ValueError("the averages of gradients have other shapes")
                here.copy_(there)

    def _move(self, parameters: list[Tensor], lr: float, weight_decay: float) -> None:
        means, squares, steps = map(list, zip(*map(self._state, parameters), strict=True))
        torch._foreach_add_(steps, 1.0)
        self._kernel(
            parameters,
            [p.grad for p in parameters],
            means,
            squares,
            [],
            steps,
            lr=lr,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
            grad_scale=None,
            found_inf=self.found_inf,
        )
        if self.found_inf is not None:
            torch._foreach_sub_(steps, [self.found_inf] * len(steps))

    def _state(self, parameter: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if parameter not in self.state:
            step = torch.zeros((), dtype=torch.float32, device=parameter.device)
            of_all = torch.zeros_like(parameter), torch.zeros_like(parameter), step
            self.state[parameter] = of_all
        return self.state[parameter]


class FusedAdamW(FusedAdam):
    """Adam with decoupled weight decay, as ``torch.optim.AdamW(..., fused=True)``."""

    _kernel = staticmethod(torch._fused_adamw_)


def make_optimizer(settings: Settings, groups: list[dict[str, Any]]) -> Any:
    """Return the optimiser of settings, for groups of parameters.

    Callbacks may know torch's own alone: where there are some it takes the place of ours, which
    moves the parameters alike, bit for bit.
    """
    name, lr = settings.optimizer, settings.lr
    if not isinstance(name, str):
        return _of_torch(name(groups, lr=lr))
    if settings.callbacks is None and name in FUSED:
        return FUSED[name](groups, lr)
    of_torch = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    return of_torch[name](groups, lr=lr, fused=True)


def _of_torch(made: Any) -> Any:
    """Return what a user's function made, or raise TypeError if it is no optimiser."""
    if not hasattr(made, "param_groups"):
        raise TypeError(
            "optimizer must return a torch.optim.Optimizer of the groups of parameters it is "
            f"given. Got {made!r}."
        )
    return made


FUSED = {"adamw": FusedAdamW, "adam": FusedAdam}
