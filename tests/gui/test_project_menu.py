"""The button Project: saved elsewhere, sent in a zip file, and its images found again."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QDialog, QMessageBox

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.gui import checking, locating, project_menu
from napari_nucleate.gui.locating import LocateDialog
from napari_nucleate.gui.opening import open_project
from napari_nucleate.gui.project_menu import ProjectMenu
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.start import fill
from napari_nucleate.gui.waiting import Waiting, wait_for
from napari_nucleate.io.read import read_images
from napari_nucleate.io.write import write_image
from napari_nucleate.project import log
from napari_nucleate.project.lock import LOCK, OWNER
from napari_nucleate.project.store import Store

SAMPLE = NucleiSample(count=3, size=64, radius=6).make()
TRUTH = np.asarray(SAMPLE.labels.data, np.int32)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "data" / "images"
    folder.mkdir(parents=True)
    for name, image in zip("abc", np.asarray(SAMPLE.images.data), strict=True):
        write_image(folder / f"{name}.tif", image, "YX")
    return folder


@pytest.fixture
def session(make_napari_viewer, images, qtbot):
    """A window with a project of three images, of which one is labelled."""
    viewer = make_napari_viewer()
    fill(viewer, read_images(images))
    session = session_of(viewer)
    session.choose_layer(viewer.layers[0], "NYX", 2)
    paint(session, 0)
    qtbot.waitUntil(lambda: not session.checks.running)
    session.keeper.flush()
    return session


@pytest.fixture
def menu(session, qtbot, monkeypatch):
    made = ProjectMenu(session)
    qtbot.addWidget(made)
    made.said, made.shown = [], []
    monkeypatch.setattr(session, "notify", lambda error: made.said.append(str(error)))
    monkeypatch.setattr(project_menu, "show_info", made.shown.append)
    return made


def paint(session, at, label=5):
    layer = session.annotate()
    layer.data_setitem(tuple(i + (at if n == 0 else 0) for n, i in enumerate(where(at))), label)
    session.strokes.refresh()
    session.strokes.note("abc"[at])


def where(at):
    return np.nonzero(TRUTH[at : at + 1])


def answer(monkeypatch, dialog, path):
    monkeypatch.setattr(project_menu.QFileDialog, dialog, lambda *_, **__: (str(path), ""))


def content(folder):
    hidden = (LOCK, OWNER)
    files = (p for p in folder.rglob("*") if p.is_file() and p.name not in hidden)
    return {p.relative_to(folder): p.read_bytes() for p in files}


def test_save_as_goes_on_in_the_copy_and_leaves_the_old_one(
    session, menu, tmp_path, monkeypatch, qtbot
):
    old, new = session.store.folder, tmp_path / "größer 新"
    before = content(old)
    answer(monkeypatch, "getSaveFileName", new)
    menu.save_as.trigger()
    assert session.store.folder == new
    assert menu.shown == [f"The project is now in {new}; {old} stays as it was."]
    paint(session, 1)
    session.keeper.flush()
    assert content(old) == before
    Store(old).claim()  # nobody holds it any more
    state = Store(new).load_state()
    assert state.name == new.name
    assert state.keys("labelled") == ["a", "b"]
    assert [item.checksum for item in state.items] == [i.checksum for i in session.state.items]
    np.testing.assert_array_equal(Store(new).load_annotation("a") > 0, TRUTH[0] > 0)
    assert "copied" in [row["what"] for row in log.read(new)]
    menu.save_as.trigger()
    assert "exists already" in menu.said[0]


def test_a_copy_of_a_project_that_is_in_use_elsewhere_may_be_painted_on(
    session, make_napari_viewer, tmp_path, monkeypatch, qtbot
):
    viewer = make_napari_viewer()
    open_project(viewer, session.store.folder)
    other = session_of(viewer)
    assert other.store.locked
    assert not other.annotation.editable
    menu = ProjectMenu(other)
    qtbot.addWidget(menu)
    answer(monkeypatch, "getSaveFileName", tmp_path / "mine")
    menu.save_as.trigger()
    assert not other.store.locked
    assert other.annotation.editable
    paint(other, 1)
    other.keeper.flush()
    assert Store(tmp_path / "mine").load_state().keys("labelled") == ["a", "b"]
    assert Store(session.store.folder).load_state().keys("labelled") == ["a"]


def test_a_copy_holds_what_was_painted_elsewhere_meanwhile(
    session, make_napari_viewer, tmp_path, monkeypatch, qtbot
):
    viewer = make_napari_viewer()
    open_project(viewer, session.store.folder)
    other = session_of(viewer)
    paint(session, 1)
    session.keeper.flush()
    menu = ProjectMenu(other)
    qtbot.addWidget(menu)
    answer(monkeypatch, "getSaveFileName", tmp_path / "mine")
    menu.save_as.trigger()
    assert other.state.keys("labelled") == ["a", "b"]
    np.testing.assert_array_equal(other.annotation.data[1] > 0, TRUTH[1] > 0)


def test_what_is_noted_while_it_is_copied_goes_along(session, menu, tmp_path, monkeypatch):
    def noting(*arguments):
        session.set_items(session.state.item("a").model_copy(update={"checksum": "new"}))
        return wait_for(*arguments)

    monkeypatch.setattr(project_menu, "wait_for", noting)
    answer(monkeypatch, "getSaveFileName", tmp_path / "mine")
    menu.save_as.trigger()
    session.keeper.flush()
    assert Store(tmp_path / "mine").load_state().item("a").checksum == "new"


def test_images_inside_the_project_go_along(session, menu, tmp_path, monkeypatch, qtbot):
    folder = session.store.folder
    shutil.copytree(tmp_path / "data" / "images", folder / "images")
    items = [
        item.model_copy(update={"source": str(folder / "images" / f"{item.key}.tif")})
        for item in session.state.items
    ]
    session.set_items(*items)
    answer(monkeypatch, "getSaveFileName", tmp_path / "new")
    menu.save_as.trigger()
    sources = [item.source for item in session.state.items]
    assert sources == [str(tmp_path / "new" / "images" / f"{key}.tif") for key in "abc"]
    assert all(Path(source).is_file() for source in sources)


def test_nothing_is_left_of_a_copy_that_was_cancelled(session, menu, tmp_path, monkeypatch):
    answer(monkeypatch, "getSaveFileName", tmp_path / "new")
    begun = project_menu.copying

    def cancelled(*arguments):
        steps = begun(*arguments)
        yield next(steps)
        for dialog in menu.findChildren(Waiting):
            dialog.job._run.stopping.set()
        yield from steps

    monkeypatch.setattr(project_menu, "copying", cancelled)
    old = session.store.folder
    menu.save_as.trigger()
    assert session.store.folder == old
    assert {path.name for path in tmp_path.iterdir()} == {"data", "home"}


@pytest.mark.parametrize("images_too", [True, False])
def test_a_zip_file_is_opened_by_somebody_else(
    make_napari_viewer, session, menu, tmp_path, monkeypatch, qtbot, images_too, images
):
    archive = tmp_path / "mice.zip"
    answer(monkeypatch, "getSaveFileName", tmp_path / "mice")
    monkeypatch.setattr(menu, "_with_images", lambda files: images_too if len(files) == 3 else None)
    menu.zip.trigger()
    assert menu.said == []
    assert menu.shown[0].startswith(f"{archive} written")
    session.close()
    images.rename(tmp_path / "moved")

    other = session_of(make_napari_viewer())
    theirs = ProjectMenu(other)
    qtbot.addWidget(theirs)
    answer(monkeypatch, "getOpenFileName", archive)

    def locate(dialog):
        assert dialog.list.count() == 3
        assert not dialog.open.isEnabled()
        dialog.look_in(tmp_path / "data")  # nothing there
        assert not dialog.open.isEnabled()
        dialog.look_in(tmp_path)
        assert dialog.open.isEnabled()
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr(LocateDialog, "exec", locate)
    theirs.open_zip.trigger()
    qtbot.waitUntil(lambda: not other.job.running and not other.checks.running)
    assert other.store.folder.name.startswith("mice ")
    np.testing.assert_array_equal(other.annotation.data[0] > 0, TRUTH[0] > 0)
    sources = {Path(item.source).parent for item in other.state.items}
    inside = other.store.folder / "images"
    assert sources == ({inside} if images_too else {tmp_path / "moved"})
    told = [row["what"] for row in log.read(other.store.folder)]
    assert told[-2 if images_too else -3 :][0] == "unpacked"
    assert told[-1] == "opened"


def test_who_does_not_know_where_the_images_are_leaves_the_project_as_it_is(
    session, make_napari_viewer, tmp_path, monkeypatch
):
    folder = session.store.folder
    session.close()
    shutil.rmtree(tmp_path / "data")
    before = content(folder)
    monkeypatch.setattr(LocateDialog, "exec", lambda _: QDialog.DialogCode.Rejected)
    viewer = make_napari_viewer()
    with pytest.raises(NucleateError, match=r"3 of its image files.*Nothing of it is changed"):
        open_project(viewer, folder)
    assert content(folder) == before
    assert not viewer.layers


def test_a_swapped_file_is_said_on_opening_and_may_be_kept(
    session, make_napari_viewer, images, qtbot, monkeypatch
):
    folder = session.store.folder
    session.close()
    shutil.copy(images / "a.tif", images / "b.tif")
    warned = []
    monkeypatch.setattr(checking, "show_warning", warned.append)
    viewer = make_napari_viewer()
    open_project(viewer, folder)
    other = session_of(viewer)
    qtbot.waitUntil(lambda: bool(warned))
    assert warned[0].startswith(f"{images / 'b.tif'} holds other pixels than when")
    menu = ProjectMenu(other)
    qtbot.addWidget(menu)
    monkeypatch.setattr(QMessageBox, "exec", lambda _: QMessageBox.StandardButton.Yes)
    menu.locate.trigger()
    shown = []
    monkeypatch.setattr(project_menu, "show_info", shown.append)
    menu.locate.trigger()
    assert shown == ["All images are where they were, and the same."]


def test_the_folder_of_a_project_may_be_dropped_on_the_window(
    session, make_napari_viewer, qtbot, monkeypatch, images
):
    folder = session.store.folder
    session.close()
    viewer = make_napari_viewer()
    other = session_of(viewer)
    view, left = viewer.window._qt_viewer, []
    monkeypatch.setattr(type(view), "_qt_open", lambda _, names, **__: left.extend(names))
    for path in (images, folder):
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(path))])
        how = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton)
        none = Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(view, QDragEnterEvent(QPoint(5, 5), *how, none))
        QApplication.sendEvent(view, QDropEvent(QPointF(5, 5), *how, none))
    assert left == [str(images)]  # any other folder is napari's to read
    qtbot.waitUntil(lambda: other.store.folder == folder and not other.job.running)
    assert other.state.keys("labelled") == ["a"]


def test_judgements_are_undone_and_redone_after_files_were_looked_at_or_moved(project):
    project.predict(n1=0.9)
    session, key = project.session, "nuclei_n1"
    session.judgements.judge([key], accept=True)
    (step,) = session.judgements._steps
    for checksum, status, change in (
        ("12", "predicted", session.judgements.undo),
        ("34", "accepted", lambda: session.judgements.repeat(step)),
    ):
        file = {"source": "/data/a.tif", "checksum": checksum}
        session.set_items(session.state.item(key).model_copy(update=file))
        assert change() == [key]
        item = session.state.item(key)
        assert (item.status, item.source, item.checksum) == (status, "/data/a.tif", checksum)


def test_entries_that_can_not_be_used_say_why(make_napari_viewer, qtbot):
    menu = ProjectMenu(session_of(make_napari_viewer()))
    qtbot.addWidget(menu)
    menu.refresh()
    assert menu.open.isEnabled()
    assert not menu.save_as.isEnabled()
    assert menu.save_as.toolTip().startswith("There is no project yet")


def test_what_was_refused_from_the_start_is_saved_elsewhere(
    make_napari_viewer, images, monkeypatch, tmp_path, qtbot
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUCLEATE_HOME", str(tmp_path / "file" / "home"))
    said, shown = [], []
    monkeypatch.setattr("napari_nucleate.gui.keeping.show_warning", said.append)
    monkeypatch.setattr("napari_nucleate.gui.keeping.show_info", shown.append)
    monkeypatch.setattr(project_menu, "show_info", shown.append)
    viewer = make_napari_viewer()
    fill(viewer, read_images(images))
    session = session_of(viewer)
    session.choose_layer(viewer.layers[0], "NYX", 2)
    paint(session, 0)
    paint(session, 1)
    session.keeper.flush()
    assert said
    assert not session.store.exists
    menu = ProjectMenu(session)
    qtbot.addWidget(menu)
    menu.refresh()
    assert menu.zip.toolTip() == project_menu.NOT_WRITTEN
    folder = tmp_path / "rescued"
    answer(monkeypatch, "getSaveFileName", folder)
    menu.save_as.trigger()
    assert f"The project is now in {folder}." in shown
    assert Store(folder).load_state().keys("labelled") == ["a", "b"]
    for at, key in enumerate("ab"):
        np.testing.assert_array_equal(Store(folder).load_annotation(key) > 0, TRUTH[at] > 0)


def test_work_that_fails_is_one_sentence(qtbot, session):
    def work():
        yield 1
        raise NucleateError("The disk is full.")

    with pytest.raises(NucleateError, match=r"The disk is full\."):
        wait_for(session.viewer.window._qt_window, "Copying", work)


def test_the_dialog_says_what_it_can_not_tell(session, qtbot, tmp_path):
    gone = session.state.replace(
        *(i.model_copy(update={"source": f"/gone/{i.key}.tif"}) for i in session.state.items)
    )
    view = session.state.view.model_copy(update={"files": ()})
    dialog = locating.LocateDialog(
        session.viewer.window._qt_window, gone.model_copy(update={"view": view})
    )
    qtbot.addWidget(dialog)
    dialog.look_in(tmp_path / "nowhere")
    assert "is not a folder" in dialog.outcome.text()
    (tmp_path / "data" / "images" / "c.tif").unlink()
    dialog.look_in(tmp_path / "data")
    assert dialog.list.count() == 1
    assert "2 of 3 missing files found." in dialog.outcome.text()
