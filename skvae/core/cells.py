"""Cells: a batch of rows as blocks of cells, one block per family; the mask of observed cells."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .families import Family, LinearStart
from .networks import Linear

#: Encoder inputs are held within this many standard deviations: far beyond it a network's scales
#: overflow, and a proposal so far out is no worse for being bounded. Densities are not clipped.
FEATURE_LIMIT = 100.0


@dataclasses.dataclass(frozen=True)
class Batch:
    """Rows for a model.

    Attributes
    ----------
    x : Tensor of shape (n, c)
        One number a cell. Its dtype is the one in which densities are summed.
    mask : Tensor of shape (n, c), bool, or None
        True where a cell is observed. None: all are.
    context : Tensor of shape (n, m) or None
        What is conditioned on: columns or labels.
    """

    x: Tensor
    mask: Tensor | None = None
    context: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: slice | Tensor) -> Batch:
        return Batch(
            self.x[rows],
            None if self.mask is None else self.mask[rows],
            None if self.context is None else self.context[rows],
        )

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Batch:
        """Move everything to a device; x and context also to a dtype."""

        def move(numbers: Tensor) -> Tensor:
            return numbers.to(device, dtype or numbers.dtype)

        return Batch(
            move(self.x),
            None if self.mask is None else self.mask.to(device),
            None if self.context is None else move(self.context),
        )


@dataclasses.dataclass
class Columns:
    """Columns that share a family, before a model is built.

    Attributes
    ----------
    family : Family
    index : sequence of int
        Positions of the columns in ``Batch.x``.
    center, spread : Tensors of shape (len(index),), optional
        Mean and standard deviation of the cells; 0 and 1 by default.
    floor : Tensor of shape (len(index),), optional
        Smallest scale allowed, in the units of the cells; 0.001 spreads by default.
    """

    family: Family
    index: Sequence[int]
    center: Tensor | None = None
    spread: Tensor | None = None
    floor: Tensor | None = None


class Block(nn.Module):
    """The head of one family: features of the decoder -> theta of its cells."""

    center: Tensor
    spread: Tensor
    floor: Tensor
    index: Tensor

    def __init__(self, columns: Columns, n_features: int):
        super().__init__()
        self.family = columns.family
        self.n_cells = len(columns.index)
        spread = torch.ones(self.n_cells) if columns.spread is None else columns.spread
        center = torch.zeros(self.n_cells) if columns.center is None else columns.center
        floor = 1e-3 * spread if columns.floor is None else columns.floor
        self.register_buffer("index", torch.as_tensor(list(columns.index)))
        for name, value in (("center", center), ("spread", spread), ("floor", floor)):
            self.register_buffer(name, value.clone().to(torch.get_default_dtype()))
        # Raw numbers that depend on z come from one linear layer, in the order of parameters.
        self.widths = [self._width(sharing) for sharing in self.family.parameters]
        self.linear = Linear(n_features, sum(self.widths))
        self.free = nn.ParameterDict(
            {
                str(i): nn.Parameter(torch.zeros(self.n_cells if sharing == "column" else 1))
                for i, sharing in enumerate(self.family.parameters)
                if sharing in ("column", "shared")
            }
        )

    def _width(self, sharing: str | float) -> int:
        return {"cell": self.n_cells, "row": 1}.get(str(sharing), 0)

    def forward(self, h: Tensor) -> Tensor:
        """H (..., features) -> theta (..., c, p)."""
        from_z = iter(self.linear(h).split([w for w in self.widths if w], -1))
        raw = [
            next(from_z) if width else self._without_z(i, h) for i, width in enumerate(self.widths)
        ]
        parts = self.family.constrain(raw, self.floor)
        shape = (*h.shape[:-1], self.n_cells)
        return torch.stack([part.expand(shape) for part in parts], -1)

    def _without_z(self, i: int, h: Tensor) -> Tensor:
        if str(i) in self.free:
            value: Tensor = self.free[str(i)]
            return value
        constant = self.family.parameters[i]
        assert isinstance(constant, float)
        return torch.tensor(constant, dtype=h.dtype, device=h.device)

    @torch.no_grad()
    def start(self, loadings: Tensor, noise_scale: Tensor, n_hidden: int) -> None:
        """Set the head to a linear model on z, which is the last part of the features."""
        linear = LinearStart(loadings, self.center, self.spread, noise_scale, self.floor)
        self.linear.weight.zero_()
        self.linear.bias.zero_()
        first = 0
        for i, (weight, bias) in enumerate(self.family.start(linear)):
            if str(i) in self.free:
                self.free[str(i)].copy_(_reduce(bias, len(self.free[str(i)])))
            rows = slice(first, first + self.widths[i])
            z = slice(n_hidden, n_hidden + weight.shape[1])
            self.linear.weight[rows, z] = _reduce(weight, self.widths[i]).to(self.linear.weight)
            self.linear.bias[rows] = _reduce(bias, self.widths[i]).to(self.linear.bias)
            first = rows.stop


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
    """

    order: Tensor

    def __init__(self, columns: Sequence[Columns], n_features: int, masked: bool = False):
        super().__init__()
        self.blocks = nn.ModuleList([Block(part, n_features) for part in columns])
        index = torch.cat([block.index for block in self.parts])
        assert sorted(index.tolist()) == list(range(len(index))), "columns must partition the table"
        self.register_buffer("order", torch.argsort(index))
        self.in_order = len(self.blocks) == 1 and index.tolist() == sorted(index.tolist())
        self.masked = masked

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
        return sum(block.n_cells * len(block.family.parameters) for block in self.parts)

    @property
    def n_inputs(self) -> int:
        """Width of :meth:`features`."""
        return self.n_cells * (2 if self.masked else 1)

    def features(self, batch: Batch) -> Tensor:
        """Return what the encoder sees: standardised cells, zero where missing, and the mask."""
        parts = [(self._take(batch.x, b) - b.center) / b.spread for b in self.parts]
        x = self._join(parts).clamp(-FEATURE_LIMIT, FEATURE_LIMIT)
        if batch.mask is not None:
            x = torch.where(batch.mask, x, 0.0)
        if not self.masked:
            return x
        mask = torch.ones_like(x) if batch.mask is None else batch.mask.to(x)
        return torch.cat([x, mask], -1)

    def forward(self, h: Tensor) -> list[Tensor]:
        """Features of the decoder (..., f) -> theta of every block, each (..., c_block, p)."""
        return [block(h) for block in self.blocks]

    def log_prob(self, batch: Batch, thetas: list[Tensor]) -> Tensor:
        """Return log p(cell | z), zero where missing. -> (..., n, c), columns in table order."""
        x = batch.x
        if batch.mask is not None:
            # A missing cell may hold anything; a NaN would come back in the gradient.
            x = torch.where(batch.mask, x, 0.0)
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

    def _take(self, x: Tensor, block: Block) -> Tensor:
        return x if self.in_order else x[..., block.index]

    def _join(self, parts: list[Tensor]) -> Tensor:
        if self.in_order:
            return parts[0]
        return torch.cat(parts, -1)[..., self.order]
