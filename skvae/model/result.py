"""Results that say how good they are: log-likelihoods, and completed rows."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ..table.telling import warn

#: Above it an importance-weighted estimate is of no practical use (Vehtari et al., 2024).
MAX_PARETO_K = 0.7
#: So many effective draws for each that is chosen are plenty, whatever the tail of the weights.
PLENTY_A_DRAW = 50


@dataclasses.dataclass(frozen=True)
class LogLikelihood:
    """The log-likelihood of rows, estimated by importance sampling, with its quality.

    Attributes
    ----------
    value : ndarray of shape (n_samples,)
        The estimate of log p(x), nats in the user's units; in expectation a lower bound.
    standard_error : ndarray of shape (n_samples,)
        Of ``value``, nats. Draws are quasi-random, which it does not know: the true error is
        usually smaller.
    effective_sample_size : ndarray of shape (n_samples,)
        How many draws from the posterior itself the weighted draws are worth.
    pareto_k : ndarray of shape (n_samples,)
        Shape of the tail of the weights: good below 0.5, usable up to 0.7; NaN with fewer than
        25 draws.
    elbo : ndarray of shape (n_samples,)
        The evidence lower bound, by draws from the encoder. What ``value`` is above it, the
        encoder misses of the posterior: KL(q(z | x) || p(z | x)).
    """

    value: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    effective_sample_size: NDArray[np.float64]
    pareto_k: NDArray[np.float64]
    elbo: NDArray[np.float64]

    @property
    def gap(self) -> NDArray[np.float64]:
        """How far the evidence lower bound is below the estimate, (n_samples,)."""
        return self.value - self.elbo

    def warn(self, n_draws: int) -> None:
        """Warn, once, of rows whose estimate cannot be trusted; not where weights are even.

        Of 64 draws k rests on 13, and may be large by chance.
        """
        uneven = self.effective_sample_size < 0.5 * n_draws
        n_bad = int(((self.pareto_k > MAX_PARETO_K) & uneven).sum())
        if n_bad:
            warn(
                f"{n_bad} of {len(self.value)} rows have Pareto k > {MAX_PARETO_K}: a few draws "
                "decide their estimate, which may be far too low. Raise n_draws, use "
                "proposal='defensive' or, to check a few rows, proposal='ais'."
            )


@dataclasses.dataclass(frozen=True)
class CompletionQuality:
    """How good the weighted draws are that completions of rows were chosen from.

    Attributes
    ----------
    effective_sample_size : ndarray of shape (n_rows,)
        How many draws from p(z | observed) itself the proposals are worth.
    pareto_k : ndarray of shape (n_rows,)
        Shape of the tail of the weights: good below 0.5, usable up to 0.7; NaN with fewer than
        25 proposals, and for rows without a missing cell.
    n_proposals : ndarray of int, shape (n_rows,)
        Draws of z that were weighed; 0 for rows without a missing cell.
    n_samples : int
        Completions of each row.
    """

    effective_sample_size: NDArray[np.float64]
    pareto_k: NDArray[np.float64]
    n_proposals: NDArray[np.int64]
    n_samples: int = 1

    def among(self, n_distinct: float) -> CompletionQuality:
        """Return the quality where weights are those of so many draws, over and over again."""
        ess, k = self.effective_sample_size, self.pareto_k
        again = ess > n_distinct
        return dataclasses.replace(
            self,
            effective_sample_size=np.minimum(ess, n_distinct),
            pareto_k=np.where(again, np.inf, k),
        )

    @property
    def decided_by_few(self) -> NDArray[np.bool_]:
        """Rows whose weights have a tail so heavy that few draws decide, (n_rows,).

        Pareto k > 0.7, but for rows with weights that are even, or draws that are plenty.
        """
        enough = np.minimum(0.5 * self.n_proposals, PLENTY_A_DRAW * self.n_samples)
        return (self.pareto_k > MAX_PARETO_K) & ~(self.effective_sample_size > enough)

    def warn(self) -> None:
        """Warn, once, of rows whose completions cannot be trusted."""
        bad = self.decided_by_few
        if bad.any():
            least = self.effective_sample_size[bad].min()
            warn(
                f"{int(bad.sum())} of {len(bad)} rows have Pareto k > {MAX_PARETO_K}: few draws of "
                f"z decide what they are completed by (effective sample size down to {least:.1f}). "
                "Raise n_draws, loosen where=, or use proposal='ais' for a few rows."
            )
