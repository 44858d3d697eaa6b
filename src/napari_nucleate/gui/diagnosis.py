"""A diagnosis saved from the window, and errors that nobody caught kept for one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from napari.utils.notifications import ErrorNotification, notification_manager
from qtpy import API_NAME, QtCore
from qtpy.QtCore import QObject
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton

from napari_nucleate.core.loading import load_torch
from napari_nucleate.gui.job import Ending, Failed, Finished, Job
from napari_nucleate.gui.notices import show_info, show_warning
from napari_nucleate.gui.session import session_of
from napari_nucleate.io.atomic import write_text
from napari_nucleate.io.error_log import keep_error
from napari_nucleate.project.doctor import Section, diagnose

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from napari import Viewer
    from napari.utils.notifications import Notification

NAME = "nucleate diagnosis.txt"


class Doctor(QObject):
    """Writes a diagnosis of a viewer's window and project, beside whatever runs.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        window = viewer.window._qt_window  # noqa: SLF001
        super().__init__(window)
        self._viewer = viewer
        self._path = Path()
        self.job = Job(self)
        self.job.ended.connect(self._on_ended)
        window.destroyed.connect(self.job.close)
        QApplication.instance().aboutToQuit.connect(self.job.close)

    def ask(self) -> None:
        """Ask for a file, and write it; the dialog asks before it replaces one."""
        if self.job.running:
            show_info(f"{self._path} is being written.")
            return
        name, _ = QFileDialog.getSaveFileName(
            self.parent(), "Save a diagnosis", str(Path.home() / NAME), "Text (*.txt)"
        )
        if name:
            self.write(Path(name))

    def write(self, path: Path) -> None:
        """Write a diagnosis; a file of that name is replaced."""
        window = Section.of("Window", partial(_window, self._viewer))
        store = session_of(self._viewer).store
        project = store.folder if store.exists else None
        self.job.start("the diagnosis", lambda: _written(path, project, window))
        self._path = path

    def _on_ended(self, ending: Ending) -> None:
        if isinstance(ending, Failed):
            show_warning(ending.message)
        elif isinstance(ending, Finished):
            show_info(f"{self._path} is written; read it before you send it.")


class DiagnosisButton(QPushButton):
    """Saves a diagnosis, to send to who helps.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__("Save a diagnosis…")
        self.setToolTip(
            "Write versions, device, settings and the last errors into a file, to send to who "
            "helps you; without your name, your machine's, and folders."
        )
        self.clicked.connect(lambda: doctor_of(viewer).ask())


def doctor_of(viewer: Viewer) -> Doctor:
    """The viewer's own; made at the first call, gone with its window."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    window = viewer.window._qt_window  # noqa: SLF001
    return window.findChild(Doctor) or Doctor(viewer)


def save_diagnosis() -> None:
    """Ask for a file, and write a diagnosis of the viewer in front; napari's menu calls it."""
    viewer = napari.current_viewer()
    if viewer is not None:
        doctor_of(viewer).ask()


def keep_uncaught() -> None:
    """Keep what napari shows as an error for a diagnosis, from now on."""
    # The same function a second time is connected once.
    notification_manager.notification_ready.connect(_on_notification)


def _on_notification(notification: Notification) -> None:
    if isinstance(notification, ErrorNotification):
        keep_error(notification.exception, "a click or key in the window", str(notification))


def _written(path: Path, project: Path | None, window: Section) -> Generator[Path, None, None]:
    load_torch()
    write_text(path, diagnose(project, window).text(), overwrite=True)
    yield path


def _window(viewer: Viewer) -> Iterator[tuple[str, str]]:
    """What only the window knows; on its thread."""
    yield "Qt", f"{QtCore.__version__} by {API_NAME}, {QGuiApplication.platformName()}"
    for at, screen in enumerate(QGuiApplication.screens(), 1):
        size, scale = screen.geometry(), screen.devicePixelRatio()
        yield f"screen {at}", f"{size.width()} × {size.height()}, scale {scale:g}"
    session = session_of(viewer)
    yield "at work", session.job.running or "nothing"
    yield "layers", "\n".join([f"{len(viewer.layers)}", *map(_layer, viewer.layers)])
    yield from _graphics(viewer)


def _layer(layer: Any) -> str:
    """What matters of a layer; not its name, which may be a file's."""
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    return ", ".join(
        [
            type(layer).__name__,
            f"{type(data).__name__} {getattr(data, 'dtype', '')}".strip(),
            f"{getattr(data, 'shape', len(data))}",
            f"scale {tuple(float(s) for s in layer.scale)}",
            *(["multiscale"] * bool(getattr(layer, "multiscale", False))),
            *(["RGB"] * bool(getattr(layer, "rgb", False))),
        ]
    )


def _graphics(viewer: Viewer) -> Iterator[tuple[str, str]]:
    from vispy.gloo import gl

    canvas = viewer.window._qt_viewer.canvas  # noqa: SLF001
    canvas._scene_canvas.set_current()  # noqa: SLF001
    for name in ("GL_VERSION", "GL_RENDERER", "GL_VENDOR", "GL_MAX_TEXTURE_SIZE"):
        yield name, str(gl.glGetParameter(getattr(gl, name)))
