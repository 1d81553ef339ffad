"""Fuzz: odd tables in every estimator, every public method called, and what must hold.

A case is made from one number, which hypothesis draws, and says what it is: ``outcome(Case(...))``
does it again. ``outcomes`` are those of many, ``smaller`` is a smaller case that ends alike.
"""

from __future__ import annotations

import dataclasses
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
import polars
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sklearn.base import clone

import skvae
from skvae.relations import EmptyWhen

from .estimators.test_global_state import public_methods
from .odd_tables import FRAMES, Column, OddTable, draw_table

QUICK = {
    "latent_dim": 1,
    "hidden_layer_sizes": (4,),
    "init": "linear",
    "max_epochs": 1,
    "n_draws": 4,
    "proposal": "encoder",
    "random_state": 0,
}
#: What else a parameter may be.
PARAMETERS: dict[str, list[Any]] = {
    "init": ["auto", "random"],
    "latent_dim": [2, "auto"],
    "likelihood": ["gaussian", "student_t", "binned"],
    "max_epochs": [0, 2],
    "posterior": ["full_gaussian", "diagonal_gaussian"],
    "prior": ["standard_normal", "mixture", "vamp"],
    "proposal": ["defensive", "defensive", "laplace", "prior"],
}
OWN: dict[str, dict[str, list[Any]]] = {
    "VAEDensity": {"model_missing": [True], "relations": [None]},
    "VAETransformer": {
        "objective": ["elbo", "beta", "autoencoder", "mmd", "denoising"],
        "refit_prior": ["mixture", "standard_normal"],
    },
    "VAEImputer": {
        "keep_empty_features": [True],
        "add_indicator": [True],
        "sample_posterior": [True],
    },
    "VAEClassifier": {},
    "VAEOutlierDetector": {"contamination": ["auto", 0.2, 0.01]},
}
LABELS = {
    "integers": lambda codes: codes,
    "strings": lambda codes: np.array(["no", "yes"])[codes],
    "booleans": lambda codes: codes > 0,
    "some": lambda codes: np.where(np.arange(len(codes)) % 3 == 2, -1, codes),
    "floats": lambda codes: np.where(np.arange(len(codes)) % 3 == 2, np.nan, codes),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """A table, and an estimator that is fitted to it."""

    table: OddTable
    n: int
    seed: int
    estimator: str
    parameters: tuple[tuple[str, Any], ...] = ()
    labels: str = "integers"

    def y(self, n: int) -> Any:
        """Return labels of so many rows."""
        return LABELS[self.labels](np.arange(n) % 2)

    def made(self) -> Any:
        """Return the estimator, not fitted."""
        few = {"contamination": 0.1} if self.estimator == "VAEOutlierDetector" else {}
        return getattr(skvae, self.estimator)(**{**QUICK, **few, **dict(self.parameters)})


def case_of(number: int) -> Case:
    """Return a case, whatever the number."""
    random = np.random.default_rng(number)
    table = draw_table(random, lambda p: random.uniform() < p)
    estimator = str(random.choice([*OWN]))
    choices = {**PARAMETERS, **OWN[estimator]}
    parameters = {
        name: choices[name][random.integers(len(choices[name]))]
        for name in sorted(random.permutation([*choices])[: random.integers(4)].tolist())
    }
    first = ["c0"] if table.container in FRAMES and not table.levels else [0]
    if random.uniform() < 0.15 and len(table.columns) > 1:
        parameters["context_features"] = first
        whole = dataclasses.replace(table.columns[0], holes="none")
        table = dataclasses.replace(table, columns=(whole, *table.columns[1:]))
    elif random.uniform() < 0.08:
        parameters["categorical_features"] = first
    n = int(random.choice([2, 3, 5, 12, 30, 60]))
    labels = str(random.choice([*LABELS]))
    if estimator == "VAEDensity" and random.uniform() < 0.15:
        n = 250  # of which relations are found
    return Case(table, n, number, estimator, tuple(parameters.items()), labels)


#: From one number, as hypothesis repeats parts of what is drawn in parts.
cases = st.integers(0, 2**32 - 1).map(case_of)


class Broken(AssertionError):
    """What must hold does not."""

    def __init__(self, kind: str, what: str = ""):
        super().__init__(f"{kind}: {what}")
        self.kind = kind


class RefusedError(Exception):
    """A call was refused by an error that is documented."""


def call(estimator: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """Return what a method returns.

    Raises
    ------
    RefusedError
        If it raises a ValueError or TypeError of ours, or of scikit-learn's checks.
    Broken
        If it raises anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(estimator, name)(*args, **kwargs)
    except (ValueError, TypeError) as error:
        if is_ours(error):
            raise RefusedError(f"{name}: {error}") from error
        raise Broken(f"an unclear {type(error).__name__}", f"{name}: {error}") from error
    except Exception as error:
        raise Broken(type(error).__name__, f"{name}: {error}") from error


def is_ours(error: BaseException) -> bool:
    """Whether an error was raised by a line of ours, or of scikit-learn's checks."""
    file = traceback.extract_tb(error.__traceback__)[-1].filename.replace("\\", "/")
    return "/skvae/" in file.replace("/tests/", "") or "/sklearn/" in file


# ---------------------------------------------------------------- tables


def rows_of(X: Any, rows: slice) -> Any:
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]


def one_row(X: Any) -> Any:
    """Return the first row as methods of one row want it."""
    return rows_of(X, slice(1)) if is_frame(X) else X[0]


def is_frame(X: Any) -> bool:
    return isinstance(X, pd.DataFrame | polars.DataFrame)


def columns_of(X: Any) -> dict[Any, list[Any]]:
    """Return the cells of a table by column."""
    if isinstance(X, polars.DataFrame):  # of which Python has no times after the year 9999
        X = X.with_columns(polars.selectors.temporal().to_physical())
    if is_frame(X):
        return {name: X[name].to_list() for name in X.columns}
    X = X if hasattr(X, "dtype") else np.asarray(X, object)
    return {j: column.tolist() for j, column in enumerate(X.reshape(len(X) if X.ndim else 1, -1).T)}


def is_missing(cell: Any) -> bool:
    return bool(pd.isna(cell))


def check_whole(what: str, found: Any, but: frozenset[Any] = frozenset()) -> None:
    """Raise unless all cells are there and finite, but those of some columns."""
    for one in found if isinstance(found, tuple) else (found,):
        for name, cells in columns_of(one).items():
            if name not in but and any(map(is_missing, cells)):
                raise Broken("a missing cell", f"{what}, column {name!r}")
            if any(isinstance(cell, float) and np.isinf(cell) for cell in cells):
                raise Broken("an infinite number", f"{what}, column {name!r}")


def check_known(what: str, given: dict[Any, Any], found: dict[Any, Any], times: int = 1) -> None:
    """Raise unless the known cells of columns are there, in so many copies of each row."""
    for name in given.keys() & found.keys():
        for i, cell in enumerate(given[name]):
            for copy in found[name][i * times : (i + 1) * times]:
                if not is_missing(cell) and copy != cell:
                    raise Broken("a known cell changed", f"{what}, {name!r}: {cell!r} to {copy!r}")


def dtypes_of(X: Any) -> Any:
    if isinstance(X, pd.DataFrame):
        return X.dtypes.to_dict()
    return dict(X.schema) if isinstance(X, polars.DataFrame) else getattr(X, "dtype", None)


# ---------------------------------------------------------------- calls


@dataclasses.dataclass
class Calls:
    """What is called, by its name, and what must hold then.

    Parameters
    ----------
    case : Case
    estimator : estimator
        Fitted to ``table``.
    table, batch : DataFrame or array-like
        The rows of fit, and those that methods are called with.
    """

    case: Case
    estimator: Any
    table: Any
    batch: Any

    def every(self) -> Iterator[str]:
        """Call every public method but fit; yield why some refuse rows."""
        for name in public_methods(self.estimator):
            if name != "fit":
                try:
                    getattr(self, name)()
                except RefusedError as error:
                    if "a file without pickle cannot hold" not in str(error):
                        yield str(error)

    def ask(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return call(self.estimator, name, *args, **kwargs)

    def whole(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Return what a method returns, in which no cell may be missing or infinite."""
        found = self.ask(name, *args, **kwargs)
        drawn = name in ("sample", "sample_conditional")
        check_whole(name, found, self.may_be_empty | (frozenset() if drawn else self.identifiers))
        return found

    @property
    def empty(self) -> list[bool]:
        """Which columns have no value in fit."""
        return [all(map(is_missing, cells)) for cells in columns_of(self.table).values()]

    @property
    def may_be_empty(self) -> frozenset[Any]:
        """Columns of which nothing is known, or that are copied with their holes."""
        conditioned = self.estimator.context_features is not None
        names = enumerate(columns_of(self.table))
        of_table = {name for j, name in names if self.empty[j] or (conditioned and j == 0)}
        relations = getattr(self.estimator, "relations_", ())
        return frozenset(of_table | {r.column for r in relations if isinstance(r, EmptyWhen)})

    @property
    def identifiers(self) -> frozenset[Any]:
        """Columns that are drawn anew, of which latents say nothing."""
        fields = self.estimator.table_.container.fields
        return frozenset(field.name for field in fields if field.role == "identifier")

    @property
    def n_latent(self) -> int:
        return self.estimator.vae_.n_latent

    @property
    def context(self) -> Any:
        """What the rows are conditioned on, or None."""
        if self.estimator.context_features is None:
            return None
        if is_frame(self.batch):
            return self.batch
        if isinstance(self.batch, list | tuple):
            return [row[:1] for row in self.batch]
        return self.batch[:, :1]

    def decision_function(self) -> None:
        self.whole("decision_function", self.batch)

    def edit(self) -> None:
        self.whole("edit", self.batch, np.ones(self.n_latent))
        self.whole("edit", self.batch, np.ones(self.n_latent), 0.5, 2)

    def encode(self) -> None:
        self.whole("encode", self.batch, return_std=True)

    def explain(self) -> None:
        found = self.ask("explain", rows_of(self.batch, slice(2)))
        if np.isinf(np.asarray(found)).any():
            raise Broken("an infinite number", "explain")

    def fit_predict(self) -> None:
        check_whole("fit_predict", call(self.fresh(), "fit_predict", self.table))

    def fit_transform(self) -> None:
        found = call(self.fresh(), "fit_transform", self.table)
        check_whole("fit_transform", found, self.may_be_empty)

    def fresh(self) -> Any:
        return clone(self.estimator).set_params(max_epochs=0)

    def get_feature_names_out(self) -> None:
        self.ask("get_feature_names_out")

    def interpolate(self) -> None:
        self.whole("interpolate", one_row(self.batch), one_row(self.table), 3)

    def inverse_transform(self) -> None:
        Z = np.zeros((len(self.batch), self.n_latent))
        self.whole("inverse_transform", Z, context=self.context)

    def latent_direction(self) -> None:
        self.whole("latent_direction", self.table, np.arange(self.case.n) % 2)

    def log_likelihood(self) -> None:
        found = self.ask("log_likelihood", self.batch)
        for name in ("value", "standard_error", "effective_sample_size", "elbo"):
            check_whole(f"log_likelihood.{name}", getattr(found, name))

    def predict(self) -> None:
        self.whole("predict", self.batch)

    def predict_log_proba(self) -> None:
        if np.isnan(self.ask("predict_log_proba", self.batch)).any():
            raise Broken("a missing cell", "predict_log_proba")

    def predict_proba(self) -> None:
        found = self.whole("predict_proba", self.batch)
        if not np.allclose(found.sum(1), 1, atol=1e-6):
            raise Broken("probabilities that do not add up", "predict_proba")

    def reconstruct(self) -> None:
        self.whole("reconstruct", self.batch)
        self.whole("reconstruct", self.batch, 2)

    def report(self) -> None:
        # Too few rows for classifiers, which would take most of the time.
        found = self.ask("report", rows_of(self.table, slice(20)))
        check_whole("report", np.array([*found.columns.values(), *found.pairs.values()]))
        assert found.to_html()

    def sample(self) -> None:
        found = self.whole("sample", 4, context=self.context)
        if self.context is None and dtypes_of(found) != dtypes_of(self.ask("sample", 1)):
            raise Broken("dtypes that depend on the batch", "sample")
        if hasattr(self.estimator, "score_samples"):
            try:
                check_whole("score_samples of drawn rows", self.ask("score_samples", found))
                if getattr(self.estimator, "model_missing", False):
                    self.with_holes(found)
            except RefusedError as error:
                raise Broken("drawn rows are refused", str(error)) from error

    def with_holes(self, whole: Any) -> None:
        """Draw missing cells, too."""
        found = self.ask("sample", 4, context=self.context, missing=True)
        # An array of integers has none that are missing.
        if is_frame(found) and dtypes_of(found) != dtypes_of(whole):
            raise Broken("dtypes that depend on holes", "sample")
        self.ask("score_samples", found)

    def sample_conditional(self) -> None:
        found = self.whole("sample_conditional", self.batch, 2)
        check_known("sample_conditional", columns_of(self.batch), columns_of(found), 2)
        self.same_dtypes("sample_conditional", found)

    def sample_imputations(self) -> None:
        for found in self.ask("sample_imputations", self.batch, 2):
            check_whole("sample_imputations", found, self.may_be_empty)
            self.check_kept("sample_imputations", found)

    def save(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/estimator.skvae"
            self.ask("save", path)
            try:
                loaded = skvae.load(path)
            except Exception as error:
                raise Broken("a file that is not read", str(error)) from error
        witness = "score_samples" if hasattr(loaded, "score_samples") else "encode"
        one, two = (call(e, witness, self.batch) for e in (self.estimator, loaded))
        if not np.array_equal(one, two, equal_nan=True):
            raise Broken("a file with other scores", witness)
        if hasattr(loaded, "sample") and self.context is None:
            one, two = (call(e, "sample", 3) for e in (deepcopy(self.estimator), loaded))
            if dtypes_of(one) != dtypes_of(two) or str(columns_of(one)) != str(columns_of(two)):
                raise Broken("a file that draws other rows", "sample")

    def score(self) -> None:
        y = (self.case.y(len(self.batch)),) if self.case.estimator == "VAEClassifier" else ()
        self.whole("score", self.batch, *y)

    def score_samples(self) -> None:
        self.whole("score_samples", self.batch)

    def transform(self) -> None:
        found = self.whole("transform", self.batch)
        if self.case.estimator == "VAEImputer":
            self.check_kept("transform", found)
        self.same_dtypes("transform", found)

    def traverse(self) -> None:
        self.whole("traverse", one_row(self.batch), 0, [-1.0, 2.0])

    def check_kept(self, what: str, found: Any) -> None:
        """Raise unless known cells are in what an imputer returns, which may lack columns."""
        given = columns_of(self.batch)
        if not is_frame(self.batch) and not self.estimator.keep_empty_features:
            kept = [given[j] for j, empty in enumerate(self.empty) if not empty]
            given = dict(enumerate(kept))
        check_known(what, given, columns_of(found))

    def same_dtypes(self, name: str, found: Any) -> None:
        """Raise if a row has other dtypes than all of them, which were found."""
        together = dtypes_of(found)
        alone = dtypes_of(self.ask(name, rows_of(self.batch, slice(1))))
        if together != alone:
            raise Broken("dtypes that depend on the batch", f"{name}: {alone}, {together}")


def spoilt(X: Any, n_columns: int) -> Iterator[tuple[str, Any]]:
    """Yield what is no rows of the model, and nothing to fit one to."""
    if isinstance(X, pd.DataFrame):
        yield "objects", X.astype(object).map(lambda _: object())
        infinite = X.astype(object)
        infinite.isetitem(-1, [np.inf] * len(X))
        yield "infinity", infinite
    elif isinstance(X, polars.DataFrame):
        yield "lists", X.select(polars.lit([[1]]).alias(name) for name in X.columns)
        yield "infinity", X.with_columns(polars.lit(np.inf).alias(X.columns[-1]))
    else:
        yield "objects", [[object()] * n_columns]
        yield "infinity", [[np.inf] * n_columns] * 2
    yield "no rows", X[:0]
    yield "nothing", None
    yield "a number", 3.0
    yield "text", "text"


def check_nothing_is_lost(calls: Calls) -> None:
    """Raise unless the model takes no such thing, by a sentence, and is the same afterwards."""
    scored = hasattr(calls.estimator, "score_samples")
    witness = "score_samples" if scored else "encode"
    before = calls.ask(witness, calls.batch)
    for what, X in spoilt(calls.batch, len(calls.case.table.columns)):
        if what == "infinity" and calls.estimator.categorical_features != "from_dtype":
            continue  # which is a name, then
        for name, args in ((witness, ()), ("fit", (calls.case.y(2),))):
            try:
                calls.ask(name, X, *args)
            except RefusedError:
                continue
            except Broken as error:
                raise Broken(error.kind, f"{what}, {error}") from error
            raise Broken("what is no table is taken", f"{name}, {what}")
    if not np.array_equal(before, calls.ask(witness, calls.batch)):
        raise Broken("a failed call changed the model")


# ---------------------------------------------------------------- outcomes


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a case, and why."""

    kind: str
    why: str
    case: Case

    @property
    def is_broken(self) -> bool:
        return self.kind.startswith("broken")


def outcome(case: Case) -> Outcome:
    """Run a case and say what became of it."""
    try:
        return Outcome(*became(case), case)
    except Broken as error:
        return Outcome(f"broken: {error.kind}", str(error), case)


def became(case: Case) -> tuple[str, str]:
    """Return how a case ends that is not broken, and why."""
    table = case.table.rows(case.n, case.seed)
    estimator = case.made()
    y = (case.y(case.n),) if case.estimator == "VAEClassifier" else ()
    try:
        call(estimator, "fit", table, *y)
    except RefusedError as error:
        return "refused by fit", str(error)
    calls = Calls(case, estimator, table, rows_of(table, slice(3)))
    check_nothing_is_lost(calls)
    if case.seed % 2:
        for refusal in calls.every():
            raise Broken("rows of fit are refused", refusal)
        return "held", ""
    others = case.table.rows(3, case.seed + 1, "half")
    refused = [*Calls(case, estimator, table, others).every()]
    return ("refused by a method" if refused else "held"), "; ".join(refused)


def outcomes(n: int, of: int) -> list[Outcome]:
    """Return what became of so many cases, drawn from a seed."""
    found: list[Outcome] = []

    @seed(of)
    @settings(
        max_examples=n,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def collect(case: Case) -> None:
        found.append(outcome(case))

    collect()
    return found


def smaller(found: Outcome) -> Outcome:
    """Return the outcome of a smaller case that ends alike."""
    for case in simplified(found.case):
        now = outcome(case)
        if now.kind == found.kind:
            return smaller(now)
    return found


def simplified(case: Case) -> Iterator[Case]:
    """Yield cases that are simpler by one step."""
    table = case.table
    for j, column in enumerate(table.columns):
        rest = table.columns[:j] + table.columns[j + 1 :]
        if rest:
            yield dataclasses.replace(case, table=dataclasses.replace(table, columns=rest))
        if column.holes != "none":
            filled = Column(column.kind, column.values)
            whole = (*table.columns[:j], filled, *table.columns[j + 1 :])
            yield dataclasses.replace(case, table=dataclasses.replace(table, columns=whole))
    for i in range(len(case.parameters)):
        fewer = case.parameters[:i] + case.parameters[i + 1 :]
        yield dataclasses.replace(case, parameters=fewer)
    if table.index != "plain":
        yield dataclasses.replace(case, table=dataclasses.replace(table, index="plain"))
    if table.levels:
        yield dataclasses.replace(case, table=dataclasses.replace(table, levels=False))
    if case.estimator != "VAEDensity":
        yield dataclasses.replace(case, estimator="VAEDensity")
    if case.n > 2:
        yield dataclasses.replace(case, n=case.n // 2)
