"""Cells: the columns of a table as blocks of cells, one block per family."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .batch import Batch
from .families.base import (
    ENDS,
    MIN_SCALE,
    OPEN,
    CellDistribution,
    Family,
    Limits,
    LinearStart,
    Sharing,
    Statistics,
)
from .images import Maps, PixelLinear
from .networks import Linear, zeros

#: Encoder inputs are held within this many standard deviations: far beyond it a network's scales
#: overflow, and a proposal so far out is no worse for being bounded. Densities are not clipped.
FEATURE_LIMIT = 100.0
#: Stands in a missing cell while its masked density is taken: every family has a finite one there,
#: and so has the gradient, which a mask alone would not mend.
ANY_CELL = 0.5


@dataclasses.dataclass
class Columns:
    """Columns that share a family, before a model is built; :meth:`measure` makes them from cells.

    Attributes
    ----------
    family : Family
    index : sequence of int
        Positions of the columns in ``Batch.x``.
    n_levels : sequence of int, optional
        How many levels each column of codes has; 1 each by default.
    of : Statistics, optional
        Of the cells; those of standardised cells by default.
    floor : Tensor of shape (len(index),), optional
        Smallest scale allowed, in the units of the cells; by default from the statistics.
    ends : Tensor of shape (2, len(index)), optional
        Of the columns, in the units of the cells; far beyond any cell by default.
    """

    family: Family
    index: Sequence[int]
    n_levels: Sequence[int] | None = None
    of: Statistics | None = None
    floor: Tensor | None = None
    ends: Tensor | None = None

    @classmethod
    def measure(
        cls,
        family: Family,
        index: Sequence[int],
        x: Tensor,
        resolution: Tensor | None = None,
        n_levels: Sequence[int] | None = None,
        ends: Tensor | None = None,
        least: Tensor | float = MIN_SCALE,
    ) -> Columns:
        """Measure cells x (n, len(index)), in float64, whose resolution is 0 by default.

        A missing cell is NaN; every column has an observed one. No scale is below ``least``
        standard deviations, or what the family has for a unit.
        """
        columns = cls(family, index, n_levels, ends=ends)
        columns.of = _statistics(family, x, columns.valid)
        resolution = torch.zeros_like(x[0]) if resolution is None else resolution
        # Codes of the largest numbers have a resolution that single precision does not hold.
        columns.floor = family.floor(columns.of, resolution, least).clamp_max(OPEN)
        return columns

    @property
    def valid(self) -> Tensor:
        """Which levels each column has, (c, L) bool."""
        n_levels = torch.as_tensor(list(self.n_levels or [1] * len(self.index)))
        return torch.arange(int(n_levels.max())) < n_levels.unsqueeze(-1)

    def known(self) -> tuple[Statistics, Tensor]:
        """Return the statistics and the floor, given or by default."""
        of = self.of or _standard_statistics(self.family, self.valid)
        floor = self.family.floor(of, 0.0 * of.mean) if self.floor is None else self.floor
        return of, floor

    def marginal(self) -> CellDistribution:
        """Return the distribution of the cells before anything is known of z, (c,)."""
        block = Block(self, 0).double()
        of, _ = self.known()
        block.start(of.center.unsqueeze(-1)[..., :0], torch.ones_like(of.center), 0)
        with torch.no_grad():
            return self.family(block(of.center.new_zeros(0).double()))


def _statistics(family: Family, x: Tensor, valid: Tensor) -> Statistics:
    missing = x.isnan()
    if not missing.any():
        return family.statistics(x, valid)
    parts = [
        _standard_statistics(family, valid[j : j + 1])  # all of its values may be held out
        if missing[:, j].all()
        else family.statistics(x[~missing[:, j], j : j + 1], valid[j : j + 1])
        for j in range(len(valid))
    ]
    fields = [field.name for field in dataclasses.fields(Statistics)]
    return Statistics(**{name: torch.cat([getattr(p, name) for p in parts]) for name in fields})


def _standard_statistics(family: Family, valid: Tensor) -> Statistics:
    zero = torch.zeros(len(valid))
    features = family.features(zero, valid.shape[-1])
    frequency = (valid / valid.sum(-1, keepdim=True)).where(valid, torch.ones(()))
    return Statistics(0.0 * features, 0.0 * features + 1.0, zero, zero + 1.0, frequency)


class Block(nn.Module):
    """The head of one family: features of the decoder -> theta of its cells."""

    center: Tensor
    spread: Tensor
    floor: Tensor
    ends: Tensor
    index: Tensor
    valid: Tensor

    def __init__(
        self, columns: Columns, n_features: int, maps: Maps | None = None, alike: bool = False
    ):
        super().__init__()
        self.family = columns.family
        self.n_cells, self.n_levels = columns.valid.shape
        of, floor = columns.known()
        self.columns = dataclasses.replace(columns, of=of, floor=floor)
        self.register_buffer("index", torch.as_tensor(list(columns.index)))
        self.register_buffer("valid", columns.valid)
        seen = of.pooled() if alike else of
        buffers = {"center": seen.center, "spread": seen.spread, "floor": floor}
        if ENDS[0] in self.family.parameters:
            buffers["ends"] = _open(floor) if columns.ends is None else columns.ends
        for name, value in buffers.items():
            self.register_buffer(name, value.clone().to(torch.get_default_dtype()))
        self.full = bool(columns.valid.all())
        self.sharings = self.family.parameters
        self.sizes = self.family.sizes(self.n_levels)
        # Raw numbers that depend on z come from one linear layer, in the order of parameters.
        self.widths = [
            self._cells(sharing) * size if sharing in ("cell", "row") else 0
            for sharing, size in zip(self.sharings, self.sizes, strict=True)
        ]
        self.linear = Linear(n_features, sum(self.widths)) if maps is None else self._of_maps(maps)
        self.free = nn.ParameterDict(
            {
                str(i): zeros(self._cells(sharing) * self.sizes[i])
                for i, sharing in enumerate(self.sharings)
                if sharing in ("column", "shared")
            }
        )

    def _of_maps(self, maps: Maps) -> PixelLinear:
        """Return the layer that makes the raw numbers of pixels from feature maps."""
        from_z = zip(self.sharings, self.sizes, strict=True)
        widths = [(size, how == "row") for how, size in from_z if how in ("cell", "row")]
        return PixelLinear(maps, self.index, widths)

    @property
    def n_theta(self) -> int:
        """Numbers that the distribution of a cell takes."""
        return sum(self.sizes) if self.n_levels == 1 else self.n_levels

    @property
    def limits(self) -> Limits:
        """What the columns allow."""
        return Limits(self.floor.unsqueeze(-1), self.valid, self.full)

    def _cells(self, sharing: Sharing) -> int:
        return self.n_cells if sharing in ("cell", "column") else 1

    def forward(self, h: Tensor) -> Tensor:
        """H (..., features) -> theta (..., c, p), in training without the ends of columns.

        To be cut off costs half as much again as the rest of a step, and gains nothing.
        """
        from_z = iter(self.linear(h).split([w for w in self.widths if w], -1))
        raw = [
            next(from_z).unflatten(-1, (-1, size)) if width else self._without_z(i, h)
            for i, (width, size) in enumerate(zip(self.widths, self.sizes, strict=True))
            if not (self.training and self.sharings[i] in ENDS)
        ]
        parts = self.family.constrain(raw, self.limits)
        if len(parts) == 1:
            return parts[0]
        shape = (*h.shape[:-1], self.n_cells)
        return torch.cat([part.expand(*shape, -1) for part in parts], -1)

    def _without_z(self, i: int, h: Tensor) -> Tensor:
        if str(i) in self.free:
            value: Tensor = self.free[str(i)].unflatten(-1, (-1, self.sizes[i]))
            return value
        constant = self.sharings[i]
        if constant in ENDS:
            end: Tensor = self.ends[ENDS.index(str(constant))].unsqueeze(-1)
            return end
        assert isinstance(constant, float)
        return torch.full((1, 1), constant, dtype=h.dtype, device=h.device)

    def features(self, x: Tensor) -> Tensor:
        """Return what an encoder sees of cells (..., c), standardised, (..., c, f)."""
        return (self.family.features(x, self.n_levels) - self.center) / self.spread

    @torch.no_grad()
    def start(
        self, loadings: Tensor, noise_scale: Tensor, n_hidden: int, mean: Tensor | None = None
    ) -> None:
        """Set the head to a linear model on z, which is the last part of the features.

        Loadings (c, f, d), the scale of the noise (c, f) and the mean (c, f) are those of the
        standardised features, whose mean is 0 by default.
        """
        self.linear.weight.zero_()
        for i, rows, weight in self._start_biases(loadings, noise_scale, mean):
            z = slice(n_hidden, n_hidden + weight.shape[-1])
            n = self.widths[i] // self.sizes[i]
            self.linear.weight[rows, z] = _reduce(weight, n).flatten(0, 1).to(self.linear.weight)

    @torch.no_grad()
    def start_at_mean(self) -> None:
        """Set the biases to what is known of the cells before anything is known of z."""
        of, _ = self.columns.known()
        self._start_biases(of.center.unsqueeze(-1)[..., :0], torch.ones_like(of.center))

    def _start_biases(
        self, loadings: Tensor, noise_scale: Tensor, mean: Tensor | None = None
    ) -> list[tuple[int, slice, Tensor]]:
        """Set what does not depend on z to a linear model; return its weights, and their places."""
        of, _ = self.columns.known()
        if mean is not None:
            of = of.moved(mean)
        linear = LinearStart(loadings, noise_scale, self.floor, of)
        first, weights = 0, []
        for i, (weight, bias) in enumerate(self.family.start(linear)):
            if str(i) in self.free:
                size = self._cells(self.sharings[i])
                self.free[str(i)].copy_(_reduce(bias, size).flatten())
            rows = slice(first, first + self.widths[i])
            n = self.widths[i] // self.sizes[i]
            self.linear.bias[rows] = _reduce(bias, n).flatten().to(self.linear.bias)
            weights.append((i, rows, weight))
            first = rows.stop
        return weights


def _open(like: Tensor) -> Tensor:
    """Return the ends of columns that have none, (2, c)."""
    return torch.stack([torch.full_like(like, -OPEN), torch.full_like(like, OPEN)])


def _reduce(value: Tensor, n: int) -> Tensor:
    """Bring one value a cell (c, ...) to n: as they are, their mean, or none."""
    return value if n == len(value) else value.mean(0, keepdim=True)[:n]


class Cells(nn.Module):
    """The cells of a table, in blocks: features for the encoder, densities for the decoder.

    Loops run over families, never over columns.

    Parameters
    ----------
    columns : sequence of Columns
        Together they must name every position 0 .. c - 1 once.
    n_features : int
        Width of the decoder's features.
    masked : bool
        Whether the encoder is told which cells are observed.
    maps : Maps, optional
        What the decoder's features are where rows are images.
    alike : bool
        Whether cells are standardised alike for the encoder.
    """

    order: Tensor
    seen: Tensor
    owner: Tensor

    def __init__(
        self,
        columns: Sequence[Columns],
        n_features: int,
        masked: bool = False,
        maps: Maps | None = None,
        alike: bool = False,
    ):
        super().__init__()
        self.blocks = nn.ModuleList([Block(part, n_features, maps, alike) for part in columns])
        index = torch.cat([block.index for block in self.parts])
        assert sorted(index.tolist()) == list(range(len(index))), "columns must partition the table"
        self.register_buffer("order", torch.argsort(index))
        self.in_order = len(self.blocks) == 1 and index.tolist() == sorted(index.tolist())
        self.masked = masked
        # Features in the order of the table, without those of levels that a column does not have.
        owner = torch.cat([_owners(block) for block in self.parts])
        seen = torch.argsort(owner, stable=True)[(owner < 0).sum() :]
        self.register_buffer("seen", seen, persistent=False)
        self.register_buffer("owner", owner[seen], persistent=False)

    @property
    def parts(self) -> list[Block]:
        """The blocks, one a family."""
        return [block for block in self.blocks if isinstance(block, Block)]

    @property
    def n_cells(self) -> int:
        """Cells of a row."""
        return len(self.order)

    @property
    def n_parameters(self) -> int:
        """Numbers that the distributions of a row's cells take."""
        return sum(block.n_cells * block.n_theta for block in self.parts)

    @property
    def n_inputs(self) -> int:
        """Width of :meth:`features`."""
        return len(self.owner) + (self.n_cells if self.masked else 0)

    @property
    def input_owner(self) -> Tensor:
        """The cell that each number of :meth:`features` is of, (n_inputs,)."""
        cells = torch.arange(self.n_cells).to(self.owner)
        return torch.cat([self.owner, cells]) if self.masked else self.owner

    def start_at_mean(self) -> None:
        """Start every family from what is known of its columns before anything is known of z."""
        for block in self.parts:
            block.start_at_mean()

    def features(self, batch: Batch) -> Tensor:
        """Return what the encoder sees: standardised features, zero where missing, and the mask.

        A column has one feature, or one for each of its levels.
        """
        features = self.masked_features(batch).clamp(-FEATURE_LIMIT, FEATURE_LIMIT)
        if not self.masked:
            return features
        return torch.cat([features, batch.observed.to(features)], -1)

    def masked_features(self, batch: Batch) -> Tensor:
        """Return the standardised features of rows, zero where missing, (n, f)."""
        if batch.mask is None:
            return self.plain_features(batch.x)
        features = self.plain_features(torch.where(batch.mask, batch.x, ANY_CELL))
        return torch.where(batch.mask[..., self.owner], features, 0.0)

    def plain_features(self, x: Tensor) -> Tensor:
        """Return the standardised features of observed cells x (n, c), (n, f)."""
        parts = [block.features(self._take(x, block)).flatten(-2) for block in self.parts]
        return parts[0] if self.in_order and self.n_cells == len(self.owner) else self._see(parts)

    def _see(self, parts: list[Tensor]) -> Tensor:
        return torch.cat(parts, -1)[..., self.seen]

    def split_features(self, of_features: Tensor) -> list[Tensor]:
        """Cut numbers of the features (f, ...) into blocks, each (c_block, f_cell, ...)."""
        sizes = [block.center.numel() for block in self.parts]
        whole = of_features.new_zeros(sum(sizes), *of_features.shape[1:])
        whole[self.seen] = of_features
        return [
            part.unflatten(0, block.center.shape)
            for part, block in zip(whole.split(sizes), self.parts, strict=True)
        ]

    def forward(self, h: Tensor) -> list[Tensor]:
        """Features of the decoder (..., f) -> theta of every block, each (..., c_block, p)."""
        return [block(h) for block in self.blocks]

    def log_prob(self, batch: Batch, thetas: list[Tensor]) -> Tensor:
        """Return log p(cell | z), zero where missing. -> (..., n, c), columns in table order."""
        x = batch.x
        if batch.mask is not None:
            x = torch.where(batch.mask, x, ANY_CELL)
        parts = [
            block.family(theta.to(x.dtype)).log_prob(self._take(x, block))
            for block, theta in zip(self.parts, thetas, strict=True)
        ]
        log_prob = self._join(parts)
        return log_prob if batch.mask is None else torch.where(batch.mask, log_prob, 0.0)

    def fisher(self, batch: Batch, thetas: Sequence[Tensor], tangents: Sequence[Tensor]) -> Tensor:
        """Return the Fisher information of the observed cells about z, (n, d, d).

        Tangents are the derivatives of theta by each latent, (d, n, c_block, p) a block.
        """
        total = batch.x.new_zeros(())
        for block, theta, tangent in zip(self.parts, thetas, tangents, strict=True):
            root = block.family.fisher_sqrt(theta.to(batch.x), tangent.to(batch.x))
            root = root.reshape(*tangent.shape[:3], -1)  # (d, n, c_block, r)
            if batch.mask is not None:
                root = torch.where(self._take(batch.mask, block).unsqueeze(-1), root, 0.0)
            flat = root.flatten(-2).transpose(0, 1)  # (n, d, c_block * r)
            total = total + flat @ flat.mT
        return total

    def sample(self, thetas: list[Tensor], generator: torch.Generator | None) -> Tensor:
        """Draw cells. -> (..., c)."""
        return self._join(
            [
                block.family(theta).sample(generator=generator)
                for block, theta in zip(self.parts, thetas, strict=True)
            ]
        )

    def mean(self, thetas: list[Tensor]) -> Tensor:
        """Return the mean of every cell. -> (..., c)."""
        return self._join(
            [block.family(theta).mean for block, theta in zip(self.parts, thetas, strict=True)]
        )

    def by_column(self, thetas: list[Tensor]) -> list[CellDistribution]:
        """Return the distribution of every column, each of batch shape (...)."""
        return self._columns(
            [
                [block.family(theta[..., i, :]) for i in range(block.n_cells)]
                for block, theta in zip(self.parts, thetas, strict=True)
            ]
        )

    def average(self, thetas: list[Tensor], weight: Tensor) -> list[Tensor]:
        """Return the weighted sum over draws of what is expected of every column.

        Weights (K, n) and theta (K, n, c_block, p) a block -> (n, 1 or levels) a column: its mean,
        or the probability of every level. Sums over some of the draws add up.
        """
        summaries = [
            block.family(theta.to(weight)).summary
            for block, theta in zip(self.parts, thetas, strict=True)
        ]
        return self._columns(
            [torch.einsum("kn,kncl->ncl", weight, part).unbind(1) for part in summaries]
        )

    @torch.no_grad()
    def sample_apart(self, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Draw cells (n, c) as if columns had nothing to do with each other, on the CPU, float64.

        Also returns the log-probability of each cell, (n, c).
        """
        marginals = [block.columns.marginal() for block in self.parts]
        parts = [marginal.sample((n,), generator) for marginal in marginals]
        log_prob = [m.log_prob(x) for m, x in zip(marginals, parts, strict=True)]
        order = self.order.cpu()
        return torch.cat(parts, -1)[:, order], torch.cat(log_prob, -1)[:, order]

    def _columns(self, of_blocks: Sequence[Sequence[Any]]) -> list[Any]:
        """Bring what blocks have for each of their columns into the order of the table."""
        found = [item for of_block in of_blocks for item in of_block]
        return [found[i] for i in self.order]

    def _take(self, x: Tensor, block: Block) -> Tensor:
        return x if self.in_order else x[..., block.index]

    def _join(self, parts: list[Tensor]) -> Tensor:
        if self.in_order:
            return parts[0]
        return torch.cat(parts, -1)[..., self.order]


def _owners(block: Block) -> Tensor:
    """Return the column each feature of a block is of, -1 where it is of no level, (c * f,)."""
    owners = block.index.unsqueeze(-1).expand(block.center.shape)
    used = (
        block.valid if block.valid.shape == block.center.shape else torch.ones_like(owners).bool()
    )
    return torch.where(used, owners, -1).flatten()
