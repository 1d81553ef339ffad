"""Whether a change keeps every output, bit for bit: hashes of what all five estimators return.

``PYTHONPATH=CHECKOUT python benchmarks/outputs.py --out FILE`` for two checkouts in one
environment, then ``python benchmarks/outputs.py --compare FILE FILE``. Recipes are named by strings
alone, so that the script also runs on checkouts where their classes have other names.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits, load_iris

from skvae import VAEClassifier, VAEDensity, VAEImputer, VAEOutlierDetector, VAETransformer

#: Small and seeded.
SMALL = {"max_epochs": 4, "hidden_layer_sizes": (16,), "random_state": 0}
N_ROWS = 240


def table() -> pd.DataFrame:
    """Return a table of six kinds of columns, with holes in five of them."""
    random = np.random.default_rng(0)
    level = random.integers(0, 3, N_ROWS)
    start = pd.Timestamp("2024-01-01")
    frame = pd.DataFrame(
        {
            "number": level + random.normal(size=N_ROWS),
            "amount": np.exp(random.normal(size=N_ROWS)).round(2),
            "count": random.poisson(3 + level).astype("float64"),
            "flag": pd.array(random.random(N_ROWS) < 0.3, dtype="boolean"),
            "city": pd.Categorical(np.array(["Rome", "Oslo", "Bonn"])[level]),
            "day": start + pd.to_timedelta(random.integers(0, 90, N_ROWS), "D"),
        }
    )
    holes = random.random(frame.shape) < 0.1
    holes[:, 4] = False
    return frame.mask(holes)


def of_density(X: Any, **parameters: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a density returns."""
    model = VAEDensity(3, **SMALL, **parameters).fit(X)
    yield "scores", model.score_samples(X)
    yield "curves", [model.loss_curve_, model.reconstruction_curve_, model.kl_curve_]
    yield "validation", [model.validation_scores_ or [], model.best_validation_score_]
    yield "use", [model.active_units_.tolist(), model.kl_per_unit_.tolist(), model.init_]
    yield "estimate", vars(model.log_likelihood(X[:20], n_draws=70, proposal="laplace"))
    yield "ais", model.log_likelihood(X[:2], n_draws=4, proposal="ais").value
    yield "draws", [model.sample(30), model.sample(5, random_state=1)]
    yield "reconstruct", [model.reconstruct(X[:9]), model.reconstruct(X[:4], 3, random_state=0)]
    yield "edit", model.edit(X[:5], np.ones(model.vae_.n_latent), 0.5)
    yield "edit, drawn", model.edit(X[:5], np.ones(model.vae_.n_latent), 0.5, 2, random_state=3)
    yield "interpolate", model.interpolate(X[:1], None, 4, random_state=0)
    yield "traverse", model.traverse(X[:1], 1, [-1.0, 1.0])
    yield "encode", model.encode(X, return_std=True)


def outputs() -> Iterator[tuple[str, Any]]:
    """Yield every output with its name."""
    frame = table()
    X, y = load_iris(return_X_y=True)
    for name, rows in {"frame": frame, "array": X}.items():
        for prior in ("mixture", "standard_normal", "vamp"):
            for what, found in of_density(rows, prior=prior):
                yield f"density, {name}, {prior}, {what}", found
    yield from of_completions(frame)
    yield from of_transformer(frame, X)
    yield from of_imputer(frame, X)
    yield from of_detector(frame, X)
    yield from of_classifier(frame, X, y)
    yield from of_images()


def of_completions(frame: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    """Yield completions with and without conditions, and what a context gives."""
    model = VAEDensity(2, **SMALL).fit(frame)
    yield "completions", model.sample_conditional(frame[:12], 3, random_state=0)
    where = {"number": (0.0, 2.0), "city": {"Rome", "Oslo"}}
    rows, quality = model.sample_conditional(
        None, 20, random_state=1, where=where, return_quality=True
    )
    yield "completions, where", [rows, vars(quality)]
    given = VAEDensity(2, context_features=["city"], **SMALL).fit(frame)
    yield "context, scores", given.score_samples(frame)
    yield "context, draws", given.sample(4, random_state=0, context={"city": ["Rome", "Bonn"]})
    yield "context, completions", given.sample_conditional(frame[:6], 2, random_state=0)
    again = VAEDensity(2, warm_start=True, **SMALL).fit(frame)
    yield "warm start", again.fit(frame).score_samples(frame)
    deep = VAEDensity((2, 3), objective="elbo", posterior="diagonal_gaussian", **SMALL).fit(frame)
    yield "two layers", deep.score_samples(frame)
    for objective in ("dreg", "beta", "beta_tc", "denoising", "monte_carlo", "trimmed"):
        other = VAEDensity(2, objective=objective, **SMALL).fit(frame)
        yield f"objective, {objective}", other.score_samples(frame[:40])


def of_transformer(frame: pd.DataFrame, X: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a transformer returns."""
    for name, rows in {"frame": frame, "array": X}.items():
        model = VAETransformer(2, **SMALL).fit(rows)
        Z = model.transform(rows)
        yield f"transformer, {name}", [Z, model.inverse_transform(Z[:10]), model.score(rows)]
    for objective in ("autoencoder", "mmd", "adversarial"):
        model = VAETransformer(2, objective=objective, refit_prior="mixture", **SMALL).fit(X)
        yield f"transformer, {objective}", [model.transform(X), model.sample(5, random_state=0)]


def of_imputer(frame: pd.DataFrame, X: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an imputer returns."""
    holes = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)
    for name, rows in {"frame": frame, "array": holes}.items():
        model = VAEImputer(2, add_indicator=True, **SMALL).fit(rows)
        yield f"imputer, {name}", model.transform(rows)
        yield f"imputer, {name}, drawn", model.sample_imputations(rows[:30], 2, random_state=0)


def of_detector(frame: pd.DataFrame, X: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a detector returns."""
    for name, rows in {"frame": frame, "array": X}.items():
        for share in ("auto", 0.1):
            model = VAEOutlierDetector(2, contamination=share, **SMALL).fit(rows)
            yield f"detector, {name}, {share}", [model.offset_, model.decision_function(rows[:40])]
        yield f"detector, {name}, explain", np.asarray(model.explain(rows[:10]))


def of_classifier(frame: pd.DataFrame, X: Any, y: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a classifier returns."""
    few = np.where(np.arange(len(y)) % 5 == 0, y, -1)
    model = VAEClassifier(2, **SMALL).fit(X, few)
    yield "classifier, array", [model.predict_proba(X), model.score_samples(X, y)]
    yield "classifier, draws", model.sample(6, random_state=0, y=1)
    model = VAEClassifier(2, **SMALL).fit(frame.drop(columns="city"), frame["city"].astype(str))
    yield "classifier, frame", model.predict_log_proba(frame.drop(columns="city"))


def of_images() -> Iterator[tuple[str, Any]]:
    """Yield what a model of images returns."""
    X = load_digits().data[:100] / 16.0
    model = VAEDensity(4, image_shape=(1, 8, 8), **SMALL).fit(X)
    yield "images", [model.score_samples(X[:20]), model.sample(3, random_state=0)]


def hashed(found: Any) -> str:
    """Return the hash of an output: of every number and every label in it."""
    digest = hashlib.sha256()
    _feed(digest, found)
    return digest.hexdigest()[:16]


def _feed(digest: Any, found: Any) -> None:
    if isinstance(found, pd.DataFrame):
        digest.update(repr([found.dtypes.astype(str).to_dict(), found.index.tolist()]).encode())
        found = [found[name].tolist() for name in found]
    if isinstance(found, dict):
        found = list(found.items())
    if isinstance(found, np.ndarray):
        digest.update(repr((found.shape, found.dtype)).encode() + found.tobytes())
    elif isinstance(found, list | tuple):
        for part in found:
            _feed(digest, part)
    else:
        digest.update(repr(found).encode())


def main() -> None:
    """Write the hashes, or compare two files of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--compare", type=Path, nargs=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.compare:
        one, other = (json.loads(path.read_text()) for path in arguments.compare)
        moved = [name for name in {**one, **other} if one.get(name) != other.get(name)]
        print(f"{len(one)} outputs, {len(moved)} differ", *moved, sep="\n")
        raise SystemExit(bool(moved))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {name: hashed(output) for name, output in outputs()}
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
