"""Relations are kept, known cells stay, and what contradicts is told."""

import pickle

import numpy as np
import pandas as pd
import polars
import pytest
from sklearn.base import clone

from skvae import VAEDensity
from skvae.relations import EmptyWhen, Function, Order, Refused, Sum
from skvae.table.container import Container
from skvae.table.relations.reading import read_relations

from .tables import related, unrelated

X = related()
CONTAINER = Container.of(X)
VALUES = CONTAINER.values(X)
ALL = set(range(len(X.columns)))
#: Rows as a model might draw them, with every relation broken.
DRAWN = Container.of(X).values(unrelated(seed=3)[X.columns].fillna({"years": 7.0}))


def read(given="auto"):
    return read_relations(given, CONTAINER, VALUES, ALL)


def as_frame(values):
    from skvae.table.known import rows_with_holes

    return rows_with_holes(CONTAINER, values)


def test_every_row_keeps_all_relations_afterwards():
    relations = read()
    kept = as_frame(relations.keep(DRAWN, np.zeros(DRAWN.shape, bool), np.random.RandomState(0)))
    for relation in relations:
        assert relation.holds(X).all()
        assert relation.holds(kept).all()
        assert not relation.holds(as_frame(DRAWN)).all()
    assert kept.dtypes.equals(X.dtypes)


@pytest.mark.parametrize("known", X.columns)
def test_cells_that_are_known_stay_and_the_others_follow(known):
    relations, is_known = read(), np.zeros(DRAWN.shape, bool)
    is_known[:, list(X.columns).index(known)] = True
    kept = relations.keep(DRAWN, is_known, np.random.RandomState(0))
    np.testing.assert_array_equal(kept[is_known], DRAWN[is_known])
    assert all(relation.holds(as_frame(kept)).all() for relation in relations)


def test_rows_that_keep_all_are_not_touched():
    values = read().keep(VALUES, np.zeros(VALUES.shape, bool), np.random.RandomState(0))
    np.testing.assert_array_equal(values, VALUES)


def test_known_cells_that_contradict_are_told_and_stay():
    is_known = np.ones(DRAWN.shape, bool)
    with pytest.warns(UserWarning, match=r"Order\(low='built', high='remodelled'\) in \d+"):
        kept = read().keep(DRAWN, is_known, np.random.RandomState(0))
    np.testing.assert_array_equal(kept, DRAWN)


def test_exceptions_are_drawn_as_often_as_they_were():
    table = related(4_000)
    table.loc[:19, "country"] = np.where(table.loc[:19, "country"] == "NO", "IT", "NO")
    container = Container.of(table)
    relations = read_relations([*("auto",)], container, container.values(table), ALL)
    drawn = container.values(unrelated(4_000, 5)[table.columns])
    kept = relations.keep(drawn, np.zeros(drawn.shape, bool), np.random.RandomState(0))
    (of_country,) = [r for r in relations if getattr(r, "column", None) == "country"]
    assert of_country.n_exceptions_ == 20
    n = int(of_country.broken(kept[:, of_country.positions(container)]).sum())
    assert 5 <= n <= 40  # Poisson of 20


def test_exceptions_of_a_level_are_as_rare_as_in_rows_of_that_level():
    random = np.random.default_rng(0)
    role = random.choice(["wife", "husband", "child"], 8_000, p=[0.1, 0.3, 0.6])
    sex = np.select(
        [role == "wife", role == "husband"], ["F", "M"], random.choice(["F", "M"], 8_000)
    )
    sex[np.flatnonzero(role == "wife")[:4]] = "M"
    table = pd.DataFrame({"role": role, "sex": sex})
    container = Container.of(table)
    relations = read_relations("auto", container, container.values(table), {0, 1})
    drawn = container.values(table.assign(sex=random.permutation(sex)))
    kept = relations.keep(drawn, np.zeros(drawn.shape, bool), np.random.RandomState(0))
    wives = drawn[:, 0] == 2.0
    assert (kept[wives, 1] == 1.0).sum() <= 12  # Poisson of 4
    np.testing.assert_array_equal(kept[drawn[:, 0] == 0.0], drawn[drawn[:, 0] == 0.0])


def test_a_sum_stays_within_its_columns():
    relations, at = read([Sum("area", ["first", "second", "low"])]), list(X.columns).index("area")
    is_known = np.zeros(DRAWN.shape, bool)
    is_known[:, at] = True
    kept = as_frame(relations.keep(DRAWN, is_known, np.random.RandomState(0)))
    for name in ("first", "second", "low"):
        of_drawn = as_frame(DRAWN)[name]  # which may be beyond, as it was drawn
        low, high = min(X[name].min(), of_drawn.min()), max(X[name].max(), of_drawn.max())
        assert kept[name].between(low, high).mean() > 0.99  # but where the total leaves no way
    assert (kept["first"] + kept["second"] + kept["low"] == kept["area"]).all()


# -------------------------------------------------------------------- the parameter


def test_one_can_name_relations_and_refuse_them():
    assert len(read(None)) == 0
    assert list(read([Order("built", "remodelled")])) == [Order("built", "remodelled")]
    left = read(["auto", Refused(Order("built", "remodelled"))])
    assert len(left) == len(read()) - 1
    assert Order("built", "remodelled") not in left


def test_a_named_relation_is_kept_without_exceptions():
    named = read([Order("code", "first"), Order("income", "cost")])
    assert named[1].n_exceptions_ > 100
    kept = as_frame(named.keep(DRAWN, np.zeros(DRAWN.shape, bool), np.random.RandomState(0)))
    assert named[1].holds(kept).all()


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ([Order("built", "rebuilt")], ValueError, "no column 'rebuilt'"),
        ([Order("city", "built")], ValueError, "numbers, or of times"),
        ([Order("ordered", "built")], ValueError, "one column is of times"),
        ([Sum("area", ["city"])], ValueError, "must hold numbers"),
        ([Sum("area", ["first", "second", "low", "built"])], ValueError, "one to three"),
        ([Order("built", "built")], ValueError, "a column twice"),
        ([EmptyWhen("years", "status", ["alone"])], ValueError, "cannot have the value 'alone'"),
        ("all", TypeError, "must be 'auto', None or a list"),
        (["built <= remodelled"], TypeError, "one of skvae.relations"),
    ],
)
def test_what_cannot_be_is_refused(given, error, words):
    with pytest.raises(error, match=words):
        read(given)


def test_relations_are_parameters():
    density = VAEDensity(relations=[Sum("area", ["first", "second"]), Function("city", "code")])
    assert clone(density).relations == density.relations
    assert "Function(of='city', column='code'" in repr(density)
    relations = pickle.loads(pickle.dumps(read()))
    assert list(relations) == list(read())
    assert relations[0].holds(X).all()


def test_holds_takes_any_frame_and_an_array():
    frame = polars.DataFrame({"a": [1, 2, None], "b": [2, 1, 1]})
    assert Order("a", "b").holds(frame).tolist() == [True, False, True]
    assert Order(0, 1).holds(np.array([[1, 2], [2, 1]])).tolist() == [True, False]
    three = pd.DataFrame({"a": ["x", "x", "x"], "b": [1, 1, 2]})
    assert Function("a", "b").holds(three).tolist() == [True, True, False]
    with pytest.raises(ValueError, match="X has no column 'c'"):
        Order("a", "c").holds(frame)
