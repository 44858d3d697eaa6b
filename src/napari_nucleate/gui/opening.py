"""Opening a project again: from the command line, the Label dock, or dropped on the window."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari

from napari_nucleate.gui.files import add_project
from napari_nucleate.gui.launch import open_docks
from napari_nucleate.gui.locating import ask_where
from napari_nucleate.gui.session import session_of
from napari_nucleate.project.images import missing
from napari_nucleate.project.log import Happened
from napari_nucleate.project.state_file import STATE
from napari_nucleate.project.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer


def open_project(viewer: Viewer, folder: Path) -> None:
    """Show a project in a viewer as it was left: images, labels, predictions, models and docks.

    Parameters
    ----------
    viewer : napari.Viewer
    folder : Path
        The project's.

    Raises
    ------
    NucleateError
        If it is none, its images aren't found or don't fit, or something runs in the viewer; and
        after it is opened, if where its images are now can't be written. One that is in use
        elsewhere, or can't be written to, is opened to look at only.
    """
    session = session_of(viewer)
    session.need_rest()
    store = Store(folder)
    if not store.exists:
        store.load_state()  # says that it is none, before anything is made there
    if folder.resolve() == session.store.folder.resolve():
        session.keeper.flush()
        session.store.close()  # the same window goes on with it
    with ExitStack() as undone:
        store.claim_or_look()
        undone.callback(store.close)
        state = store.load_state()
        gone = missing(state)
        if gone:
            state = ask_where(session.viewer.window._qt_window, state)  # noqa: SLF001
        source = add_project(session.viewer, state)
        undone.callback(session.viewer.layers.remove, source.layer)
        open_docks(session.viewer)  # they show what happens from now on
        session.projects.open(source, state, store)
        undone.pop_all()
    if gone and not store.locked:  # else it is asked the next time again
        store.save_state(session.state)
        store.note(Happened("located", len(gone)))
    store.note(Happened("opened", len(state.items)))


def reader(path: str | list[str]) -> Callable[[Any], list[tuple[None]]] | None:
    """Read `nucleate.json`, as napari asks for it: its project is opened in the viewer.

    Returns
    -------
    callable or None
        None for other files.
    """
    if not isinstance(path, str) or Path(path).name != STATE:
        return None
    return _read


def _read(path: str) -> list[tuple[None]]:
    viewer = napari.current_viewer()
    if viewer is None:
        message = "a project is opened in a viewer, and there is none"
        raise RuntimeError(message)
    open_project(viewer, Path(path).parent)
    return [(None,)]  # the layers are there already
