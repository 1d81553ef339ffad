"""Fixed-binarisation MNIST with the network of the IWAE paper, in a quarter of an hour.

The paper's network (784-200-200-50, tanh) is trained for ``--minutes``, and every test image is
scored by 5,000 encoder draws, as the literature does, and by our default: image by image, the two
estimates of one model's log-likelihood. The model is kept in ``output/``; a second run scores it
again.
"""

from __future__ import annotations

import pickle
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.mnist import decoder, encoder, images
from benchmarks.report.results import ResultFile, arguments
from skvae import VAEDensity
from skvae.objectives import IWAE

MODEL = Path("output/mnist.pkl")
RESULTS = ResultFile("mnist", ("n_images",))
WAYS = {
    "defensive, 64": ("defensive", 64),
    "defensive, 1024": ("defensive", 1024),
    "encoder, 64": ("encoder", 64),
    "encoder, 5000": ("encoder", 5000),
}


def density(max_epochs: int) -> VAEDensity:
    """Return the model; the learning rate was chosen by four epochs' held-out bound."""
    return VAEDensity(
        50,
        encoder=encoder,
        decoder=decoder,
        likelihood="bernoulli",
        prior="standard_normal",
        posterior="diagonal_gaussian",
        objective=IWAE(n_draws=5),
        batch_size=128,
        lr=5e-3,
        max_epochs=max_epochs,
        random_state=0,
    )


def seconds_of(model: VAEDensity, X: np.ndarray) -> float:
    """Fit and return the seconds it took."""
    start = time.perf_counter()
    model.fit(X)
    return time.perf_counter() - start


def train(data: Path, minutes: float) -> dict[str, Any]:
    """Plan as many epochs as fit in the time, by the time of three, and train."""
    X = images(data, "train")
    seconds_of(density(1), X)  # the first one is slower
    max_epochs = max(int(60.0 * minutes * 3 / seconds_of(density(3), X)), 1)
    model = density(max_epochs)
    return {"seconds": seconds_of(model, X), "planned_epochs": max_epochs, "model": model}


def compare(model: VAEDensity, X: np.ndarray) -> dict[str, Any]:
    """Score images both ways, and return how the estimates differ image by image."""
    scores, errors, seconds = {}, {}, {}
    for name, (proposal, n_draws) in WAYS.items():
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Pareto k is in the result
            found = model.log_likelihood(X, n_draws=n_draws, proposal=proposal)
        seconds[name] = time.perf_counter() - start
        scores[name] = found.value
        errors[name] = {
            "median_standard_error": float(np.median(found.standard_error)),
            "median_effective_sample_size": float(np.median(found.effective_sample_size)),
            "share_of_images_with_k_above_0.7": float((found.pareto_k > 0.7).mean()),
        }
    base = scores["encoder, 5000"]
    return {
        "n_images": len(X),
        "ways": {
            name: {
                "mean": float(score.mean()),
                "standard_error_over_images": float(score.std() / len(X) ** 0.5),
                "seconds": seconds[name],
                **errors[name],
                "above_encoder_5000": {
                    "mean": float((score - base).mean()),
                    "median": float(np.median(score - base)),
                    "quantiles_5_95": np.quantile(score - base, [0.05, 0.95]).tolist(),
                    "share_of_images": float((score > base).mean()),
                },
            }
            for name, score in scores.items()
        },
        "elbo": float(found.elbo.mean()),
    }


def main() -> None:
    """Train, or take the model that was kept, and score test images."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--images", type=int, default=10_000, help="test images, at random")
    options = parser.parse_args()
    if not MODEL.exists():
        MODEL.parent.mkdir(exist_ok=True)
        MODEL.write_bytes(pickle.dumps(train(options.data, options.minutes)))
    trained = pickle.loads(MODEL.read_bytes())
    model = trained.pop("model")
    test = images(options.data, "test")
    some = np.random.default_rng(0).permutation(len(test))[: options.images]
    result = compare(model, test[some])
    for name, row in result["ways"].items():
        print(f"{name:18} {row['mean']:.3f} nats an image, {row['seconds']:.0f} s, "
              f"above the encoder {row['above_encoder_5000']}")  # fmt: skip
    trained["epochs"] = model.n_iter_
    trained["best_validation_score"] = model.best_validation_score_
    trained["active_units"] = int(model.active_units_.sum())
    RESULTS.add([{"training": trained, **result}], options.quick)


if __name__ == "__main__":
    main()
