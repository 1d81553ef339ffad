"""What VAEDensity draws and completes keeps relations, may have holes, and no real identifier."""

import numpy as np
import pandas as pd
import pytest

from skvae import VAEDensity
from skvae.relations import Order

from ..table.relations.tables import related
from .models import quick

X = related()


@pytest.fixture(scope="module")
def density():
    return quick(max_epochs=2).fit(X)


def test_draws_keep_all_relations(density):
    drawn = density.sample(1_000, random_state=0)
    assert len(density.relations_) == 7
    assert all(relation.holds(drawn).all() for relation in density.relations_)
    assert drawn.dtypes.equals(X.dtypes)


@pytest.mark.slow
@pytest.mark.parametrize("k", range(7))
def test_many_draws_and_completions_from_either_side_do(k, density):
    relation, rows = density.relations_[k], related(300, seed=1)
    assert relation.holds(density.sample(10_000, random_state=0)).all()
    for column in relation.columns:
        seen = rows[rows[column].notna()]
        for given in (seen.drop(columns=column), seen[[column]]):
            completed = density.sample_conditional(given, random_state=0)
            assert all(r.holds(completed).all() for r in density.relations_)


def test_completions_keep_what_is_known(density):
    given = X[["area", "country", "remodelled"]][:50]
    completed = density.sample_conditional(given, random_state=0)
    pd.testing.assert_frame_equal(completed[given.columns], given)
    assert all(relation.holds(completed).all() for relation in density.relations_)
    where = density.sample_conditional(where={"first": (300, 400)}, n_samples=50, random_state=0)
    assert where["first"].between(300, 400).all()
    assert all(relation.holds(where).all() for relation in density.relations_)


def test_scores_do_not_know_of_relations(density):
    without = quick(max_epochs=2, relations=None).fit(X)
    assert without.relations_ == []
    np.testing.assert_array_equal(without.score_samples(X[:40]), density.score_samples(X[:40]))


def test_arrays_have_those_that_are_named_alone():
    numbers = X[["built", "remodelled", "first"]].to_numpy()
    assert quick(max_epochs=0).fit(numbers).relations_ == []
    named = quick(max_epochs=0, relations=[Order(0, 1)]).fit(numbers)
    drawn = named.sample(200, random_state=0)
    assert (drawn[:, 0] <= drawn[:, 1]).all()
    assert drawn.dtype == numbers.dtype


def test_a_relation_that_cannot_be_is_refused_before_training():
    with pytest.raises(ValueError, match="no column 'nowhere'"):
        quick(relations=[Order("built", "nowhere")]).fit(X)


# -------------------------------------------------------------------- holes


def with_holes(n=2_000):
    random = np.random.default_rng(0)
    z = random.normal(size=n)
    table = pd.DataFrame(z[:, None] + random.normal(size=(n, 4)), columns=list("abcd"))
    table["kind"] = np.where(z > 0, "high", "low")
    table.loc[random.uniform(size=n) < 0.5 / (1 + np.exp(-2 * z)), ["a", "b"]] = np.nan
    table.loc[random.uniform(size=n) < 0.1, "c"] = np.nan
    table.loc[(z < 0) & (random.uniform(size=n) < 0.4), "kind"] = None
    return table


def together(table):
    missing = table.isna().to_numpy().astype(float)
    return missing.T @ missing / len(missing)


def test_missing_cells_are_drawn_as_often_and_together():
    table = with_holes()
    density = quick(model_missing=True).fit(table)
    drawn = density.sample(20_000, random_state=0, missing=True)
    # Twice 20,000 draws differ by 0.007 in the likeliest cell, at two standard errors.
    np.testing.assert_allclose(together(drawn), together(table), atol=0.01)
    assert drawn.dtypes.equals(table.dtypes)
    assert not density.sample(100, random_state=0).isna().any(axis=None)
    high, low = (drawn.loc[side, "c"].isna() for side in (drawn["d"] > 1, drawn["d"] < -1))
    assert drawn.loc[high.index, "a"].isna().mean() > drawn.loc[low.index, "a"].isna().mean() + 0.1
    plain = quick().fit(table)
    np.testing.assert_array_equal(
        plain.score_samples(table[:20]), density.score_samples(table[:20])
    )


def test_every_member_of_an_ensemble_has_holes_of_its_own():
    table = with_holes(600)
    density = quick(max_epochs=2, model_missing=True, ensemble=2).fit(table)
    drawn = density.sample(10_000, random_state=0, missing=True)
    np.testing.assert_allclose(together(drawn), together(table), atol=0.02)


def test_missing_cells_that_were_not_learned_are_refused(density):
    with pytest.raises(ValueError, match=r"fit with VAEDensity\(model_missing=True\)"):
        density.sample(3, missing=True)
    with pytest.raises(ValueError, match="model_missing=True learns"):
        quick(model_missing=True, objective="monte_carlo").fit(X[["built", "first"]])


def test_reports_have_the_relations_and_holes_of_the_model():
    table = with_holes(600).assign(sum=lambda t: t["c"] + t["d"])
    density = quick(max_epochs=2, model_missing=True).fit(table)
    report = density.report(table, random_state=0)
    assert report.relations["sum = c + d"] == (1.0, 1.0)
    assert [*report.relations] == [str(relation) for relation in density.relations_]
    real, drawn = (part for part in report.compared[0].parts)
    assert np.isnan(drawn).mean() == pytest.approx(np.isnan(real).mean(), abs=0.1)


# -------------------------------------------------------------------- identifiers


def people(n=120):
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": [
                f"C-{i:04d}{a}"
                for i, a in zip(range(n), random.choice(list("XYZ"), n), strict=True)
            ],
            "height": random.normal(170, 10, n),
        }
    )


def test_identifiers_are_left_out_and_drawn_anew():
    table = people()
    with pytest.warns(UserWarning, match=r"Columns \['id'\] hold a string of its own"):
        density = quick().fit(table)
    drawn = density.sample(500, random_state=0)
    assert drawn["id"].is_unique
    assert not {*drawn["id"]} & {*table["id"]}
    assert drawn["id"].str.fullmatch(r"C-\d{4}[A-Z]").all()
    assert drawn.dtypes.equals(table.dtypes)
    new = pd.DataFrame({"id": ["C-9999X", None], "height": [171.0, np.nan]})
    assert density.score_samples(new)[1] == 0.0
    completed = density.sample_conditional(new, random_state=0)
    assert completed["id"][0] == "C-9999X"
    assert isinstance(completed["id"][1], str)
    alone = quick().fit(table[["height"]])
    np.testing.assert_array_equal(
        alone.score_samples(table[["height"]]), density.score_samples(table)
    )


def test_what_is_no_string_is_no_identifier():
    with pytest.warns(UserWarning, match="hold a string"):
        density = quick(max_epochs=0).fit(people())
    with pytest.raises(
        ValueError, match=r"'id' cannot have the value 7\.5 of row 0: it held strings"
    ):
        density.score_samples(people(60).assign(id=7.5))


def test_identifiers_can_be_kept_as_categories():
    density = quick(max_epochs=0, likelihood={"id": "categorical"}).fit(people())
    assert "id" in density.likelihoods_
    declared = people().astype({"id": "category"})
    with pytest.warns(UserWarning, match="nearly all values are distinct"):
        assert "id" in quick(max_epochs=0).fit(declared).likelihoods_


def test_a_table_of_identifiers_alone_is_modelled():
    with pytest.warns(UserWarning, match="nearly all values are distinct"):
        assert (
            "id" in VAEDensity(1, max_epochs=0, random_state=0).fit(people()[["id"]]).likelihoods_
        )
