"""scikit-learn's own checks, all of them, none expected to fail."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from skvae import VAEClassifier, VAEDensity, VAEImputer, VAEOutlierDetector, VAETransformer

#: The first at defaults; the others, which share its training, with a tenth or a twentieth of the
#: epochs, with which they pass as they do with all.
ESTIMATORS = [
    VAEDensity(),
    VAETransformer(max_epochs=50),
    VAEImputer(max_epochs=50),
    VAEClassifier(max_epochs=25),
    VAEOutlierDetector(max_epochs=25),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)
