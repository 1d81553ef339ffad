"""The estimators' signatures and docstrings are literal, and in step with BaseVAE's."""

import inspect
import typing

import pytest

import skvae
from docs.signatures import ESTIMATORS, SOURCE, rewritten
from skvae.core.networks import ACTIVATIONS
from skvae.estimators import parameters
from skvae.estimators.base import BaseVAE
from skvae.fit.settings import OPTIMIZERS

CLASSES = [
    skvae.VAEClassifier,
    skvae.VAEDensity,
    skvae.VAEImputer,
    skvae.VAEOutlierDetector,
    skvae.VAETransformer,
]
source = SOURCE.read_text()


def names(estimator):
    return list(inspect.signature(estimator.__init__).parameters)[1:]


@pytest.mark.parametrize("path", ESTIMATORS, ids=lambda path: path.stem)
def test_writing_signatures_again_changes_nothing(path):
    assert rewritten(path.read_text(), source) == path.read_text(), "run: make signatures"


@pytest.mark.parametrize("path", ESTIMATORS, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "lost",
    [
        "        tol: float = 1e-3,\n",
        "            tol=tol,\n",
        "    tol : float, default=0.001\n        The gain in held-out nats per row that counts.\n",
        "    n_iter_ : int\n        Epochs behind the weights that are kept: 0 where no epoch "
        "improved on the start.\n",
    ],
    ids=["signature", "super", "parameter", "attribute"],
)
def test_a_lost_line_comes_back(path, lost):
    text = path.read_text()
    assert text.count(lost) == 1
    assert rewritten(text.replace(lost, ""), source) == text


@pytest.mark.parametrize("path", ESTIMATORS, ids=lambda path: path.stem)
def test_a_new_default_of_base_vae_is_everybodys_but_for_own_ones(path):
    new = source.replace("default=16", "default=8").replace('"auto"] = 16', '"auto"] = 8')
    text = rewritten(path.read_text(), new)
    default = {"density": '"auto"', "outlier": "4"}.get(path.stem, "8")
    assert f'Literal["auto"] = {default},' in text
    assert f"two ints, default={default}\n" in text


@pytest.mark.parametrize("estimator", CLASSES)
def test_parameters_are_those_of_base_vae_and_own_ones(estimator):
    common, all_ = names(BaseVAE), names(estimator)
    assert all_[: len(common)] == common
    assert set(all_) == set(estimator._parameter_constraints)
    assert not any("kwargs" in name or "parameters" in name for name in all_)


@pytest.mark.parametrize("estimator", CLASSES)
def test_docstring_has_every_parameter_with_its_default(estimator):
    docscrape = pytest.importorskip("numpydoc.docscrape")
    documented = {
        name.strip(): entry.type
        for entry in docscrape.ClassDoc(estimator)["Parameters"]
        for name in entry.name.split(",")
    }
    assert list(documented) == names(estimator)
    for name, parameter in inspect.signature(estimator).parameters.items():
        default = repr(parameter.default).replace("'", '"')
        assert documented[name].endswith(f"default={default}"), name


@pytest.mark.parametrize("estimator", [*CLASSES, BaseVAE])
def test_annotations_are_types(estimator):
    assert list(typing.get_type_hints(estimator.__init__)) == names(estimator)


@pytest.mark.parametrize(
    ("literal", "accepted"),
    [
        (parameters.Activation, ACTIVATIONS),
        (parameters.OptimizerName, OPTIMIZERS),
    ],
)
def test_names_an_editor_offers_are_those_accepted(literal, accepted):
    assert sorted(typing.get_args(literal)) == sorted(accepted)
