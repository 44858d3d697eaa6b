import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.lazy import LazyArray, Padded

FULL = np.arange(2 * 1 * 5 * 7).reshape(2, 1, 5, 7).astype(">u2")


@pytest.fixture
def array(tmp_path):
    view = (slice(2), 0, slice(5), slice(6))
    return LazyArray(tmp_path / "a.tif", lambda i: FULL[i], FULL.shape, np.uint16, view)


@pytest.mark.parametrize(
    "key",
    [
        0,
        -1,
        (1, slice(1, 4)),
        (slice(None), 2, -2),
        (..., 3),
        (slice(None, None, 2), ..., slice(1, 5, 2)),
        (slice(None, None, -1),),
        ([1, 0], slice(2)),
        (0, slice(3, 3)),
        (np.int64(1), np.int64(2), np.int64(3)),
    ],
)
def test_indexes_like_numpy(array, key):
    expected = FULL[:, 0, :, :6].astype(np.uint16)
    np.testing.assert_array_equal(array[key], expected[key])
    assert array[key].dtype == np.uint16


def test_looks_like_an_array(array):
    assert (array.shape, array.ndim, array.size, len(array)) == ((2, 5, 6), 3, 60, 2)
    assert np.asarray(array, np.float32).dtype == np.float32
    assert "a.tif" in repr(array)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(array, copy=False)


@pytest.mark.parametrize("key", [2, (0, 0, 0, 0), (..., ...), (0, 9)])
def test_a_wrong_index_is_an_index_error(array, key):
    with pytest.raises(IndexError):
        array[key]


@pytest.mark.parametrize(
    "error", [KeyError("x"), MemoryError(), FileNotFoundError(), OSError("a\nb")]
)
def test_any_failure_names_the_file(tmp_path, error):
    def fail(_index):
        raise error

    with pytest.raises(NucleateError, match=r"a\.tif") as caught:
        LazyArray(tmp_path / "a.tif", fail, (2, 3), np.uint8)[0]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        0,
        2,
        (slice(None), 2, -2),
        (..., 3),
        (..., 8),
        (slice(None, None, 2), ..., slice(1, 9, 3)),
        (slice(3, 4), 0),
        (slice(None, None, -1),),
        ([1, 0], slice(2)),
    ],
)
def test_padding_indexes_like_numpy(array, key):
    expected = np.pad(np.asarray(array), ((0, 1), (0, 0), (0, 3)))
    padded = Padded(array, (3, 5, 9))
    np.testing.assert_array_equal(padded[key], expected[key])
    assert padded[key].dtype == np.uint16


def test_padding_is_not_read():
    asked = []

    class Lazy:
        shape, dtype = (4, 5), np.dtype(np.uint8)

        def __getitem__(self, where):
            asked.append(where)
            return np.ones(self.shape, self.dtype)[where]

    padded = Padded(Lazy(), (8, 8))
    assert not padded[4:].any()
    assert not padded[:, 6].any()
    assert asked == []
    assert padded[2:6, 4:].sum() == 2
    assert asked == [(slice(2, 4, 1), slice(4, 5, 1))]
