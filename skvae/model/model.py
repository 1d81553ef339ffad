"""The fitted model: a VAE, the table it was learned on, and all that the two can be asked."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from torch import Tensor

from ..core.batch import Batch, in_chunks
from ..core.ensemble import AnyVAE, Ensemble
from ..core.holes import Holes
from ..core.inference.proposals import EncoderProposal, Proposal
from ..core.latents.distributions import PriorDistribution
from ..core.noise import KeyedNoise
from ..core.recipe import resolve
from ..core.vae import VAE
from ..table.codecs import Float
from ..table.reading import positive_integer
from ..table.table import Table
from .completion import Completing
from .conditions import conditions
from .result import CompletionQuality, LogLikelihood
from .rows import as_rows, context_of, tell_of_draws
from .scoring import Scoring, of_posterior, posterior_mean, posterior_std, precise

#: Rows drawn or decoded at a time.
CHUNK_ROWS = 10_000
#: Rows drawn to learn how common patterns of missing cells are among new ones.
NEW_ROWS = 4_096

#: Rows drawn from a model for what is usual of its columns: more move it by less than a tenth of
#: what it varies by from row to row.
USUAL_ROWS = 100

#: Also of an estimator that is to be fitted.
NOTHING_TO_DRAW_FROM = (
    "objective='monte_carlo' trains no encoder, from which proposal='encoder' draws. Use "
    "proposal='defensive', 'laplace', 'prior' or 'ais'."
)


@dataclasses.dataclass(frozen=True)
class Seeds:
    """Independent seeds for the parts of a fit, and for the scores of what was fitted."""

    split: int
    init: int
    training: int
    scoring: int
    sampling: int

    @classmethod
    def of(cls, state: np.random.RandomState) -> Seeds:
        """Draw them from one random state."""
        return cls(*map(int, state.randint(np.iinfo(np.int32).max, size=5)))


@dataclasses.dataclass(frozen=True)
class Model:
    """A fitted model.

    Rows are asked about as values (n, columns of the user), NaN where missing, as
    :func:`skvae.table.reading.read` makes them; what comes back is NumPy's, in the user's units.

    Attributes
    ----------
    vae : VAE
    table : Table
    seeds : Seeds
    device : torch.device
        Where the VAE is.
    others : tuple of VAE
        With which it makes an ensemble: scores, completions and drawn rows are of all, latents of
        the first.
    """

    vae: VAE
    table: Table
    seeds: Seeds
    device: torch.device
    others: tuple[VAE, ...] = ()
    _copies: _Copies = dataclasses.field(
        default_factory=lambda: _Copies(), init=False, repr=False, compare=False
    )

    @property
    def members(self) -> tuple[VAE, ...]:
        """All models whose mixture it is."""
        return self.vae, *self.others

    @property
    def precise(self) -> AnyVAE:
        """What to score with, see :func:`skvae.model.scoring.precise`."""
        return as_one(self._copies.like(self.members, self.device))

    @property
    def _encoding(self) -> VAE:
        """The first model, in the dtype to score with."""
        return self.precise.members[0]

    def on(self, device: torch.device) -> Model:
        """Return the model on a device: itself, or a copy."""
        if self.device == device:
            return self
        vae, *others = (copy.deepcopy(vae).to(device) for vae in self.members)
        return dataclasses.replace(self, vae=vae, device=device, others=tuple(others))

    def scoring(self, n_draws: Any, proposal: Any, verbose: int = 0) -> Scoring:
        """Return how rows are scored, with a bar where they are many and it is verbose.

        Raises
        ------
        ValueError, TypeError
            If there is no such number of draws, or nothing that the proposal draws from.
        """
        n_draws = positive_integer(n_draws, "n_draws")
        recipe = self._resolved(proposal)
        noise, memory = partial(KeyedNoise, self.seeds.scoring), get_config()["working_memory"]
        shown = verbose > 0
        return Scoring(recipe, n_draws, noise, self.device, 2**20 * memory, shown=shown)

    def _resolved(self, proposal: Any) -> Proposal:
        recipe = resolve(proposal, Proposal, "proposal")
        recipe.validate()
        if self.vae.encoder is None and isinstance(recipe, EncoderProposal):
            raise ValueError(NOTHING_TO_DRAW_FROM)
        return recipe

    # ------------------------------------------------------------------ scores

    def log_p(self, values: Float, scoring: Scoring) -> NDArray[np.float64]:
        """Return log p of the observed cells of every row, (n,)."""
        rows, log_det = as_rows(self.table, values)
        found: NDArray[np.float64] = scoring.log_marginal(self.precise, rows).numpy() + log_det
        return found

    def log_likelihood(self, values: Float, scoring: Scoring) -> LogLikelihood:
        """Return log p of the observed cells of every row with its quality."""
        rows, log_det = as_rows(self.table, values)
        found = {name: x.numpy() for name, x in scoring.estimate(self.precise, rows).items()}
        found["value"] += log_det
        found["elbo"] += log_det
        return LogLikelihood(**found)

    def log_given_rest(
        self, values: Float, column: NDArray[np.intp], scoring: Scoring
    ) -> NDArray[np.float64]:
        """Return log p of the cell of one column of each row given its other cells, (n,)."""
        rows, log_det = as_rows(self.table, values)
        rest = np.where(np.arange(values.shape[1]) == column[:, None], np.nan, values)
        positions = [known.position for known in self.table.columns]
        cell = torch.as_tensor(np.searchsorted(positions, column))
        log_p: NDArray[np.float64] = scoring.log_given_rest(self.precise, rows, cell).numpy()
        return log_p + log_det - self.table.encode(rest)[1]

    def usual_surprise(self, columns: Sequence[int], scoring: Scoring) -> Float:
        """Return the mean of -log p(x_j | rest) of each column over rows drawn from the model.

        ``columns`` are positions of the user's; nothing may be conditioned on.
        """
        kept = self._copies.usual_of(self.precise.members)
        key = repr(scoring.proposal), scoring.n_draws
        new = [j for j in columns if (j, *key) not in kept]
        nothing = np.full((USUAL_ROWS, len(self.table.container.fields)), np.nan)
        drawn = self.sample(nothing, None, self.seeds.scoring) if new else nothing
        for j in new:
            of_column = np.full(USUAL_ROWS, j)
            kept[j, *key] = -float(self.log_given_rest(drawn, of_column, scoring).mean())
        return np.array([kept[j, *key] for j in columns])

    # ------------------------------------------------------------------ completions

    def completing(self, scoring: Scoring, seed: int) -> Completing:
        """Return how rows are completed."""
        return Completing(self.precise, self.table, scoring, seed)

    def expect(self, values: Float, scoring: Scoring) -> Float:
        """Return values (n, c) with missing ones at their posterior mean, or mode."""
        return self.completing(scoring, seed=0).expect(values)

    def summarise(
        self, values: Float, of: Callable[[Float], Float], scoring: Scoring, seed: int
    ) -> Float:
        """Return values (n, c) with missing numbers at a function of draws, (K, c) -> (c,)."""
        return self.completing(scoring, seed).summarise(values, of)

    def complete(
        self,
        values: Float,
        n_samples: int,
        scoring: Scoring,
        seed: int,
        where: Mapping[Any, Any] | None = None,
    ) -> tuple[Float, CompletionQuality]:
        """Return values (n * n_samples, c) with missing ones drawn, under conditions by column."""
        under = conditions(where or {}, self.table)
        return self.completing(scoring, seed).complete(values, n_samples, under)

    # ------------------------------------------------------------------ draws

    def tell_of_draws(self, n_rows: int) -> None:
        """Warn before so many rows are drawn, if they take much."""
        tell_of_draws(n_rows, len(self.table.container.fields), self.vae.cells.n_parameters)

    @torch.no_grad()
    def sample(self, values: Float, context: Tensor | None, seed: int) -> Float:
        """Draw a row for each of values (n, c), of which what is conditioned on is known.

        ``context`` is that as the networks have it, see :meth:`context`.
        """
        return self._decoded([x for _, x in self._drawn(len(values), context, seed)], values, seed)

    @torch.no_grad()
    def sample_with_holes(
        self, values: Float, context: Tensor | None, seed: int, holes: Sequence[Holes]
    ) -> tuple[Float, NDArray[np.bool_]]:
        """Return what :meth:`sample` does, and which cells (n, c) are to be missing.

        ``holes`` are those of every member.
        """
        z, cells = zip(*self._drawn(len(values), context, seed), strict=True)
        generator = torch.Generator().manual_seed(seed)
        missing = np.zeros(values.shape, dtype=bool)
        positions = np.array([column.position for column in self.table.columns])
        joined = torch.cat(z).cpu()
        of = joined[:, -1] if self.others else torch.zeros(len(joined))
        for i, one in enumerate(holes):  # whose member is the last number of z
            own = (of == i).numpy()
            given = joined[own, : self.vae.n_latent]
            missing[np.ix_(own, positions)] = one.draw(given, generator).numpy()
        return self._decoded(list(cells), values, seed), missing

    @torch.no_grad()
    def learn_holes(self, values: Float, seed: int) -> tuple[Holes, ...]:
        """Return models of which cells of values (n, c) are missing, given latents of a member."""
        if self.others:
            alone = [dataclasses.replace(self, vae=vae, others=()) for vae in self.members]
            return tuple(holes for one in alone for holes in one.learn_holes(values, seed))
        rows, random = self._rows(values), np.random.RandomState(seed)
        z = self.draw_latents(values, 1, seed)[:, 0]
        some, context = random.randint(0, len(rows), NEW_ROWS), self.context(values)
        given = None if context is None else context[torch.as_tensor(some).to(context.device)]
        new = [z for z, _ in self._drawn(NEW_ROWS, given, int(random.randint(2**31 - 1)))]
        return (Holes.fit(~rows.observed, torch.as_tensor(z), torch.cat(new).cpu()),)

    def _drawn(self, n: int, context: Tensor | None, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield latents and cells of n drawn rows, chunk by chunk."""
        generator = torch.Generator(self.device).manual_seed(seed)
        vae = as_one(self.members)
        for rows in in_chunks(torch.arange(n), CHUNK_ROWS):
            yield vae.sample(len(rows), generator, None if context is None else context[rows])

    @torch.no_grad()
    def draw_latent(self, values: Float, seed: int) -> NDArray[np.float64]:
        """Draw a latent vector from the prior, given the context of the first row, (d,)."""
        generator = torch.Generator(self.device).manual_seed(seed)
        z: Tensor = self.vae.sample(1, generator, self.context(values[:1]))[0][0]
        return z.cpu().double().numpy()

    def context(self, values: Float) -> Tensor | None:
        """Return what the rows are given, on the model's device, (n, m); None where nothing is."""
        context = context_of(self.table, values)
        return None if context is None else context.to(self.device, torch.float32)

    # ------------------------------------------------------------------ latents

    def encode(self, values: Float) -> NDArray[np.float64]:
        """Return the mean of q(z | x) for each row, (n, d)."""
        return posterior_mean(self._encoding, self._rows(values), self.device).numpy()

    def spread(self, values: Float) -> NDArray[np.float64]:
        """Return the standard deviation of every latent under q(z | x), (n, d)."""
        return posterior_std(self._encoding, self._rows(values), self.device).numpy()

    def draw_latents(self, values: Float, n_samples: int, seed: int) -> NDArray[np.float64]:
        """Return draws of q(z | x) for each row, (n, n_samples, d)."""
        generator = torch.Generator().manual_seed(seed)

        def drawn(q: PriorDistribution) -> Tensor:
            shape = (n_samples, len(q.mean), q.n_noise)
            noise = torch.randn(shape, generator=generator, dtype=torch.float64)
            return q.rsample(noise.to(q.mean)).movedim(0, 1)

        return of_posterior(self._encoding, self._rows(values), self.device, drawn).numpy()

    @torch.no_grad()
    def draw_given(self, Z: NDArray[np.float64], values: Float, seed: int) -> Float:
        """Draw a row from p(x | z) for each latent vector.

        Of values (n, c) those conditioned on are known.
        """
        generator = torch.Generator(self.device).manual_seed(seed)
        cells = [self.vae.cells.sample(theta, generator) for theta in self._thetas(Z, values)]
        return self._decoded(cells, values, seed)

    @torch.no_grad()
    def decode(self, Z: NDArray[np.float64], values: Float) -> Float:
        """Return the mean of p(x | z) for each latent vector.

        Of values (n, c) those conditioned on are known.
        """
        by_column = map(self.vae.cells.by_column, self._thetas(Z, values))
        mean = np.concatenate([self.table.expect(columns) for columns in by_column])
        return np.where(np.isnan(mean), values, mean)

    def _thetas(self, Z: NDArray[np.float64], values: Float) -> Iterator[list[Tensor]]:
        """Yield theta of every block of cells for chunks of latent vectors (n, d)."""
        pairs = zip(in_chunks(Z, CHUNK_ROWS), in_chunks(values, CHUNK_ROWS), strict=True)
        for some, given in pairs:
            z = torch.tensor(some, dtype=torch.float32, device=self.device)  # Z may be read-only
            theta = self.vae.decode(z, self.context(given))
            if any(bool(of_block.isnan().any()) for of_block in [z - z, *theta]):
                raise ValueError(
                    "Latents are not finite, or so far from zero that what follows from them is "
                    f"not: the largest number is {np.abs(some).max():g}. The prior has most of its "
                    "mass from -2 to 2. Move rows less far."
                )
            yield theta

    def _decoded(self, cells: list[Tensor], values: Float, seed: int) -> Float:
        """Return drawn cells as values; those that have no cells are as they are."""
        x = torch.cat(cells).cpu().double().numpy()
        drawn = self.table.decode(x, np.random.RandomState(seed))
        return np.where(np.isnan(drawn), values, drawn)

    def _rows(self, values: Float) -> Batch:
        return as_rows(self.table, values)[0]


def as_one(members: Sequence[VAE]) -> AnyVAE:
    """Return a model, or several as one."""
    return members[0] if len(members) == 1 else Ensemble(members)


class _Copies:
    """The VAEs that rows are scored with; neither pickled nor copied."""

    def __init__(self) -> None:
        self.scored: list[_Scored] = []
        self.usual: tuple[tuple[VAE, ...], dict[Any, float]] = ((), {})

    def like(self, members: Sequence[VAE], device: torch.device) -> list[VAE]:
        """Return the models to score with."""
        self.scored = self.scored or [_Scored() for _ in members]
        pairs = zip(self.scored, members, strict=True)
        return [scored.like(vae, device) for scored, vae in pairs]

    def usual_of(self, copies: tuple[VAE, ...]) -> dict[Any, float]:
        """Return what is known of usual surprises by models to score with, for more."""
        if [*map(id, self.usual[0])] != [*map(id, copies)]:
            self.usual = copies, {}
        return self.usual[1]

    def __getstate__(self) -> dict[str, Any]:
        return vars(_Copies())

    def __deepcopy__(self, memo: dict[int, Any]) -> _Copies:
        return _Copies()


class _Scored:
    """The VAE that rows are scored with, copied again only where the fitted one was edited.

    By values, for a parameter's version does not tell of edits by ``.data``. What a module of a
    user's does may depend on more than its parameters: with such a one it is copied every time.
    """

    #: Packages whose modules compute from their parameters, buffers and mode alone.
    KNOWN = ("skvae", "torch", "zuko")

    def __init__(self) -> None:
        self.original: list[Any] = []
        self.copy: VAE | None = None

    def like(self, vae: VAE, device: torch.device) -> VAE:
        """Return the model to score with."""
        if self.copy is None or not self._is_copied(vae):
            self.copy = precise(vae, device)
            self.original = [*_structure(vae)]
        return self.copy

    def _is_copied(self, vae: VAE) -> bool:
        assert self.copy is not None
        if self.copy is vae:
            return True
        ours = all(type(m).__module__.partition(".")[0] in self.KNOWN for m in vae.modules())
        return ours and self.original == [*_structure(vae)] and _equal(vae, self.copy)


def _structure(vae: VAE) -> Iterator[tuple[str, type, bool]]:
    """Return what a model is made of, and its mode."""
    for name, module in vae.named_modules():
        yield name, type(module), module.training


def _equal(vae: VAE, other: VAE) -> bool:
    """Return whether parameters and buffers of two models of one structure are equal."""
    pairs = zip(_tensors(vae), _tensors(other), strict=True)
    return all(torch.equal(one.to(two.dtype), two) for one, two in pairs)


def _tensors(vae: VAE) -> list[Tensor]:
    return [*vae.parameters(), *vae.buffers()]
