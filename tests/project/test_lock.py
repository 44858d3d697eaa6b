"""One process works on a project at a time, and a killed one is no obstacle."""

import json
import os
import subprocess
import sys

import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.project.lock import LOCK, OWNER, ProjectLock
from napari_nucleate.project.model import State
from napari_nucleate.project.store import Store

HOLDER = """
import sys, time
from pathlib import Path
from napari_nucleate.project.lock import ProjectLock
with ProjectLock(Path(sys.argv[1]), "nucleate self-train"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def elsewhere(tmp_path):
    """Another process that holds the project."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_who_else_works_on_it_is_said(tmp_path, elsewhere):
    with pytest.raises(NucleateError, match="is in use by nucleate self-train") as error:
        ProjectLock(tmp_path, "a window").take()
    assert f"(process {elsewhere.pid} of " in str(error.value)
    assert "wait for its end, or end it there" in str(error.value)


def test_nothing_is_written_meanwhile_but_all_can_be_read(tmp_path, elsewhere):
    with pytest.raises(NucleateError, match="is in use by"):
        Store(tmp_path).save_state(State())
    assert not Store(tmp_path).exists
    assert Store(tmp_path).load_boxes() == {}


def test_a_killed_process_is_no_obstacle(tmp_path, elsewhere):
    elsewhere.kill()
    elsewhere.wait()
    assert (tmp_path / OWNER).exists()  # nobody was left to take it away
    with ProjectLock(tmp_path, "a window"):
        assert json.loads((tmp_path / OWNER).read_text())["process"] == os.getpid()
    assert not (tmp_path / OWNER).exists()


def test_two_stores_of_one_process_are_two(tmp_path):
    one, other = Store(tmp_path), Store(tmp_path)
    one.save_state(State(name="one"))
    with pytest.raises(NucleateError, match="is in use by a napari window"):
        other.save_state(State(name="other"))
    one.save_state(State(name="again"))
    one.close()
    other.save_state(State(name="other"))
    assert one.load_state().name == "other"
    other.close()
    other.close()


def test_without_a_readable_owner_it_is_somebody(tmp_path):
    with ProjectLock(tmp_path, "one"):
        (tmp_path / OWNER).write_text("[")
        with pytest.raises(NucleateError, match="is in use by another window or command"):
            ProjectLock(tmp_path, "other").take()


def test_where_it_can_not_be_written_is_said(tmp_path):
    (tmp_path / LOCK).mkdir()
    with pytest.raises(NucleateError, match="can't be written to"):
        ProjectLock(tmp_path, "one").take()


def test_no_folder_is_made_for_who_only_looks(tmp_path):
    with Store(tmp_path / "none") as store, pytest.raises(NucleateError, match="not a project"):
        store.load_state()
    assert not (tmp_path / "none").exists()
