"""Planted relations are found, each of its kind, and shuffled tables have none."""

import numpy as np
import pandas as pd
import pytest

from skvae.relations import EmptyWhen, Function, Order, Sum
from skvae.table.container import Container
from skvae.table.relations.finding import find_relations

from .tables import in_order, on_two_levels, related, unrelated

PLANTED = [
    Function("city", "country"),
    Function("city", "code"),
    Order("built", "remodelled"),
    Order("ordered", "delivered"),
    Sum("area", ["first", "second", "low"]),
    Sum("income", ["cost", "profit"]),
    EmptyWhen("years", "status", "single"),
]


def found(X):
    container = Container.of(X)
    return find_relations(container, container.values(X))


def test_planted_relations_and_no_others_are_found():
    relations = found(related())
    assert list(relations) == PLANTED
    assert all(relation.n_rows_ == 1_000 and not relation.n_exceptions_ for relation in relations)
    assert "1,000 rows, 0 exceptions" in repr(relations)


def test_shuffled_columns_have_none():
    assert [list(found(unrelated(seed=seed))) for seed in range(10)] == [[]] * 10


@pytest.mark.slow
@pytest.mark.parametrize("n", [250, 2_000])
def test_invented_ones_are_as_rare_as_said(n):
    invented = sum(bool(found(unrelated(n, seed))) for seed in range(300))
    assert invented <= 9  # of 3 expected at 1 % a table, with odds of 1 in 1,000


def test_columns_that_go_up_together_on_two_levels_are_in_no_order():
    assert [list(found(on_two_levels(1_000, seed))) for seed in range(20)] == [[]] * 20


@pytest.mark.slow
@pytest.mark.parametrize("n", [250, 1_000, 4_000])
def test_orders_by_correlation_alone_are_as_rare_as_said(n):
    assert sum(bool(found(on_two_levels(n, seed))) for seed in range(300)) <= 9


def test_least_mean_and_largest_and_prices_are_in_order():
    orders = [Order("least", "mean"), Order("mean", "largest"), Order("net", "gross")]
    assert list(found(in_order())) == orders


def test_few_rows_tell_nothing():
    assert not found(related(199))


def test_rare_exceptions_are_counted():
    X = related(2_000)
    X.loc[:7, "country"] = "SE"
    X.loc[8:11, "remodelled"] = X.loc[8:11, "built"] - 1
    X.loc[12:20, "area"] += 1
    by_kind = {repr(relation): relation.n_exceptions_ for relation in found(X)}
    assert by_kind[repr(Function("city", "country"))] == 8
    assert by_kind[repr(Order("built", "remodelled"))] == 4
    assert by_kind[repr(PLANTED[4])] == 9


def test_levels_that_determine_are_found_alone():
    random = np.random.default_rng(0)
    role = random.choice(["wife", "husband", "child"], 1_500)
    sex = np.where(
        role == "wife", "F", np.where(role == "husband", "M", random.choice(["F", "M"], 1_500))
    )
    sex[np.flatnonzero(role == "wife")[0]] = "M"
    (relation,) = found(pd.DataFrame({"role": role, "sex": sex}))
    assert relation == Function("role", "sex", ("husband", "wife"))
    assert relation.n_exceptions_ == 1


def test_holes_do_not_hide_a_sum_of_single_precision():
    X = related()[["income", "cost", "profit"]].astype("float32")
    X = X.mask(np.random.default_rng(0).uniform(size=X.shape) < 0.2)
    (relation,) = found(X)
    assert relation == PLANTED[5]
    assert relation.n_rows_ == X.notna().all(axis=1).sum()


def test_sums_that_need_each_other_are_made_acyclic():
    random = np.random.default_rng(0)
    a, b, c = random.integers(1, 100, (3, 500))
    X = pd.DataFrame({"a": a, "b": b, "ab": a + b, "c": c, "all": a + b + c, "again": a + b + c})
    relations = [relation for relation in found(X) if isinstance(relation, Sum)]
    totals = [relation.total for relation in relations]
    assert len(totals) == len(set(totals)) == 3
    for k, relation in enumerate(relations):
        assert not {*relation.columns[1:]} & {*totals[k:]}


def test_times_of_other_units_compare():
    random = np.random.default_rng(0)
    start = np.datetime64("2020-01-01", "D") + random.integers(0, 2_000, 400)
    end = start.astype("datetime64[s]") + random.exponential(10**6, 400).astype(int)
    X = pd.DataFrame({"start": start.astype("datetime64[s]"), "end": end.astype("datetime64[ns]")})
    (relation,) = found(X)
    assert relation == Order("start", "end")
    late = X.assign(end=X["start"] - pd.Timedelta("1s"))
    assert not relation.holds(late).any()
