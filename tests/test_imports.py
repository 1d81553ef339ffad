"""What an import and a first fit may take: no library that neither needs."""

import json
import subprocess
import sys

#: Too slow to import unasked, or not everyone's.
SLOW = {
    "skorch",
    "matplotlib",
    "polars",
    "zuko",
    "tqdm",
    "sympy",
    "torch._dynamo",
    "sklearn.cluster",
    "sklearn.compose",
    "sklearn.linear_model",
    "sklearn.mixture",
    "sklearn.model_selection",
    "sklearn.neighbors",
}
CODE = """
import json, sys
import numpy, sklearn.base, torch
before = set(sys.modules)
import skvae
imported = set(sys.modules) - before
X = numpy.arange(40.0).reshape(20, 2) ** 2
given = {"hidden_layer_sizes": (4,), "max_epochs": 1, "categorical_features": [0]}
skvae.VAEDensity(1, **given).fit(X)
print(json.dumps([sorted(imported), sorted(set(sys.modules) - before)]))
"""


def test_what_an_import_and_a_default_fit_import():
    command = [sys.executable, "-c", CODE]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    imported, fitted = map(set, json.loads(found.stdout))
    assert not SLOW & imported
    assert "skorch" in fitted
    assert not {"sympy", "torch._dynamo", "polars", "matplotlib", "zuko"} & fitted
