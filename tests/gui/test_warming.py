"""Compiling beside the window: once, with a sentence for who waits, no longer than napari."""

import json
import logging

import numpy as np
import pytest
from qtpy.QtCore import QObject, QProcess
from qtpy.QtWidgets import QApplication

from napari_nucleate.gui import launch, warming
from napari_nucleate.gui.split import SplitDock
from napari_nucleate.gui.warming import SENTENCE, Warming

TIMEOUT = 60_000
NEEDED = warming.needed
LONG = ("-c", "import sys; sys.stdin.buffer.read()")
"""A child that ends with its parent only."""


@pytest.fixture
def note(monkeypatch, tmp_path):
    """The note of what is compiled, in a folder of the test's."""
    monkeypatch.setattr(warming, "needed", NEEDED)
    monkeypatch.setattr(warming, "_note", lambda: tmp_path / "new" / "compiled.json")
    return tmp_path / "new" / "compiled.json"


def begin(monkeypatch, *command):
    """Begin with another command in the place of the compiler."""
    monkeypatch.setattr(warming, "COMMAND", command)
    warming.begin()
    return warming._warming[0] if warming._warming else None


def says(text):
    return ("-c", f"print({text!r})")


def end(made, qtbot):
    qtbot.waitUntil(lambda: not made.running, timeout=TIMEOUT)


def test_compiles_once(note, monkeypatch, qtbot, tmp_path):
    file = tmp_path / "machine code"
    file.touch()
    assert warming.needed()
    made = begin(monkeypatch, *says(json.dumps({"files": [str(file)]})))
    warming.begin()
    assert warming._warming == [made]
    end(made, qtbot)
    assert not warming.needed()
    monkeypatch.setattr(warming.napari_nucleate, "__version__", "another")
    assert warming.needed()
    monkeypatch.undo()
    monkeypatch.setattr(warming, "_note", lambda: note)
    file.unlink()
    assert NEEDED()


def test_the_real_one(note, monkeypatch, qtbot):
    made = begin(monkeypatch, *warming.COMMAND)
    end(made, qtbot)
    assert json.loads(note.read_text())["files"]
    assert not warming.needed()


@pytest.mark.parametrize("note_is", ["", "[]", "{}", "no JSON", None])
def test_a_damaged_note_is_none(note, note_is):
    note.parent.mkdir()
    if note_is is None:
        note.mkdir()
    else:
        note.write_text(note_is)
    assert warming.needed()


def test_where_nothing_can_be_kept_nothing_is_noted(note, monkeypatch, qtbot):
    made = begin(monkeypatch, *says(json.dumps({"files": []})))
    end(made, qtbot)
    assert not note.exists()


@pytest.mark.parametrize("command", [("-c", "1 / 0"), says("no JSON"), says("[]")])
def test_what_goes_wrong_is_logged(note, monkeypatch, qtbot, caplog, command):
    with caplog.at_level(logging.WARNING):
        made = begin(monkeypatch, *command)
        end(made, qtbot)
    assert "could not be compiled ahead" in caplog.text
    assert ("ZeroDivisionError" in caplog.text) == (command[1] == "1 / 0")
    assert list(made.wait()) == []


def test_no_python_is_logged(note, monkeypatch, qtbot, caplog):
    monkeypatch.setattr(warming.sys, "executable", "/no/python")
    made = begin(monkeypatch, "")
    end(made, qtbot)
    assert "not compiled ahead" in caplog.text


def test_a_folder_that_cannot_be_written_is_no_error(note, monkeypatch, qtbot, tmp_path):
    (tmp_path / "new").write_text("a file where the folder should be")
    made = begin(monkeypatch, *says(json.dumps({"files": [__file__]})))
    end(made, qtbot)
    assert warming.needed()


def test_ends_with_its_parent(qtbot, monkeypatch, caplog):
    monkeypatch.setattr(warming, "COMMAND", LONG)
    parent = QObject()
    made = Warming(parent)
    assert made.process.waitForStarted()
    made.close()
    assert made.process.state() == QProcess.ProcessState.NotRunning
    assert not made.running
    assert not caplog.text


@pytest.fixture
def waiting(make_napari_viewer, monkeypatch):
    """A Split dock with a mask, and the process that it waits for."""
    monkeypatch.setattr(warming, "needed", lambda: True)
    viewer = make_napari_viewer()
    viewer.window._qt_window.show()
    made = begin(monkeypatch, *LONG)
    dock = SplitDock(viewer)
    viewer.window.add_dock_widget(dock)
    viewer.add_labels(np.pad(np.ones((9, 9), np.uint8), 4), name="mask")
    yield dock, made
    made.close()


def test_live_splitting_says_what_it_waits_for_and_goes_on(waiting, qtbot):
    dock, made = waiting
    qtbot.waitUntil(lambda: dock.live_count.text() == SENTENCE, timeout=TIMEOUT)
    with qtbot.waitSignal(dock.live.shown, timeout=TIMEOUT):
        made.process.closeWriteChannel()
    assert dock.live_count.text() == "1 object in view"


def test_splitting_everything_says_what_it_waits_for_and_goes_on(waiting, qtbot):
    dock, made = waiting
    dock.everything.button.click()
    qtbot.waitUntil(lambda: dock.everything.outcome.text() == SENTENCE, timeout=TIMEOUT)
    with qtbot.waitSignal(dock._session.ended, timeout=TIMEOUT):
        made.process.closeWriteChannel()
    assert "1 object in 1 image" in dock.everything.outcome.text()


def test_stop_ends_the_waiting(waiting, qtbot):
    dock, _ = waiting
    dock.everything.button.click()
    qtbot.waitUntil(lambda: dock.everything.outcome.text() == SENTENCE, timeout=TIMEOUT)
    with qtbot.waitSignal(dock._session.ended, timeout=TIMEOUT):
        dock.everything.stop.click()
    assert "Stopped" in dock.everything.outcome.text()


def test_opening_a_dock_begins(make_napari_viewer, monkeypatch):
    begun = []
    monkeypatch.setattr(launch, "begin", lambda: begun.append(True))
    launch.Split(make_napari_viewer())
    assert begun
    assert QApplication.instance() is not None
