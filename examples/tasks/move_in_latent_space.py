"""Move in the latent space of digits: from one to another, along one latent, along an attribute.

``interpolate`` walks between two digits, ``traverse`` changes the latents that say most, and
``edit`` moves digits along a direction that ``latent_direction`` finds in training digits: from a 4
to a 9, and to more or less ink, a number. Prints what that does to test digits, by a classifier
that was trained on real ones, and by their ink, beside what was asked for. Writes
``docs/images/move_in_latent_space.png``; ``--quick`` makes a small run, whose picture goes to
``output/``.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from skvae import VAETransformer
from skvae.likelihoods import Gaussian
from skvae.objectives import Beta

QUICK = "--quick" in sys.argv
PICTURE = Path("output" if QUICK else "docs/images") / "move_in_latent_space.png"
N_STEPS, WALKS = 11, ((0, 6), (3, 8), (7, 1))
AMOUNTS = np.linspace(-0.5, 1.5, N_STEPS)  # of the way from a 4 to a 9
INKS = np.linspace(-6.0, 6.0, N_STEPS)  # grey levels a pixel


def fit(X):
    """Return a model of digits with few, smooth latents."""
    model = VAETransformer(
        10,
        objective=Beta(beta=2.0),
        likelihood=Gaussian("column"),
        init="random",
        max_epochs=2 if QUICK else 100,
        early_stopping=not QUICK,
        random_state=0,
    )
    return model.fit(X)


def walks(model, X, y):
    """Return interpolations between the first digits of pairs of classes."""
    ends = [[X[y == label][0] for label in pair] for pair in WALKS]
    return {
        f"{a} to {b}": model.interpolate(*rows, N_STEPS)
        for (a, b), rows in zip(WALKS, ends, strict=True)
    }


def traversals(model, X, n):
    """Return what a digit becomes as each of the latents that say most goes from -2.5 to 2.5."""
    most = np.argsort(model.kl_per_unit_)[::-1][:n]
    values = np.linspace(-2.5, 2.5, N_STEPS)
    return {f"latent {j}": model.traverse(X, int(j), values) for j in most}


def path(model, x, direction, amounts):
    """Return a digit moved along a direction by some amounts."""
    return model.edit(np.repeat(x[None], len(amounts), axis=0), direction, amounts)


def judge_class(model, direction, judge, fours):
    """Print what a classifier takes edited fours for."""
    print("test digits of class 4, moved towards 9 by   taken for 4   taken for 9")
    for amount in (0.0, 0.5, 1.0, 1.5):
        taken = judge.predict(model.edit(fours, direction, amount))
        print(f"{amount:44.1f}{np.mean(taken == 4):14.0%}{np.mean(taken == 9):14.0%}")


def judge_ink(model, direction, judge, X, y):
    """Print how much ink edited digits have gained, and how many are still of their class."""
    print("test digits, ink asked for   gained   still of their class")
    ink = model.reconstruct(X).mean(1)
    for amount in (-6.0, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0):
        moved = model.edit(X, direction, amount)
        gained, same = (moved.mean(1) - ink).mean(), (judge.predict(moved) == y).mean()
        print(f"{amount:28.1f}{gained:9.2f}{same:23.0%}")


def strip(axis, images, name):
    """Draw digits side by side, with a name on their left."""
    framed = np.pad(images.reshape(-1, 8, 8), ((0, 0), (0, 0), (1, 1)))
    axis.imshow(np.concatenate(framed, axis=1), cmap="gray_r", vmin=0, vmax=16)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9.5)


def draw(panels):
    """Draw panels of moves, a row of digits each; save the picture."""
    figure = plt.figure(figsize=(12.5, 4.6))
    grid = {"left": 0.07, "right": 0.995, "top": 0.93, "bottom": 0.02}
    for cell, (title, moves) in zip(
        figure.add_gridspec(2, 2, wspace=0.17, hspace=0.2, **grid), panels.items(), strict=True
    ):
        axes = cell.subgridspec(len(moves), 1, hspace=0.1).subplots()
        axes[0].set_title(title, fontsize=10.5, weight="bold", loc="left")
        for axis, (name, images) in zip(axes, moves.items(), strict=True):
            strip(axis, images, name)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    print(f"wrote {PICTURE}")


def main():
    """Fit, move test digits and see what becomes of them."""
    X, y = load_digits(return_X_y=True)
    if QUICK:
        X, y = X[:300], y[:300]
    train, test, of_train, of_test = train_test_split(X, y, test_size=0.25, random_state=0)
    model = fit(train)
    judge = SVC().fit(train, of_train)
    print(f"the classifier is right for {judge.score(test, of_test):.1%} of test digits")
    two, fours = np.isin(of_train, (4, 9)), test[of_test == 4]
    to_nine = model.latent_direction(train[two], of_train[two])
    judge_class(model, to_nine, judge, fours)
    to_ink = model.latent_direction(train, train.mean(1))
    judge_ink(model, to_ink, judge, test, of_test)
    loops = {
        name: path(model, fours[k], to_nine, AMOUNTS)
        for k, name in enumerate(("a 4", "another", "a third"))
    }
    firsts = {label: test[of_test == label][0] for label in (2, 5, 0)}
    inks = {f"a {k}": path(model, x, to_ink, INKS) for k, x in firsts.items()}
    panels = {
        "interpolate: from one digit to another": walks(model, test, of_test),
        "traverse: one latent of a 3, from -2.5 to 2.5": traversals(
            model, test[of_test == 3][0], 3
        ),
        "edit: from 4 towards 9, by -0.5 to 1.5 of the direction": loops,
        "edit: from less to more ink, by -6 to 6 grey levels": inks,
    }
    draw(panels)


if __name__ == "__main__":
    main()
