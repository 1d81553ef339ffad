"""Small estimators of every kind that a file may hold, each with the rows it was fitted to."""

import datetime
import decimal
import warnings
from functools import cache

import numpy as np
import pandas as pd
import polars as pl

from skvae import VAEClassifier, VAEDensity, VAEImputer, VAEOutlierDetector, VAETransformer
from skvae.likelihoods import Gaussian
from skvae.networks import Convolutional, CorrelatedNoise
from skvae.objectives import Clamped, Trimmed
from skvae.relations import Order, Refused, Sum

from ..table.relations.tables import related

N = 40
RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.normal(size=(N, 4))
HOLES = np.where(RANDOM.random((N, 4)) < 0.2, np.nan, NUMBERS)
COUNTS = RANDOM.poisson(3.0, size=(N, 4))
POSITIVE, SHARES = np.exp(NUMBERS), 1.0 / (1.0 + np.exp(-NUMBERS))
IMAGES = (RANDOM.random((N, 16)) > 0.5).astype(float)
CLASSES = np.array(["low", "high"])[(NUMBERS[:, 0] > 0).astype(int)]
SOME_LABELS = np.where(np.arange(N) % 3 > 0, -1, (NUMBERS[:, 0] > 0).astype(int))
SETS = np.c_[np.repeat(np.arange(N // 4), 4), np.repeat(np.arange(N // 4) % 2, 4)]
FEW = {"latent_dim": 2, "hidden_layer_sizes": (5,), "random_state": 0, "n_draws": 4}
QUICK = {**FEW, "max_epochs": 0, "init": "random", "early_stopping": False}


def pandas_frame():
    """Return a DataFrame of columns of all kinds, some cells missing."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "number": random.normal(size=N),
            "single": random.normal(size=N).astype("float32"),
            "byte": random.integers(0, 255, N).astype("uint8"),
            "flag": random.random(N) > 0.5,
            "text": random.choice(list("abc"), N),
            "category": pd.Categorical(random.choice(["u", "v"], N), categories=["v", "u", "w"]),
            "ordered": pd.Categorical(random.choice([1, 2, 3], N), ordered=True),
            "interval": pd.cut(random.normal(size=N), 3),
            "month": pd.Categorical(pd.period_range("2020-01", periods=N, freq="M")[[0, 1] * 20]),
            "day": pd.Categorical(pd.to_datetime(["2020-01-01", "2021-01-01"] * 20)),
            "time": pd.date_range("2020-01-01", periods=N, freq="D"),
            "zoned": pd.date_range("2020-01-01", periods=N, freq="h", tz="Europe/Paris"),
            "duration": pd.to_timedelta(random.integers(0, 99, N), unit="min"),
            "nullable": pd.array(random.integers(0, 9, N), dtype="Int16"),
            "maybe": pd.array(random.random(N) > 0.5, dtype="boolean"),
            "string": pd.array(random.choice(["p", "q"], N), dtype="string"),
            "decimal": [decimal.Decimal(int(i)) for i in random.integers(0, 5, N)],
            "nothing": np.full(N, np.nan),
        }
    )
    frame.loc[3, "nullable"], frame.loc[4, "time"], frame.loc[5, "text"] = pd.NA, pd.NaT, None
    return frame


def related_frame():
    """Return a DataFrame with a relation of every kind, holes, and identifiers."""
    frame = related(300)
    frame.loc[::7, ["income", "cost", "profit"]] = np.nan
    frame["id"] = [f"C-{i:05d}" for i in range(300, 600)]
    return frame


def polars_frame():
    random = np.random.default_rng(2)
    hours = [datetime.timedelta(hours=int(i)) for i in range(N)]
    return pl.DataFrame(
        {
            "number": random.normal(size=N),
            "byte": pl.Series(random.integers(0, 9, N), dtype=pl.Int8),
            "flag": random.random(N) > 0.5,
            "text": random.choice(list("abc"), N).tolist(),
            "enum": pl.Series(["a", "b"] * 20, dtype=pl.Enum(["b", "a", "c"])),
            "category": pl.Series(["a", "b"] * 20, dtype=pl.Categorical),
            "date": [datetime.date(2020, 1, 1) + datetime.timedelta(i) for i in range(N)],
            "time": pl.Series(
                [datetime.datetime(2020, 1, 1) + h for h in hours],
                dtype=pl.Datetime("ms", "Europe/Paris"),
            ),
            "duration": hours,
            "decimal": pl.Series(map(decimal.Decimal, range(N)), dtype=pl.Decimal(9, 2)),
            "nothing": pl.Series([None] * N),
        }
    )


def labelled(columns):
    return pd.DataFrame(NUMBERS, columns=columns)


def _cases():
    """Yield names, estimators that are not fitted, and what they are fitted to."""
    frame, filled = pandas_frame(), pandas_frame().drop(columns="nothing").dropna()

    def density(X, **parameters):
        return VAEDensity(**QUICK | parameters), X

    for family in ("auto", "student_t", "logistic_mixture", "binned", "gaussian"):
        yield family, *density(NUMBERS, likelihood=family)
    for family in ("log_normal", "gamma"):
        yield family, *density(POSITIVE, likelihood=family)
    for family in ("poisson", "negative_binomial", "ordinal", "categorical"):
        yield family, *density(COUNTS, likelihood=family)
    yield "beta", *density(SHARES, likelihood="beta")
    yield "bernoulli", *density(NUMBERS > 0, likelihood="bernoulli")
    yield "grid", *density(COUNTS, likelihood="discretized_logistic")
    yield "by column", *density(HOLES, likelihood={0: Gaussian("column"), 1: "student_t"})
    for prior in ("mixture", "vamp", "flow"):
        yield prior, *density(HOLES, prior=prior)
        yield f"{prior} refitted", *density(NUMBERS, refit_prior=prior)
        yield f"{prior} in context", *density(NUMBERS, prior=prior, context_features=[1])
    for posterior in ("diagonal_gaussian", "isotropic_gaussian", "flow"):
        yield posterior, *density(NUMBERS, posterior=posterior, dropout=0.1, activation="gelu")
    yield "two layers", *density(HOLES, latent_dim=(2, 3), prior="mixture")
    yield "correlated", *density(NUMBERS, latent_dim=3, decoder=CorrelatedNoise(1))
    yield "linear", *density(NUMBERS, hidden_layer_sizes=())
    yield "no encoder", *density(NUMBERS, objective="monte_carlo")
    yield "trimmed", *density(NUMBERS, objective=Trimmed(0.2, "dreg"))
    yield "stream", *density(NUMBERS, random_state=np.random.RandomState(3))
    images = {"image_shape": (1, 4, 4)}
    yield "images", *density(IMAGES, **images)
    yield "grey images", *density(IMAGES * 3.0, likelihood="discretized_logistic", **images)
    yield "wide images", *density(IMAGES, encoder=Convolutional((8,)), **images)
    yield (
        "images in context",
        *density(np.c_[IMAGES, IMAGES[:, 0]], context_features=[16], **images),
    )
    yield "pandas", *density(frame)
    yield "pandas in context", *density(filled, context_features=["number", "text", "zoned"])
    yield "others", *density(frame, handle_unknown="floor")
    yield "polars", *density(polars_frame())
    yield "polars in context", *density(polars_frame(), context_features=["enum", "time", "flag"])
    levels = pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["k", None])
    yield "levels", *density(labelled(levels))
    yield "positions", *density(labelled(pd.RangeIndex(4)))
    yield "dates", *density(labelled(pd.date_range("2020", periods=4)))
    yield "objects", *density(NUMBERS.astype(object))
    yield "marked", *density(COUNTS, categorical_features=np.array([True, False, False, True]))
    named = ["auto", Refused(Order("built", "remodelled")), Sum("area", ["first", "second", "low"])]
    yield "related", *density(related_frame(), relations=named, model_missing=True)
    yield "related array", *density(np.abs(NUMBERS).cumsum(1), relations=[Order(0, 2)])
    yield "transformer", VAETransformer(**QUICK), HOLES
    for objective in ("mmd", "adversarial", "autoencoder"):
        yield objective, VAETransformer(**QUICK, objective=objective), NUMBERS
    yield "mmd refitted", VAETransformer(**QUICK, objective="mmd", refit_prior="mixture"), NUMBERS
    clamped = {"objective": Clamped(groups=[[0], [1]]), "posterior": "diagonal_gaussian"}
    yield "clamped", VAETransformer(**QUICK, **clamped), NUMBERS, SETS
    imputer = VAEImputer(**QUICK, add_indicator=True).set_output(transform="pandas")
    yield "imputer", imputer, pd.DataFrame(HOLES, columns=list("abcd"))
    yield "detector", VAEOutlierDetector(**QUICK), HOLES
    yield "contaminated", VAEOutlierDetector(**QUICK, contamination=0.1), NUMBERS
    yield "classifier", VAEClassifier(**QUICK, class_prior=[0.3, 0.7]), HOLES, CLASSES
    yield "few labels", VAEClassifier(**QUICK, prior="mixture"), HOLES, SOME_LABELS
    yield "classes in context", VAEClassifier(**QUICK, context_features=[0]), NUMBERS, CLASSES


CASES = {name: rest for name, *rest in _cases()}


@cache
def fitted(name):
    """Return a fitted estimator, for all that only ask it, and its rows."""
    estimator, *data = CASES[name]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Columns .* (have no observed value|hold a string)")
        return estimator.fit(*data), data[0]
