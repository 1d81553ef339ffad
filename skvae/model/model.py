"""Fitted: what is done with a fitted model - rows are read, weighed, drawn and completed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..core.batch import Batch
from ..core.inference.proposals import EncoderProposal, Proposal
from ..core.latents.distributions import PriorDistribution
from ..core.noise import KeyedNoise
from ..core.recipe import resolve
from ..core.vae import VAE
from ..fit.combinations import NOTHING_TO_DRAW_FROM
from ..table.codecs import Float
from ..table.reading import as_rows, context_of, read, read_context
from ..table.table import Table
from .completion import Completing
from .conditions import conditions
from .result import CompletionQuality
from .scoring import Scoring, of_posterior, posterior_mean, posterior_std, precise

#: Rows drawn or decoded at a time.
CHUNK_ROWS = 10_000


class Fitted:
    """The inner methods of an estimator that has a model."""

    vae_: VAE
    table_: Table
    device_: str
    n_draws: int
    proposal: str | Proposal

    def _scoring(self, n_draws: Any, proposal: Any) -> Scoring:
        n_draws = positive_integer(n_draws, "n_draws")
        recipe = resolve(proposal, Proposal, "proposal")  # type: ignore[type-abstract]
        recipe.validate()
        if self.vae_.encoder is None and isinstance(recipe, EncoderProposal):
            raise ValueError(NOTHING_TO_DRAW_FROM)
        return Scoring(
            recipe,
            n_draws,
            partial(KeyedNoise, self._seeds.scoring),
            torch.device(self.device_),
            2**20 * get_config()["working_memory"],
        )

    def _given(self, context: Any) -> Float:
        """Return values of the columns conditioned on (n, c), one row of NaN where none are."""
        if context is None and self.table_.context is None:
            return np.full((1, len(self.table_.container.fields)), np.nan)
        return read_context(context, self.table_)

    def _sample(self, values: Float, context: Tensor | None, seed: int) -> Any:
        """Draw rows as :meth:`_sample_values`, in the user's container."""
        return self.table_.container.rows(self._sample_values(values, context, seed))

    @torch.no_grad()
    def _sample_values(self, values: Float, context: Tensor | None, seed: int) -> Float:
        """Draw a row given each row of a context, if there is one.

        Of values (n, c) those conditioned on are known.
        """
        generator = torch.Generator(self.device_).manual_seed(seed)
        cells = [
            self.vae_.sample(
                len(values[rows]), generator, None if context is None else context[rows]
            )
            for rows in chunks(len(values))
        ]
        x = torch.cat([x for _, x in cells]).cpu().double().numpy()
        drawn = self.table_.decode(x, np.random.RandomState(seed))
        return np.where(np.isnan(drawn), values, drawn)

    def _context(self, values: Float) -> Tensor | None:
        """Return the context of values (n, c) on the model's device."""
        context = context_of(self.table_, values)
        return None if context is None else context.to(self.device_, torch.float32)

    def _complete(
        self, values: Float, n_samples: int, random_state: Any, where: Any = None
    ) -> tuple[Float, CompletionQuality]:
        """Return values (n_rows * n_samples, c) without holes."""
        completing = self._completing(self._draw_seed(random_state))
        return completing.complete(values, n_samples, conditions(where or {}, self.table_))

    def _expect(self, values: Float) -> Float:
        """Return values (n, c) with missing ones at their posterior mean or mode."""
        return self._completing(0).expect(values)

    def _completing(self, seed: int) -> Completing:
        scoring = self._scoring(self.n_draws, self.proposal)
        return Completing(precise(self.vae_, scoring.device), self.table_, scoring, seed)

    def _draw_seed(self, random_state: Any) -> int:
        """Return a seed: of the estimator's own stream, or of the one given."""
        stream = self._sample_stream if random_state is None else random_stream(random_state)
        return int(stream.randint(2**31 - 1))

    def _encode(self, X: Any) -> NDArray[np.float64]:
        """Return the mean of q(z | x) for each row, (n, latent_dim)."""
        return posterior_mean(self.vae_, self._rows(X)[0], torch.device(self.device_)).numpy()

    def _spread(self, X: Any) -> NDArray[np.float64]:
        """Return the standard deviation of every latent under q(z | x), (n, latent_dim)."""
        return posterior_std(self.vae_, self._rows(X)[0], torch.device(self.device_)).numpy()

    def _draw_latents(self, X: Any, n_samples: int, seed: int) -> NDArray[np.float64]:
        """Return draws of q(z | x) for each row, (n, n_samples, latent_dim)."""
        generator = torch.Generator().manual_seed(seed)

        def drawn(q: PriorDistribution) -> Tensor:
            shape = (n_samples, len(q.mean), q.n_noise)
            noise = torch.randn(shape, generator=generator, dtype=torch.float64)
            return q.rsample(noise.to(q.mean)).movedim(0, 1)

        rows, device = self._rows(X)[0], torch.device(self.device_)
        return of_posterior(self.vae_, rows, device, drawn).numpy()

    @torch.no_grad()
    def _draw_given(self, Z: NDArray[np.float64], values: Float, seed: int) -> Any:
        """Draw a row from p(x | z) for each latent vector.

        Of values (n, c) those conditioned on are known.
        """
        generator = torch.Generator(self.device_).manual_seed(seed)
        cells = [
            self.vae_.cells.sample(self._theta(Z[rows], values[rows]), generator)
            for rows in chunks(len(Z))
        ]
        drawn = self.table_.decode(
            torch.cat(cells).cpu().double().numpy(), np.random.RandomState(seed)
        )
        return self.table_.container.rows(np.where(np.isnan(drawn), values, drawn))

    @torch.no_grad()
    def _decode(self, Z: NDArray[np.float64], values: Float) -> Any:
        """Return the mean of p(x | z) for each latent vector, in the user's units.

        Of values (n, c) those conditioned on are known.
        """
        mean = np.concatenate([self._mean(Z[rows], values[rows]) for rows in chunks(len(Z))])
        return self.table_.container.rows(np.where(np.isnan(mean), values, mean))

    def _mean(self, Z: NDArray[np.float64], values: Float) -> Float:
        return self.table_.expect(self.vae_.cells.by_column(self._theta(Z, values)))

    def _theta(self, Z: NDArray[np.float64], values: Float) -> list[Tensor]:
        """Return theta of every block of cells for latent vectors (n, d)."""
        z = torch.tensor(Z, dtype=torch.float32, device=self.device_)  # a copy: Z may be read-only
        return self.vae_.decode(z, self._context(values))

    def _values(self, X: Any) -> Float:
        """Return rows as numbers (n, columns of the user)."""
        check_is_fitted(self)
        return read(self, X, self.table_.container)[0]

    def _rows(self, X: Any) -> tuple[Batch, Float]:
        """Return rows as cells, and their log-Jacobians (n,)."""
        values = self._values(X)
        return as_rows(self.table_, values)

    def _log_p(self, values: Float) -> NDArray[np.float64]:
        """Return log p of the observed ones of values (n, c), in the user's units, (n,)."""
        rows, log_det = as_rows(self.table_, values)
        scoring = self._scoring(self.n_draws, self.proposal)
        return scoring.log_marginal(self.vae_, rows).numpy() + log_det

    def _log_given_rest(self, values: Float, column: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return log p of one of values (n, c) a row given the others, in its unit, (n,)."""
        rows, log_det = as_rows(self.table_, values)
        rest = np.where(np.arange(values.shape[1]) == column[:, None], np.nan, values)
        positions = [known.position for known in self.table_.columns]
        cell = torch.as_tensor(np.searchsorted(positions, column))
        scoring = self._scoring(self.n_draws, self.proposal)
        log_p = scoring.log_given_rest(self.vae_, rows, cell).numpy()
        return log_p + log_det - self.table_.encode(rest)[1]


def positive_integer(value: Any, name: str) -> int:
    """Return an integer >= 1, or raise ValueError naming the parameter."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be an integer >= 1. Got {value!r}.")
    return int(value)


def random_stream(random_state: Any) -> np.random.RandomState:
    """Return scikit-learn's random state, but for None a fresh one: the global stays as it is."""
    return np.random.RandomState() if random_state is None else check_random_state(random_state)


def chunks(n: int) -> Iterator[slice]:
    """Cut n rows into chunks.

    >>> list(chunks(15_000))
    [slice(0, 10000, None), slice(10000, 20000, None)]
    """
    for start in range(0, n, CHUNK_ROWS):
        yield slice(start, start + CHUNK_ROWS)
