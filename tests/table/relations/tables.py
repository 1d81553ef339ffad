"""A table with a relation of every kind, and one with none."""

import numpy as np
import pandas as pd


def related(n=1_000, seed=0):
    """Return a table in which every kind of relation is planted."""
    random = np.random.default_rng(seed)
    city = random.choice(["Oslo", "Bergen", "Rome", "Milan"], n, p=[0.4, 0.3, 0.2, 0.1])
    country = pd.Series(city).map({"Oslo": "NO", "Bergen": "NO", "Rome": "IT", "Milan": "IT"})
    code = pd.Series(city).map({"Oslo": 3, "Bergen": 46, "Rome": 58, "Milan": 15})
    first = random.integers(200, 1_500, n)
    second = random.choice([0, 1], n) * random.integers(100, 900, n)
    low = random.choice([0, 1], n, p=[0.9, 0.1]) * random.integers(50, 300, n)
    built = random.integers(1900, 2005, n)
    later = random.choice([0, 1], n) * random.integers(0, 80, n)
    ordered = np.datetime64("2024-01-01", "s") + random.integers(0, 10**7, n)
    income = random.lognormal(3, 0.5, n).round(2)
    cost = random.lognormal(3, 0.5, n).round(2)
    status = random.choice(["single", "married", "widowed"], n)
    years = np.where(status == "single", np.nan, random.integers(0, 50, n))
    return pd.DataFrame(
        {
            "city": city,
            "code": code,
            "country": country,
            "first": first,
            "second": second,
            "low": low,
            "area": first + second + low,
            "built": built,
            "remodelled": np.minimum(built + later, 2010),
            "ordered": ordered,
            "delivered": ordered + random.exponential(3 * 86_400, n).astype(int),
            "income": income,
            "cost": cost,
            "profit": (income - cost).round(2),
            "status": status,
            "years": years,
        }
    )


def unrelated(n=1_000, seed=0):
    """Return the same table with every column shuffled."""
    table, random = related(n, seed), np.random.default_rng(seed)
    return pd.DataFrame(
        {name: column.to_numpy()[random.permutation(n)] for name, column in table.items()}
    )
