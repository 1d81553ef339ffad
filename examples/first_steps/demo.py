"""The main job on real data, in a few minutes: score, transform, search, sample.

Prints four tables and writes a picture, ``output/digits.png``. Run as
``python -m examples.first_steps.demo`` from the top folder, or ``make demo``; ``--quick`` makes a
small run.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from benchmarks.common import load, split
from benchmarks.peers import PEERS, quietly
from examples.tasks.generate_table import two_sample_auc
from skvae import Gaussian, VAEDensity, VAETransformer

QUICK = "--quick" in sys.argv
EPOCHS, FOLDS = (2, 2) if QUICK else (60, 3)
PICTURE = Path("output/digits.png")


def heading(text):
    """Print a heading."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def show(frame):
    """Print a table."""
    print(frame.to_string(float_format=lambda x: f"{x:.3f}"), flush=True)


def likelihoods():
    """Table 1: held-out log-likelihood, nats per row, the same rows for all."""
    heading("1. Held-out log-likelihood, nats per row (higher is better)")
    tables, models = {}, {}
    for name in ("breast_cancer", "digits"):
        train, test = split(load(name), 0)
        train = train[:200] if QUICK else train
        column = {}
        for peer, fit in tqdm(PEERS.items(), desc=f"{name}: peers", leave=False):
            column[peer] = quietly(fit, train).score_samples(test).mean()
        models[name] = VAEDensity(16, max_epochs=EPOCHS, random_state=0, verbose=1).fit(train)
        column["VAEDensity"] = models[name].score(test)
        tables[name] = column
    show(pd.DataFrame(tables))
    return models["digits"]


def pipelines():
    """Table 2: accuracy of a linear classifier on k latent dimensions of digits."""
    heading("2. Digits: accuracy of LogisticRegression on k dimensions")
    X, y = load_digits(return_X_y=True)
    train_X, test_X, train_y, test_y = train_test_split(X, y, test_size=0.2, random_state=0)
    table = pd.DataFrame(index=["PCA", "VAETransformer"], columns=[2, 8, 16], dtype=float)
    for k in tqdm(table.columns, desc="k", leave=False):
        # One noise for all pixels, as in PCA: the latents then go to the shape of the digit.
        shared = Gaussian(scale="shared")
        vae = VAETransformer(k, likelihood=shared, max_epochs=EPOCHS, random_state=0)
        for name, reducer in (("PCA", PCA(k)), ("VAETransformer", vae)):
            steps = [("scale", StandardScaler()), ("vae", reducer)]
            pipeline = Pipeline([*steps, ("clf", LogisticRegression(max_iter=2000))])
            table.loc[name, k] = pipeline.fit(train_X, train_y).score(test_X, test_y)
    show(table)


def search():
    """Table 3: the latent dimension chosen by held-out log-likelihood."""
    heading("3. Breast cancer: GridSearchCV over latent_dim, by held-out log-likelihood")
    train, test = split(load("breast_cancer"), 0)
    density = VAEDensity(max_epochs=EPOCHS, random_state=0)
    grid = GridSearchCV(density, {"latent_dim": [2, 8, 16]}, cv=FOLDS, n_jobs=2).fit(train)
    results = pd.DataFrame(grid.cv_results_)[["param_latent_dim", "mean_test_score"]]
    show(
        results.set_axis(["latent_dim", f"nats per row, {FOLDS} folds"], axis=1).set_index(
            "latent_dim"
        )
    )
    print(f"chosen: {grid.best_params_}, test rows: {grid.score(test):.3f} nats per row")


def synthetic():
    """Table 4: five synthetic rows, and whether they pass for real ones."""
    heading("4. Breast cancer: synthetic rows")
    table = load_breast_cancer(as_frame=True).data.iloc[:, :6]
    train, test = train_test_split(table, test_size=0.3, random_state=0)
    density = VAEDensity(max_epochs=EPOCHS, random_state=0).fit(train)
    show(density.sample(5, random_state=0))
    auc = two_sample_auc(test, density.sample(len(test), random_state=1))
    print(f"a classifier tells synthetic rows from held-out real ones with AUC {auc:.3f}")


def picture(density):
    """Draw real digits above sampled ones."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    train, _ = split(load("digits"), 0)
    images = [train[:20], density.sample(20, random_state=0)]
    raw, _ = train_test_split(load("digits"), test_size=0.2, random_state=0)
    scaler = StandardScaler().fit(raw)
    figure, axes = plt.subplots(4, 10, figsize=(10, 4.6), layout="constrained")
    for k, axis in enumerate(axes.flat):
        which, at = divmod(k, 20)
        pixels = scaler.inverse_transform(images[which][at : at + 1])
        axis.imshow(pixels.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axis.set_axis_off()
    figure.suptitle("Digits: real (two upper rows), sampled (two lower rows)")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=120)
    print(f"\nwrote {PICTURE}")


def main():
    """Run all four parts."""
    start = time.perf_counter()
    np.set_printoptions(suppress=True)
    density = likelihoods()
    pipelines()
    search()
    synthetic()
    picture(density)
    print(f"\n{time.perf_counter() - start:.0f} seconds")


if __name__ == "__main__":
    main()
