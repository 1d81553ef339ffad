"""Images: pixels find their places, and the shared head is a linear layer written out."""

import pytest
import torch

from skvae.core import Batch, Columns, ImageShape, build_vae
from skvae.core.images import Maps, PixelLinear, places
from skvae.core.inference.laplace import laplace
from skvae.core.networks import initialize
from skvae.likelihoods import Bernoulli, Categorical, Gaussian, LogisticMixture
from skvae.networks import Convolutional, CorrelatedNoise
from skvae.objectives import ELBO

ODD = ImageShape(3, 5, 7)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def model(family, shape=ODD, n_latent=2, **options):
    columns = [Columns(family, range(shape.n_pixels), options.pop("n_levels", None))]
    return build_vae(columns, n_latent, image_shape=shape, generator=seeded(), **options)


def test_inputs_find_their_pixel():
    owner = torch.tensor([0, 0, 1, 1, 1, 2, 0, 1, 2])  # two, three and one levels, and a mask
    expected = [0, 3, 1, 4, 7, 2, 6, 10, 5]
    assert places(owner, 3).tolist() == expected


def test_the_encoder_sees_each_pixel_in_its_map():
    """Of a level that one pixel alone has, the input moves the map of that level at that pixel."""
    shape = ImageShape(1, 4, 4)
    vae = model(Categorical(), shape, n_levels=[2] * 5 + [3] + [2] * 10)
    body, seen = vae.encoder.body, []
    body.convolutions.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    for code in (0.0, 2.0):
        x = torch.zeros(1, 16)
        x[0, 5] = code
        body(vae.inputs(Batch(x)))
    changed = (seen[1] - seen[0]).nonzero()[:, 1:].tolist()  # level, line, column
    assert changed == [[0, 1, 1], [2, 1, 1]]


@pytest.mark.parametrize("index", [range(105), [3, 50, 7]])
def test_the_head_of_pixels_is_a_linear_layer(index):
    index = torch.as_tensor(list(index))
    maps = Maps(ODD, 4)
    widths = [(2, False), (1, True), (1, False)]
    head = PixelLinear(maps, index, widths)
    initialize(head, seeded())
    head.bias.data.normal_(generator=seeded(1))
    h = torch.randn(6, 2, 4 * 3 * 4, generator=seeded(2))
    found = head(h)
    weight = head.weight.reshape(3, 3, 2, 2, 4)  # number, channel, line and column in a patch, map
    feature = h.reshape(6, 2, 4, 3, 4)
    c, rest = index // 35, index % 35
    y, x = rest // 7, rest % 7
    at = feature[..., y // 2, x // 2]  # (6, 2, maps, pixels)
    each = torch.stack(
        [torch.einsum("abmp,pm->abp", at, weight[k, c, y % 2, x % 2]) for k in range(3)], -1
    )
    of_row = feature.mean((-2, -1)) @ head.row_weight.T
    expected = torch.cat([each[..., :2].flatten(-2), of_row, each[..., 2]], -1) + head.bias
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("family", [Gaussian(), Gaussian("row"), LogisticMixture(2), Bernoulli()])
def test_any_leading_shape_and_any_family(family):
    vae = model(family)
    z = torch.randn(2, 3, 2, generator=seeded())
    (theta,) = vae.decode(z)
    assert theta.shape[:3] == (2, 3, ODD.n_pixels)
    torch.testing.assert_close(theta[1, 2], vae.decode(z[1, 2])[0])


def test_training_starts_at_the_mean_of_every_pixel():
    x = (torch.rand(500, 16, generator=seeded()) < torch.linspace(0.05, 0.95, 16)).double()
    columns = [Columns.measure(Bernoulli(), range(16), x)]
    vae = build_vae(columns, 2, image_shape=ImageShape(1, 4, 4), generator=seeded())
    linear = vae.cells.parts[0].linear
    smoothed = (x.sum(0) + 1) / 502
    torch.testing.assert_close(torch.sigmoid(linear.bias.double()), smoothed, rtol=1e-4, atol=1e-5)
    assert linear.weight.abs().min() > 0


def test_pixels_are_standardised_together_for_the_encoder():
    x = torch.randn(400, 16, generator=seeded()).double() * torch.linspace(0.1, 2, 16)
    columns = [Columns.measure(Gaussian(), range(16), x)]
    vae = build_vae(columns, 2, image_shape=ImageShape(1, 4, 4), generator=seeded())
    features = vae.cells.plain_features(x)
    torch.testing.assert_close(features.std(0) / features[:, 0].std(), x.std(0) / x[:, 0].std())


def test_context_reaches_both_networks():
    vae = model(Bernoulli(), n_context=2).double()
    x = torch.zeros(1, ODD.n_pixels).double()
    here, there = (Batch(x, None, torch.tensor([c]).double()) for c in ([0.0, 0.0], [1.0, -1.0]))
    assert not torch.equal(vae.posterior(here).mean, vae.posterior(there).mean)
    z = torch.zeros(1, 2).double()
    assert not torch.equal(vae.decode(z, here.context)[0], vae.decode(z, there.context)[0])


def test_correlated_noise_needs_a_perceptron():
    """As a recipe it is refused by the estimators; here it builds the perceptron it is for."""
    vae = model(Bernoulli(), n_latent=3, decoder=CorrelatedNoise(1))
    assert vae.decode(torch.zeros(1, 3))[0].shape == (1, ODD.n_pixels, 1)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Convolutional(()), r"channels=\(\)"),
        (Convolutional((8, 0)), r"channels=\(8, 0\)"),
        (Convolutional(n_blocks=-1), "n_blocks=-1"),
    ],
)
def test_sizes_of_convolutions_are_checked(recipe, message):
    with pytest.raises(ValueError, match=message):
        recipe.validate()


def test_dropout_follows_its_generator():
    vae = model(Bernoulli(), dropout=0.5).train()
    batch = Batch(torch.zeros(4, ODD.n_pixels))
    objective = ELBO().build(vae, 4)
    from skvae.core.networks import set_generator

    values = []
    for seed in (0, 0, 1):
        set_generator(vae, seeded(seed))
        values.append(objective(batch, seeded()).value)
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])


@pytest.mark.parametrize("image", [True, False])
def test_a_mode_is_found_with_networks_in_single_precision(image):
    """As on a GPU: networks in single precision, densities in double, the prior's curvature too."""
    shape = ImageShape(1, 4, 4)
    columns = [Columns(Gaussian("column"), range(16))]
    vae = build_vae(columns, 2, image_shape=shape if image else None, generator=seeded())
    batch = Batch(torch.randn(5, 16, generator=seeded()).double())
    found = laplace(vae, batch, vae.posterior(batch).mean.detach())
    assert (found.part > 0.0).all()
    assert found.distribution.precision_tril.dtype == torch.float64
