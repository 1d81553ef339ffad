"""Table: columns to cells and back."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skvae import likelihoods
from skvae.bins import Bins
from skvae.codecs import Affine, Levels
from skvae.container import Container
from skvae.core import Bernoulli, Beta, Binned, Categorical, Gamma, Gaussian, Ordinal, Poisson
from skvae.table import (
    Table,
    check_finite,
    check_rows,
    is_binary,
    is_number,
    refuse_strings,
    resolution,
)


def table_of(X, *families):
    container = Container.of(X)
    values = container.values(X)
    families = families or [Gaussian()] * values.shape[1]
    return Table.learn(values, container, likelihoods.models(families)), values


def decode(table, cells, seed=0):
    return table.decode(cells, np.random.RandomState(seed))


def test_round_trip_of_an_array():
    X = np.random.default_rng(0).normal(3, 5, size=(50, 3))
    X[:, 1] = 4.0
    table, values = table_of(X)
    cells, log_det = table.encode(values)
    assert_allclose(cells.mean(0), 0, atol=1e-12)
    assert_allclose(cells.std(0), [1, 0, 1], atol=1e-12)
    assert_allclose(log_det, -np.log(X[:, [0, 2]].std(0)).sum())
    assert_allclose(decode(table, cells), X)
    assert table.n_levels == [1, 1, 1]


def mixed(module):
    generator = np.random.default_rng(0)
    return module.DataFrame(
        {
            "number": generator.normal(size=20),
            "float32": generator.uniform(0.1, 0.9, size=20).astype("float32"),
            "boolean": generator.uniform(size=20) < 0.5,
            "binary": generator.integers(0, 2, 20),
            "count": generator.integers(0, 9, 20),
            "text": list(generator.choice(["a", "b", "c"], 20)),
        }
    )


FAMILIES = [Gaussian(), Beta(), Bernoulli(), Bernoulli(), Poisson(), Categorical()]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_round_trip_of_a_frame(library):
    frame = mixed(pytest.importorskip(library))
    table, values = table_of(frame, *FAMILIES)
    kinds = ["continuous", "unit", "binary", "binary", "count", "categorical"]
    assert [column.model.kind for column in table.columns] == kinds
    assert table.n_levels == [1, 1, 1, 1, 1, 3]
    back = decode(table, table.encode(values)[0])
    assert type(back) is type(frame)
    dtypes = {"pandas": "dtypes", "polars": "schema"}[library]
    assert dict(getattr(back, dtypes)) == dict(getattr(frame, dtypes))
    assert_allclose(table.container.values(back), values, rtol=1e-6)


def test_log_det_adds_that_of_every_column():
    frame = pd.DataFrame({"a": [0.0, 4.0], "b": [1.0, 100.0], "c": [0.5, 0.25]})
    table, values = table_of(frame, Gaussian(), Gamma(), Categorical())
    # Divided by 2, by the geometric mean 10, and mass over the resolution 0.01.
    assert_allclose(table.encode(values)[1], -np.log(2) - np.log(10) - np.log(0.01))


@pytest.mark.parametrize(
    ("family", "codec"),
    [
        (Gaussian(), Affine(2.0, 1.0)),
        (Gamma(), Affine(0.0, 3.0 ** (1 / 3) * 1.0, "numbers > 0")),
        (Poisson(), Affine(0.0, 1.0, "integers >= 0")),
        (Categorical(), Levels((1.0, 3.0), 1.0)),
        (Ordinal(), Levels((1.0, 3.0), 1.0)),
    ],
)
def test_every_kind_has_its_codec(family, codec):
    frame = pd.DataFrame({"n": [1, 3, 1, 3]}) if family.kind != "positive" else None
    frame = pd.DataFrame({"n": [1, 1, 3]}) if frame is None else frame
    found = table_of(frame, family)[0].columns[0].codec
    if isinstance(codec, Affine):
        assert_allclose([found.location, found.scale], [codec.location, codec.scale])
        assert found.support == codec.support
    else:
        assert found == codec


def test_options_of_a_family_reach_its_bins():
    X = np.random.default_rng(0).normal(size=(1000, 1))
    X[:200] = 0.5
    codec = table_of(X, Binned(n_bins=10, atoms=False))[0].columns[0].codec
    assert isinstance(codec, Bins)
    assert codec.mass_over is None
    assert codec.n_levels < table_of(X, Binned(n_bins=40))[0].n_levels[0]


def test_resolution_is_in_cells():
    X = pd.DataFrame({"a": [0.0, 4.0, 0.0, 4.0], "b": ["x", "y", "x", "y"]})
    table, _ = table_of(X, Gaussian(), Categorical())
    assert_array_equal(table.resolution, [2.0, 1.0])


def test_expectations_are_in_the_users_units():
    torch = pytest.importorskip("torch")

    class Known:
        mean = torch.tensor([0.0, 1.0])
        mode = torch.tensor([1.0, 0.0])

    frame = pd.DataFrame({"a": [1.0, 3.0], "b": [5.0, 9.0]})
    table, _ = table_of(frame, Gaussian(), Categorical())
    assert_array_equal(table.expect([Known, Known]), [[2.0, 9.0], [3.0, 5.0]])


def test_what_a_bin_leaves_open_is_drawn():
    X = np.random.default_rng(0).normal(size=(500, 1))
    table, values = table_of(X, Binned())
    cells = table.encode(values)[0]
    assert_array_equal(decode(table, cells), decode(table, cells))
    assert (decode(table, cells) != decode(table, cells, seed=1)).all()


def test_fractions_in_an_integer_column_stay_fractions():
    table, _ = table_of(pd.DataFrame({"n": [1, 2, 3, 4]}))
    rows = decode(table, np.array([[0.1], [0.2]]))
    assert rows["n"].dtype == float


def test_integer_column_names_are_kept():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(5, 2)))
    table, values = table_of(frame)
    assert decode(table, table.encode(values)[0]).columns.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("values", "family", "message"),
    [
        ([1.0, -2.0], Gamma(), "Column 'a' has likelihood Gamma, which needs numbers > 0. Got -2"),
        ([1.0, 3.7], Poisson(), "needs integers >= 0. Got 3.7 in row 1"),
        ([0.5, 1.0], Beta(), "needs numbers strictly between 0 and 1. Got 1 in row 1"),
        ([0.0, 2.0], Bernoulli(), "needs 0 or 1. Got 2 in row 1"),
        (["x", "y"], Gaussian(), "Column 'a' holds categories, which Gaussian cannot model"),
        (["x", "y"], Binned(), "Column 'a' holds categories, which Binned cannot model"),
    ],
)
def test_a_family_that_cannot_have_a_column_is_refused(values, family, message):
    with pytest.raises(ValueError, match=message):
        table_of(pd.DataFrame({"a": values}), family)


def test_what_was_not_seen_is_refused_when_encoding():
    table, values = table_of(pd.DataFrame({"a": [1.0, 2.5]}), Categorical())
    with pytest.raises(ValueError, match=r"which needs one of 1, 2\.5\. Got 2 in row 0"):
        table.encode(values * 0 + 2.0)


@pytest.mark.parametrize(
    ("values", "binary"),
    [([0, 1, 1], True), ([0, 0], False), ([1, 1], False), ([0, 1, 2], False), ([0, 0.5, 1], False)],
)
def test_binary_columns_hold_both_values_and_nothing_else(values, binary):
    assert is_binary(np.array(values, dtype=float)) == binary


def test_resolution_is_the_smallest_gap():
    assert resolution(np.array([3.0, 1.0, 1.5, 3.0])) == 0.5
    assert resolution(np.array([2.0, 2.0])) == 0.0


@pytest.mark.parametrize(("bad", "message"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_what_is_not_finite_is_named(bad, message):
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, bad]})
    container = Container.of(frame)
    with pytest.raises(ValueError, match=f"contains {message} in column 'b', row 1. VAE needs"):
        check_finite(container.values(frame), container, "VAE")
    check_finite(container.values(frame[:1]), container, "VAE")


def test_too_few_rows_and_strings_in_arrays_are_refused():
    with pytest.raises(ValueError, match=r"1 sample\(s\) while a minimum of 2"):
        check_rows(1, 2, "VAE")
    with pytest.raises(ValueError, match="Column 1 holds the string 'x' in row 1"):
        refuse_strings(np.array([["1", "2"], ["3", "x"]]))
    refuse_strings(np.array([["1", "2e5"]], dtype=object))
    assert is_number("1e3")
    assert not is_number("one")
