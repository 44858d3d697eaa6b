"""Which device is chosen, and what is said where a graphics card can't be used."""

import warnings

import pytest
import torch

from napari_nucleate.core import device
from napari_nucleate.core.device import choose_device, cuda_problem, driver_problem
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.training.learner import Learner

OLD = (
    "CUDA initialization: The NVIDIA driver on your system is too old (found version 9010). "
    "Please update your GPU driver"
)


@pytest.fixture
def card(monkeypatch):
    """Lets PyTorch say of the graphics card what a test wants."""

    def say(works, warning="", error=None):
        def is_available():
            if error:
                raise error
            if warning:
                warnings.warn(warning, stacklevel=1)
            return works

        monkeypatch.setattr(torch.cuda, "is_available", is_available)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        device._cuda.cache_clear()

    yield say
    device._cuda.cache_clear()


def test_a_card_that_works_is_taken(card):
    card(True)
    assert choose_device("auto").type == choose_device("cuda").type == "cuda"
    assert cuda_problem() == driver_problem() == ""
    with pytest.raises(NucleateError, match=r"'cuda:1' isn't there: torch sees 1 GPU"):
        choose_device("cuda:1")


def test_where_there_is_none_the_processor_is_taken_without_a_word(card, tiny):
    card(False)
    assert choose_device("auto").type == "cpu"
    assert driver_problem() == ""
    assert Learner(tiny(device="auto")).told == []
    with pytest.raises(
        NucleateError, match=r"^Device 'cuda' can't be used: PyTorch finds no .* auto or cpu\.$"
    ):
        choose_device("cuda")


@pytest.mark.parametrize("how", [{"warning": OLD}, {"error": RuntimeError(OLD)}])
def test_a_driver_that_is_too_old_is_told_of(card, tiny, how):
    card(False, **how)
    assert choose_device("auto").type == "cpu"
    (told,) = Learner(tiny(device="auto")).told
    assert told.startswith("The processor does the work: the driver of the graphics card is too")
    with pytest.raises(NucleateError, match=r"'cuda:0' can't be used: the driver .* too old"):
        choose_device("cuda:0")
