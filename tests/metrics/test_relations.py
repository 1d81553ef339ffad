"""Relations: the share of rows in which each holds, whatever it answers by."""

import numpy as np
import pandas as pd
import polars
import pytest

from skvae.metrics import relations_kept, synthetic_report
from skvae.relations import Function, Order

from ..table.relations.tables import related


class Holds:
    def __init__(self, name, answer):
        self.name, self.answer = name, answer

    def __str__(self):
        return self.name

    def holds(self, frame):
        return self.answer(frame)


REAL = pd.DataFrame({"a": [1, 2, 3, 4], "b": [1, 2, 3, 5]})


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        (lambda f: f["a"] == f["b"], 0.75),
        (lambda f: (f["a"] == f["b"]).to_numpy(), 0.75),
        (lambda f: [True, None, False, float("nan")], 0.5),
        (lambda f: pd.array([True, pd.NA, False, True], dtype="boolean"), 2 / 3),
        (lambda f: polars.Series([True, None, None, True]), 1.0),
        (lambda f: np.array([1.0, np.nan, 0.0, 0.0]), 1 / 3),
    ],
)
def test_answers_of_any_kind(answer, share):
    kept = relations_kept(REAL, REAL, [Holds("a = b", answer)])["a = b"]
    assert kept == (pytest.approx(share), pytest.approx(share))


def test_each_table_has_a_share_of_its_own_and_none_where_nothing_is_told():
    equal = Holds("a = b", lambda f: f["a"] == f["b"])
    silent = Holds("?", lambda f: [None] * len(f))
    found = relations_kept(REAL, REAL.assign(b=0)[:2], (equal, silent))
    assert found["a = b"] == (0.75, 0.0)
    assert np.isnan(found["?"]).all()


def test_what_is_no_relation_is_refused():
    with pytest.raises(TypeError, match=r"'a = b', which has no method holds\(frame\)"):
        relations_kept(REAL, REAL, ["a = b"])
    with pytest.raises(ValueError, match="short answers for 1 rows of 4"):
        relations_kept(REAL, REAL, [Holds("short", lambda f: [True])])


def test_relations_are_found_in_the_real_table_and_learned_from_it():
    real, drawn = related(400), related(300, seed=1)
    drawn.loc[:29, "code"] = 1
    drawn.loc[:59, "remodelled"] = drawn.loc[:59, "built"] - 1
    kept = relations_kept(real, drawn)
    assert len(kept) == 7
    assert kept["code follows from city"] == (1.0, 0.9)
    assert kept["built <= remodelled"] == (1.0, 0.8)
    assert kept["area = first + second + low"] == (1.0, 1.0)
    # By the drawn rows alone another code would be that of a city.
    other = relations_kept(real, drawn.assign(code=1), [Function("city", "code")])
    assert other["code follows from city"] == (1.0, 0.0)
    assert relations_kept(real.to_numpy(), real.to_numpy()) == {}
    assert synthetic_report(real, drawn).relations == kept


def test_rows_with_a_missing_cell_are_not_counted():
    drawn = REAL.assign(b=[0.0, np.nan, 9.0, np.nan])
    assert relations_kept(REAL, drawn, [Order("a", "b")])["a <= b"] == (1.0, 0.5)


def test_numbers_that_are_categories_are_read_as_such():
    code = 2**60 + np.arange(300) % 3
    real = pd.DataFrame({"code": code, "name": np.array(list("abc"))[np.arange(300) % 3]})
    with pytest.raises(ValueError, match=r"real: Column 'code' holds integers beyond 2\*\*53"):
        relations_kept(real, real)
    kept = relations_kept(real, real[::-1], categorical_features=["code"])
    assert set(kept.values()) == {(1.0, 1.0)}
