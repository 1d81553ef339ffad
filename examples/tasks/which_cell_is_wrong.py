"""Find the cell that is wrong in a row, though nothing in it is odd by itself.

In every fifth row of the breast cancer table (the means of ten measurements of a tumour's cells)
one cell is swapped with that of another row, if that changes it by a standard deviation or more.
VAEOutlierDetector is fitted to the other rows; ``explain`` says how surprising each cell is given
the other cells of its row. Prints how often the swapped cell comes first, beside z-scores, and
writes a picture, ``docs/images/which_cell_is_wrong.png``: one row's cells, and many rows. With
``--quick`` a small run, whose picture goes to ``output/``.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from sklearn.datasets import load_breast_cancer

from skvae import VAEOutlierDetector

QUICK = "--quick" in sys.argv
PICTURE = Path("output" if QUICK else "docs/images") / "which_cell_is_wrong.png"
WRONG, GREY, LIMIT = "#c8442e", "#8a97a6", 12.0


def measurements():
    """Return the ten means, standardised, by their names."""
    table = load_breast_cancer(as_frame=True).data.iloc[:, :10]
    table.columns = [name.removeprefix("mean ") for name in table.columns]
    return (table - table.mean()) / table.std()


def swapped(rows, others, seed=0):
    """Return rows with one cell of each from another row, and the column it is in."""
    generator, rows = np.random.default_rng(seed), rows.copy()
    column = generator.integers(rows.shape[1], size=len(rows))
    for i, j in enumerate(column):
        values = others.iloc[:, j]
        far = values[np.abs(values - rows.iloc[i, j]) >= 1.0]
        rows.iloc[i, j] = generator.choice(far)
    return rows, column


def draw_row(axis, names, surprise, z, wrong):
    """Draw the surprises of a row's cells, with their z-scores beside them."""
    at = np.arange(len(names))
    colors = [WRONG if j == wrong else GREY for j in at]
    axis.barh(at, surprise, color=colors, height=0.7)
    for j, x in enumerate(surprise):
        axis.annotate(
            f"z = {z[j]:+.1f}",
            (max(x, 0.0), j),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=WRONG if j == wrong else "0.45",
        )
    axis.set_yticks(at, names)
    axis.invert_yaxis()
    axis.axvline(0.0, color="0.3", lw=0.8)
    axis.set_xlim(min(surprise.min(), 0.0) * 1.1, max(surprise) * 1.25)
    axis.set_xlabel("surprise given the other cells, nats")
    axis.set_title("One row: the swapped cell is near the mean", loc="left", fontsize=10)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)


def draw_rows(figure, axis, names, surprise, column):
    """Draw the surprises of many rows as a heat map, a frame around each swapped cell."""
    image = axis.imshow(
        surprise.T, aspect="auto", cmap="YlOrRd", vmin=0.0, vmax=LIMIT, interpolation="nearest"
    )
    for i, j in enumerate(column):
        axis.add_patch(Rectangle((i - 0.5, j - 0.5), 1, 1, fill=False, ec="black", lw=1.1))
    axis.set_yticks(range(len(names)), names)
    axis.set_xticks([])
    axis.set_xlabel("rows, one swapped cell in each (framed)")
    axis.set_title("Many rows", loc="left", fontsize=10)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    bar = figure.colorbar(image, ax=axis, extend="both", pad=0.02, aspect=30)
    bar.set_label("surprise, nats")
    bar.outline.set_visible(False)


def draw(rows, surprise, column):
    """Draw one row whose swapped cell is near the mean, and 36 rows; save the picture."""
    names, of_row = list(rows.columns), np.arange(len(rows))
    figure, axes = plt.subplots(
        1, 2, figsize=(11.5, 3.9), width_ratios=(1, 1.75), layout="constrained"
    )
    of_cell, z = surprise[of_row, column], np.abs(rows.to_numpy())[of_row, column]
    clear = (surprise.argmax(1) == column) & (of_cell < 60.0) & (z < 1.0)
    shown = int(np.argmax(np.where(clear, of_cell, -np.inf)))
    draw_row(axes[0], names, surprise[shown], rows.iloc[shown].to_numpy(), column[shown])
    some = np.argsort(column[:36], kind="stable")
    draw_rows(figure, axes[1], names, surprise[some], column[some])
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    print(f"wrote {PICTURE}")


def main():
    """Swap cells, explain rows and compare with z-scores."""
    table = measurements()
    held_out = np.arange(len(table)) % 5 == 0
    train, rows = table[~held_out], table[held_out]
    few = {"max_epochs": 3, "n_draws": 8} if QUICK else {"max_epochs": 100}
    detector = VAEOutlierDetector(latent_dim=8, random_state=0, **few).fit(train)
    wrong, column = swapped(rows, train)
    surprise = detector.explain(wrong, relative=True).to_numpy()
    z = np.abs((wrong - train.mean()) / train.std()).to_numpy()
    print(f"{len(wrong)} rows that were held out, one of the ten cells swapped in each")
    for name, score in (("explain", surprise), ("|z|", z)):
        first = score.argmax(1) == column
        print(f"the swapped cell comes first by {name}: {first.mean():.0%}")
    for name, some in (("as they were", rows), ("with a swapped cell", wrong)):
        print(f"outliers among these rows {name}: {(detector.predict(some) == -1).mean():.0%}")
    draw(wrong, surprise, column)


if __name__ == "__main__":
    main()
