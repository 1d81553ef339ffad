"""The fitted model: what it is made of, and the copy that it scores with."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from skvae import VAEDensity
from skvae.core.build import build_vae
from skvae.core.cells import Columns
from skvae.core.families.codes import Categorical
from skvae.core.families.real import Gaussian
from skvae.core.latents.posteriors import FullGaussian
from skvae.core.latents.priors import Mixture
from skvae.model.model import Model, Seeds
from skvae.table.container import Container, Field
from skvae.table.table import ColumnModel, Table

X = np.random.default_rng(0).normal(size=(40, 3))
SMALL = {"max_epochs": 1, "hidden_layer_sizes": (4,), "random_state": 0}

#: Of :func:`by_hand`; 50,000 draws from the prior say the same within the error of 64 draws.
EXPECTED_SCORES = [
    -2.0708016924560155,
    -2.0673834590032136,
    -1.5381044154015577,
    -5.165356844173384,
    -4.612421867233238,
    -3.6607905948734003,
]
EXPECTED_LATENTS = [
    [0.4859193772850571, 0.16398036086746426],
    [0.18637743575084476, 0.03452660777903993],
    [-0.39039636716043524, -0.43533212173650204],
]


def by_hand():
    """Return a model with weights set by hand, in float64, of two numbers and three levels."""
    values = np.column_stack([np.sin(np.arange(30)), np.cos(np.arange(30)), np.arange(30) % 3])
    fields = [Field(0), Field(1), Field(2, "category", ("a", "b", "c"))]
    kinds = [ColumnModel("Gaussian", "continuous")] * 2 + [
        ColumnModel("Categorical", "categorical")
    ]
    table = Table.learn(values, Container(fields, None, [np.dtype(float)]), kinds)
    cells = torch.as_tensor(table.encode(values)[0])
    resolution = torch.as_tensor(table.resolution)
    columns = [
        Columns.measure(Gaussian(), [0, 1], cells[:, :2], resolution[:2], [1, 1]),
        Columns.measure(Categorical(), [2], cells[:, 2:], resolution[2:], [3]),
    ]
    vae = build_vae(columns, 2, prior=Mixture(3), posterior=FullGaussian(), hidden_layer_sizes=(5,))
    vae = vae.double().eval()
    with torch.no_grad():
        for k, parameter in enumerate(vae.parameters()):
            place = torch.arange(parameter.numel(), dtype=torch.float64)
            parameter.copy_(0.5 * torch.sin(1.0 + k + 0.7 * place).view_as(parameter))
    return Model(vae, table, Seeds(1, 2, 3, 4, 5), torch.device("cpu")), values


def test_scores_of_weights_set_by_hand_stay_what_they_are():
    model, values = by_hand()
    values = np.where(np.arange(90).reshape(30, 3) % 7 == 0, np.nan, values)[:6]
    found = model.log_p(values, model.scoring(64, "defensive"))
    assert_allclose(found, EXPECTED_SCORES, rtol=1e-9)
    assert_allclose(model.encode(values)[:3], EXPECTED_LATENTS, rtol=1e-9)


def test_a_score_depends_on_its_row_alone():
    model, values = by_hand()
    values = np.where(np.arange(90).reshape(30, 3) % 7 == 0, np.nan, values)
    values[::4, 1] += 20.0  # rows that climb longer than the others
    scoring = model.scoring(64, "defensive")
    whole = model.log_p(values, scoring)
    alone = [model.log_p(values[i : i + 1], scoring)[0] for i in range(0, 30, 4)]
    assert_allclose(whole[::4], alone, rtol=0, atol=1e-9)
    assert_allclose(whole[3:9], model.log_p(values[3:9], scoring), rtol=0, atol=1e-9)


def test_a_model_is_frozen():
    model, _ = by_hand()
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.table = None


def test_the_copy_to_score_with_is_made_once():
    model = VAEDensity(2, **SMALL).fit(X).model_
    assert model.precise is model.precise
    assert model.precise.dtype == torch.float64
    assert model.vae.dtype == torch.float32


@torch.no_grad()
def edited_in_place(vae):
    vae.decoder.body.hidden[0].bias.add_(1.0)


def edited_by_data(vae):
    vae.decoder.body.hidden[0].bias.data += 1.0


def with_another_module(vae):
    vae.decoder.body.hidden[1] = nn.ReLU()


@pytest.mark.parametrize("edit", [edited_in_place, edited_by_data, with_another_module])
def test_an_edited_model_is_seen(edit):
    density = VAEDensity(2, init="random", **SMALL).fit(X)
    before = density.score_samples(X)
    assert_array_equal(before, density.score_samples(X))
    edit(density.vae_)
    after = density.score_samples(X)
    assert np.abs(after - before).max() > 1e-6
    assert_array_equal(after, pickle.loads(pickle.dumps(density)).score_samples(X))


class Scaled(nn.Module):
    """A network of a user's that computes from more than its parameters."""

    def __init__(self):
        super().__init__()
        self.linear, self.scale = nn.Linear(2, 4), 1.0

    def forward(self, z):
        return self.scale * self.linear(z)


def test_a_number_in_a_module_of_the_user_is_seen():
    density = VAEDensity(2, decoder=Scaled(), **SMALL).fit(X)
    before = density.score_samples(X)
    density.decoder_.body.module.scale = 3.0
    assert np.abs(density.score_samples(X) - before).max() > 1e-6


def test_neither_pickles_nor_copies_carry_the_copy():
    density = VAEDensity(2, **SMALL).fit(X)
    size = len(pickle.dumps(density))
    density.score_samples(X)
    assert len(pickle.dumps(density)) <= size
    assert len(density.model_._copies.scored) == 1
    assert copy.deepcopy(density).model_._copies.scored == []


def test_attributes_are_those_of_the_model():
    density = VAEDensity(2, **SMALL)
    for name in ("vae_", "encoder_", "decoder_", "table_", "device_"):
        assert not hasattr(density, name)
    density.fit(X)
    assert density.vae_ is density.model_.vae
    assert density.encoder_ is density.vae_.encoder
    assert density.decoder_ is density.vae_.decoder
    assert density.device_ == "cpu"


def test_a_bar_shows_how_many_rows_are_scored(monkeypatch):
    bars = []

    class Bar:
        def __init__(self, total, **parameters):
            self.total, self.n, self.closed = total, 0, False
            bars.append(self)

        def update(self, n):
            self.n += n

        def close(self):
            self.closed = True

    monkeypatch.setattr("skvae.model.scoring.progress_bar", Bar)
    monkeypatch.setattr("skvae.model.scoring.MANY_ROWS", 20)
    model, values = by_hand()
    values[3] = np.nan  # drawn for apart
    for verbose, n in ((0, 30), (1, 19)):
        model.log_p(values[:n], model.scoring(8, "defensive", verbose))
    assert not bars
    model.log_p(values, model.scoring(8, "defensive", 1))
    (bar,) = bars
    assert (bar.n, bar.total, bar.closed) == (30, 30, True)
