"""Make a synthetic table: rows like the real ones, in the same columns.

How like is measured by a classifier that tries to tell them from held-out real rows: an area
under the ROC curve of 0.5 means that it cannot. Run with ``--quick`` for a small run.
"""

import sys

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_score, train_test_split

from skvae import VAEDensity

QUICK = "--quick" in sys.argv


def two_sample_auc(real, synthetic):
    """Return how well a classifier tells synthetic rows from real ones, 0.5 if not at all."""
    X = np.vstack([real, synthetic])
    y = np.r_[np.zeros(len(real)), np.ones(len(synthetic))]
    model = HistGradientBoostingClassifier(random_state=0)
    return cross_val_score(model, X, y, cv=5, scoring="roc_auc").mean()


def main():
    """Fit, draw, and compare with held-out rows and with shuffled columns."""
    table = load_breast_cancer(as_frame=True).data.iloc[:, :8]
    train, test = train_test_split(table, test_size=0.3, random_state=0)
    density = VAEDensity(random_state=0, **({"max_epochs": 2} if QUICK else {})).fit(train)
    synthetic = density.sample(len(test), random_state=0)
    print(synthetic.head().round(3).to_string())
    generator = np.random.default_rng(0)
    shuffled = train.apply(lambda column: generator.permutation(column))[: len(test)]
    print(f"AUC of synthetic rows: {two_sample_auc(test, synthetic):.3f}")
    print(f"AUC of rows with shuffled columns: {two_sample_auc(test, shuffled):.3f}")
    print(f"log-likelihood of held-out rows: {density.score(test):.2f} nats per row")


if __name__ == "__main__":
    main()
