"""Exceptions of the system, of numpy and of PyTorch as sentences."""

import errno
import re

import numpy as np
import pytest
import torch

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import explained, in_words, is_out_of_memory, may_pass, reason


def numpys_memory_error():
    try:
        np.empty(2**60, np.uint8)
    except MemoryError as error:
        return error
    pytest.skip("this system promises any memory")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full; make space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "can only be read; choose another folder"),
        (errno.EACCES, "no permission"),
        (errno.EPERM, "no permission"),
        (errno.EIO, "its drive doesn't answer; see that it is connected"),
        (errno.ESTALE, "its drive doesn't answer"),
        (errno.ENOTCONN, "its drive doesn't answer"),
        (errno.ENODEV, "its drive doesn't answer"),
        (errno.ENOENT, "isn't there any more; put it back"),
        (errno.EMFILE, "too many files"),
        (errno.EISDIR, "Is a directory"),
    ],
)
def test_what_is_wrong_with_a_file(code, words):
    error = OSError(code, "Is a directory", "/data/cells.tif")
    assert words in reason(error)
    assert in_words(error, "training").startswith(
        f"Training failed: /data/cells.tif can't be read or written: {reason(error)}."
    )


@pytest.mark.parametrize(
    ("winerror", "words"),
    [(112, "the disk is full"), (39, "the disk is full"), (64, "drive doesn't answer")],
)
def test_what_is_wrong_with_a_file_on_windows(winerror, words):
    error = OSError(errno.EINVAL, "odd")
    error.winerror = winerror
    assert words in reason(error)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.EDQUOT, "full"), True),
        (OSError(errno.EIO, "gone"), True),
        (OSError(errno.EROFS, "read only"), False),
        (OSError("odd"), False),
        (ValueError("odd"), False),
        (None, False),
    ],
)
def test_what_may_pass_by_itself(error, answer):
    assert may_pass(error) is answer


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_says_that_memory_ran_out(error, answer):
    assert is_out_of_memory(error) is answer
    assert explained(error).startswith("memory ran out; close other programs") is answer


def test_numpys_own_error_of_memory_is_one():
    assert is_out_of_memory(numpys_memory_error())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            RuntimeError(
                "The NVIDIA driver on your system is too old (found version 9010). Please update"
            ),
            "driver of the graphics card is too old for this PyTorch; update the driver",
        ),
        (
            RuntimeError(
                "CUDA error: CUDA driver version is insufficient for CUDA runtime version"
            ),
            "driver of the graphics card is too old",
        ),
        (
            RuntimeError("CUDA error: no kernel image is available for execution on the device"),
            "wasn't made for this graphics card",
        ),
        (
            AssertionError("Torch not compiled with CUDA enabled"),
            "finds no NVIDIA graphics card that it can use; choose the device auto or cpu",
        ),
        (
            RuntimeError("Found no NVIDIA driver on your system. Please check"),
            "finds no NVIDIA graphics card",
        ),
        (
            RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel"),
            "broke off (CUDA error: an illegal memory access was encountered CUDA kernel)",
        ),
    ],
)
def test_what_is_wrong_with_a_graphics_card(error, words):
    sentence = in_words(error, "training")
    assert words in sentence
    assert "choose the device" in sentence
    assert "\n" not in sentence


def test_what_is_not_known_is_a_fault_to_report():
    sentence = in_words(ZeroDivisionError("a\nb"), "export", "2 files are written.")
    assert sentence == (
        "Export failed by a fault of the program (ZeroDivisionError: a b); please report it, with "
        "the file that Save a diagnosis… in the Train dock, or `nucleate doctor --out FILE`, "
        "writes. 2 files are written."
    )


def test_errors_for_people_are_said_as_they_are():
    assert in_words(NucleateError("Label first."), "training") == "Label first."
    assert in_words(NucleateError("Label first."), "training", "All kept.") == (
        "Label first. All kept."
    )


@pytest.mark.parametrize("error", [KeyError(), OSError(), MemoryError(), RuntimeError()])
def test_errors_without_a_text_are_sentences_too(error):
    assert re.fullmatch(r"Training failed.*\w\.", in_words(error, "training"))
