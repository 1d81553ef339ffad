"""No odd table breaks what must hold: 200 cases, the same at every run."""

import pytest

from .estimators.test_global_state import estimators, public_methods
from .fuzz import OWN, Calls, outcomes, smaller


@pytest.mark.parametrize("block", range(5))
def test_no_odd_table_breaks_what_must_hold(block):
    broken = [smaller(found) for found in outcomes(40, of=block) if found.is_broken]
    assert not broken, "\n".join(f"{found.why}\n  {found.case}" for found in broken)


def test_every_public_method_of_every_estimator_is_called():
    assert {kind.__name__ for kind in estimators()} == set(OWN)
    for kind in estimators():
        missing = {name for name in public_methods(kind()) if not hasattr(Calls, name)}
        assert missing == {"fit"}
