"""Normalising flows of zuko as scikit-learn densities, trained for a number of seconds.

zuko turns the validation of torch's distributions off when it is imported.
"""

from __future__ import annotations

import copy
import time
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split

#: Rows below which noise helps.
FEW = 2000


class FlowDensity(BaseEstimator):
    """A masked autoregressive or neural spline flow, stopped early on a tenth of the rows.

    Rows are expected in standard deviations: the splines end at five of them.

    Parameters
    ----------
    flow : {"nsf", "maf"}, default="nsf"
    transforms : int, default=3
    hidden : tuple of int, default=(128, 128)
    bins : int, default=8
        Of a spline; "nsf" only.
    seconds : float, default=60.0
        After these training ends, if it did not before.
    lr, weight_decay : float
        Of AdamW.
    noise : float, default=None
        Standard deviation of noise added to the rows of a batch, a regularisation. None is 0.1
        below 2,000 rows, which was worth 10 held-out nats a row or more on breast cancer and
        banknote and 3 on digits, and 0 from there on, where it cost up to a nat.
    batch_size : int, default=256
    patience : int, default=30
        Epochs without a better held-out score before training stops.
    random_state : int, default=0
    """

    def __init__(
        self,
        flow: str = "nsf",
        transforms: int = 3,
        hidden: tuple[int, ...] = (128, 128),
        bins: int = 8,
        seconds: float = 60.0,
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
        noise: float | None = None,
        batch_size: int = 256,
        patience: int = 30,
        random_state: int = 0,
    ):
        self.flow = flow
        self.transforms = transforms
        self.hidden = hidden
        self.bins = bins
        self.seconds = seconds
        self.lr = lr
        self.weight_decay = weight_decay
        self.noise = noise
        self.batch_size = batch_size
        self.patience = patience
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: Any = None) -> FlowDensity:
        """Train until the held-out score stops rising or the time is over; keep the best epoch."""
        deadline = time.perf_counter() + self.seconds
        rows, held_out = (
            torch.as_tensor(part, dtype=torch.float32)
            for part in train_test_split(X, test_size=0.1, random_state=self.random_state)
        )
        self.noise_ = (0.1 if len(X) < FEW else 0.0) if self.noise is None else self.noise
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            self.flow_ = self._build(X.shape[1])
            self._train(rows, held_out, deadline)
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """Return the log-density of each row."""
        return self._log_prob(torch.as_tensor(X, dtype=torch.float32)).double().numpy()

    def score(self, X: np.ndarray, y: Any = None) -> float:
        """Return the mean log-density."""
        return float(self.score_samples(X).mean())

    def _build(self, features: int) -> Any:
        import zuko

        common = {"transforms": self.transforms, "hidden_features": self.hidden}
        if self.flow == "maf":
            return zuko.flows.MAF(features, **common)
        return zuko.flows.NSF(features, bins=self.bins, **common)

    def _train(self, rows: torch.Tensor, held_out: torch.Tensor, deadline: float) -> None:
        optimizer = torch.optim.AdamW(
            self.flow_.parameters(), lr=self.lr, weight_decay=self.weight_decay
        )
        best, best_score, self.n_iter_, self.best_epoch_ = None, -np.inf, 0, 0
        while self.n_iter_ - self.best_epoch_ < self.patience and time.perf_counter() < deadline:
            self._epoch(rows, optimizer, deadline)
            self.n_iter_ += 1
            score = float(self._log_prob(held_out).mean())
            if score > best_score:
                best, best_score = copy.deepcopy(self.flow_.state_dict()), score
                self.best_epoch_ = self.n_iter_
        if best is not None:
            self.flow_.load_state_dict(best)

    def _epoch(self, rows: torch.Tensor, optimizer: Any, deadline: float) -> None:
        for batch in torch.randperm(len(rows)).split(self.batch_size):
            if time.perf_counter() > deadline:
                return
            x = rows[batch]
            loss = -self.flow_().log_prob(x + self.noise_ * torch.randn_like(x)).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.flow_.parameters(), 5.0)
            optimizer.step()

    @torch.no_grad()
    def _log_prob(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.flow_().log_prob(part) for part in x.split(1000)])
