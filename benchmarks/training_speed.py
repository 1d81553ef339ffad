"""Seconds per epoch, as a ratio to a bare torch loop of the same networks.

50,000 rows of 20 columns, two hidden layers of 128, 8 latents, batches of 256, ELBO with one draw.
Epochs of all loops are interleaved in one process, so that a machine's drift cancels.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.report.results import ResultFile, arguments
from skvae.core import Batch, Columns, build_vae
from skvae.fit.plan import Plan
from skvae.fit.settings import Settings
from skvae.fit.training import AVERAGE_DECAY, CLIP_NORM, VAENet
from skvae.likelihoods import Gaussian
from skvae.objectives import ELBO
from skvae.posteriors import DiagonalGaussian
from skvae.priors import StandardNormal
from skvae.proposals import DefensiveProposal

COLUMNS, HIDDEN, LATENT, BATCH, RATE = 20, 128, 8, 256, 2e-3
RESULTS = ResultFile("training_speed", ("threads",))
OURS, FULL, PLAIN = "skvae", "bare, with clipping and averaging", "bare, plain"


class Joined(nn.Module):
    """Two hidden layers whose output is joined with the input."""

    def __init__(self, n_in: int):
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(n_in, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return [hidden(x), x]."""
        return torch.cat([self.hidden(x), x], -1)


class Bare(nn.Module):
    """The same VAE written by hand: Gaussian decoder with a bounded scale, closed-form KL."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(Joined(COLUMNS), nn.Linear(HIDDEN + COLUMNS, 2 * LATENT))
        self.decoder = nn.Sequential(Joined(LATENT), nn.Linear(HIDDEN + LATENT, 2 * COLUMNS))
        self.log_floor = torch.full((COLUMNS,), 1e-3).log()

    def forward(self, x: Tensor) -> Tensor:
        """Return the negative bound."""
        loc, log_scale = self.encoder(x).chunk(2, -1)
        z = loc + log_scale.exp() * torch.randn_like(loc)
        mean, raw = self.decoder(z).chunk(2, -1)
        log_sd = torch.logaddexp(raw, self.log_floor)
        squares = ((x - mean) * (-log_sd).exp()).square()
        log_px = (-0.5 * squares - log_sd - 0.5 * np.log(2 * np.pi)).sum(-1)
        kl = 0.5 * ((2 * log_scale).exp() + loc.square() - 1).sum(-1) - log_scale.sum(-1)
        return (kl - log_px).mean()


def bare_epoch(x: Tensor, careful: bool) -> Callable[[], None]:
    """Return a function that runs an epoch of the hand-written loop."""
    model = Bare()
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=1e-2, fused=True)
    average = [p.detach().clone() for p in parameters]

    def epoch() -> None:
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            optimizer.zero_grad(set_to_none=True)
            model(x[order[start : start + BATCH]]).backward()
            if careful:
                nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
            optimizer.step()
            if careful:
                with torch.no_grad():
                    torch._foreach_lerp_(average, parameters, 1 - AVERAGE_DECAY)

    return epoch


def our_epoch(x: Tensor) -> Callable[[], None]:
    """Return a function that runs an epoch of ours, as ``fit`` does."""
    generator = torch.Generator().manual_seed(0)
    vae = build_vae([Columns(Gaussian(), range(COLUMNS))], LATENT, generator=generator)
    parts = StandardNormal(), DiagonalGaussian(), ELBO(), DefensiveProposal()
    settings, many = Settings(*parts, lr=RATE, tol=0.0), 10**7
    plan = Plan(BATCH, horizon=many, n_steps=many, patience=many)
    module = ELBO().build(vae, len(x))
    net = VAENet(module, settings=settings, plan=plan, n_epochs=1, generator=generator)
    net.initialize()
    return lambda: net.partial_fit(Batch(x))


def measure(threads: int, n_rows: int, epochs: int) -> dict[str, dict[str, float]]:
    """Return median seconds an epoch and ratios to the two bare loops."""
    torch.set_num_threads(threads)
    generator = np.random.default_rng(0)
    mixed = generator.normal(size=(n_rows, 5)) @ generator.normal(size=(5, COLUMNS))
    x = torch.as_tensor(np.tanh(mixed) + 0.3 * generator.normal(size=mixed.shape)).float()
    loops = {OURS: our_epoch(x), FULL: bare_epoch(x, True), PLAIN: bare_epoch(x, False)}
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for i in range(epochs + 1):
        for name, epoch in loops.items():
            start = time.perf_counter()
            epoch()
            if i:  # the first epoch warms up
                seconds[name].append(time.perf_counter() - start)
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    ratios = {
        name: float(np.median(np.array(seconds[OURS]) / np.array(seconds[name])))
        for name in (FULL, PLAIN)
    }
    return {"seconds": medians, "ratio_of_skvae_to": ratios}


def main() -> None:
    """Measure with one and two threads."""
    options = arguments(__doc__.splitlines()[0]).parse_args()
    n_rows, epochs = (2_000, 2) if options.quick else (50_000, 15)
    runs = [{"threads": n, **measure(n, n_rows, epochs)} for n in (1, 2)]
    print(*runs, sep="\n")
    RESULTS.add(runs, options.quick, rows=n_rows, epochs=epochs)


if __name__ == "__main__":
    main()
