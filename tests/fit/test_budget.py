"""Budgets: the time of a fit, shared by its trainings."""

import time

import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from skvae import VAEDensity
from skvae.fit.budget import Allowance, Budget

IRIS = load_iris().data


def test_trainings_share_what_is_left(monkeypatch):
    now = iter([0.0, 0.0, 4.0, 9.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    budget = Budget(12.0)
    budget.n_trainings = 3
    ends = [budget.take().end for _ in range(3)]
    assert ends == [4.0, 8.0, 12.0]


def test_steps_are_planned_by_the_time_of_those_that_were_taken(monkeypatch):
    now = iter([2.0, 5.0, 11.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    allowance = Allowance(0.0, 10.0)
    assert allowance.n_steps(10) == 50.0
    assert allowance.n_steps(30) == 60.0
    assert allowance.n_steps(40) == 40.0  # too late


def test_there_may_be_no_limit():
    assert not Budget(None).take().is_timed(10)
    assert Budget(1.0).take().is_timed(10)
    assert not Budget(1.0).take().is_timed(11)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:max_time")
def test_a_fit_takes_the_time_it_may():
    start = time.monotonic()
    density = VAEDensity(2, max_time=2.0, random_state=0).fit(IRIS)
    assert 1.0 < time.monotonic() - start < 2.2
    assert density.net_.plan_.horizon > 100


def test_a_plan_that_time_cut_is_told():
    with pytest.warns(ConvergenceWarning, match="max_time=0.05 was enough for"):
        density = VAEDensity(2, max_time=0.05, random_state=0).fit(IRIS)
    assert density.net_.n_steps_ <= 30
