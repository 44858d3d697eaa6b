"""A window that the system ends keeps what was painted, as one that is closed."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from qtpy.QtCore import QEventLoop

from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.gui import ending
from napari_nucleate.gui.ending import ending_in_order
from napari_nucleate.gui.launch import open_docks
from napari_nucleate.io.write import write_image
from napari_nucleate.project.lock import OWNER
from napari_nucleate.project.store import Store

WINDOW = """
import signal
import sys
from pathlib import Path
from unittest.mock import patch

import napari
import numpy as np
from qtpy.QtCore import QTimer

from napari_nucleate.core.events import Step
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.start import run

# Who starts the tests in the background has Ctrl+C ignored in all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

def paint(viewer):
    session = session_of(viewer)
    session.choose_layer(viewer.layers[0], "NYX", 2)
    layer = session.annotate()
    layer.data_setitem(np.nonzero(np.ones((1, 7, 9))), 5)
    if sys.argv[2] == "train":
        optimisation = {"patch": 32, "batch": 2, "device": "cpu"}
        optimisation["budget"] = {"kind": "steps", "value": 9999}
        session.set_recipe(
            Recipe.parse({"architecture": {"width": 4, "levels": 2}, "optimisation": optimisation})
        )
        session.happened.connect(lambda event: said(session) if seen(event) else None)
        session.trainings.train()
    else:
        said(session)

def seen(event):
    return isinstance(event, Step) and event.step > 3

told = []

def said(session):
    if not told:
        told.append(1)
        # At once, well before it is written by itself.
        print(session.store.folder, flush=True)

loop = napari.run

def painting():
    QTimer.singleShot(0, lambda: paint(napari.current_viewer()))
    loop()
    print("over", flush=True)

with patch("napari.run", painting):
    run([Path(sys.argv[1])])
print("ended in order", flush=True)
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


@pytest.fixture
def window(tmp_path, home):
    """Starts `nucleate gui` in a process that paints on its own; gives it, and its project."""
    folder, processes = tmp_path / "images", []
    folder.mkdir()
    for at, image in enumerate(np.asarray(NucleiSample(count=3, size=64).make().images.data)):
        write_image(folder / f"{at}.tif", image, "YX")

    def start(what):
        process = subprocess.Popen(
            [sys.executable, "-c", WINDOW, str(folder), what],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        said = process.stdout.readline().strip()
        assert said, process.stderr.read()
        return process, home / said

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_stroke_right_before_is_kept(window, name):
    process, project = window("paint")
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=120)
    assert "ended in order" in out, err
    assert process.returncode == 0, err
    kept = Store(project).load_annotation("0")
    assert (kept[:7, :9] == 5).all()
    assert (kept == 5).sum() == 63
    assert Store(project).load_state().keys("labelled") == ["0"]
    assert not (project / OWNER).exists()  # so nobody is asked whether it crashed


def test_a_training_is_kept_to_go_on_with_where_all_processes_are_asked(window):
    process, project = window("train")
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert "ended in order" in out, err
    store = Store(project)
    snapshot = store.load_snapshot(store.interrupted())
    assert snapshot.progress.step > 3
    assert (store.load_annotation("0") == 5).sum() == 63


def test_as_a_plugin_it_changes_no_signals(make_napari_viewer):
    def handlers():
        return [signal.getsignal(getattr(signal, name)) for name in ("SIGTERM", "SIGHUP", "SIGINT")]

    before = handlers()
    open_docks(make_napari_viewer())
    assert handlers() == before


def test_what_is_ignored_stays_so_and_all_is_as_before_at_the_end(qapp):
    before = signal.getsignal(signal.SIGTERM), signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_in_order():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not before[0]
        assert signal.getsignal(signal.SIGTERM) is before[0]
    finally:
        signal.signal(signal.SIGHUP, before[1])


def test_a_signal_is_handled_while_only_qt_runs(qapp, monkeypatch):
    loop = QEventLoop()
    monkeypatch.setattr(ending, "end", loop.quit)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with ending_in_order():
        loop.exec()
