"""Starts: models of a table as they are before training."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ..core.batch import Batch
from ..core.build import build_vae
from ..core.cells import Cells, Columns
from ..core.families.base import MIN_SCALE, Family
from ..core.latents.priors import Mixture, Prior
from ..core.linear import linear_model, start_linear
from ..core.objectives.traits import Traits
from ..core.recipe import Recipe
from ..core.vae import VAE
from ..table.codecs import Float
from ..table.table import Table
from .mixture_start import ColumnMixture, chosen_mixture, copies, start_at_mixture
from .mixtures import Candidate
from .neighbours import left_scale
from .prior_start import start_prior
from .settings import Network, Settings

#: The start at a mixture of normals.
MIXTURE = "mixture"
#: From so many rows on both starts end alike, and one takes half the time.
MANY_ROWS = 2_000
#: Latents where ``latent_dim`` is "auto", if a row has as many numbers; and at most, where as many
#: as columns of real numbers start better.
LATENTS, MAX_LATENTS = 16, 64

#: Smallest scale of a column that others tell nearly: by this share of what they leave open, and
#: at least this one, below which they are taken to tell it exactly.
OF_OPEN, OPEN_SCALE = 0.1, 2e-5


class Starts:
    """What training can start from: models of a table, built and set.

    Parameters
    ----------
    settings : Settings
    table : Table
    families : list of Family
        One a column.
    traits : Traits
        Of the objective.
    seed : int

    Attributes
    ----------
    latent_dim : int or tuple of two
        Of what is built, but from a mixture, which has a latent for each column.
    mixture : Candidate or None
        What the mixture of normals is fitted with, once it is chosen.
    """

    def __init__(
        self, settings: Settings, table: Table, families: list[Family], traits: Traits, seed: int
    ):
        self.settings, self.table, self.families = settings, table, families
        self.traits, self.seed = traits, seed
        self.latent_dim = settings.latent_dim or min(self.n_numbers, LATENTS)
        self.mixture: Candidate | None = None

    @property
    def n_numbers(self) -> int:
        """How many numbers say all of a row: one a column, or one less than it has levels."""
        return sum(max(n - 1, 1) for n in self.table.n_levels)

    @property
    def has_levels(self) -> bool:
        """Whether a column is of codes."""
        return max(self.table.n_levels) > 1

    def kinds(self, rows: Batch, is_warm: bool) -> list[str]:
        """Return the starts to try with rows, the plainest first."""
        found = kinds(self.settings, len(rows), is_warm, self.has_levels)
        return found if self._can_be_mixture(rows) else [init for init in found if init != MIXTURE]

    def build(self, rows: Batch, init: str, latent_dim: int | None = None) -> VAE:
        """Build a model on the CPU, so that it starts alike on every device."""
        precise = rows.to("cpu", torch.float64)
        if init == MIXTURE:
            return self._at_mixture(precise)
        vae = self._build(precise, latent_dim or self.latent_dim, self.settings.prior)
        if init == "linear":
            start_linear(vae, linear_model(vae, precise), precise)
        start_prior(vae, rows, self.seed, of_latents=init == "linear")
        return vae

    def cells(self, rows: Batch) -> Cells:
        """Return the cells of rows, float64, before there is a model."""
        return Cells(self._columns(rows.with_nan()), 1).double()

    def choose_mixture(self, rows: Batch) -> bool:
        """Choose what a mixture is fitted with; return whether one can be."""
        x = self._features(rows.to("cpu", torch.float64))
        self.mixture = chosen_mixture(x, self.settings.prior, self.seed)
        return self.mixture is not None

    def _features(self, rows: Batch) -> Float:
        features: Float = self.cells(rows).masked_features(rows).numpy()
        return features

    def _at_mixture(self, rows: Batch) -> VAE:
        """Build a model that is a mixture of normals of the columns."""
        assert self.mixture is not None
        mixture = ColumnMixture.fitted(self.mixture, self._features(rows), self.seed)
        vae = self._build(rows, len(self.families), Mixture(len(mixture.weights)))
        start_at_mixture(vae, mixture)
        return vae

    def _can_be_mixture(self, rows: Batch) -> bool:
        traits, c = self.traits, len(self.families)
        plain = traits.needs_encoder and not (traits.deterministic or traits.hides_cells)
        complete = rows.mask is None and rows.context is None and rows.sets is None
        return plain and complete and c <= MAX_LATENTS and all(map(copies, self.families))

    def _build(self, rows: Batch, latent_dim: int | tuple[int, int], prior: Prior) -> VAE:
        settings = self.settings
        return build_vae(
            self._columns(rows.with_nan()),
            latent_dim,
            n_context=0 if rows.context is None else rows.context.shape[1],
            masked=rows.mask is not None or self.traits.hides_cells,
            prior=prior,
            posterior=settings.posterior,
            hidden_layer_sizes=settings.hidden_layer_sizes,
            activation=settings.activation,
            dropout=settings.dropout,
            encoder=self._module(settings.encoder),
            decoder=self._module(settings.decoder),
            image_shape=settings.image_shape,
            has_encoder=self.traits.needs_encoder,
            deterministic=self.traits.deterministic,
            generator=self.generator(),
        )

    def generator(self) -> torch.Generator:
        """Return a source of initial weights."""
        return torch.Generator().manual_seed(self.seed)

    def _columns(self, cells: Tensor) -> list[Columns]:
        """Group columns (n, c), NaN where missing, by family: one block for each that occurs.

        Columns of codes share one only with those of a similar number of levels.
        """
        resolution, ends = torch.as_tensor(self.table.resolution), torch.as_tensor(self.table.ends)
        n_levels, least = self.table.n_levels, self._least_scales(cells)
        groups: dict[tuple[str, int], list[int]] = {}
        for j, family in enumerate(self.families):
            groups.setdefault((repr(family), (n_levels[j] - 1).bit_length()), []).append(j)
        return [
            Columns.measure(
                self.families[index[0]],
                index,
                cells[:, index],
                resolution[index],
                [n_levels[j] for j in index],
                ends[:, index],
                least[index],
            )
            for index in groups.values()
        ]

    def _least_scales(self, cells: Tensor) -> Tensor:
        """Return the smallest scales of columns (n, c), in deviations, (c,).

        Where the others tell a column to less than a hundredth, it is by a tenth of what they leave
        open; where they tell it exactly there is nothing left to measure.
        """
        least = torch.full(cells.shape[1:], MIN_SCALE, dtype=cells.dtype)
        j = [j for j, family in enumerate(self.families) if copies(family)]
        x = cells[:, j]
        if len(j) < 2 or x.isnan().any() or (x == x[:1]).all(0).any():
            return least
        left = torch.as_tensor(left_scale(x.numpy()))
        is_open = left > OPEN_SCALE
        least[j] = torch.where(is_open, (OF_OPEN * left).clamp(OPEN_SCALE, MIN_SCALE), MIN_SCALE)
        return least

    def _module(self, given: Network | None) -> Any:
        """Return a fresh copy of a user's module or recipe, or what their factory makes."""
        if given is None or isinstance(given, nn.Module | Recipe):
            return copy.deepcopy(given)
        # A factory builds layers that read the global generator: lend it one of ours.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)
            made = given()
        if not isinstance(made, nn.Module | Recipe):
            raise TypeError(
                f"encoder and decoder: expected a function that returns a torch module. {given!r} "
                f"returned {made!r}."
            )
        return made


def kinds(settings: Settings, n_rows: int, is_warm: bool, has_levels: bool) -> list[str]:
    """Return the starts to try, the plainest first, of a table with or without columns of codes.

    That at a mixture is for complete rows of real numbers alone.
    """
    if is_warm:
        return ["warm"]
    if settings.init != "auto":
        return [settings.init]
    if not settings.built_in or settings.n_layers > 1:
        return ["random"]
    if settings.door.starts_linear and not has_levels:
        return ["linear"]
    plain = settings.latent_dim is None and not settings.correlated and not has_levels
    mixture = [MIXTURE] * (plain and settings.prior.starts_from_mixture)
    if n_rows >= MANY_ROWS and settings.prior.starts_from_mixture:
        return ["linear", *mixture]
    if n_rows >= MANY_ROWS and has_levels:
        return ["random"]
    return ["linear", "random", *mixture]
