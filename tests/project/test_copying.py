"""A project's copy is whole or isn't there; hidden files stay where they are."""

import errno
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io import archive
from napari_nucleate.io.read import read_stack
from napari_nucleate.io.write import write_image
from napari_nucleate.project.copying import Copied, copying, packing, unpacking
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


def both(state, project, tmp_path):
    """How a project is copied, to a folder and to a zip file, and how a copied file is read."""
    new, packed = tmp_path / "new", tmp_path / "a.zip"
    yield copying(state, project, new), lambda name: (new / name).read_bytes()
    yield (
        packing(state, project, packed, images=False),
        lambda name: zipfile.ZipFile(packed).read(name),
    )


def test_a_prediction_that_waits_for_its_name_travels(project, tmp_path):
    waiting = project / "predictions" / ".waiting"
    waiting.mkdir(parents=True)
    (waiting / "0123456789abcdef.labels.tif").write_bytes(b"new")
    (waiting / ".nucleate-01234567-x.tif").write_bytes(b"half")
    for steps, read in both(State(), project, tmp_path):
        list(steps)
        assert read("predictions/.waiting/0123456789abcdef.labels.tif") == b"new"
        with pytest.raises((KeyError, FileNotFoundError)):
            read("predictions/.waiting/.nucleate-01234567-x.tif")


def test_what_others_write_meanwhile_is_copied_again(project, tmp_path):
    path, gone = project / "annotations" / "a.tif", project / "annotations" / "z.tif"
    path.chmod(0o644)
    for content, (steps, read) in enumerate(both(State(), project, tmp_path)):
        gone.write_bytes(b"moved soon")
        next(steps)
        path.write_bytes(b"written later %d" % content)
        gone.unlink()
        list(steps)
        assert read("annotations/a.tif") == b"written later %d" % content
        with pytest.raises((KeyError, FileNotFoundError)):
            read("annotations/z.tif")


def test_what_others_write_all_the_time_is_not_copied(project, tmp_path):
    before = {path.name for path in tmp_path.iterdir()}
    for steps, _ in both(State(), project, tmp_path):
        with pytest.raises(NucleateError, match="is being written by another window"):
            for number, _ in enumerate(steps):
                (project / "annotations" / "x.tif").write_bytes(bytes(number))
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_state_that_others_write_meanwhile_is_not_mixed_with_older_files(project, tmp_path):
    for number, (steps, _) in enumerate(both(State(), project, tmp_path)):
        next(steps)
        (project / "nucleate.json").write_text("{}" + " " * number)
        with pytest.raises(NucleateError, match="is being written by another window"):
            list(steps)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a:b.csv"], "isn't allowed everywhere"),
        (["a.csv", "A.csv"], "twice"),
        (["a ./b.csv"], "isn't allowed everywhere"),
        (["a/" * 20 + "b.csv"], "isn't allowed everywhere"),
    ],
)
def test_what_would_not_be_unpacked_is_not_packed(project, tmp_path, names, said):
    for name in names:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("x")
    with pytest.raises(NucleateError, match=f"{said}.*give it another name"):
        list(packing(State(), project, tmp_path / "a.zip", images=False))
    assert not (tmp_path / "a.zip").exists()


def test_what_shrinks_as_no_project_does_is_packed_as_it_is(project, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_SMALL", 1000)
    (project / "zeros.tif").write_bytes(bytes(10**7))
    list(packing(State(), project, tmp_path / "a.zip", images=False))
    unpacking(tmp_path / "a.zip", tmp_path / "new")
    assert (tmp_path / "new" / "zeros.tif").read_bytes() == bytes(10**7)


def test_too_many_files_are_not_packed(project, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_ENTRIES", 4)
    with pytest.raises(NucleateError, match="more than 4 files; pack it without its images"):
        list(packing(State(), project, tmp_path / "a.zip", images=False))


def test_images_get_names_that_are_allowed_everywhere(project, tmp_path):
    files = [tmp_path / "x" / name for name in ("a:1.tif", "a_1.tif", "A_1.tif")]
    files[0].parent.mkdir()
    for value, path in enumerate(files):
        write_image(path, np.full((5, 6), value, np.uint8), "YX")
    state = State(items=tuple(Item(key=str(n), source=str(f)) for n, f in enumerate(files)))
    list(packing(state, project, tmp_path / "a.zip", images=True))
    again = unpacking(tmp_path / "a.zip", tmp_path / "new")
    assert len({item.source.casefold() for item in again.items}) == 3
    for value, item in enumerate(again.items):
        assert (read_stack(Path(item.source)).data[...] == value).all()


def test_an_image_of_several_files_is_packed_with_all_of_them(project, tmp_path):
    (tmp_path / "x").mkdir()
    uuids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{n}" for n in range(2)]
    names = [f"a{n}.ome.tif" for n in range(2)]
    planes = "".join(
        f'<TiffData FirstZ="{n}" IFD="0" PlaneCount="1"><UUID FileName="{names[n]}">{uuids[n]}'
        "</UUID></TiffData>"
        for n in range(2)
    )
    for n, name in enumerate(names):
        ome = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuids[n]}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
            'Type="uint8" SizeX="6" SizeY="5" SizeZ="2" SizeC="1" SizeT="1">'
            f"{planes}</Pixels></Image></OME>"
        )
        pixels = np.full((5, 6), n + 1, np.uint8)
        tifffile.imwrite(tmp_path / "x" / name, pixels, description=ome, metadata=None)
    state = State(items=(Item(key="a", source=str(tmp_path / "x" / names[0])),))
    list(packing(state, project, tmp_path / "a.zip", images=True))
    again = unpacking(tmp_path / "a.zip", tmp_path / "new")
    stack = read_stack(Path(again.items[0].source))
    assert [stack.data[n].max() for n in range(2)] == [1, 2]


def test_a_copy_that_is_read_back_otherwise_is_refused(project, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "copyfile", lambda _, target: target.write_bytes(b"123x5"))
    with pytest.raises(NucleateError, match="read back, it held something else"):
        list(copying(State(), project, tmp_path / "new"))
    assert not (tmp_path / "new").exists()


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
