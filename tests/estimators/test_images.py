"""Images in rows: densities add up, rows keep to themselves, and what cannot be is refused."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits

from skvae import VAEClassifier, VAEDensity, VAEImputer, VAETransformer
from skvae.core.batch import Batch
from skvae.fit.batches import TensorBatches
from skvae.likelihoods import Bernoulli, Categorical, Gaussian
from skvae.model.scoring import Tile
from skvae.networks import Convolutional, CorrelatedNoise
from skvae.objectives import Clamped, Trimmed

DIGITS, LABELS = load_digits(return_X_y=True)
SMALL = {
    "image_shape": (1, 8, 8),
    "encoder": Convolutional((8,)),
    "decoder": Convolutional((8,)),
    "prior": "standard_normal",
    "max_epochs": 2,
    "n_draws": 8,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def fitted():
    return VAEDensity(4, **SMALL).fit(DIGITS[:300])


def test_probabilities_of_all_images_add_up_to_one():
    X = (np.random.default_rng(0).random((200, 4)) < [0.2, 0.5, 0.7, 0.9]).astype(float)
    model = VAEDensity(1, **{**SMALL, "image_shape": (1, 2, 2), "max_epochs": 30}).fit(X)
    every = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
    model.set_params(n_draws=2000)
    assert np.exp(model.score_samples(every)).sum() == pytest.approx(1.0, abs=0.02)


def test_a_row_keeps_to_itself(fitted):
    scores = fitted.score_samples(DIGITS[300:340])
    np.testing.assert_array_equal(fitted.score_samples(DIGITS[339:299:-1])[::-1], scores)
    np.testing.assert_array_equal(fitted.score_samples(DIGITS[307:308]), scores[7:8])


def test_a_fit_is_repeated_bit_for_bit(fitted):
    again = VAEDensity(4, **SMALL).fit(DIGITS[:300])
    np.testing.assert_array_equal(again.encode(DIGITS[:5]), fitted.encode(DIGITS[:5]))


def test_everything_else_works_as_ever(fitted):
    assert fitted.sample(3).shape == (3, 64)
    half = DIGITS[:4].copy()
    half[:, 32:] = np.nan
    completed = fitted.sample_conditional(half, 2, random_state=0)
    np.testing.assert_array_equal(completed[::2, :32], half[:, :32])
    assert np.isfinite(completed).all()
    assert fitted.interpolate(DIGITS[0], DIGITS[1], 5).shape == (5, 64)
    assert clone(fitted).get_params()["decoder__channels"] == (8,)


def test_with_holes_two_layers_and_a_frame():
    X = DIGITS[:200].copy()
    X[::3, 20] = np.nan
    frame = pd.DataFrame(X, columns=[f"p{j}" for j in range(64)])
    model = VAEDensity((2, 3), **SMALL).fit(frame)
    assert np.isfinite(model.score_samples(frame[:3])).all()
    assert model.sample(2).columns.tolist() == frame.columns.tolist()
    completed = VAEImputer(3, **SMALL).fit(X).transform(X[:6])
    assert np.isfinite(completed).all()


def test_columns_that_are_conditioned_on_are_no_pixels():
    X = np.column_stack([LABELS % 2, DIGITS])[:200]
    model = VAEDensity(2, context_features=[0], **SMALL).fit(X)
    assert model.sample(2, context=np.array([[1.0]])).shape == (2, 65)


@pytest.mark.slow
def test_classes_of_images():
    model = VAEClassifier(3, **{**SMALL, "max_epochs": 10}).fit(DIGITS[:400], LABELS[:400] > 4)
    assert model.score(DIGITS[400:450], LABELS[400:450] > 4) > 0.6


def test_pixels_are_of_one_kind(fitted):
    assert set(map(repr, fitted.likelihoods_.values())) == {repr(Gaussian("shared"))}
    black = (DIGITS[:100] > 7).astype(float)
    model = VAEDensity(2, **SMALL).fit(black)  # some pixels are never black
    assert set(map(repr, model.likelihoods_.values())) == {repr(Bernoulli())}
    levels = VAEDensity(2, likelihood=Categorical(), **SMALL).fit(DIGITS[:100])
    assert set(levels.table_.n_levels) == {17}
    units = {(column.codec.location, column.codec.scale) for column in fitted.table_.columns}
    assert len(units) == 1


def test_memory_counts_all_maps(fitted):
    n_bytes = 8 * 8 * 8 * 16 * 4 * 8  # doubles of 8 maps of 4 x 4, four times, in eight arrays
    few, many = (Tile.within(fitted.vae_, 64, memory) for memory in (16 * n_bytes, 1e9))
    assert few.rows < many.rows


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"image_shape": (8, 8)}, "image_shape must be three integers"),
        ({"image_shape": (1, 8, 0)}, "image_shape must be three integers"),
        ({"image_shape": (1, 8, 9)}, r"has 72 pixels, but X has 64 columns"),
        ({"init": "linear"}, "init='linear' sets the weights of the built-in perceptrons"),
        ({"decoder": CorrelatedNoise(1)}, "CorrelatedNoise"),
        ({"image_shape": None}, r"Give image_shape=\(channels, height, width\)"),
        ({"decoder": Convolutional(channels=())}, r"Convolutional\(channels=\(\)\)"),
    ],
)
def test_refused_before_training(parameters, message):
    model = VAEDensity(4, **{**SMALL, **parameters})
    with pytest.raises(ValueError, match=message):
        model.fit(DIGITS[:100])
    assert not hasattr(model, "vae_")


def test_a_pixel_that_no_row_has_is_refused():
    X = DIGITS[:50].copy()
    X[:, 9] = np.nan
    with pytest.raises(ValueError, match="Pixel 9 is missing in every row"):
        VAEDensity(2, **SMALL).fit(X)


# ---------------------------------------------------------------- sets of images


def sets(n=60):
    return np.column_stack([np.arange(n) // 6, np.arange(n) // 6 % 2])


def test_training_is_told_which_rows_belong_together():
    objective = Clamped([[0], [1, 2]])
    model = VAETransformer(3, objective=objective, **SMALL).fit(DIGITS[:60], sets())
    assert model.transform(DIGITS[:3]).shape == (3, 3)
    assert np.isfinite(model.score_samples(DIGITS[:3])).all()


def test_a_bound_around_it_is_told_too():
    objective = Trimmed(0.1, Clamped([[0], [1, 2]]))
    model = VAETransformer(3, objective=objective, **SMALL).fit(DIGITS[:60], sets())
    assert model.transform(DIGITS[:3]).shape == (3, 3)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "has to be told which rows belong together"),
        (np.zeros((60, 3)), r"two integers a row.*Got shape \(60, 3\)"),
        (np.add(sets(), [0, 1]), "from 0 to 1. Got 1 to 2"),
        (sets() + 0.5, "two integers a row"),
        (sets(30), "inconsistent numbers of samples"),
    ],
)
def test_sets_are_checked(y, message):
    model = VAETransformer(3, objective=Clamped([[0], [1, 2]]), **SMALL)
    with pytest.raises(ValueError, match=message):
        model.fit(DIGITS[:60], y)


def test_sets_come_together_in_a_batch():
    member = torch.arange(40) % 8  # five rows of each of eight sets, far apart
    rows = Batch(torch.arange(40.0).unsqueeze(1), sets=torch.stack([member, member * 0], 1))
    batches = list(TensorBatches(rows, 10, torch.Generator().manual_seed(0)))
    assert all(len(batch.sets[:, 0].unique()) == 2 for batch in batches)
    seen = torch.cat([batch.x for batch in batches]).flatten()
    assert seen.sort().values.tolist() == list(range(40))
    assert seen.tolist() != list(range(40))
