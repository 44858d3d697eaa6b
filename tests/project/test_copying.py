"""A project's copy is whole or isn't there; hidden files stay where they are."""

import errno
import shutil
import zipfile

import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.project.copying import Copied, copying, packing
from napari_nucleate.project.model import Item, State
from napari_nucleate.project.store import Store


@pytest.fixture
def project(tmp_path):
    """A folder with files that travel, and some that don't."""
    folder = tmp_path / "old"
    with Store(folder) as store:
        store.save_state(State(items=(Item(key="a"),)))
    (folder / "annotations").mkdir()
    for name in ("a.tif", ".b-1234.tif", ".zarray"):
        (folder / "annotations" / name).write_bytes(b"12345")
    (folder / "annotations" / "a.tif").chmod(0o444)
    elsewhere = tmp_path / "large disk"
    (elsewhere / "round-0").mkdir(parents=True)
    (elsewhere / "round-0" / "model.json").write_text("{}")
    (elsewhere / "round-0" / "back").symlink_to(folder)  # a loop
    (folder / "models").symlink_to(elsewhere)
    return folder


TRAVELS = {
    "annotations/.zarray",
    "annotations/a.tif",
    "log.csv",
    "models/round-0/model.json",
    "nucleate.json",
}


def test_what_is_the_persons_is_copied(project, tmp_path):
    events = list(copying(Store(project).load_state(), project, tmp_path / "new"))
    assert events[-1].done == events[-1].total > 10
    found = {p.relative_to(tmp_path / "new").as_posix() for p in (tmp_path / "new").rglob("*.*")}
    assert found == TRAVELS
    assert Store(tmp_path / "new").load_state().name == "new"
    assert not (tmp_path / "new" / "models").is_symlink()
    assert (tmp_path / "new" / "annotations" / "a.tif").stat().st_mode & 0o777 == 0o444


def test_what_is_the_persons_is_packed(project, tmp_path):
    list(packing(Store(project).load_state(), project, tmp_path / "a.zip", images=False))
    assert set(zipfile.ZipFile(tmp_path / "a.zip").namelist()) == TRAVELS


def test_a_full_disk_leaves_nothing_and_says_so(project, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = {path.name for path in tmp_path.iterdir()}
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(NucleateError, match="can't be written: the disk is full"):
        list(copying(State(), project, tmp_path / "new"))
    monkeypatch.setattr(zipfile.ZipFile, "write", full)
    with pytest.raises(NucleateError, match="the disk is full"):
        list(packing(State(), project, tmp_path / "a.zip", images=False))
    assert {path.name for path in tmp_path.iterdir()} == before


def test_ended_early_nothing_is_left(project, tmp_path):
    before = {path.name for path in tmp_path.iterdir()}
    for steps in (
        copying(State(), project, tmp_path / "new"),
        packing(State(), project, tmp_path / "a.zip", images=False),
    ):
        assert isinstance(next(steps), Copied)
        steps.close()
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("place", ["old", "old/inside", "none/new"])
def test_nothing_is_replaced_and_no_copy_lies_in_its_original(project, tmp_path, place):
    with pytest.raises(NucleateError, match=r"choose a|create it first"):
        list(copying(State(), project, tmp_path / place))
