"""Arrays for a while."""

import errno
import os

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io import scratch as module
from napari_nucleate.io.scratch import scratch


def test_small_ones_are_in_memory_and_large_ones_in_a_file(tmp_path, monkeypatch):
    assert type(scratch((3, 4), np.int32)) is np.ndarray
    monkeypatch.setattr(module, "LARGE", 100)
    large = scratch((30, 40), np.int32, tmp_path)
    assert isinstance(large, np.memmap)
    assert large.shape == (30, 40)
    assert not large.any()
    large[5] = 7
    assert (large[5] == 7).all()
    del large
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room is not asked for here")
def test_no_room_is_said_at_once(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "LARGE", 100)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(NucleateError, match=r"no room for 0\.0 GB of labels: the disk is full"):
        scratch((30, 40), np.int32, tmp_path)
    assert not list(tmp_path.iterdir())
