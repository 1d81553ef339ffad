"""The two terms of the ELBO, on a map: what each wants of q(z | x), and where they agree.

z is a standard normal number, the decoder is fixed, and x = 1.5 is the one row. Every q(z | x), a
normal, is a point of the map. The reconstruction term E log p(x | z) is largest at no scale at all,
where z explains the row best; the other, -KL(q || p), at the prior, which knows nothing of the row;
their sum, the ELBO, in between, at the normal that comes nearest to the true p(z | x). From there
to log p(x) is a gap of KL(q(z | x) || p(z | x)): 0 where the decoder is linear, and log 2 where the
row has two explanations, of which a normal takes one. Expectations are by quadrature. Writes
``docs/images/two_terms.png``; ``--quick`` makes coarser maps, in ``output/``.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

QUICK = "--quick" in sys.argv
PICTURE = Path("output" if QUICK else "docs/images") / "two_terms.png"
X, NOISE = 1.5, 0.3
DECODERS = {"x = z + noise": lambda z: z, "x = |z| + noise": np.abs}
N = 41 if QUICK else 201
MEANS, LOG_SCALES = np.linspace(-2.5, 2.5, N), np.linspace(-4.0, 1.0, N)
TERMS = ("reconstruction", "KL", "ELBO")
COLORS = {"reconstruction": "#e0912f", "KL": "#2c9c77", "ELBO": "#c8442e"}
MARKERS = {"reconstruction": "v", "KL": "s", "ELBO": "*"}
DEPTH = 8.0  # nats below the largest value at which the maps end


def log_px(decoder, z):
    """Return log p(x | z) of the one row."""
    return norm.logpdf(X, decoder(z), NOISE)


def maps(decoder):
    """Return the two terms and their sum, each (N log scales, N means)."""
    mean, log_scale = np.meshgrid(MEANS, LOG_SCALES)
    scale = np.exp(log_scale)
    points = np.linspace(-6.0, 6.0, 241)
    terms = zip(points, norm.pdf(points) * (points[1] - points[0]), strict=True)
    reconstruction = sum(w * log_px(decoder, mean + scale * point) for point, w in terms)
    divergence = 0.5 * (mean**2 + scale**2 - 1.0) - log_scale
    values = (reconstruction, -divergence, reconstruction - divergence)
    return dict(zip(TERMS, values, strict=True))


def truth(decoder):
    """Return log p(x), a grid of z, and p(z | x) on it."""
    z = np.linspace(-6.0, 6.0, 4001)
    joint = np.exp(log_px(decoder, z)) * norm.pdf(z)
    evidence = np.trapezoid(joint, z)
    return np.log(evidence), z, joint / evidence


def maximisers(values):
    """Return the means and log scales at which a map is largest, (n, 2): two by symmetry."""
    # Equal but for rounding.
    i, j = np.nonzero(values > values.max() - 1e-9)
    return np.c_[MEANS[j], LOG_SCALES[i]]


def mark(axis, name, at, size):
    """Mark where a term is largest; half of a mark at the edge is drawn beyond it."""
    style = {"color": COLORS[name], "ec": "white", "lw": 1.0, "clip_on": False, "zorder": 5}
    axis.scatter(*at.T, s=size, marker=MARKERS[name], **style)


def draw_map(axis, values, title):
    """Draw a map as contours, a nat apart."""
    top = values.max()
    levels = top + np.arange(-DEPTH, 1.0)
    axis.contourf(MEANS, LOG_SCALES, values, levels, cmap="Blues", extend="min", alpha=0.9)
    lines = {"colors": "white", "linewidths": 0.6, "linestyles": "-"}
    axis.contour(MEANS, LOG_SCALES, values, levels[:-1], **lines)
    axis.set_title(title, fontsize=10, loc="left")
    axis.set(xticks=[-2, 0, 2], yticks=[-4, -3, -2, -1, 0, 1])


def draw_posteriors(axis, decoder, at, largest):
    """Draw the true p(z | x), and the normals at which the ELBO is largest."""
    evidence, z, density = truth(decoder)
    axis.fill_between(z, density, color="0.82", lw=0, label="true p(z | x)")
    axis.plot(z, norm.pdf(z), color=COLORS["KL"], lw=1.5, label="prior")
    for k, (mean, log_scale) in enumerate(at):
        label = "another, as good" if k else "best q(z | x)"
        style = {"color": COLORS["ELBO"], "lw": 2, "ls": "--" if k else "-", "label": label}
        axis.plot(z, norm.pdf(z, mean, np.exp(log_scale)), **style)
    title = f"log p(x) {evidence:.2f}, gap {evidence - largest:.2f}"
    axis.set_title(title, fontsize=10, loc="left")
    axis.set(xlim=(-3.3, 3.3), ylim=(0, 2.4), xticks=[-2, 0, 2], yticks=[])
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8.5, loc="upper left", handlelength=1.4)


def draw_row(axes, name, decoder):
    """Draw the maps of a decoder, each with its maximisers, and the posterior; print the values."""
    values = maps(decoder)
    found = {term: maximisers(values[term]) for term in TERMS}
    for axis, term in zip(axes, TERMS, strict=False):
        title = {"KL": "-KL(q || p)", "reconstruction": "E log p(x | z)"}.get(term, term)
        draw_map(axis, values[term], f"{title}, at most {values[term].max() + 0.0:.2f}")
        mark(axis, term, found[term], 190 if term == "ELBO" else 70)
    for term in TERMS[:2]:
        mark(axes[2], term, found[term], 32)
    axes[0].set_ylabel(f"{name}\n\nlog scale of q")
    draw_posteriors(axes[3], decoder, found["ELBO"], values["ELBO"].max())
    report(name, decoder, values, found)


def report(name, decoder, values, found):
    """Print where every term is largest, and what each is there."""
    print(f"{name}: log p(x) = {truth(decoder)[0]:.3f}")
    print(f"  {'largest':16}{'mean':>7}{'scale':>8}" + "".join(f"{t:>16}" for t in TERMS))
    for term in TERMS:
        mean, log_scale = found[term][-1]
        at = np.argmin(abs(LOG_SCALES - log_scale)), np.argmin(abs(MEANS - mean))
        cells = "".join(f"{values[t][at] + 0.0:16.3f}" for t in TERMS)
        print(f"  {term:16}{mean:7.2f}{np.exp(log_scale):8.3f}" + cells)


def main():
    """Draw the maps of both decoders."""
    shape = {"figsize": (12.5, 5.8), "layout": "constrained"}
    figure, axes = plt.subplots(2, 4, **shape)
    for of_decoder, (name, decoder) in zip(axes, DECODERS.items(), strict=True):
        draw_row(of_decoder, name, decoder)
    for axis in axes[1, :3]:
        axis.set_xlabel("mean of q")
    axes[1, 3].set_xlabel("z")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    print(f"wrote {PICTURE}")


if __name__ == "__main__":
    main()
