"""scikit-learn's own checks, all of them, none expected to fail."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skvae import VAEClassifier, VAEDensity, VAEImputer, VAEOutlierDetector, VAETransformer

#: Manners, which hardly any training shows as well.
SMALL = {"max_epochs": 2, "hidden_layer_sizes": (8,), "n_draws": 8}
QUICK = [VAEDensity(**SMALL), VAEClassifier(**SMALL)]
#: The first at defaults; the others, which share its training, with a tenth or a twentieth of the
#: epochs, with which they pass as they do with all.
TRAINED = [
    VAEDensity(),
    VAETransformer(max_epochs=50),
    VAEImputer(max_epochs=50),
    VAEClassifier(max_epochs=25),
    VAEOutlierDetector(max_epochs=25),
]


@parametrize_with_checks(QUICK)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(TRAINED)
def test_scikit_learn_check_of_trained_estimators(estimator, check):
    check(estimator)
