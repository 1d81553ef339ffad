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


def on_two_levels(n, seed):
    """Return pairs of columns that go up together, one of them higher: in no order but by that."""
    random = np.random.default_rng(seed)
    pairs = {}
    for k in range(3):
        a, far = random.normal(size=n), random.uniform(1.5, 4.5)
        rho = random.uniform(0.8, 0.999)
        b = rho * a + np.sqrt(1 - rho**2) * random.normal(size=n) + far * np.sqrt(2 - 2 * rho)
        pairs[f"a{k}"], pairs[f"b{k}"] = (
            lambda x: x,
            np.exp,
            lambda x: np.round(20 * x + 100),
            lambda x: np.exp(x / 3).round(1),
        )[seed % 4](np.array([a, b]))
    return pd.DataFrame(pairs)


def in_order(n=1_000, seed=0):
    """Return the least, the mean and the largest of some numbers, a price with and without tax."""
    random = np.random.default_rng(seed)
    spread = np.exp(random.normal(0, 0.5, n))
    x = random.normal(15, 8, n)[:, None] + spread[:, None] * random.normal(size=(n, 4))
    net = np.exp(random.normal(3, 1, n)).round(2)
    gross = (net * (1 + random.choice([0.0, 0.07, 0.19], n))).round(2)
    of_x = {"least": x.min(1), "mean": x.mean(1), "largest": x.max(1)}
    return pd.DataFrame({**of_x, "net": net, "gross": gross})
