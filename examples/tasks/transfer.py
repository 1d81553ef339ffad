"""Transfer: a classifier of digits that starts from the encoder of a VAE which saw no label.

``encoder_.body`` is a plain torch network from standardised columns to features. With a linear
layer behind it is a classifier, trained on a few labels in four ways: from a random start, from the
encoder of an ELBO, from that of a denoising VAE, and with the latter's weights frozen. The encoders
have seen all training digits, without labels. Here that is no gain: a random start is as good, and
what uses the other rows well is VAEClassifier (``examples/tasks/few_labels.py``). Prints test
accuracy, mean and standard deviation over draws of the labels and of the starts, and writes
``docs/images/transfer.png``; ``--quick`` makes a small run, whose picture goes to ``output/``.
"""

import copy
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skvae import VAETransformer
from skvae.likelihoods import Gaussian
from skvae.objectives import Denoising

QUICK = "--quick" in sys.argv
PICTURE = Path("output" if QUICK else "docs/images") / "transfer.png"
PER_CLASS, N_SEEDS, N_STEPS = ((5,), 2, 20) if QUICK else ((2, 5, 10, 20, 50), 8, 200)
COLORS = {
    "random start": "0.45",
    "from the ELBO": "#2f6f9f",
    "from Denoising": "#c8442e",
    "from Denoising, frozen": "#e0912f",
}


def encoder(X, objective="elbo", max_epochs=2 if QUICK else 60, seed=0):
    """Return the body of the encoder of a VAE of digits; with 0 epochs it is a random start."""
    model = VAETransformer(
        16,
        objective=objective,
        likelihood=Gaussian("column"),
        init="random",
        max_epochs=max_epochs,
        early_stopping=False,
        random_state=seed,
    )
    return model.fit(X).encoder_.body


def classifier(body, X, y, seed, frozen=False):
    """Return a network that starts from a body, trained on rows and labels."""
    torch.manual_seed(seed)
    body = copy.deepcopy(body).requires_grad_(not frozen)
    network = torch.nn.Sequential(body, torch.nn.Linear(body.n_out, 10))
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=2e-3)
    for _ in range(N_STEPS):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(X), y).backward()
        optimizer.step()
    return network


@torch.no_grad()
def accuracy(network, X, y):
    """Return the share of rows that a network classifies as they are."""
    return (network(X).argmax(1) == y).double().mean().item()


def labelled(y, per_class, seed):
    """Return so many rows of every class."""
    order = np.random.default_rng(seed).permutation(len(y))
    return np.concatenate([order[y[order] == label][:per_class] for label in range(10)])


def compare(bodies, standardised, train, labels):
    """Return the accuracies of every way, (numbers of labels, draws)."""
    found = {name: np.empty((len(PER_CLASS), N_SEEDS)) for name in COLORS}
    X, test = (torch.as_tensor(part, dtype=torch.float32) for part in standardised)
    y, of_test = (torch.as_tensor(part) for part in labels)
    for seed in range(N_SEEDS):
        starts = {"random start": encoder(train, max_epochs=0, seed=seed), **bodies}
        for i, per_class in enumerate(PER_CLASS):
            some = labelled(labels[0], per_class, seed)
            for name in COLORS:
                start, frozen = name.removesuffix(", frozen"), name.endswith("frozen")
                network = classifier(starts[start], X[some], y[some], seed, frozen)
                found[name][i, seed] = accuracy(network, test, of_test)
    return found


def report(found):
    """Print means and standard deviations, and the differences to a random start, in pairs."""
    counts = "".join(f"{10 * n:>16}" for n in PER_CLASS)
    print(f"{'labels':24}{counts}")
    for name, values in found.items():
        cells = (f"{row.mean():.3f} ± {row.std(ddof=1):.3f}" for row in values)
        print(f"{name:24}" + "".join(f"{cell:>16}" for cell in cells))
    print("ahead of the random start with the same labels, mean and standard error")
    for name in list(found)[1:]:
        ahead = found[name] - found["random start"]
        cells = (f"{row.mean():+.3f} ± {row.std(ddof=1) / N_SEEDS**0.5:.3f}" for row in ahead)
        print(f"{name:24}" + "".join(f"{cell:>16}" for cell in cells))


def draw(found):
    """Draw by how much every start is ahead of a random one; save the picture."""
    figure, axis = plt.subplots(figsize=(6.6, 3.6), layout="constrained")
    n, random = 10 * np.array(PER_CLASS), found["random start"]
    axis.axhline(0.0, color=COLORS["random start"], lw=1.5, ls="--", label="random start")
    for k, name in enumerate(list(found)[1:]):
        ahead, shift = found[name] - random, 1.04 ** (k - 1)  # side by side
        error = ahead.std(1, ddof=1) / N_SEEDS**0.5
        style = {"color": COLORS[name], "lw": 2, "ms": 5, "elinewidth": 1.3, "label": name}
        axis.errorbar(n * shift, ahead.mean(1), error, fmt="o-", **style)
    axis.set(xscale="log", xlabel="labels, and the accuracy from a random start")
    labels = [f"{m}\n{row.mean():.2f}" for m, row in zip(n, random, strict=True)]
    axis.set_xticks(n, labels)
    axis.minorticks_off()
    title = "test accuracy ahead of a random start, with standard errors"
    axis.set_title(title, loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=9, loc="lower left")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    print(f"wrote {PICTURE}")


def main():
    """Train the encoders, and from them the classifiers."""
    train, test, *labels = train_test_split(
        *load_digits(return_X_y=True), test_size=0.25, random_state=0
    )
    scaler = StandardScaler().fit(train)
    standardised = scaler.transform(train), scaler.transform(test)
    bodies = {
        "from the ELBO": encoder(train),
        "from Denoising": encoder(train, Denoising(noise=0.5)),
    }
    found = compare(bodies, standardised, train, labels)
    report(found)
    draw(found)


if __name__ == "__main__":
    main()
