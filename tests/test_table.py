"""Table: columns to cells and back."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skvae.table import Container, Table, is_binary, resolution


def table_of(X):
    frame = Container.of(X)
    values = np.asarray(X, dtype=float)
    return Table.learn(values, frame or Container(list(range(values.shape[1])))), values


def test_round_trip_of_an_array():
    X = np.random.default_rng(0).normal(3, 5, size=(50, 3))
    X[:, 1] = 4.0
    table, values = table_of(X)
    cells, log_det = table.encode(values)
    assert_allclose(cells.mean(0), 0, atol=1e-12)
    assert_allclose(cells.std(0), [1, 0, 1], atol=1e-12)
    assert_allclose(log_det, -np.log(X[:, [0, 2]].std(0)).sum())
    assert_allclose(table.decode(cells), X)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_round_trip_of_a_frame(library):
    module = pytest.importorskip(library)
    generator = np.random.default_rng(0)
    frame = module.DataFrame(
        {
            "a": generator.normal(size=20),
            "b": generator.normal(size=20).astype("float32"),
            "c": generator.uniform(size=20) < 0.5,
            "d": generator.integers(0, 2, 20),
        }
    )
    table, values = table_of(frame)
    assert table.kinds == ["continuous", "continuous", "binary", "binary"]
    back = table.decode(table.encode(values)[0])
    assert type(back) is type(frame)
    dtypes = {"pandas": "dtypes", "polars": "schema"}[library]
    assert dict(getattr(back, dtypes)) == dict(getattr(frame, dtypes))
    assert_allclose(np.asarray(back, dtype=float), np.asarray(frame, dtype=float), rtol=1e-6)


def test_fractions_in_an_integer_column_stay_fractions():
    table, _ = table_of(pd.DataFrame({"n": [1, 2, 3, 4]}))
    rows = table.decode(np.array([[0.1], [0.2]]))
    assert rows["n"].dtype == float


def test_integer_column_names_are_kept():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(5, 2)))
    table, values = table_of(frame)
    assert table.decode(table.encode(values)[0]).columns.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("values", "binary"),
    [([0, 1, 1], True), ([0, 0], False), ([1, 1], False), ([0, 1, 2], False), ([0, 0.5, 1], False)],
)
def test_binary_columns_hold_both_values_and_nothing_else(values, binary):
    assert is_binary(np.array(values, dtype=float)) == binary


def test_resolution_is_the_smallest_gap():
    assert resolution(np.array([3.0, 1.0, 1.5, 3.0])) == 0.5
    assert resolution(np.array([2.0, 2.0])) == 0.0
