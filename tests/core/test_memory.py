"""What a process that only works does with the memory it frees."""

import platform
import subprocess
import sys

import pytest

AGAIN = """
import resource, sys
import numpy as np
from napari_nucleate.core.memory import keep_memory
if sys.argv[1] == "keeps":
    assert keep_memory()
def taken():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(40_000_000, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
taken()
print(sum(taken() for _ in range(10)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_memory_that_was_freed_is_taken_again_without_asking_for_it():
    pages = {
        how: int(subprocess.check_output([sys.executable, "-c", AGAIN, how]))
        for how in ("keeps", "returns")
    }
    # How many pages these are depends on their size, which Linux chooses.
    assert 5 * pages["keeps"] < pages["returns"]


def test_where_nothing_can_be_said_nothing_is(monkeypatch):
    from napari_nucleate.core import memory

    monkeypatch.setattr(memory.sys, "platform", "win32")
    assert memory.keep_memory() is False
