"""Tables that tests of metrics share."""

import numpy as np
import pandas as pd
import polars


def mixed(n, seed):
    """Rows of all types that hang together through one normal variable."""
    generator = np.random.default_rng(seed)
    z = generator.normal(size=n)
    codes = np.digitize(z + 0.5 * generator.normal(size=n), [-0.5, 0.5])
    day = np.datetime64("2024-01-01", "s") + generator.integers(0, 900, n) * np.timedelta64(86400)
    return pd.DataFrame(
        {
            "x": z + 0.1 * generator.normal(size=n),
            "count": generator.poisson(np.exp(z / 2)),
            "colour": pd.Categorical.from_codes(codes, ["red", "green", "blue"]),
            "sold": z + 0.5 * generator.normal(size=n) > 0,
            "since": day,
        }
    )


def shuffled(table):
    """Columns shuffled on their own."""
    generator = np.random.default_rng(9)
    return pd.DataFrame(
        {name: table[name].array[generator.permutation(len(table))] for name in table}
    )


def compared_with_sdmetrics():
    """Real, drawn and held-out rows by formulas, as SDMetrics 0.32.0 was given them."""

    def rows(shift, n):
        k = np.arange(n)
        x = np.sin(k * 1.7 + shift) * 10 + np.cos(k * 0.3)
        table = pd.DataFrame({"x": x, "y": 0.5 * x + 5 * np.cos(k * 2.3 + shift)})
        table["c"] = np.array(["red", "green", "blue"])[(k * 7 + shift * 3) % 11 % 3]
        table["b"] = (k * 5 + shift) % 7 < 3 + shift % 2
        # Of equal ranges, so that distances have one unit.
        table.loc[0, ["x", "y"]], table.loc[1, ["x", "y"]] = -12.0, 12.0
        return table

    return rows(0, 200), rows(1, 150), rows(2, 200)


def in_polars(table):
    """The same table in polars, which takes no categories of pandas without pyarrow."""
    return polars.DataFrame({name: table[name].tolist() for name in table})
