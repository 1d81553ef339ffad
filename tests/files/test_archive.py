"""Archives: JSON and arrays in one file, which is replaced whole."""

import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors import safe_open

from skvae.files.archive import read, write

ARRAYS = {
    "numbers": np.arange(6.0).reshape(2, 3).T,
    "one": np.array(3, dtype="int16"),
    "none": np.empty((0, 3), dtype=bool),
}


def test_what_is_written_is_read(tmp_path):
    write(tmp_path / "file", {"a": [1, None, "é\ud800"]}, ARRAYS)
    document, arrays = read(tmp_path / "file")
    assert document == {"a": [1, None, "é\ud800"]}
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        assert_array_equal(arrays[name], array)


def test_others_can_read_the_arrays(tmp_path):
    write(tmp_path / "file", {}, ARRAYS)
    with safe_open(tmp_path / "file", framework="pt") as file:
        assert file.get_tensor("numbers").tolist() == ARRAYS["numbers"].tolist()


def test_a_link_stays_one(tmp_path):
    write(tmp_path / "file", {"a": 1}, {})
    (tmp_path / "link").symlink_to("file")
    write(tmp_path / "link", {"a": 2}, {})
    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "file").document == {"a": 2}


def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("", "pipe"):
        with pytest.raises(ValueError, match="no file to be replaced"):
            write(tmp_path / name, {}, {})
    assert (tmp_path / "pipe").is_fifo()
