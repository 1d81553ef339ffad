"""Latents: what is done with the latents of rows - encoded, moved and decoded again."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted

from ..core.latents.usage import direction as direction_of
from ..table.codecs import Float
from ..table.container import with_index_of
from ..table.native import as_frame
from ..table.reading import positive_integer
from .available import available_if, draws, encodes

if TYPE_CHECKING:
    from .base import BaseVAE as Base
else:
    Base = object


class Latents(Base):
    """The public methods of an estimator whose rows have latents."""

    @available_if(encodes)
    def encode(
        self, X: Any, return_std: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean of q(z | x) for each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return the standard deviation of every latent as well: zero where the
            objective makes z a function of x.

        Returns
        -------
        mean : ndarray of shape (n_samples, latent_dim)
        std : ndarray of shape (n_samples, latent_dim)
            Only with ``return_std``.
        """
        values = self._values(X)
        if not return_std:
            return self.model_.encode(values)
        return self.model_.encode(values), self.model_.spread(values)

    @available_if(encodes)
    def reconstruct(self, X: Any, n_samples: int | None = None, random_state: Any = None) -> Any:
        """Return rows as the model sees them: encoded and decoded.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Missing cells come back filled in.
        n_samples : int or None, default=None
            None: the mean of p(x | z) at the mean of q(z | x). An int: so many draws of each row, z
            from q(z | x) and x from p(x | z).
        random_state : int, RandomState instance or None, default=None
            Of the draws. None continues the estimator's own stream of random numbers.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_rows, n_features) or (n_rows * n_samples, n_features)
            In the container, columns and units of the rows seen in ``fit``: means of numbers, the
            likeliest of categories and booleans; or ``n_samples`` consecutive draws for each row.
        """
        check_is_fitted(self)
        return self._moved(X, 0.0, n_samples, random_state)

    @available_if(encodes)
    def interpolate(
        self,
        start: Any = None,
        end: Any = None,
        n_steps: int = 10,
        *,
        latent: bool | None = None,
        context: Any = None,
        random_state: Any = None,
    ) -> Any:
        """Return rows on the straight line between two latent vectors, both ends included.

        Parameters
        ----------
        start, end : DataFrame of one row, array-like of shape (n_features,) or (latent_dim,), \
                or None
            A row, a latent vector, or None for a draw from the prior.
        n_steps : int, default=10
            Rows returned, at least 2.
        latent : bool or None, default=None
            Whether arrays are latent vectors. None goes by their length, and by that of a row where
            the two are the same.
        context : DataFrame, dict or array-like of shape (1, n_context), default=None
            What the rows are given, as in :meth:`sample`; None: what ``start`` is given, if it is a
            row.
        random_state : int, RandomState instance or None, default=None
            Of draws from the prior.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_steps, n_features)
            Means of p(x | z), as from :meth:`reconstruct`.

        Raises
        ------
        ValueError
            If an end is neither a row nor a latent vector, or is to be drawn from a prior that the
            latents do not follow.
        """
        check_is_fitted(self)
        if positive_integer(n_steps, "n_steps") < 2:
            raise ValueError(f"n_steps must be an integer >= 2, both ends. Got {n_steps}.")
        is_row = [self._is_row(end_, latent) for end_ in (start, end)]
        if context is None and is_row[0]:
            context = one_row(start, "start")
            given = self._values(context)
        else:
            given = self._given(context)
        stream = self._stream(random_state)
        first, last = (
            self._latent(value, name, of_row, given, stream)
            for value, name, of_row in zip((start, end), ("start", "end"), is_row, strict=True)
        )
        Z = np.linspace(first, last, n_steps)
        given = np.broadcast_to(given[:1], (n_steps, given.shape[1]))
        return self._rows_of(self.model_.decode(Z, given), context)

    @available_if(encodes)
    def traverse(self, x: Any, component: int, values: Any) -> Any:
        """Return rows whose latents are those of a row but for one, which takes some values.

        Parameters
        ----------
        x : DataFrame of one row, or array-like of shape (n_features,)
        component : int
            Which latent.
        values : array-like of shape (n_values,)
            Its values; the prior has most of its mass from -2 to 2, where it is standard normal.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_values, n_features)
            Means of p(x | z), as from :meth:`reconstruct`.
        """
        check_is_fitted(self)
        d = self.vae_.n_latent
        if not isinstance(component, Integral) or component not in range(d):
            raise ValueError(f"component must be an integer from 0 to {d - 1}. Got {component!r}.")
        values = check_array(values, ensure_2d=False, dtype=np.float64).reshape(-1)
        x = one_row(x, "x")
        row = self._values(x)
        Z = np.repeat(self.model_.encode(row), len(values), axis=0)
        Z[:, component] = values
        return self._rows_of(self.model_.decode(Z, np.repeat(row, len(values), axis=0)), x)

    @available_if(encodes)
    def latent_direction(self, X: Any, y: Any) -> NDArray[np.float64]:
        """Return by how much the latents of rows change with y, on average.

        ``Cov(z, y) / Var(y)``, the slope of a regression of z on y. With two classes that is the
        difference between their mean latents, from the first to the second in sorted order.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Two classes, or numbers.

        Returns
        -------
        direction : ndarray of shape (latent_dim,)
            For :meth:`edit`, where an ``amount`` of 1 moves latents from the mean of one class to
            that of the other; along numbers by their mean change with one unit of y, which moves
            rows by less where y is only in part a matter of the latents.

        Raises
        ------
        ValueError
            If y has a single value, a missing one, or more than two classes that are no numbers.
        """
        check_is_fitted(self)
        Z = self.model_.encode(self._values(X))
        numbers = as_numbers(y)
        check_consistent_length(Z, numbers)
        return direction_of(torch.as_tensor(Z), torch.as_tensor(numbers)).numpy()

    @available_if(encodes)
    def edit(
        self,
        X: Any,
        direction: Any,
        amount: Any = 1.0,
        n_samples: int | None = None,
        random_state: Any = None,
    ) -> Any:
        """Return rows with their latents moved along a direction.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
        direction : array-like of shape (latent_dim,)
            As from :meth:`latent_direction`.
        amount : float or array-like of shape (n_rows,), default=1.0
            How far: z + amount * direction.
        n_samples : int or None, default=None
            As in :meth:`reconstruct`: None for means, an int for draws.
        random_state : int, RandomState instance or None, default=None
            Of the draws.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_rows, n_features) or (n_rows * n_samples, n_features)
            As from :meth:`reconstruct`, which it is where ``amount`` is 0.

        Raises
        ------
        ValueError
            If the direction has another length than ``latent_dim``, or there are neither one amount
            nor as many as rows.
        """
        check_is_fitted(self)
        direction = check_array(direction, ensure_2d=False, dtype=np.float64)
        if direction.shape != (self.vae_.n_latent,):
            raise ValueError(
                f"direction has shape {direction.shape}, but the model has latent_dim="
                f"{self.vae_.n_latent}: expected a vector of that length."
            )
        amount = np.asarray(amount, dtype=np.float64)
        if amount.ndim > 1:
            raise ValueError(f"amount must be a number, or one a row. Got shape {amount.shape}.")
        return self._moved(X, amount[..., None] * direction, n_samples, random_state)

    def _moved(self, X: Any, by: Float | float, n_samples: int | None, random_state: Any) -> Any:
        """Return rows decoded from their latents (n, d) moved by so much: means, or draws."""
        values = self._values(X)
        if np.ndim(by) == 2 and len(by) != len(values):  # type: ignore[arg-type]
            raise ValueError(f"amount has {len(by)} numbers, but X has {len(values)} rows.")  # type: ignore[arg-type]
        if n_samples is None:
            moved = self.model_.decode(self.model_.encode(values) + by, values)
            return with_index_of(X, self._rows_of(moved, X))
        n_samples = positive_integer(n_samples, "n_samples")
        drawn = self._drawn(values, by, n_samples, random_state)
        return self._rows_of(self.table_.container.drawn(drawn), X)

    def _drawn(self, values: Float, by: Float | float, n_samples: int, random_state: Any) -> Float:
        """Return draws of rows whose latents were drawn and moved, (n * n_samples, c)."""
        of_z, of_x = self._stream(random_state).randint(2**31 - 1, size=2)
        Z = self.model_.draw_latents(values, n_samples, int(of_z))  # (n, K, d)
        Z = Z + (by[:, None] if np.ndim(by) == 2 else by)  # type: ignore[index]
        Z, values = Z.reshape(-1, Z.shape[-1]), np.repeat(values, n_samples, axis=0)
        return self.model_.draw_given(Z, values, int(of_x))

    def _stream(self, random_state: Any) -> np.random.RandomState:
        return np.random.RandomState(self._draw_seed(random_state))

    def _is_row(self, end: Any, latent: bool | None) -> bool:
        """Whether an end of a line is a row, and not a latent vector or None."""
        if end is None or latent:
            return False
        if latent is not None or as_frame(end) is not None:
            return True
        return np.shape(end)[-1:] == (len(self.table_.container.fields),)

    def _latent(
        self, end: Any, name: str, is_row: bool, given: Float, stream: np.random.RandomState
    ) -> NDArray[np.float64]:
        """Return the latent vector of an end of a line, (d,)."""
        if end is None:
            return self._from_prior(given, int(stream.randint(2**31 - 1)))
        if is_row:
            return self.model_.encode(self._values(one_row(end, name)))[0]
        return self._checked(end, name)

    def _checked(self, end: Any, name: str) -> NDArray[np.float64]:
        z = check_array(end, ensure_2d=False, dtype=np.float64).reshape(-1)
        if len(z) != self.vae_.n_latent:
            raise ValueError(
                f"{name} has length {len(z)}, but a row has {len(self.table_.container.fields)} "
                f"columns and a latent vector latent_dim={self.vae_.n_latent} numbers."
            )
        return z

    def _from_prior(self, given: Float, seed: int) -> NDArray[np.float64]:
        try:
            draws(self)
        except AttributeError as error:
            raise ValueError(str(error)) from None
        return self.model_.draw_latent(given, seed)


def one_row(x: Any, name: str) -> Any:
    """Return a row as a table of one.

    Raises
    ------
    ValueError
        If it is none, or more than one.
    """
    rows = x if as_frame(x) is not None else np.atleast_2d(x)  # a masked row keeps its mask
    if len(rows) != 1:
        raise ValueError(f"{name} must be a single row. Got {len(rows)}: use X[:1] or X.iloc[[0]].")
    return rows


def as_numbers(y: Any) -> NDArray[np.float64]:
    """Return two classes as 0 and 1, and numbers as they are.

    >>> as_numbers(["b", "a", "b"])
    array([1., 0., 1.])

    Raises
    ------
    ValueError
        If there is a single value, a missing one, or neither two classes nor numbers.
    """
    values = np.asarray(y).reshape(-1)
    classes = set(values.tolist())
    if np.ma.is_masked(y) or None in classes or any(value != value for value in classes):
        raise ValueError("y has missing values. Drop these rows.")
    if len(classes) == 2:
        return (values == max(classes)).astype(np.float64)
    if len(classes) < 2:
        raise ValueError(f"y has the single value {next(iter(classes), None)!r}: no direction.")
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"y has {len(classes)} classes, but a direction is between two, or along numbers. Drop "
            "rows of the others."
        )
    return values.astype(np.float64)
