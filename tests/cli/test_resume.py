"""Ctrl+C and --resume from the command line."""

import json
import os
import signal
import threading
import time

import numpy as np
import pytest

from napari_nucleate.cli import interrupt as interrupt_module
from napari_nucleate.cli import learn
from napari_nucleate.cli.interrupt import Interrupt
from napari_nucleate.core.events import Step
from napari_nucleate.io.model import load_model

STEPS = ["--steps", "6"]


@pytest.fixture
def ctrl_c(monkeypatch):
    """Presses Ctrl+C at a step of the next command."""
    true = learn.Follower.show

    def at(wanted):
        def show(self, event):
            true(self, event)
            if isinstance(event, Step) and event.step == wanted:
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(learn.Follower, "show", show)
        return lambda: monkeypatch.setattr(learn.Follower, "show", true)

    return at


def test_an_interrupted_training_goes_on_to_the_same_model(
    nucleate, refused, tmp_path, sample, tiny_options, ctrl_c
):
    images, masks = sample()
    data = ["--images", images, "--masks", masks]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    nucleate("train", *data, *tiny_options, *STEPS, "--out", whole)
    release = ctrl_c(2)
    stopped = nucleate("train", *data, *tiny_options, *STEPS, "--out", parts, code=130)
    release()
    assert "The same command with --resume goes on" in stopped.err
    assert "resume.safetensors" in {p.name for p in parts.iterdir()}
    command = ["train", *data, *tiny_options, *STEPS, "--out", parts]
    assert "go on with it by --resume" in refused(*command)
    assert "optimisation.batch was 2 and is 3" in refused(*command, "--batch", 3, "--resume")
    # What isn't said again is as it was.
    done = nucleate("train", *data, "--out", parts, "--resume", "--json")
    assert done.json["steps"] <= 6
    assert "Goes on at step 2" in done.err
    one, other = load_model(whole), load_model(parts)
    assert all(np.array_equal(one.weights[k], other.weights[k]) for k in one.weights)
    assert not [p.name for p in parts.iterdir() if p.name.startswith("resume")]
    assert json.loads((parts / "model.json").read_text())["record"]["name"] == "parts"
    assert "has no interrupted training" in refused(*command, "--resume")


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_does_not_wait(which, monkeypatch):
    monkeypatch.setattr(interrupt_module, "AT_ONCE", 0.0)
    before = signal.getsignal(which)
    closed = []

    def events():
        try:
            while True:
                yield 1
        finally:
            closed.append(1)

    with pytest.raises(KeyboardInterrupt), Interrupt(str) as interrupt:
        for _ in interrupt.between(events()):
            os.kill(os.getpid(), which)
    assert closed == [1]
    seen = []
    with pytest.raises(KeyboardInterrupt), Interrupt(str):
        os.kill(os.getpid(), which)
        seen.append(1)
        os.kill(os.getpid(), which)
        seen.append(2)
    assert seen == [1]
    assert signal.getsignal(which) == before


def test_a_second_ctrl_c_at_once_or_while_saving_lets_it_save(capsys):
    saved = []

    def events():
        try:
            while True:
                yield 1
        finally:
            time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)
            saved.append(1)

    with pytest.raises(KeyboardInterrupt), Interrupt(lambda: f"saved {saved}") as interrupt:
        for _ in interrupt.between(events()):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
    assert saved == [1]
    assert "saved [1]" in capsys.readouterr().err


def test_what_began_from_a_model_is_resumed_by_the_same_command(
    nucleate, tmp_path, sample, tiny_options, ctrl_c
):
    images, masks = sample()
    data = ["--images", images, "--masks", masks, *tiny_options]
    first, second = tmp_path / "first", tmp_path / "second"
    nucleate("train", *data, "--steps", 2, "--out", first)
    command = ["train", *data, *STEPS, "--from", first, "--out", second]
    release = ctrl_c(2)
    nucleate(*command, code=130)
    release()
    assert "Goes on at step 2" in nucleate(*command, "--resume").err


def test_it_is_not_said_that_a_training_can_go_on_that_cannot(
    nucleate, tmp_path, sample, tiny_options, monkeypatch
):
    images, masks = sample()

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("napari_nucleate.core.training.train.train", interrupted)
    data = ["--images", images, "--masks", masks, *tiny_options]
    stopped = nucleate("train", *data, *STEPS, "--out", tmp_path / "out", code=130)
    assert "before there was anything to go on with" in stopped.err
    assert "--resume" not in stopped.err


def test_in_other_threads_signals_are_left_alone():
    seen = []

    def work():
        with Interrupt(str) as interrupt:
            seen.extend(interrupt.between(x for x in (1, 2)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [1, 2]
