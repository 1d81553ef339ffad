"""Convolutional networks against perceptrons on fixed-binarisation MNIST, at equal time and size.

``--what train`` trains both for the same processor time of one thread each and keeps them in
``output/``; ``score`` scores the same test images by both; ``epoch`` measures an epoch beside a
bare torch loop with the same networks, and ``memory`` that of scoring. Settings: the perceptron is
the network of ``benchmarks.mnist`` with the objective and rate chosen there; of the
convolutional one the rate was chosen by eight epochs of 5,000 training images.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pickle
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from joblib import Parallel, delayed

from benchmarks.data.mnist import decoder, encoder, images
from benchmarks.measures.memory import peak
from benchmarks.report.results import Record, ResultFile, arguments
from skvae import VAEDensity
from skvae.core import Batch
from skvae.likelihoods import Bernoulli
from skvae.networks import Convolutional
from skvae.objectives import ELBO, IWAE

COMMON: dict[str, Any] = {
    "likelihood": "bernoulli",
    "prior": "standard_normal",
    "posterior": "diagonal_gaussian",
    "batch_size": 128,
    "init": "random",
    "random_state": 0,
}
CHANNELS = (16, 40)
MODELS: dict[str, dict[str, Any]] = {
    "convolutional": {
        "image_shape": (1, 28, 28),
        "encoder": Convolutional(CHANNELS),
        "decoder": Convolutional(CHANNELS),
        "objective": "elbo",
        "lr": 3e-3,
    },
    "perceptron": {
        "encoder": encoder,
        "decoder": decoder,
        "objective": IWAE(n_draws=5),
        "lr": 5e-3,
    },
}
#: Columns, latents and working memory, MiB, at which the peak of scoring is measured.
SCORED = (((1, 28, 28), 16, 1024), ((1, 28, 28), 50, 256), ((3, 32, 32), 32, 256))


def density(name: str, max_epochs: int) -> VAEDensity:
    """Return one of the two models."""
    return VAEDensity(50, max_epochs=max_epochs, **COMMON, **MODELS[name])


def kept(name: str) -> Path:
    """Return where a trained model is kept."""
    return Path(f"output/mnist_{name}.pkl")


def seconds_of(model: VAEDensity, X: np.ndarray) -> float:
    """Fit and return the processor time it took."""
    start = time.process_time()
    model.fit(X)
    return time.process_time() - start


def train(name: str, X: np.ndarray, minutes: float) -> None:
    """Plan as many epochs as fit in the time, by the time of one, train and keep."""
    torch.set_num_threads(1)
    some = X[:: len(X) // 5000 + 1]
    once, thrice = (seconds_of(density(name, n), some) for n in (1, 3))
    of_epoch = (thrice - once) / 2 * len(X) / len(some)
    model = density(name, max(int(60.0 * minutes / of_epoch), 1))
    seconds = seconds_of(model, X)
    kept(name).parent.mkdir(exist_ok=True)
    kept(name).write_bytes(pickle.dumps((seconds, model)))
    print(f"{name}: {model.n_iter_} epochs, {seconds:.0f} s, {model.best_validation_score_:.2f}")


def score(name: str, X: np.ndarray) -> dict[str, Any]:
    """Score images by a model that was kept."""
    torch.set_num_threads(1)
    seconds, model = pickle.loads(kept(name).read_bytes())
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Pareto k is in the result
        found = model.log_likelihood(X)
    return {
        "parameters": sum(p.numel() for p in model.vae_.parameters()),
        "training_seconds": seconds,
        "epochs": model.n_iter_,
        "best_validation_score": model.best_validation_score_,
        "active_units": int(model.active_units_.sum()),
        "images_a_second": len(X) / (time.process_time() - start),
        "median_effective_sample_size": float(np.median(found.effective_sample_size)),
        "elbo": float(found.elbo.mean()),
        "scores": found.value.tolist(),
    }


def compare(X: np.ndarray, jobs: int) -> dict[str, Any]:
    """Score images by both models, and return by how much one is ahead."""
    scored = Parallel(jobs)(delayed(score)(name, X) for name in MODELS)
    found = dict(zip(MODELS, scored, strict=True))
    one, other = (np.array(found[name].pop("scores")) for name in MODELS)
    for name, scores in zip(MODELS, (one, other), strict=True):
        found[name]["mean"] = float(scores.mean())
        found[name]["standard_error_over_images"] = float(scores.std(ddof=1) / len(X) ** 0.5)
    ahead = one - other
    return {
        "n_images": len(X),
        **found,
        "convolutional_ahead_by": float(ahead.mean()),
        "standard_error": float(ahead.std(ddof=1) / len(X) ** 0.5),
    }


def bare_epoch(model: VAEDensity, X: np.ndarray) -> float:
    """Return the processor time of an epoch of a plain loop with a fitted model's networks."""
    vae, generator = model.vae_.train(), torch.Generator().manual_seed(0)
    objective = ELBO().build(vae, len(X))
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-3, fused=True)
    rows = torch.as_tensor(X)
    start = time.process_time()
    for some in torch.randperm(len(rows), generator=generator).split(COMMON["batch_size"]):
        optimizer.zero_grad(set_to_none=True)
        loss = -objective(Batch(rows[some]), generator).value.mean()
        loss.backward()
        optimizer.step()
    return time.process_time() - start


def epoch_ratio(X: np.ndarray, repeats: int) -> dict[str, Any]:
    """Return the time of our epoch over that of a bare loop, run in turns."""
    torch.set_num_threads(1)
    ratios = []
    for _ in range(repeats):
        once, more = (density("convolutional", n).set_params(early_stopping=False) for n in (1, 3))
        first, third = seconds_of(once, X), seconds_of(more, X)
        ratios.append((third - first) / 2 / bare_epoch(more, X))
    return {"rows": len(X), "ratios": ratios, "median": float(np.median(ratios))}


def scored_peak(pickled: bytes, X: np.ndarray, working_memory: int) -> float:
    """Return how far scoring rises above what there was before, MiB, in a process of its own."""
    torch.set_num_threads(1)
    model: VAEDensity = pickle.loads(pickled)
    before = peak()
    with sklearn.config_context(working_memory=working_memory):
        model.score_samples(X)
    return peak() - before


def memory(shape: tuple[int, int, int], n_latent: int, working_memory: int) -> dict[str, Any]:
    """Return how much memory scoring a tile of images takes."""
    X = (np.random.default_rng(0).random((200, int(np.prod(shape)))) < 0.3).astype(float)
    model = VAEDensity(
        n_latent, image_shape=shape, likelihood=Bernoulli(), max_epochs=1, random_state=0
    ).fit(X)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        task = pool.submit(scored_peak, pickle.dumps(model), X[:64], working_memory)
        found = {"working_memory": working_memory, "peak_memory_in_MiB": task.result()}
    return {"shape": shape, "latents": n_latent, **found}


RESULTS = ResultFile("images", ("part",))


def runs(options: argparse.Namespace) -> Iterator[Record]:
    """Yield the parts that are asked for, and print each."""
    measured: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
        "score": lambda options: {"minutes": options.minutes, **scores(options)},
        "epoch": lambda options: epoch_ratio(images(options.data, "train")[::5], 5),
        "memory": lambda options: {"cases": [memory(*case) for case in SCORED]},
    }
    for part in [name for name in measured if name in options.what]:
        found = {"part": part, **measured[part](options)}
        print(json.dumps(found, indent=1), flush=True)
        yield found


def scores(options: argparse.Namespace) -> dict[str, Any]:
    """Return how both models score some test images."""
    test = images(options.data, "test")
    some = np.random.default_rng(0).permutation(len(test))[: options.images]
    return compare(test[some], options.jobs)


def quick() -> Record:
    """Measure one epoch, too short to be a figure."""
    X = (np.random.default_rng(0).random((300, 784)) < 0.2).astype(np.float32)
    return {"part": "epoch", **epoch_ratio(X, 1)}


def main() -> None:
    """Run the parts that are asked for."""
    parser = arguments(__doc__.splitlines()[0])
    parts = ("train", "score", "epoch", "memory")
    parser.add_argument("--what", nargs="+", choices=parts, default=parts)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--minutes", type=float, default=25.0, help="of one thread, each model")
    parser.add_argument("--images", type=int, default=500, help="test images, at random")
    options = parser.parse_args()
    if options.quick:
        RESULTS.add([quick()], quick=True)
        return
    if "train" in options.what:
        X = images(options.data, "train")
        names = options.models
        Parallel(options.jobs)(delayed(train)(name, X, options.minutes) for name in names)
    RESULTS.add(runs(options))


if __name__ == "__main__":
    main()
