"""Generate a table: people with categories, counts, heavy tails and a column that is mostly zero.

The real table is made here, with the traits of a census: columns of every kind that depend on one
another. A model is fitted to it as it is, and draws another. How like is measured by a classifier
that tries to tell drawn from held-out real rows (an area under the ROC curve of 0.5 means that it
cannot), and by training on drawn rows what is tested on real ones. Writes a picture,
``docs/images/generated_table.png``, and a report, ``output/generated_table.html``; with
``--quick`` a small run, whose picture goes to ``output/``, too.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from skvae import VAEDensity
from skvae.metrics import synthetic_report, train_on_synthetic, two_sample_auc

QUICK = "--quick" in sys.argv
PICTURE = Path("output" if QUICK else "docs/images") / "generated_table.png"
PAGE = Path("output/generated_table.html")
SCHOOLS = ["primary", "secondary", "bachelor", "master", "doctorate"]
JOBS = np.array(["crafts", "sales", "office", "technical", "management"])


def people(n, seed=0):
    """Return a table of people, a DataFrame with a column of every kind."""
    generator = np.random.default_rng(seed)
    age = np.clip(18 + generator.gamma(3.0, 8.0, n), 18, 90).astype(int)
    school = np.clip(np.round(generator.normal(1.6, 1.1, n)), 0, 4).astype(int)
    job = np.clip(np.round(0.8 * school + generator.normal(0.6, 0.9, n)), 0, 4).astype(int)
    full_time = generator.uniform(size=n) < 0.6
    hours = np.where(full_time, 40, np.clip(np.round(generator.normal(32, 12, n)), 1, 80))
    skill = 0.3 * school + 0.25 * job + 0.02 * np.minimum(age - 18, 30)
    wage = np.exp(9.3 + skill + np.log(hours / 40) + generator.normal(0, 0.4, n))
    invests = generator.uniform(size=n) < 1 / (1 + np.exp(4.5 - 1.2 * skill))
    married = generator.uniform(size=n) < 1 / (1 + np.exp(2.0 - 0.06 * (age - 18)))
    since = np.datetime64("2015-01-01") + generator.integers(0, 3650, n).astype("timedelta64[D]")
    return pd.DataFrame(
        {
            "age": age,
            "school": pd.Categorical.from_codes(school, SCHOOLS, ordered=True),
            "job": pd.Categorical(JOBS[job]),
            "hours": hours.astype(int),
            "wage": np.round(wage, 2),
            "dividends": np.where(invests, np.round(generator.pareto(1.5, n) * 800, 2), 0.0),
            "children": generator.poisson(np.where(married, 1.6, 0.3)),
            "married": married,
            "since": since.astype("datetime64[s]"),
        }
    )


def numbers(table):
    """Return a table with times as years, for the picture."""
    return table.assign(since=1970 + table["since"].astype("int64") / (365.25 * 86400))


def draw(real, synthetic):
    """Draw the columns of both tables beside one another, and save the picture."""
    figure, axes = plt.subplots(2, 3, figsize=(10, 5.4), layout="constrained")
    both = [("real", real, "0.35"), ("drawn", synthetic, "C1")]
    for axis, name in zip(
        axes.flat, ("age", "school", "hours", "wage", "dividends", "since"), strict=True
    ):
        column = real[name]
        if name == "school":
            for i, (label, table, color) in enumerate(both):
                share = table[name].value_counts(normalize=True)[SCHOOLS]
                axis.bar(np.arange(5) + 0.4 * i, share, 0.4, color=color, label=label)
            axis.set_xticks(np.arange(5) + 0.2, SCHOOLS, rotation=20)
        else:
            logarithmic = name in ("wage", "dividends")
            change = np.log10 if logarithmic else (lambda x: x)
            values = [change(table[name][table[name] != 0]) for _, table, _ in both]
            bins = np.histogram_bin_edges(change(column[column != 0]).astype(float), 40)
            if name in ("age", "hours"):
                bins = np.arange(0.5, 92, 2)
            for x, (label, _, color) in zip(values, both, strict=True):
                style = {"histtype": "step", "density": True, "color": color, "label": label}
                axis.hist(x.astype(float), bins, **style)
            if name == "dividends":
                zeros = [f"{(table[name] == 0).mean():.1%}" for _, table, _ in both]
                name = f"dividends (none: {zeros[0]} and {zeros[1]})"
            name = f"log10 {name}" if logarithmic else name
            axis.set_yticks([])
        axis.set_title(name, fontsize="medium")
    axes[0, 0].legend()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    print(f"wrote {PICTURE}")


def main():
    """Fit, draw and compare, with columns shuffled on their own as a control."""
    train, test = train_test_split(people(800 if QUICK else 8000), test_size=0.25, random_state=0)
    train, test = (part.reset_index(drop=True) for part in (train, test))
    density = VAEDensity(random_state=0, **({"max_epochs": 3} if QUICK else {})).fit(train)
    print(density.likelihoods_)
    synthetic = density.sample(len(train), random_state=0)
    print(synthetic.head().to_string())
    generator = np.random.default_rng(0)
    shuffled = train.apply(lambda column: column.iloc[generator.permutation(len(column))].array)
    for name, rows in (("drawn rows", synthetic), ("shuffled columns", shuffled)):
        print(f"AUC of {name}: {two_sample_auc(test, rows):.3f}")
    for name, rows in (("real", train), ("drawn", synthetic)):
        score = train_on_synthetic(test, rows, "married")
        print(f"married, by a classifier of {name} rows: {score:.3f}")
    print(f"log-likelihood of held-out rows: {density.score(test[:500]):.2f} nats per row")
    report = synthetic_report(train, synthetic, holdout=test)
    print(report)
    draw(numbers(train), numbers(synthetic))
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(report.to_html(), encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
