"""The inverse graphics network: turn, light and shape of a face, each on latents of its own.

The faces are rendered here: ellipsoids under a lamp. Training images come in sets between which
one factor alone varies, and ``Clamped`` is told which; it is told no angle. Afterwards one image is
enough to draw its face under new poses and lamps, by setting the latent of the one or the other.
Beside it a plain VAE of the same networks and images, which is told nothing. Prints how well the
clamped latent of a factor predicts it on new images, and the best latent of the plain VAE, and how
much the latents of the other groups move while a factor varies. Writes
``docs/images/inverse_graphics.png``; ``--quick`` makes a small run, whose picture goes to
``output/``.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neighbors import KNeighborsRegressor

from skvae import VAETransformer
from skvae.objectives import Clamped

QUICK = "--quick" in sys.argv
PICTURE = Path("output" if QUICK else "docs/images") / "inverse_graphics.png"
SIDE, N_SETS, OF_SET = (16, 30, 8) if QUICK else (24, 450, 16)
FACTORS = ("turn", "light", "shape")
GROUPS = [[0], [1], [2, 3, 4, 5]]
N_LATENTS = sum(map(len, GROUPS))


def draw_factors(n, rng):
    """Return turn and light, in radians, and the shape's three numbers, (n, 5)."""
    angles = rng.uniform(-1.1, 1.1, (n, 2))
    return np.hstack([angles, rng.uniform(0.0, 1.0, (n, 3))])


def parts(factors):
    """Return centers (n, 4, 3), radii (n, 4, 3) and how bright the four parts of faces are, (4,).

    A head, a nose and two eyes, seen from the front: x to the right, y up, z towards the eye.
    """
    width, height, nose = factors[:, 2:].T
    one, zero = np.ones(len(factors)), np.zeros(len(factors))
    head = np.stack([0.5 + 0.3 * width, 0.6 + 0.3 * height, 0.65 * one], -1)
    at_eye = np.stack([0.45 * head[:, 0], 0.25 * head[:, 1], 0.82 * head[:, 2]], -1)
    at_nose = np.stack([zero, -0.12 * head[:, 1], 0.95 * head[:, 2]], -1)
    nose = np.stack([0.09 + 0.06 * nose, 0.14 + 0.1 * nose, 0.18 + 0.17 * nose], -1)
    eye = np.full((len(factors), 3), 0.12)
    centers = np.stack([0.0 * head, at_nose, at_eye, at_eye * [-1, 1, 1]], 1)
    return centers, np.stack([head, nose, eye, eye], 1), np.array([0.9, 0.9, 0.25, 0.25])


def render(factors, rng=None):
    """Return grey images (n, SIDE * SIDE) between 0 and 1, with a little noise if rng is given."""
    turn, light = factors[:, 0], factors[:, 1]
    centers, radii, brightness = parts(factors)
    sine, cosine, zero = np.sin(turn), np.cos(turn), np.zeros_like(turn)
    rotation = np.stack(
        [cosine, zero, sine, zero, zero + 1, zero, -sine, zero, cosine], -1
    ).reshape(-1, 3, 3)
    centers = np.einsum("nij,npj->npi", rotation, centers)
    shape = np.einsum("nij,npj,nkj->npik", rotation, radii**-2.0, rotation)
    axis = (np.arange(SIDE) + 0.5) / SIDE * 2.2 - 1.1
    x, y = (grid.ravel() for grid in np.meshgrid(axis, -axis))
    # A line of sight meets an ellipsoid where a quadratic in z has a root: the nearer one.
    flat = np.stack(np.broadcast_arrays(x, y), -1) - centers[:, :, None, :2]
    a = shape[:, :, 2, 2, None]
    b = np.einsum("npj,npsj->nps", shape[:, :, 2, :2], flat)
    c = np.einsum("npij,npsi,npsj->nps", shape[:, :, :2, :2], flat, flat) - 1.0
    inside = b**2 - a * c
    z = np.where(inside > 0, (-b + np.sqrt(np.maximum(inside, 0.0))) / a, -np.inf)
    depth = z + centers[:, :, 2:]
    front = depth.argmax(1)
    normal = np.einsum("npij,npsj->npsi", shape, np.concatenate([flat, z[..., None]], -1))
    normal = np.where(np.isfinite(normal), normal, 0.0)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9
    lamp = np.stack([np.sin(light), 0.3 + zero, np.cos(light)], -1)
    lamp /= np.linalg.norm(lamp, axis=-1, keepdims=True)
    shade = 0.15 + 0.85 * np.maximum(np.einsum("npsi,ni->nps", normal, lamp), 0.0)
    seen = np.take_along_axis(shade * brightness[:, None], front[:, None], 1)[:, 0]
    image = np.where(np.isfinite(depth.max(1)), seen, 0.0)
    return image if rng is None else image + 0.02 * rng.normal(size=image.shape)


def sets(rng):
    """Return factors (n, 5) of sets in which one of the three varies, and which they are (n, 2)."""
    factors, belongs = [], []
    for number in range(N_SETS):
        varies = number % 3
        of_set = np.repeat(draw_factors(1, rng), OF_SET, 0)
        columns = [varies] if varies < 2 else [2, 3, 4]
        of_set[:, columns] = draw_factors(OF_SET, rng)[:, columns]
        factors.append(of_set)
        belongs += [(number, varies)] * OF_SET
    return np.concatenate(factors), np.array(belongs)


def model(objective):
    """Return a model of the images."""
    return VAETransformer(
        N_LATENTS,
        image_shape=(1, SIDE, SIDE),
        objective=objective,
        posterior="diagonal_gaussian",
        max_epochs=2 if QUICK else 40,
        batch_size=128,
        random_state=0,
    )


def explained(Z, factor):
    """Return the share of a factor's variance that latents explain, on one half by the other."""
    half = len(Z) // 2
    regressor = KNeighborsRegressor(20).fit(Z[:half], factor[:half])
    return regressor.score(Z[half:], factor[half:])


def movement(vae, rng):
    """Return the variance of each group of latents while a factor varies, over that in all."""
    whole = vae.transform(render(draw_factors(500, rng), rng)).var(0)
    found = np.zeros((len(FACTORS), len(GROUPS)))
    for varies in range(len(FACTORS)):
        columns = [varies] if varies < 2 else [2, 3, 4]
        for _ in range(10):
            factors = np.repeat(draw_factors(1, rng), 40, 0)
            factors[:, columns] = draw_factors(40, rng)[:, columns]
            moved = vae.transform(render(factors, rng)).var(0)
            found[varies] += [moved[group].sum() / whole[group].sum() / 10 for group in GROUPS]
    return found


def report(clamped, plain):
    """Print how well latents predict factors, and how still those of other groups stay."""
    rng = np.random.default_rng(1)
    factors = draw_factors(400 if QUICK else 2000, rng)
    images = render(factors, rng)
    Z, Z_plain = clamped.transform(images), plain.transform(images)
    for i, name in enumerate(FACTORS[:2]):
        own = explained(Z[:, GROUPS[i]], factors[:, i])
        best = max(explained(Z_plain[:, [j]], factors[:, i]) for j in range(N_LATENTS))
        print(f"{name}: R2 of its latent {own:.3f}, of the best latent of a plain VAE {best:.3f}")
    own = explained(Z[:, GROUPS[2]], factors[:, 2:])
    print(f"shape: R2 of its four latents {own:.3f}, of all of a plain VAE "
          f"{explained(Z_plain, factors[:, 2:]):.3f}")  # fmt: skip
    print("variance of the latents of", *FACTORS, "while one factor varies, over that in all")
    for name, moved in zip(FACTORS, movement(clamped, rng), strict=True):
        print(f"  {name}:", *(f"{share:.3f}" for share in moved))


def rerendered(vae, image, latent, values):
    """Return an image with one latent set to values, (len(values), pixels)."""
    Z = np.repeat(vae.transform(image[None]), len(values), 0)
    Z[:, latent] = values
    return vae.inverse_transform(Z)


def picture(vae, training):
    """Draw new faces under new poses and lamps; save the picture."""
    rng = np.random.default_rng(2)
    faces = render(draw_factors(4, rng), rng)
    Z = vae.transform(training)
    figure, axes = plt.subplots(len(faces), 13, figsize=(11.0, 3.6))
    for row, face in zip(axes, faces, strict=True):
        strip = [face]
        for latent in (0, 1):
            values = np.quantile(Z[:, latent], np.linspace(0.03, 0.97, 6))
            strip += list(rerendered(vae, face, latent, values))
        for axis, image in zip(row, strip, strict=True):
            axis.imshow(image.reshape(SIDE, SIDE), cmap="gray", vmin=0, vmax=1)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.subplots_adjust(0.0, 0.0, 1.0, 0.9, wspace=0.04, hspace=0.04)
    for axis in axes[:, 1:].flat:
        axis.set_anchor("E")
    for x, text in (
        (0.5, "image"),
        (4.0, "its latent of the turn"),
        (10.0, "its latent of the light"),
    ):
        figure.text(x / 13, 0.94, text, ha="center", fontsize=10)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    print(f"wrote {PICTURE}")


def main():
    """Render, train both models, report and draw."""
    rng = np.random.default_rng(0)
    factors, belongs = sets(rng)
    images = render(factors, rng)
    clamped = model(Clamped(GROUPS)).fit(images, belongs)
    plain = model("elbo").fit(images)
    report(clamped, plain)
    picture(clamped, images)


if __name__ == "__main__":
    main()
