"""Distances of columns and pairs: by hand, and as SDMetrics has them."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from skvae.metrics import column_distances, pair_distances
from tests.metrics.frames import compared_with_sdmetrics, mixed, shuffled


def test_columns_are_those_of_sdmetrics():
    real, synthetic, _ = compared_with_sdmetrics()
    # 1 - KSComplement and 1 - TVComplement of SDMetrics 0.32.0.
    expected = {"x": 0.04, "y": 0.19, "c": 0.005, "b": 0.1366666666666666}
    assert column_distances(real, synthetic) == pytest.approx(expected, abs=1e-12)


def test_pairs_are_those_of_sdmetrics():
    real, synthetic, _ = compared_with_sdmetrics()
    # 1 - CorrelationSimilarity and 1 - ContingencySimilarity of SDMetrics 0.32.0.
    expected = {
        ("x", "y"): 0.0007083773526186388,
        ("x", "c"): 0.2666666666666666,
        ("x", "b"): 0.15166666666666673,
        ("y", "c"): 0.3733333333333334,
        ("y", "b"): 0.3633333333333333,
        ("c", "b"): 0.13666666666666671,
    }
    assert pair_distances(real, synthetic) == pytest.approx(expected, abs=1e-12)


def test_numbers_have_the_statistic_of_scipy():
    real, synthetic = mixed(300, 0), mixed(200, 1)
    found = column_distances(real, synthetic)
    for name in ("x", "count"):
        assert found[name] == pytest.approx(ks_2samp(real[name], synthetic[name]).statistic)


def test_missing_cells_are_a_value_of_their_own():
    real = pd.DataFrame({"x": [1.0, 2.0, np.nan, np.nan], "c": ["u", None, None, "u"]})
    synthetic = pd.DataFrame({"x": [1.0, 2.0, 1.0, 2.0], "c": ["u", "u", "u", "u"]})
    assert column_distances(real, synthetic) == {"x": 0.5, "c": 0.5}
    assert pair_distances(real, synthetic) == {("x", "c"): 0.75}
    assert pair_distances(real, real) == {("x", "c"): 0.0}


@pytest.mark.parametrize("scale", [1e-140, 1e148])
def test_correlations_of_any_scale(scale):
    x = np.arange(6.0) * scale
    real = pd.DataFrame({"x": x, "y": x, "one": 1.0})
    found = pair_distances(real, real.assign(y=x[::-1]))
    assert found == pytest.approx({("x", "y"): 1.0, ("x", "one"): 0.0, ("y", "one"): 0.0})


def test_columns_shuffled_on_their_own_are_equal_and_hang_together_otherwise():
    real = mixed(500, 0)
    assert set(column_distances(real, shuffled(real)).values()) == {0.0}
    assert pair_distances(real, shuffled(real))["x", "sold"] > 0.3
    assert max(pair_distances(real, mixed(500, 1)).values()) < 0.2
