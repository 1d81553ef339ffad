"""Images: rows that have the pixels of an image, as a user says by ``image_shape=``."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from ..core.images import ImageShape
from ..table.codecs import Float


def read_image_shape(image_shape: Any) -> ImageShape | None:
    """Return the shape of the images, None where rows are not.

    Raises
    ------
    ValueError
        If it is not three positive integers.
    """
    if image_shape is None:
        return None
    sizes = tuple(image_shape)
    if len(sizes) != 3 or not all(isinstance(n, Integral) and n >= 1 for n in sizes):
        raise ValueError(
            "image_shape must be three integers >= 1, channels, height and width, or None. Got "
            f"{image_shape!r}."
        )
    return ImageShape(*map(int, sizes))


def check_image(shape: ImageShape, values: Float) -> None:
    """Raise ValueError unless columns (n, c) are the pixels of images, each of them observed once.

    These are all columns but those that are conditioned on.
    """
    if values.shape[1] != shape.n_pixels:
        raise ValueError(
            f"image_shape={tuple(shape)} has {shape.n_pixels} pixels, but X has "
            f"{values.shape[1]} columns to model. Rows have the pixels of one image, channel by "
            "channel and line by line: X.reshape(len(X), -1)."
        )
    unseen = np.isnan(values).all(0)
    if unseen.any():
        raise ValueError(
            f"Pixel {int(unseen.argmax())} is missing in every row of X, but the networks of "
            "image_shape= have all pixels. Give it a value in some row, or use image_shape=None."
        )
