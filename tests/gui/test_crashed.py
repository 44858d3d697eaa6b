"""After a crash, the window asks whether to go on with what was open."""

import json
import platform

import pytest
from qtpy.QtWidgets import QMessageBox

from napari_nucleate.gui import crashed
from napari_nucleate.gui.crashed import offer
from napari_nucleate.gui.session import session_of
from napari_nucleate.project.lock import OWNER
from napari_nucleate.project.model import State
from napari_nucleate.project.store import Store


@pytest.fixture(autouse=True)
def nothing_asked(monkeypatch):
    monkeypatch.setattr(crashed, "_asked", set())


@pytest.fixture
def killed(home):
    """Leaves a project as a window does that is killed, and returns its folder."""

    def leave(name="cells", machine=None):
        folder = home / name
        with Store(folder) as store:
            store.save_state(State(name=name))
        owner = {
            "what": "a napari window",
            "process": 1,
            "machine": machine or platform.node(),
            "user": "ada",
            "since": "2026-11-20 14:03",
        }
        (folder / OWNER).write_text(json.dumps(owner), "utf-8")
        return folder

    return leave


def test_it_asks_for_what_was_open(make_napari_viewer, killed):
    folder = killed("cells <b>1")
    question = offer(session_of(make_napari_viewer()))
    assert question.text() == (
        "cells <b>1 was open when a napari window (since 2026-11-20 14:03) ended unexpectedly."
    )
    question.reject()
    assert not (folder / OWNER).exists()


def test_going_on_opens_it(make_napari_viewer, killed, monkeypatch):
    folder, opened = killed(), []
    monkeypatch.setattr(
        "napari_nucleate.gui.opening.open_project", lambda viewer, path: opened.append(path)
    )
    question = offer(session_of(make_napari_viewer()))
    accept = QMessageBox.ButtonRole.AcceptRole
    next(b for b in question.buttons() if question.buttonRole(b) == accept).click()
    assert opened == [folder]


@pytest.mark.parametrize("why", ["in use", "given back", "elsewhere", "no project"])
def test_it_does_not_ask_otherwise(make_napari_viewer, killed, why):
    folder = killed(machine="another" if why == "elsewhere" else None)
    store = Store(folder)
    if why == "in use":
        store.claim()
    elif why == "given back":
        (folder / OWNER).unlink()
    elif why == "no project":
        (folder / "nucleate.json").unlink()
    assert offer(session_of(make_napari_viewer())) is None
    store.close()


def test_it_asks_once(make_napari_viewer, killed):
    killed()
    session = session_of(make_napari_viewer())
    offer(session).close()
    assert offer(session) is None


def test_it_does_not_ask_who_works_already(project, killed):
    killed()
    assert offer(project.session) is None


def test_it_does_not_ask_where_nobody_can_look(make_napari_viewer, monkeypatch, tmp_path):
    monkeypatch.setattr(crashed, "home_folder", lambda: tmp_path / ("a" * 5000))
    assert offer(session_of(make_napari_viewer())) is None


def test_damaged_words_of_an_owner_are_no_owner(make_napari_viewer, killed):
    (killed() / OWNER).write_text("[1", "utf-8")
    assert offer(session_of(make_napari_viewer())) is None
