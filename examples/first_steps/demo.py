"""The main job on real data, in a few minutes: score, transform, search, sample.

Prints four tables and writes a picture, ``output/digits.png``. Run as
``python -m examples.first_steps.demo`` from the top folder, or ``make demo``; ``--quick`` makes a
small run.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, ShuffleSplit, train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from skvae import VAEDensity, VAETransformer
from skvae.metrics import two_sample_auc

QUICK = "--quick" in sys.argv
EPOCHS, FOLDS = (2, 2) if QUICK else (60, 3)
PICTURE = Path("output/digits.png")
SIZES = (1, 2, 3, 5, 8, 12, 16, 20, 30, 40)
MIXTURES = {
    "covariance_type": ["full", "diag"],
    "reg_covar": [1e-6, 1e-3, 1e-2, 1e-1],
    "n_components": [1, 2, 3, 5, 8, 12, 20],
}


def heading(text):
    """Print a heading."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def show(frame):
    """Print a table."""
    print(frame.to_string(float_format=lambda x: f"{x:.3f}"), flush=True)


def load(name):
    """Return a table; digits, whose pixels are integers, with uniform noise of one grey level."""
    if name == "breast_cancer":
        return load_breast_cancer().data
    X = load_digits().data
    return (X + np.random.default_rng(0).uniform(size=X.shape)) / 16


def split(X):
    """Return training and test rows in standard deviations of the former, and their scaler."""
    train, test = train_test_split(X, test_size=0.2, random_state=0)
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test), scaler


class Histogram(BaseEstimator):
    """Independent columns, each a histogram of equal bins with exponential tails.

    One pseudo-count goes to every bin and to both tails together: no row has density zero.
    """

    def __init__(self, bins=10):
        self.bins = bins

    def fit(self, X, y=None):
        """Count."""
        self.start_, self.width_ = X.min(0), np.ptp(X, axis=0) / self.bins
        share = 1 / (len(X) + self.bins + 1) / self.width_
        counts = np.apply_along_axis(np.bincount, 0, self._bins(X), minlength=self.bins)
        self.log_density_, self.log_tail_ = np.log((counts + 1) * share), np.log(share / 2)
        return self

    def _bins(self, X):
        """Return the bin of each cell, the nearest of those beyond the bins."""
        return ((X - self.start_) / self.width_).clip(0, self.bins - 1).astype(int)

    def score_samples(self, X):
        """Return the log-density of each row."""
        at = (X - self.start_) / self.width_
        beyond = np.maximum(-at, at - self.bins)
        inside = np.take_along_axis(self.log_density_, self._bins(X), axis=0)
        return np.where(beyond > 0, self.log_tail_ - beyond, inside).sum(1)


def nats(density, X, y=None):
    """Return the mean log-density of rows."""
    return density.score_samples(X).mean()


def negative_bic(mixture, X, y=None):
    """Return what to maximise for the least BIC."""
    return -mixture.bic(X)


def peers(X):
    """Return densities of scikit-learn, each to be tuned inside the training rows X."""
    rows, columns = X.shape
    sizes = {"n_components": [n for n in SIZES if n < columns]}
    bins, bandwidths = {"bins": [3, 5, 8, 12, 20, 30, 50, 80]}, np.geomspace(0.05, 3, 15)
    mixture = GaussianMixture(random_state=0)
    # BIC rewards singular covariances without limit, so a component needs five rows per column.
    few = {"n_components": range(1, max(rows // (5 * columns), 1) + 1)}
    all_rows, fifth = [(np.arange(rows),) * 2], ShuffleSplit(1, test_size=0.2, random_state=0)
    return {
        "PCA": GridSearchCV(PCA(svd_solver="full"), sizes),
        "FactorAnalysis": GridSearchCV(FactorAnalysis(), sizes),
        "GaussianMixture, by BIC": GridSearchCV(mixture, few, scoring=negative_bic, cv=all_rows),
        "GaussianMixture, by validation": GridSearchCV(mixture, MIXTURES, cv=fifth),
        "Histogram": GridSearchCV(Histogram(), bins, scoring=nats),
        "KernelDensity": GridSearchCV(KernelDensity(), {"bandwidth": bandwidths}, scoring=nats),
    }


def quietly(search, X):
    """Fit a search on one thread, which is faster here, without warnings of unchosen candidates."""
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        return search.fit(X)


def likelihoods():
    """Table 1: held-out log-likelihood, nats per row, the same rows for all."""
    heading("1. Held-out log-likelihood, nats per row (higher is better)")
    tables, models = {}, {}
    for name in ("breast_cancer", "digits"):
        train, test, _ = split(load(name))
        train = train[:200] if QUICK else train
        column = {}
        for peer, search in tqdm(peers(train).items(), desc=f"{name}: peers", leave=False):
            column[peer] = nats(quietly(search, train), test)
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
        vae = VAETransformer(k, max_epochs=EPOCHS, random_state=0)
        for name, reducer in (("PCA", PCA(k)), ("VAETransformer", vae)):
            steps = [("scale", StandardScaler()), ("vae", reducer)]
            pipeline = Pipeline([*steps, ("clf", LogisticRegression(max_iter=2000))])
            table.loc[name, k] = pipeline.fit(train_X, train_y).score(test_X, test_y)
    show(table)


def search():
    """Table 3: the latent dimension chosen by held-out log-likelihood."""
    heading("3. Breast cancer: GridSearchCV over latent_dim, by held-out log-likelihood")
    train, test, _ = split(load("breast_cancer"))
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

    train, _, scaler = split(load("digits"))
    images = [train[:20], density.sample(20, random_state=0)]
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
