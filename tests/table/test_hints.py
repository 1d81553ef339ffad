"""Columns that may be something else than their dtype says are named, and ordinary ones are not."""

import uuid

import numpy as np
import pandas as pd
import polars
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

from skvae import VAEDensity
from skvae.table.container import Container
from skvae.table.hints import hints

N = 400
RANDOM = np.random.default_rng(0)
DAYS = pd.date_range("2020", periods=N)
DATES = "dates"
ODD = {
    "identifiers": ([uuid.UUID(int=i).hex for i in range(N)], "identifiers"),
    "row numbers": (RANDOM.permutation(N) + 1, "row numbers"),
    "customers": (10_000 + RANDOM.choice(7_000, N, replace=False), "row numbers"),
    "prices": ([f"{x:.2f}" for x in RANDOM.gamma(2, 50, N)], "numbers"),
    "prices with marks": ([f"${x:,}.5" for x in RANDOM.integers(1, 10**5, N)], "numbers"),
    "ages": ([str(x) for x in RANDOM.integers(17, 90, N)], "numbers"),
    "zip codes": (RANDOM.choice(RANDOM.integers(501, 99_950, 60), N), "codes"),
    "status": (RANDOM.choice([200, 201, 301, 404, 418, 503], N), "codes"),
    "days": ([int(x) for x in DAYS.strftime("%Y%m%d")], DATES),
    "days in strings": (DAYS.strftime("%Y%m%d").tolist(), DATES),
    "days with dashes": (DAYS.strftime("%Y-%m-%d").tolist(), DATES),
    "days with slashes": (DAYS.strftime("%d/%m/%Y").tolist(), DATES),
    "times": (DAYS.strftime("%Y-%m-%d %H:%M").tolist(), DATES),
}
ORDINARY = pd.DataFrame(
    {
        "year": RANDOM.integers(1990, 2024, N),
        "consecutive years": np.arange(N) + 1600,
        "salary": RANDOM.lognormal(10.5, 0.5, N).astype(int),
        "salary in thousands": 1000 * RANDOM.lognormal(3.6, 0.5, N).astype(int),
        "altitude": RANDOM.normal(2800, 200, N).astype(int),
        "population": RANDOM.lognormal(12, 2, N).astype(int),
        "beats": RANDOM.normal(70, 10, N).astype(int),
        "month": RANDOM.integers(1, 13, N),
        "area": RANDOM.gamma(3, 600, N).astype(int),
        "loan": RANDOM.choice([10_000, 20_000, 50_000, 75_000, 120_000], N),
        "size": RANDOM.choice(["S", "M", "L"], N),
        "digit": RANDOM.choice(list("123456"), N),
        "code": RANDOM.choice(["A12", "B33", "C10"], N),
        "postcode": [f"{x:05d}" for x in RANDOM.choice(RANDOM.integers(500, 9999, 50), N)],
        "declared": pd.Series(RANDOM.integers(0, 99, N).astype(str), dtype="category"),
        "few": [str(x) if x < 9 else None for x in range(N)],
    }
)


def found(X, categorical="from_dtype", stated=()):
    container = Container.of(X)
    return hints(container.values(X), container, categorical, stated)


@pytest.mark.parametrize("library", [pd, polars])
@pytest.mark.parametrize("name", ODD)
def test_odd_columns_are_named(library, name):
    values, what = ODD[name]
    (hint,) = found(library.DataFrame({"x": RANDOM.normal(size=N), name: values}))
    assert hint.startswith(f"{name!r}: ")
    assert what in hint


def test_ordinary_columns_are_not():
    assert found(ORDINARY) == []


@pytest.mark.parametrize(
    "load", [load_iris, load_wine, load_breast_cancer, load_diabetes, load_digits]
)
def test_tables_of_scikit_learn_are_ordinary(load):
    assert found(load(as_frame=True).frame) == []


def test_what_the_user_said_is_believed():
    X = pd.DataFrame({name: values for name, (values, _) in ODD.items()})
    assert found(X, stated=list(X)) == []
    assert found(X[["ages"]], categorical=["ages"]) == []
    assert found(X[["ages"]].astype("category")) == []


def test_fit_warns_once_of_all_odd_columns():
    X = pd.DataFrame(
        {"day": ODD["days"][0], "x": RANDOM.normal(size=N), "zip": ODD["zip codes"][0]}
    )
    density = VAEDensity(1, hidden_layer_sizes=(4,), max_epochs=0, init="random", random_state=0)
    with pytest.warns(UserWarning, match="'day': its integers.*; 'zip': its integers") as said:
        density.fit(X)
    assert len(said) == 1
    density.set_params(likelihood={"day": "binned", "zip": "binned"}).fit(X)
