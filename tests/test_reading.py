"""Reading: what is refused before it is modelled."""

import numpy as np
import pandas as pd
import pytest

from skvae.container import Container
from skvae.reading import check_finite, check_rows, refuse_strings


def test_infinite_numbers_are_refused_by_column_and_row():
    container = Container.of(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}))
    with pytest.raises(ValueError, match="contains infinity in column 'a', row 0"):
        check_finite(np.array([[-np.inf, 0.0]]), container, "VAE")
    check_finite(np.array([[0.0, np.nan]]), container, "VAE")


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match=r"1 sample\(s\) while a minimum of 2"):
        check_rows(1, 2, "VAE")


def test_strings_in_arrays_are_refused_unless_they_are_numbers():
    with pytest.raises(ValueError, match="Column 1 holds the string 'a' in row 0"):
        refuse_strings(np.array([[1.0, "a"]], dtype=object))
    refuse_strings(np.array([["1.5", "2"]], dtype=object))
