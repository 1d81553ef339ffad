"""Classify with few labels: digits, of which fifty have a label.

What the labels alone can do, what a linear classifier on the latents of a VAETransformer can that
has seen all rows (M1), a VAEClassifier on these latents (M1+M2, "Semi-supervised Learning with Deep
Generative Models", Kingma et al., 2014), and a VAEClassifier on the rows themselves (M2), beside
LabelSpreading. Then it draws digits by their class, and writes ``docs/images/drawn_by_class.png``;
``--quick`` makes a small run, whose picture goes to ``output/``.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading

from skvae import VAEClassifier, VAETransformer

N_DRAWN = 8


def hidden_but(y, n_labels):
    """Return labels of which all but so many of each class are unknown."""
    order = np.random.default_rng(0).permutation(len(y))
    labels = np.full(len(y), -1)
    for label in np.unique(y):
        chosen = order[y[order] == label][:n_labels]
        labels[chosen] = label
    return labels


def accuracies(train, labels, test, of_test, quick):
    """Return the accuracy of every way, and the classifier of rows."""
    known = labels >= 0
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5_000))
    alone = linear.fit(train[known], labels[known]).score(test, of_test)

    m1 = VAETransformer(likelihood="gaussian", random_state=0, **quick).fit(train)
    latent, of_test_rows = m1.transform(train), m1.transform(test)
    on_latents = linear.fit(latent[known], labels[known]).score(of_test_rows, of_test)
    m2_on_latents = VAEClassifier(8, random_state=0, **quick).fit(latent, labels)

    graph = LabelSpreading(kernel="knn", n_neighbors=7).fit(train, labels)
    m2 = VAEClassifier(likelihood="gaussian", random_state=0, **quick).fit(train, labels)
    found = {
        "LogisticRegression on the labels alone": alone,
        "LogisticRegression on latents": on_latents,
        "VAEClassifier on latents (M1+M2)": m2_on_latents.score(of_test_rows, of_test),
        "LabelSpreading": graph.score(test, of_test),
        "VAEClassifier (M2)": m2.score(test, of_test),
    }
    return found, m2


def draw(model, path):
    """Draw digits of every class, a row each."""
    figure, axes = plt.subplots(10, N_DRAWN, figsize=(0.7 * N_DRAWN, 7.0))
    for label, of_class in enumerate(axes):
        images = model.sample(N_DRAWN, random_state=0, y=label).reshape(-1, 8, 8)
        for axis, image in zip(of_class, images, strict=True):
            axis.imshow(image, cmap="gray_r", vmin=0, vmax=16)
            axis.set(xticks=[], yticks=[])
        of_class[0].set_ylabel(label, rotation=0, labelpad=12, va="center")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, bbox_inches="tight")


def main():
    """Compare, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    options = parser.parse_args()
    X, y = load_digits(return_X_y=True)
    train, test, of_train, of_test = train_test_split(
        X, y, test_size=0.2, stratify=y, random_state=0
    )
    quick = {"max_epochs": 2, "n_draws": 8} if options.quick else {}
    found, model = accuracies(train, hidden_but(of_train, 5), test, of_test, quick)
    print(f"Accuracy on {len(test)} test digits; {len(train)} training digits, 50 with a label")
    for name, accuracy in found.items():
        print(f"  {name:40} {accuracy:.3f}")
    folder = Path("output") if options.quick else Path("docs/images")
    draw(model, folder / "drawn_by_class.png")
    print(f"wrote {folder / 'drawn_by_class.png'}")


if __name__ == "__main__":
    main()
