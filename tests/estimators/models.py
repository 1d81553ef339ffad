"""Small models and tables that several files of tests use."""

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

from skvae import VAEDensity

IRIS = load_iris().data

#: Quick and yet trained: enough for everything that is not about quality.
QUICK = {"latent_dim": 2, "hidden_layer_sizes": (16,), "max_epochs": 5, "random_state": 0}

#: FactorAnalysis until it has converged; its default tolerance leaves 0.01 nat.
CONVERGED = {"tol": 1e-10, "max_iter": 100_000, "svd_method": "lapack"}


def quick(**changes):
    return VAEDensity(**{**QUICK, **changes})


def untrained(latent_dim, **changes):
    """Return the linear start, whose encoder is exact: every one of its weights is p(x)."""
    fixed = {"init": "linear", "max_epochs": 0, "early_stopping": False, "proposal": "encoder"}
    return VAEDensity(latent_dim, **{"prior": "standard_normal", **fixed, **changes})


def causes_and_effects(n=400):
    """Return a table of categories, a boolean and a small count that depend on one another."""
    generator = np.random.default_rng(0)
    cause = generator.integers(0, 3, n)
    moved = np.where(generator.uniform(size=n) < 0.7, cause, generator.integers(0, 3, n))
    return pd.DataFrame(
        {
            "city": np.array(["Bern", "Oslo", "Rome"])[moved],
            "size": pd.Categorical.from_codes(cause, ["S", "M", "L"], ordered=True),
            "member": generator.uniform(size=n) < 0.2 + 0.3 * cause,
            "visits": np.minimum(generator.poisson(cause), 3),
        }
    )
