"""What the estimators' parameters may be, as editors and type checkers read it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from ..core.families.base import Family
from ..core.images import Convolutional
from ..core.inference.proposals import Proposal
from ..core.latents.posteriors import Posterior
from ..core.latents.priors import Prior
from ..core.networks import CorrelatedNoise
from ..core.objectives.bounds import Objective

Activation = Literal["silu", "relu", "leaky_relu", "elu", "gelu", "tanh"]
# A name that stands for a recipe is that of its class, so that there is no list of them here.
LikelihoodLike = str | Family | dict[Any, Any]
PriorLike = str | Prior
PosteriorLike = str | Posterior
ObjectiveLike = str | Objective
ProposalLike = str | Proposal
OptimizerName = Literal["adamw", "adam", "sgd"]
OptimizerLike = OptimizerName | Callable[..., torch.optim.Optimizer]
DeviceLike = str | torch.device
EncoderLike = nn.Module | Convolutional | Callable[[], nn.Module]
DecoderLike = nn.Module | Convolutional | CorrelatedNoise | Callable[[], nn.Module]
PathLike = str | os.PathLike[str]
RandomState = int | np.random.RandomState | None
