"""Classify on the latent space: a VAE in a scikit-learn pipeline.

The transformer learns without labels; a linear classifier then needs few of them. Run with
``--quick`` for a small run.
"""

import sys

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAETransformer

QUICK = "--quick" in sys.argv


def accuracy(reducer, rows):
    """Return the test accuracy of a linear classifier on reduced rows."""
    train_X, test_X, train_y, test_y = rows
    steps = [("scale", StandardScaler()), ("reduce", reducer)]
    pipeline = Pipeline([*steps, ("clf", LogisticRegression(max_iter=2000))])
    return pipeline.fit(train_X, train_y).score(test_X, test_y)


def main():
    """Compare a VAE with PCA at the same number of dimensions."""
    X, y = load_digits(return_X_y=True)
    rows = train_test_split(X, y, test_size=0.2, random_state=0)
    for k in (2, 8):
        vae = VAETransformer(k, max_epochs=2 if QUICK else "auto", random_state=0)
        print(f"{k} dimensions: PCA {accuracy(PCA(k), rows):.3f}, VAE {accuracy(vae, rows):.3f}")


if __name__ == "__main__":
    main()
