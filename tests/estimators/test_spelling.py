"""A misspelt parameter is refused by name; nothing else that makes an estimator is disturbed."""

import copy
import inspect
import pickle

import joblib
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skvae import VAEClassifier, VAEDensity, VAEImputer


class Defaults(VAEDensity):
    """A user's subclass that passes on what it is given."""

    def __init__(self, *, lr=0.1, **parameters):
        super().__init__(lr=lr, **parameters)


class Named(VAEDensity):
    """A user's subclass with a parameter of its own."""

    def __init__(self, latent_dim=3, *, title="rows"):
        super().__init__(latent_dim)
        self.title = title


class Same(VAEDensity):
    """A user's subclass without an ``__init__``."""


@pytest.mark.parametrize(
    ("estimator", "name", "nearest"),
    [
        (VAEDensity, "latent_dims", "latent_dim"),
        (VAEDensity, "epochs", "max_epochs"),
        (VAEImputer, "sample_posteriors", "sample_posterior"),
        (VAEClassifier, "class_priors", "class_prior"),
        (Same, "batchsize", "batch_size"),
        (Named, "titel", "title"),
    ],
)
def test_misspelt_parameter_is_refused_with_the_nearest(estimator, name, nearest):
    with pytest.raises(TypeError) as error:
        estimator(**{name: 2})
    assert str(error.value) == (
        f"{estimator.__name__} got an unexpected parameter '{name}'; did you mean {nearest}?"
    )


def test_unknown_parameter_without_a_near_one_says_where_to_look():
    with pytest.raises(TypeError) as error:
        VAEDensity(foo=2)
    assert str(error.value) == (
        "VAEDensity got an unexpected parameter 'foo'; see help(VAEDensity)"
    )


def test_subclass_that_takes_any_parameter_passes_them_on():
    assert Defaults(latent_dim=2).get_params()["lr"] == 0.1
    assert Defaults(latent_dim=2).latent_dim == 2
    with pytest.raises(TypeError, match="unexpected keyword argument 'latent_dims'"):
        Defaults(latent_dims=2)


@pytest.mark.parametrize(
    "copied",
    [
        clone,
        copy.copy,
        copy.deepcopy,
        lambda estimator: pickle.loads(pickle.dumps(estimator)),
        lambda estimator: pickle.loads(pickle.dumps(estimator, protocol=0)),
        lambda estimator: make_pipeline(estimator)[0],
    ],
    ids=["clone", "copy", "deepcopy", "pickle", "pickle_0", "pipeline"],
)
@pytest.mark.parametrize("estimator", [VAEDensity(2, lr=0.1), Named(2, title="cells"), Same(2)])
def test_estimators_are_copied_as_before(estimator, copied):
    other = copied(estimator)
    assert type(other) is type(estimator)
    assert other.get_params() == estimator.get_params()


def test_joblib_file_is_read_back(tmp_path):
    joblib.dump(VAEDensity(2), tmp_path / "density.joblib")
    assert joblib.load(tmp_path / "density.joblib").latent_dim == 2


@pytest.mark.parametrize("estimator", [VAEDensity, VAEImputer, Named, Same])
def test_inspect_shows_the_parameters_of_init(estimator):
    of_init = list(inspect.signature(estimator.__init__).parameters)[1:]
    assert list(inspect.signature(estimator).parameters) == of_init
