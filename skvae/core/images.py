"""Images in rows: convolutional networks in the place of perceptrons, and a head shared by pixels.

A row has the pixels of an image, channel by channel and line by line. Feature maps halve at every
level; the decoder ends at half the resolution, where a feature vector speaks for 2 x 2 pixels, so
that no map is as large as the image.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pixel_shuffle

from .networks import ACTIVATIONS, Body, Dropout, Linear, Perceptron, Unset, uniform
from .recipe import Recipe

#: Channels that are normalised together, at least.
GROUP = 8
#: How often all maps fit into the memory of a derivative. Measured at 784 columns in double
#: precision, where a convolution unfolds the 3 x 3 pixels around each; in single there is room.
LIVE_MAPS = 4
#: Pixels along a side that one feature vector of the decoder speaks for.
PATCH = 2


class ImageShape(NamedTuple):
    """The shape of the images that rows are."""

    channels: int
    height: int
    width: int

    @property
    def n_pixels(self) -> int:
        """Numbers in a row."""
        return math.prod(self)

    def size(self, level: int) -> tuple[int, int]:
        """Return height and width after so many halvings, rounded up."""
        return -(-self.height // 2**level), -(-self.width // 2**level)


@dataclasses.dataclass
class Convolutional(Recipe):
    """The convolutional networks of images, with residual blocks at every level.

    What ``image_shape=`` builds; as ``encoder=`` or ``decoder=`` it has another size. The smallest
    maps and z are linear in each other: dense layers between them made training slower (MNIST,
    8 epochs of 5,000 images: a bound of -106 nats without, -114 with one, -123 with two).

    Parameters
    ----------
    channels : tuple of int, default=(16, 32)
        Feature maps at half of the resolution, a quarter, and so on.
    n_blocks : int, default=1
        Residual blocks a level, each of two 3 x 3 convolutions after group normalisation.

    References
    ----------
    "Identity Mappings in Deep Residual Networks" (He et al., 2016); "Group Normalization" (Wu and
    He, 2018); "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network" (Shi et al., 2016) for the decoder's last step.
    """

    channels: Sequence[int] = (16, 32)
    n_blocks: int = 1

    def validate(self) -> None:
        """Raise ValueError where a field has no meaning."""
        sizes = list(self.channels)
        if not sizes or not all(isinstance(c, int) and c >= 1 for c in sizes):
            raise ValueError(
                f"Convolutional(channels={self.channels!r}): expected one integer >= 1 or more."
            )
        if not isinstance(self.n_blocks, int) or self.n_blocks < 0:
            raise ValueError(
                f"Convolutional(n_blocks={self.n_blocks!r}): expected an integer >= 0."
            )


class Conv(nn.Conv2d, Unset):
    """A convolution that keeps or halves a map's size, and is born unset."""

    def __init__(self, n_in: int, n_out: int, size: int = 3, stride: int = 1):
        super().__init__(n_in, n_out, size, stride, size // 2)

    def reset_parameters(self) -> None:
        pass

    def initialize(self, generator: torch.Generator | None) -> None:
        """Draw weights and biases uniformly within 1 / sqrt(fan in)."""
        uniform(self, generator)


class Residual(nn.Module):
    """Two convolutions, each after normalisation and activation, added to what came in."""

    def __init__(self, n: int, activation: str):
        super().__init__()
        self.layers = nn.Sequential(
            *activated(n, activation), Conv(n, n), *activated(n, activation), Conv(n, n)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        out: Tensor = x + self.layers(x)
        return out


def activated(n: int, activation: str) -> list[nn.Module]:
    """Return group normalisation and an activation."""
    n_groups = n // GROUP if n % GROUP == 0 else 1
    return [nn.GroupNorm(n_groups, n), ACTIVATIONS[activation]()]


class Resize(nn.Module):
    """Maps of another size, each pixel taken from the nearest."""

    def __init__(self, size: tuple[int, int]):
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, *size)."""
        resized: Tensor = interpolate(x, self.size)
        return resized


class ImageEncoder(Body):
    """Features of the pixels, and numbers conditioned on -> features of the image.

    Parameters
    ----------
    shape : ImageShape
    owner : Tensor of shape (f,)
        The pixel that each of the first inputs is of; a pixel may have several.
    n_rest : int
        Inputs that are of no pixel, the last ones.
    recipe : Convolutional
    perceptron : Perceptron
        Whose activation and dropout to use.
    """

    place: Tensor

    def __init__(
        self,
        shape: ImageShape,
        owner: Tensor,
        n_rest: int,
        recipe: Convolutional,
        perceptron: Perceptron,
    ):
        super().__init__()
        self.shape = shape
        place = places(owner, shape.n_pixels)
        self.register_buffer("place", place, persistent=False)
        self.n_maps = int(place.max()) // shape.n_pixels + 1
        self.filled = torch.equal(place, torch.arange(self.n_maps * shape.n_pixels))
        activation, layers = perceptron.activation, list[nn.Module]()
        width = self.n_maps * shape.channels
        for level, n in enumerate(recipe.channels):
            layers.append(Conv(width, n, 3 if level else 5, stride=2))
            layers += [Residual(n, activation) for _ in range(recipe.n_blocks)]
            width = n
        self.convolutions = nn.Sequential(*layers, *activated(width, activation))
        self.dropout = Dropout(perceptron.dropout)
        n_features = width * math.prod(shape.size(len(recipe.channels)))
        self.n_out = self.n_hidden = n_features + n_rest

    def forward(self, x: Tensor) -> Tensor:
        """(..., f + n_rest) -> (..., n_out)."""
        rows = x.reshape(-1, x.shape[-1])
        pixels, rest = rows[:, : len(self.place)], rows[:, len(self.place) :]
        if not self.filled:
            empty = rows.new_zeros(len(rows), self.n_maps * self.shape.n_pixels)
            pixels = empty.index_copy(1, self.place, pixels)
        maps = pixels.reshape(len(rows), -1, self.shape.height, self.shape.width)
        features = self.dropout(self.convolutions(maps).flatten(1))
        return torch.cat([features, rest], 1).reshape(*x.shape[:-1], self.n_out)


def places(owner: Tensor, n_pixels: int) -> Tensor:
    """Return where inputs are among maps that have one for each pixel, (f,).

    The first input of a pixel is in the first map, its next one in the second.
    """
    order = torch.argsort(owner, stable=True)
    of_pixel = owner[order]
    rank = torch.empty_like(owner)
    rank[order] = torch.arange(len(owner)) - torch.searchsorted(of_pixel, of_pixel)
    return rank * n_pixels + owner


class Maps(NamedTuple):
    """Feature maps from which the parameters of pixels are made."""

    image: ImageShape
    n: int  # maps

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number, height and width of the maps."""
        return (self.n, *self.image.size(1))


class ImageDecoder(Body):
    """Latents, and numbers conditioned on -> feature maps at half of the resolution, flat.

    Parameters
    ----------
    shape : ImageShape
    n_in : int
    recipe : Convolutional
    perceptron : Perceptron
        Whose activation and dropout to use.
    """

    def __init__(self, shape: ImageShape, n_in: int, recipe: Convolutional, perceptron: Perceptron):
        super().__init__()
        activation, widths = perceptron.activation, list(recipe.channels)
        self.coarsest = (widths[-1], *shape.size(len(widths)))
        self.linear = Linear(n_in, math.prod(self.coarsest))
        self.dropout = Dropout(perceptron.dropout)
        layers: list[nn.Module] = []
        for level in range(len(widths) - 1, -1, -1):
            n = widths[level]
            layers += [Residual(n, activation) for _ in range(recipe.n_blocks)]
            layers += activated(n, activation)
            if level:
                layers += [Resize(shape.size(level)), Conv(n, widths[level - 1])]
        self.convolutions = nn.Sequential(*layers)
        self.maps = Maps(shape, widths[0])
        self.n_out = self.n_hidden = math.prod(self.maps.shape)
        self.n_in_maps = sum(n * math.prod(shape.size(i + 1)) for i, n in enumerate(widths))

    @property
    def n_live(self) -> int:
        """How many numbers of a row a derivative needs at once."""
        return LIVE_MAPS * self.n_in_maps

    def forward(self, z: Tensor) -> Tensor:
        """(..., n_in) -> (..., n_out)."""
        rows = self.dropout(self.linear(z.reshape(-1, z.shape[-1])))
        maps = self.convolutions(rows.reshape(-1, *self.coarsest))
        out: Tensor = maps.reshape(*z.shape[:-1], self.n_out)
        return out


class PixelLinear(nn.Module, Unset):
    """A linear layer from feature maps to numbers of the pixels, with weights that all share.

    It takes the place of a linear layer from features: a weight for every place in a patch, and a
    bias for every number.

    Parameters
    ----------
    maps : Maps
    index : Tensor of shape (c,)
        The pixels wanted.
    widths : sequence of (int, bool)
        How many numbers a pixel has of each parameter; or, where it is marked so, how many a row
        has, made of the mean of the maps.
    """

    index: Tensor

    def __init__(self, maps: Maps, index: Tensor, widths: Sequence[tuple[int, bool]]):
        super().__init__()
        self.maps, self.widths = maps, list(widths)
        self.register_buffer("index", index, persistent=False)
        self.whole = torch.equal(index, torch.arange(maps.image.n_pixels))
        self.of_pixel = [n for n, of_row in widths if not of_row]
        n_row = sum(n for n, of_row in widths if of_row)
        n_weights = sum(self.of_pixel) * maps.image.channels * PATCH**2
        self.weight = nn.Parameter(torch.empty(n_weights, maps.n))
        self.row_weight = nn.Parameter(torch.empty(n_row, maps.n)) if n_row else None
        self.bias = nn.Parameter(torch.empty(len(index) * sum(self.of_pixel) + n_row))

    @torch.no_grad()
    def initialize(self, generator: torch.Generator | None) -> None:
        """Draw weights uniformly within 1 / sqrt(maps), and set biases to zero."""
        bound = 1.0 / math.sqrt(self.maps.n)
        for weight in (self.weight, self.row_weight):
            if weight is not None:
                weight.uniform_(-bound, bound, generator=generator)
        self.bias.zero_()

    def forward(self, h: Tensor) -> Tensor:
        """(..., maps) -> (..., numbers), one parameter after the other, pixel by pixel."""
        maps = h.reshape(-1, *self.maps.shape)
        of_pixel = iter(self._of_pixels(maps) if self.of_pixel else [])
        of_row = iter(self._of_rows(maps))
        parts = [next(of_row if is_row else of_pixel) for _, is_row in self.widths]
        numbers = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        return (numbers + self.bias).reshape(*h.shape[:-1], -1)

    def _of_pixels(self, maps: Tensor) -> list[Tensor]:
        image = self.maps.image
        patches = conv2d(maps, self.weight[:, :, None, None])
        pixels = pixel_shuffle(patches, PATCH)[..., : image.height, : image.width]
        numbers = pixels.unflatten(1, (-1, image.channels)).flatten(2)  # (n, numbers, pixels)
        if not self.whole:
            numbers = numbers[..., self.index]
        return [part.mT.flatten(1) for part in numbers.split(self.of_pixel, 1)]

    def _of_rows(self, maps: Tensor) -> list[Tensor]:
        if self.row_weight is None:
            return []
        sizes = [n for n, of_row in self.widths if of_row]
        return list((maps.mean((-2, -1)) @ self.row_weight.mT).split(sizes, 1))
