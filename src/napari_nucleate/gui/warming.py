"""The splitters' loops compile in a process of their own, once after installation.

numba compiles a loop when it is first called and keeps the machine code on disk; reading it takes
milliseconds. Compiling in napari's own process would stall the window, for it holds the GIL.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import threading
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_path
from qtpy.QtCore import QObject, QProcess
from qtpy.QtWidgets import QApplication

import napari_nucleate
from napari_nucleate.core import instances
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.atomic import write_text

if TYPE_CHECKING:
    from collections.abc import Generator

log = logging.getLogger(__name__)

SENTENCE = "Preparing the splitters, once after installation: about a minute…"
COMMAND = ("-P", "-m", "napari_nucleate.core.instances.warm", "--child")
"""What Python runs; -P, so that no file where napari was started is taken for a module."""


@dataclass(frozen=True)
class Preparing:
    """Work waits for the splitters to be compiled."""


class Warming(QObject):
    """One process that compiles; it ends with this one, whatever happens to it.

    Parameters
    ----------
    parent : QObject
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._ended = threading.Event()
        self.process = QProcess(self)
        self.process.finished.connect(self._on_finished)
        self.process.errorOccurred.connect(self._on_error)
        parent.destroyed.connect(self.close)
        QApplication.instance().aboutToQuit.connect(self.close)
        self.process.start(sys.executable, list(COMMAND))

    @property
    def running(self) -> bool:
        """Whether it compiles still."""
        return not self._ended.is_set()

    def wait(self) -> Generator[Preparing, None, None]:
        """Wait for its end in a thread, and say so ten times a second."""
        while not self._ended.wait(0.1):
            yield Preparing()

    def close(self) -> None:
        """End it now; what is compiled so far is kept."""
        self._ended.set()
        if self.process.state() != QProcess.ProcessState.NotRunning:
            self.process.kill()
            self.process.waitForFinished(3000)

    def _on_finished(self, status: int) -> None:
        waited, said = self.running, bytes(self.process.readAllStandardOutput())
        self._ended.set()
        if not waited:
            return  # it was closed
        try:
            files = json.loads(said)["files"]
        except (ValueError, KeyError, TypeError):
            trace = bytes(self.process.readAllStandardError()).decode(errors="replace")
            log.warning("The splitters could not be compiled ahead (status %d): %s", status, trace)
            return
        if files:
            _remember(files)

    def _on_error(self) -> None:
        if self.running:
            log.warning("The splitters are not compiled ahead: %s", self.process.errorString())
            self._ended.set()


_warming: list[Warming] = []
"""At most one; a program compiles for all of its viewers."""


def begin() -> None:
    """Start compiling beside the window, unless it is done or under way."""
    if not _warming and needed():
        _warming.append(Warming(QApplication.instance()))


def preparing() -> Generator[Preparing, None, None]:
    """Wait until the splitters can be used without compiling; for the thread of a job."""
    for warming in _warming:
        yield from warming.wait()


def needed() -> bool:
    """Whether machine code is missing for these versions on this machine; loads no numba."""
    if getattr(sys, "frozen", False):
        return False  # there is no Python to start
    try:
        found = json.loads(_note().read_text("utf-8"))
        return found["key"] != _key() or not all(os.path.isfile(f) for f in found["files"])  # noqa: PTH113
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _remember(files: list[str]) -> None:
    """Note where the machine code lies, so that the next start needs no process to find out."""
    try:
        _note().parent.mkdir(parents=True, exist_ok=True)
        write_text(_note(), json.dumps({"key": _key(), "files": files}), overwrite=True)
    except (OSError, NucleateError) as error:
        log.info("Not noted that the splitters are compiled: %s", error)


def _note() -> Path:
    return Path(user_cache_path("napari-nucleate", appauthor=False)) / "compiled.json"


def _key() -> list[object]:
    """All that machine code depends on, as far as it is known without numba."""
    folder = Path(instances.__file__).parent
    sources = [(str(p), p.stat().st_mtime_ns) for p in sorted(folder.glob("_*.py"))]
    where = os.environ.get("NUMBA_CACHE_DIR", "")
    versions = (napari_nucleate.__version__, version("numba"), sys.version)
    return [*versions, platform.node(), where, *(part for source in sources for part in source)]
