"""scikit-learn's own checks, all of them, none expected to fail."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from skvae import VAEClassifier, VAEDensity, VAEImputer, VAEOutlierDetector, VAETransformer

ESTIMATORS = [VAEDensity(), VAETransformer(), VAEImputer(), VAEClassifier(), VAEOutlierDetector()]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)
