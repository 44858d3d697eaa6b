"""What nobody asked for ends a command in one sentence, never in a traceback."""

import pytest
import torch

from napari_nucleate.core import device
from napari_nucleate.core.training.learner import Learner
from napari_nucleate.io import model as model_io
from napari_nucleate.io.error_log import kept_errors
from napari_nucleate.io.model import load_model


@pytest.fixture
def options(sample, tmp_path, tiny_options):
    images, masks = sample()
    return ["--images", images, "--masks", masks, "--out", tmp_path / "m", *tiny_options[:-1], "12"]


@pytest.fixture
def broke_off(nucleate):
    """Runs a command that must break off under way; gives its last sentence."""

    def run(*arguments):
        done = nucleate(*arguments, code=1)
        assert "Traceback" not in done.err
        return done.err.strip().rpartition("\nError: ")[2]

    return run


@pytest.fixture
def broken(monkeypatch):
    """Has the loss raise an error at the sixth step."""

    def at_six(error):
        loss, calls = Learner._loss, []

        def odd(self, batch):
            calls.append(1)
            if len(calls) > 5:
                raise error
            return loss(self, batch)

        monkeypatch.setattr(Learner, "_loss", odd)

    return at_six


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA error: unspecified launch failure"), ": the graphics card, or its"),
        (OSError(5, "Input/output error", "a.tif"), ": a.tif can't be read or written: its drive"),
        (ZeroDivisionError("division by zero"), " by a fault of the program (ZeroDivisionError"),
    ],
)
def test_a_training_keeps_its_best(broke_off, options, tmp_path, broken, error, words):
    broken(error)
    sentence = broke_off("train", *options)
    assert sentence.startswith(f"Training failed{words}")
    step = load_model(tmp_path / "m").card.record.best_step
    assert f"Kept: the best weights so far, m of step {step}." in sentence
    (kept,) = kept_errors()
    assert (kept.what, kept.said) == ("nucleate train", sentence)
    assert "core/training/train.py" in kept.trace


def test_memory_that_runs_out_with_the_smallest_patch(broke_off, options, tmp_path, broken):
    broken(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    sentence = broke_off("train", *options)
    assert "Memory ran out with a single patch of (32, 32) a step; choose smaller" in sentence
    assert "Kept: the best weights so far" in sentence


def test_a_disk_that_is_full_for_a_while_stops_no_training(
    nucleate, options, tmp_path, monkeypatch
):
    write, failures = model_io.save_model, []

    def full(*args, **kwargs):
        if len(failures) < 2:
            failures.append(1)
            raise model_io.NucleateError("m can't be written: full.") from OSError(28, "full")
        return write(*args, **kwargs)

    monkeypatch.setattr(model_io, "save_model", full)
    done = nucleate("train", *options)
    assert done.err.count("The training goes on; its best weights are written") == 1
    assert load_model(tmp_path / "m").card.record.steps > 0


def test_a_graphics_card_that_is_not_there(refused, options, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    device._cuda.cache_clear()
    sentence = refused("train", *[o if o != "cpu" else "cuda" for o in options])
    assert sentence == (
        "Device 'cuda' can't be used: PyTorch finds no NVIDIA graphics card that it can use; "
        "choose the device auto or cpu."
    )
    device._cuda.cache_clear()
    assert kept_errors() == []


def test_an_error_of_any_other_command(refused, tmp_path, monkeypatch):
    def odd(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("napari_nucleate.cli.app.write_sample", odd)
    sentence = refused("sample", tmp_path / "s")
    assert sentence.startswith("The command failed: memory ran out; close other programs")
    assert kept_errors()[-1].what == "nucleate sample"
