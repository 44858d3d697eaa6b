"""Which project it is, and whether it is saved, is always seen."""

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.opening import open_project
from napari_nucleate.gui.project_bar import ProjectBar
from napari_nucleate.gui.session import session_of
from napari_nucleate.io.write import write_image
from napari_nucleate.project.store import Store


@pytest.fixture
def bar(project, qtbot):
    made = ProjectBar(project.session)
    qtbot.addWidget(made)
    return made


def paint(project):
    index = (np.array([2]), np.array([3]), np.array([4]))
    project.session.annotation.data_setitem(index, 7)


def test_a_stroke_is_being_saved_and_then_is(project, bar, qtbot):
    project.session.keeper.flush()
    assert bar.name.text() == "nuclei"
    assert bar.name.toolTip() == str(project.session.store.folder)
    assert bar.kept.text() == "saved"
    paint(project)
    assert bar.kept.text() == "saving…"
    qtbot.waitUntil(lambda: bar.kept.text() == "saved", timeout=10_000)


def test_it_says_why_something_is_not_saved(project, bar, monkeypatch):
    def full(state):
        raise NucleateError("The disk is full.")

    monkeypatch.setattr("napari_nucleate.gui.keeping.show_warning", lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr(project.session.store, "save_state", full)
        paint(project)
        project.session.keeper.flush()
    assert bar.kept.text() == "not saved"
    assert bar.why.text() == "Not saved: The disk is full."
    project.session.keeper.flush()
    assert bar.kept.text() == "saved"
    assert bar.why.isHidden()


def test_it_follows_to_a_copy_and_to_another_image(project, bar, tmp_path):
    session = project.session
    session.keeper.flush()
    store = Store(tmp_path / "copy")
    store.claim()
    session.projects.go_on_in(store)
    assert bar.name.toolTip() == str(store.folder)
    other = project.viewer.add_image(np.zeros((2, 32, 32)), name="other cells")
    session.choose_layer(other, "NYX", 2)
    assert bar.name.text() == "other cells"
    assert bar.kept.text() == "nothing to save yet"


def test_without_a_project_it_says_so(make_napari_viewer, qtbot):
    bar = ProjectBar(session_of(make_napari_viewer()))
    qtbot.addWidget(bar)
    assert bar.name.text() == "No project yet"
    assert not bar.kept.text()


def test_a_project_in_use_elsewhere_is_to_look_at_only(
    make_napari_viewer, qtbot, tmp_path, monkeypatch
):
    file = tmp_path / "a.tif"
    write_image(file, np.zeros((32, 32), np.uint8), "YX")
    first = make_napari_viewer()
    [layer] = first.open(file, plugin="napari")
    session = session_of(first)
    session.choose_layer(layer, "YX", 2)
    session.annotate().data_setitem((np.array([3]), np.array([3])), 2)
    session.keeper.flush()
    monkeypatch.setattr("napari_nucleate.gui.projects.show_warning", lambda _: None)
    second = make_napari_viewer()
    open_project(second, session.store.folder)
    bar = ProjectBar(session_of(second))
    qtbot.addWidget(bar)
    assert bar.name.text() == "a"
    assert bar.kept.text() == "to look at only"
    assert bar.kept.toolTip().startswith("Opened to look at only")
