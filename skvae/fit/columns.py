"""Columns: which of a table's columns are modelled, and how."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from ..core.families.base import Family
from ..core.families.codes import Bernoulli
from ..core.families.real import Gaussian
from ..core.images import ImageShape
from ..table.codecs import Float
from ..table.container import Container, column_mask
from ..table.hints import hints
from ..table.identifiers import find_identifiers, with_identifiers
from ..table.table import Table, is_binary, observed
from ..table.telling import warn
from .likelihoods import choose_families, models
from .settings import Settings

#: Columns that one warning names.
MAX_TOLD = 10


def learn_columns(
    values: Float, container: Container, seed: int, settings: Settings
) -> tuple[Table, list[Family]]:
    """Learn the columns of which a value was observed, and choose their families.

    Raises
    ------
    ValueError, TypeError
        If there is nothing to model, or a column does not hold what its likelihood needs.
    """
    names, image_shape = container.names, settings.image_shape
    if not names:
        raise ValueError("X has no columns: 0 feature(s), at least one is wanted.")
    mask = np.asarray(column_mask(settings.context_features, names, "context_features"))
    given = np.flatnonzero(mask).tolist()
    if len(given) == len(names):
        raise ValueError("context_features names every column of X: none is left to model.")
    if image_shape is not None:
        check_image(image_shape, values[:, ~mask])
    identifiers: list[int] = []
    if settings.door.draws_identifiers and image_shape is None:
        identifiers = find_identifiers(
            values, container, settings.categorical_features, _stated(settings, names), given
        )
    if len(identifiers) + len(given) == len(names):
        identifiers = []
    if identifiers:
        values, container = values.copy(), with_identifiers(container, identifiers)
        values[:, identifiers] = np.nan
    plain = _plain(settings, values[:, ~mask])
    of_image = image_shape is not None and settings.likelihood == "auto"
    likelihood = plain if of_image else settings.likelihood
    density = settings.door.density
    families = choose_families(likelihood, values, container, seed, plain, given, density=density)
    known = [family for family in families if family is not None]
    if image_shape is None:
        _tell_of_odd(values, container, settings)
    if not known:
        raise ValueError("X has no observed value to model: every cell is missing.")
    left_out = [j for j in np.flatnonzero(~mask) if families[j] is None]
    _tell_of_empty([names[j] for j in left_out if j not in identifiers])
    _tell_of_identifiers([names[j] for j in identifiers])
    alike = image_shape is not None
    return Table.learn(values, container, models(families), given, alike), known


def _tell_of_empty(names: list[Hashable]) -> None:
    if names:
        warn(f"Columns {names} have no observed value and are left out of the model.")


def _tell_of_identifiers(names: list[Hashable]) -> None:
    if names:
        warn(
            f"Columns {names} hold a string of its own in every row, as of identifiers or texts: "
            "they are left out of the model, and drawn anew in their own shape. Drop them, or keep "
            "one as it is by likelihood={column: 'categorical'}."
        )


def _stated(settings: Settings, names: list[Hashable]) -> list[Hashable]:
    """Return the columns whose likelihood is given."""
    if isinstance(settings.likelihood, dict):
        return [name for name, given in settings.likelihood.items() if str(given) != "auto"]
    return [] if settings.likelihood == "auto" else names


def _tell_of_odd(values: Float, container: Container, settings: Settings) -> None:
    """Warn, once, of columns that may be something else than their dtype says."""
    stated = _stated(settings, container.names)
    found = hints(values, container, settings.categorical_features, stated)
    if found:
        more = f"; and {len(found) - MAX_TOLD} more" if len(found) > MAX_TOLD else ""
        warn(
            "Some columns may be something else than their dtype says. "
            f"{'; '.join(found[:MAX_TOLD])}{more}. A likelihood that is given for a column, "
            "likelihood={column: name}, keeps it as it is."
        )


def _plain(settings: Settings, values: Float) -> Family | None:
    """Return the family of numbers of all kinds where the likelihood is "auto", if they agree.

    Where z is a function of x that has one scale for the table: with more, some columns would
    be copied to the latents to the last digit, and the others left. Pixels of an image are of
    one kind.
    """
    if settings.image_shape is not None and is_binary(observed(values)):
        return Bernoulli()
    if settings.objective.traits.deterministic or settings.image_shape is not None:
        return Gaussian(scale="shared")
    return settings.door.smooth


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
