"""A diagnosis from the window: by the menu, by the button, and with what nobody caught."""

import re
import time

import pytest
from npe2 import PluginManager
from qtpy.QtWidgets import QFileDialog

from napari_nucleate.gui.diagnosis import (
    DiagnosisButton,
    Doctor,
    doctor_of,
    keep_uncaught,
    save_diagnosis,
)
from napari_nucleate.gui.job import Finished
from napari_nucleate.gui.train import TrainDock
from napari_nucleate.io.error_log import kept_errors

TIMEOUT = 60_000


@pytest.fixture
def answer(monkeypatch, tmp_path):
    """What the person says in the dialog."""
    path = tmp_path / "d.txt"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(path), ""))
    return path


def saved(project, qtbot, act):
    with qtbot.waitSignal(doctor_of(project.viewer).job.ended, timeout=TIMEOUT) as signal:
        act()
    return signal.args[0]


def test_the_menu_writes_a_diagnosis_of_window_and_project(project, qtbot, answer):
    project.session.keeper.touch()
    project.session.keeper.flush()
    assert saved(project, qtbot, save_diagnosis) == Finished()
    text = answer.read_text("utf-8")
    for words in ("\nWindow\n", "GL_RENDERER", "screen 1", "\nProject\n", "6: 1 labelled"):
        assert words in text
    assert "Image, ndarray" in text
    assert str(project.session.store.folder) not in text
    assert "nuclei" not in text.split("\nWindow\n")[1].split("\nProject\n")[0]


def test_the_button_writes_one_while_something_runs(project, qtbot, answer):
    dock = TrainDock(project.viewer)
    project.viewer.window.add_dock_widget(dock)

    def endless():
        while True:
            yield 1
            time.sleep(0.01)

    project.session.start("waiting", endless)
    button = dock.findChild(DiagnosisButton)
    assert saved(project, qtbot, button.click) == Finished()
    assert re.search(r"at work +waiting", answer.read_text("utf-8"))
    with qtbot.waitSignal(project.session.ended, timeout=TIMEOUT):
        project.session.stop()


def test_without_an_answer_nothing_happens(project, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: ("", ""))
    save_diagnosis()
    assert doctor_of(project.viewer).job.running == ""


def test_what_cannot_be_written_is_said(project, qtbot, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("napari_nucleate.gui.diagnosis.show_warning", said.append)
    saved(project, qtbot, lambda: doctor_of(project.viewer).write(tmp_path / "no" / "d.txt"))
    (sentence,) = said
    assert "does not exist" in sentence


def test_there_is_one_a_viewer_and_none_without(project, monkeypatch):
    assert doctor_of(project.viewer) is doctor_of(project.viewer)
    monkeypatch.setattr("napari.current_viewer", lambda: None)
    save_diagnosis()
    assert len(project.viewer.window._qt_window.findChildren(Doctor)) == 1


def test_what_nobody_caught_is_kept_once(project):
    from napari.utils.notifications import ErrorNotification, notification_manager

    keep_uncaught()
    keep_uncaught()
    try:
        raise KeyError("/data/Smith/a")
    except KeyError as error:
        notification_manager.dispatch(ErrorNotification(error))
    (kept,) = kept_errors()
    assert kept.what == "a click or key in the window"
    assert kept.trace.startswith("KeyError: '…/a'")


def test_the_manifest_has_the_menu():
    manifest = PluginManager.instance().get_manifest("napari-nucleate")
    (item,) = manifest.contributions.menus["napari/file/io_utilities"]
    assert item.command == "napari-nucleate.doctor"
