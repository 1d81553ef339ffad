"""The report: its numbers are the functions', its page is safe and whole, its words fit."""

import re
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from skvae import VAEDensity
from skvae import metrics as m
from tests.metrics.frames import mixed, shuffled

EVIL = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def tables():
    return mixed(300, 0), shuffled(mixed(300, 2)), mixed(200, 1)


class Sold:
    """What holds of the real rows alone: a low x is never sold."""

    def __str__(self):
        return EVIL

    def holds(self, frame):
        return ~((frame["x"] < -1.5) & frame["sold"])


@pytest.fixture(scope="module")
def report(tables):
    return m.synthetic_report(tables[0], tables[1], holdout=tables[2], relations=[Sold()])


class Reader(HTMLParser):
    """The tags of a page, their attributes, its texts, and those that are figures."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.texts, self.figures = [], [], [], []
        self.kind = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.kind = dict(attrs).get("class")

    def handle_data(self, data):
        self.texts.append(data)
        if self.kind in ("n", "big n"):
            self.figures.append(data)


def test_every_number_is_the_functions(tables, report):
    real, synthetic, holdout = tables
    assert report.auc == m.two_sample_auc(real, synthetic)
    assert report.columns == m.column_distances(real, synthetic)
    assert report.pairs == m.pair_distances(real, synthetic)
    assert report.holdout_columns == m.column_distances(real, holdout)
    assert report.holdout_pairs == m.pair_distances(real, holdout)
    assert report.relations == m.relations_kept(real, synthetic, [Sold()])
    assert report.closest == m.closest_records(real, synthetic, holdout)
    assert report.advantage == m.membership_advantage(real, synthetic, holdout)


def test_every_number_on_the_page_is_the_reports(report):
    reader = Reader(report.to_html())
    found = [text for text in reader.figures if re.fullmatch(r"-?\d\.\d{3}", text)]
    mean = np.mean
    order = sorted(report.columns.values(), reverse=True)
    pairs = sorted(report.pairs, key=report.pairs.get, reverse=True)[:10]
    expected = [report.auc, mean([*report.columns.values()]), mean([*report.pairs.values()])]
    expected += [report.advantage, *order]
    expected += [d for pair in pairs for d in (report.pairs[pair], report.holdout_pairs[pair])]
    expected += [report.relations[EVIL].synthetic, report.relations[EVIL].real]
    closest = report.closest
    expected += [closest.share, closest.copies, closest.copies_held_out, report.advantage]
    assert found == [f"{number:.3f}" for number in expected]
    assert f"; of held-out rows {mean([*report.holdout_columns.values()]):.3f}" in str(reader.texts)


def test_the_text_has_the_verdict_and_the_figures(report):
    lines = str(report).splitlines()
    assert lines[0] == report.verdict
    assert f"{report.auc:.3f}" in report.verdict
    assert f"membership advantage       {report.advantage:.3f}" in lines
    kept = report.relations[EVIL]
    assert f"relations, worst loss      {kept.real - kept.synthetic:.3f}" in lines
    assert f"{EVIL!r} in {kept.synthetic:.1%} of the rows for {kept.real:.1%}" in str(report)
    assert all(f"- {line}" in lines for line in report.advice)
    assert max(map(len, lines[2:10])) < 60


def test_the_page_needs_no_other_file_and_runs_nothing(report):
    page = report.to_html()
    reader = Reader(page)
    assert not {"script", "link", "img", "iframe", "object"} & {*reader.tags}
    assert not {"src", "href", "onload", "onclick"} & {name for name, _ in reader.attributes}
    assert not re.search(r"https?:|url\(|@import", page)
    assert 'name="viewport"' in page


def test_names_and_levels_are_escaped():
    evil = pd.DataFrame({EVIL: [EVIL, "</style><b>"] * 30, '"><i>': [*"uv"] * 30})
    report = m.synthetic_report(evil, evil[::-1], evil)
    page = report.to_html()
    reader = Reader(page)
    assert "script" not in reader.tags
    assert reader.tags.count("style") == 1
    assert EVIL in reader.texts
    assert "</style><b>" in reader.texts
    assert any('"><i>' in text for text in reader.texts)
    assert ("title", f"{EVIL}: 50.0% real, 50.0% drawn") in reader.attributes
    framed = report._repr_html_()
    assert Reader(framed).tags == ["iframe"]
    assert dict(Reader(framed).attributes)["srcdoc"] == page


def test_the_verdict_goes_by_what_was_found(tables, report):
    harmless = {"closest": m.ClosestRecords(0.5, 0.03, 0.0, 0.0), "advantage": 0.0}
    for auc, mood in ((0.52, "good"), (0.6, "fair"), (0.75, "fair"), (0.95, "bad")):
        found = replace(report, auc=auc, **harmless)
        assert (found.mood, f"{auc:.3f}" in found.verdict) == (mood, True)
    leaning = replace(report, auc=0.52, **harmless | {"advantage": 0.3})
    assert leaning.verdict.endswith("They tell something of who was in the real table.")
    assert "an attacker has an advantage of 0.300" in leaning.advice[0]
    few = m.synthetic_report(tables[0][:5], tables[1][:5])
    assert (few.auc, few.closest, few.mood) == (None, None, "unknown")
    assert "5 drawn rows" in few.to_html()


def test_copies_are_told_first(tables):
    real, _, holdout = tables
    copied = m.synthetic_report(real, real, holdout)
    assert copied.verdict.startswith("100.0% of the drawn rows are copies of real ones.")
    assert copied.mood == "bad"
    noise = 1e-6 * np.random.default_rng(0).normal(size=300)
    near = m.synthetic_report(real, real.assign(x=real.x + noise), holdout)
    assert near.verdict.startswith("Most drawn rows are near copies of real ones.")
    unseen = replace(near, closest=None, advantage=None)
    assert unseen.verdict.startswith("Many drawn rows are near copies of real ones (area under")


def test_advice_names_what_is_wrong(tables):
    real, _, holdout = tables
    drawn = mixed(300, 3)
    holes = real.assign(x=real.x.mask(np.arange(300) < 90))
    moved = drawn.assign(count=drawn["count"] + 2, colour=drawn.colour.cat.add_categories("pink"))
    moved.loc[0, "colour"] = "pink"
    moved["sold"] = np.random.default_rng(0).permutation(moved["sold"])
    told = " ".join(m.synthetic_report(holes, moved, holdout).advice)
    assert "'colour' has values that no real row has" in told
    assert "'x', 0.0% for 30.0%" in told
    assert "columns, most in 'count'" in told
    assert "'sold'" in told
    [line] = m.synthetic_report(real, drawn).advice
    assert line.startswith("Nothing is known of privacy")
    [line] = m.synthetic_report(real, drawn, holdout).advice
    assert line.startswith("Nothing stands out")


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"one": [1.0] * 30}),
        pd.DataFrame({"none": [None] * 30, "x": np.arange(30.0)}),
        pd.DataFrame({"far": np.r_[np.arange(29.0), 1e149], "tiny": np.arange(30) * 5e-324}),
        pd.DataFrame({"t": pd.to_timedelta(np.arange(30), unit="h"), "": [""] * 30}),
        pd.DataFrame({("a", 1): [*"uvw"] * 10, ("a", 2): [True, None, False] * 10}),
        pd.DataFrame({0: np.arange(30), 1: pd.array([*range(29), None], dtype="Int64")}),
    ],
)
def test_odd_tables_have_a_report(table):
    report = m.synthetic_report(table, table[::-1], table)
    assert set(report.columns.values()) == {0.0}
    assert Reader(report.to_html()).texts
    assert str(report).startswith("100.0% of the drawn rows") or report.auc is not None


@pytest.mark.parametrize("context", [None, ["sold"]])
def test_a_fitted_density_reports_on_as_many_rows_as_it_is_given(context):
    X = mixed(80, 0)
    parameters = {"max_epochs": 2, "hidden_layer_sizes": (4,), "random_state": 0}
    density = VAEDensity(1, context_features=context, **parameters).fit(X)
    report = density.report(X, holdout=mixed(40, 1), random_state=3)
    given = {} if context is None else {"context": X}
    drawn = density.sample(80 if context is None else 1, random_state=3, **given)
    assert (report.n_real, report.n_synthetic, report.n_holdout) == (80, 80, 40)
    assert report.columns == m.column_distances(X, drawn)


def test_a_density_of_an_array_reports_with_its_categories_and_context():
    X = mixed(80, 0)[["x", "count", "sold"]].to_numpy(float)
    parameters = {"max_epochs": 2, "hidden_layer_sizes": (4,), "random_state": 0}
    density = VAEDensity(1, context_features=[2], categorical_features=[1], **parameters).fit(X)
    report = density.report(X, random_state=0)
    assert [column.is_discrete for column in report.compared] == [False, True, False]
    assert report.columns[2] == 0.0


@pytest.mark.slow
def test_the_lines_of_readme_make_a_report_of_a_file(tmp_path, monkeypatch):
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    [lines] = re.findall(r"```python\n(real, holdout = .*?)```", readme, re.S)
    assert len(lines.splitlines()) == 5
    mixed(120, 0).drop(columns="since").to_csv(tmp_path / "people.csv", index=False)
    monkeypatch.chdir(tmp_path)
    names = {"pd": pd, "Path": Path, "train_test_split": train_test_split}
    exec(lines, names | {"VAEDensity": partial(VAEDensity, 1, max_epochs=2)})
    assert "drawn rows" in Path("report.html").read_text(encoding="utf-8")
    assert list(pd.read_csv("drawn.csv")) == ["x", "count", "colour", "sold"]
