"""VAETransformer: to the latent space and back, in pipelines."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.decomposition import FactorAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAEDensity, VAETransformer
from skvae.likelihoods import Gaussian
from skvae.objectives import Beta

X, y = load_iris(return_X_y=True)


def quick(**changes):
    parameters = {"hidden_layer_sizes": (16,), "max_epochs": 10, "random_state": 0}
    return VAETransformer(**{"latent_dim": 2, **parameters, **changes})


def test_untrained_linear_transform_is_that_of_factor_analysis():
    wine = StandardScaler().fit_transform(load_wine().data)
    Z = VAETransformer(
        2, init="linear", max_epochs=0, early_stopping=False, likelihood=Gaussian("column")
    ).fit_transform(wine)
    peer = FactorAnalysis(2, tol=1e-10, max_iter=100_000, svd_method="lapack")
    expected = peer.fit_transform(wine)
    # The same up to the sign of each latent.
    signs = np.sign((Z * expected).sum(0))
    assert_allclose(Z, signs * expected, atol=1e-3)


def test_transform_belongs_to_the_row():
    vae = quick().fit(X)
    Z = vae.transform(X)
    assert Z.shape == (150, 2)
    assert_allclose(vae.transform(X[40:41]), Z[40:41], rtol=0, atol=1e-12)
    assert_allclose(vae.transform(X[::-1]), Z[::-1], rtol=0, atol=1e-12)


@pytest.mark.slow
def test_inverse_transform_is_in_the_users_units_and_columns():
    frame = pd.DataFrame(X, columns=list("abcd")).assign(large=X[:, 2] > 4)
    vae = quick(latent_dim=4, max_epochs=60).fit(frame)
    back = vae.inverse_transform(vae.transform(frame))
    assert back.dtypes.equals(frame.dtypes)
    error = (back[list("abcd")] - frame[list("abcd")]).std() / frame[list("abcd")].std()
    assert (error < 0.6).all()
    assert (back["large"] == frame["large"]).mean() > 0.9
    with pytest.raises(ValueError, match="Z has 3 columns, but the model has latent_dim=4"):
        vae.inverse_transform(np.zeros((1, 3)))


def test_set_output_and_feature_names():
    vae = quick().fit(X)
    assert vae.get_feature_names_out().tolist() == ["vaetransformer0", "vaetransformer1"]
    frame = vae.set_output(transform="pandas").transform(X)
    assert frame.columns.tolist() == ["vaetransformer0", "vaetransformer1"]
    # Rows of the table come in the fitted container, whatever the output of transform.
    assert isinstance(vae.sample(2), np.ndarray)


@pytest.mark.slow
def test_in_a_pipeline_and_a_grid_search():
    pipeline = Pipeline(
        [("scale", StandardScaler()), ("vae", quick()), ("clf", LogisticRegression())]
    )
    assert pipeline.fit(X, y).score(X, y) > 0.8
    search = GridSearchCV(pipeline, {"vae__latent_dim": [1, 2]}, cv=2).fit(X, y)
    assert search.best_params_["vae__latent_dim"] in (1, 2)


def test_the_same_model_as_the_density():
    stated = {"likelihood": Gaussian("shared"), "objective": Beta(0.1), "init": "linear"}
    parameters = quick(**stated).get_params(deep=False)
    assert_array_equal(
        quick().fit(X).score_samples(X), VAEDensity(**parameters).fit(X).score_samples(X)
    )


def test_an_objective_that_is_auto_is_a_bound_of_a_density():
    parameters = quick(objective="auto", early_stopping=False, init="linear").get_params()
    auto, iwae = (VAEDensity(**parameters).set_params(objective=o) for o in ("auto", "iwae"))
    assert_array_equal(auto.fit(X).score_samples(X), iwae.fit(X).score_samples(X))
    with pytest.raises(ValueError, match="objective='auto' is a name"):
        auto.set_params(objective__n_draws=3)


def test_what_is_stated_is_not_auto():
    frame = pd.DataFrame(X, columns=list("abcd")).assign(kind=["u", "v"] * 75)
    vae = quick(max_epochs=0, likelihood={"a": "student_t"}).fit(frame)
    assert [type(family).__name__ for family in vae.likelihoods_.values()] == [
        *("StudentT", "Gaussian", "Gaussian", "Gaussian", "Categorical")
    ]
    assert quick(max_epochs=1, init="random").fit(X).init_ == "random"


@pytest.mark.slow
def test_digits_keep_their_classes():
    digits, labels = load_digits(return_X_y=True)
    digits = StandardScaler().fit_transform(digits)
    vae = VAETransformer(8, init="linear", max_epochs=20, random_state=0)
    Z = vae.fit_transform(digits[:1000])
    classifier = LogisticRegression(max_iter=1000).fit(Z, labels[:1000])
    assert classifier.score(vae.transform(digits[1000:]), labels[1000:]) > 0.8
