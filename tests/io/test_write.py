import errno
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io import atomic as module
from napari_nucleate.io.atomic import atomic, sweep, write_text
from napari_nucleate.io.read import read_stack
from napari_nucleate.io.write import write_image, write_labels

RNG = np.random.default_rng(0)
UM = "micrometer"
CASES = {
    "2d": ((20, 31), "YX", (0.25, 0.25), (UM, UM)),
    "2d, not square": ((20, 31), "YX", (0.3, 0.123456), (UM, UM)),
    "3d": ((4, 20, 31), "ZYX", (1.0, 0.25, 0.25), (UM,) * 3),
    "3d, nm": ((4, 20, 31), "ZYX", (500.0, 65.0, 65.0), ("nanometer",) * 3),
    "time": ((3, 20, 31), "TYX", (10.0, 0.5, 0.5), ("minute", UM, UM)),
    "time, 3d": ((3, 4, 20, 31), "TZYX", (600.0, 2.0, 0.5, 0.5), ("second", UM, UM, UM)),
    "images": ((3, 20, 31), "NYX", (1.0, 0.5, 0.5), ("pixel", UM, UM)),
    "stacks": ((3, 4, 20, 31), "NZYX", (1.0, 2.0, 0.5, 0.5), ("pixel", UM, UM, UM)),
    "unknown": ((20, 31), "YX", (1.0, 1.0), ("pixel", "pixel")),
}


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
@pytest.mark.parametrize("case", CASES)
def test_labels_come_back(tmp_path, name, case):
    shape, axes, scale, units = CASES[case]
    labels = RNG.integers(0, 60000, shape)
    write_labels(tmp_path / name, labels, axes, scale, units)
    stack = read_stack(tmp_path / name)
    assert (stack.axes, stack.units, stack.name) == (axes, units, "a")
    assert stack.scale == pytest.approx(scale, rel=1e-6)
    assert stack.data.dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(stack.data), labels)


@pytest.mark.parametrize(
    ("high", "dtype"),
    [(65535, np.uint16), (65536, np.int32), (2**31 - 1, np.int32), (2**32 - 1, np.uint32)],
)
def test_large_labels_lose_nothing(tmp_path, high, dtype):
    labels = np.array([[0, 1], [high, 2]], np.int64)
    write_labels(tmp_path / "a.tif", labels, "YX", (0.5, 0.5), (UM, UM))
    stack = read_stack(tmp_path / "a.tif")
    assert stack.data.dtype == dtype
    assert stack.scale == (0.5, 0.5)
    np.testing.assert_array_equal(np.asarray(stack.data), labels)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", "float32", "int8", "int16", "int32", "uint32", "float64"]
)
def test_image_types_come_back(tmp_path, name, dtype):
    image = RNG.integers(0, 100, (3, 2, 20, 4)).astype(dtype)
    write_image(tmp_path / name, image, "TCYX", channels=("DAPI", "actin"))
    stack = read_stack(tmp_path / name)
    assert (stack.axes, stack.channels, stack.data.dtype) == ("TCYX", ("DAPI", "actin"), dtype)
    np.testing.assert_array_equal(np.asarray(stack.data), image)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_colour_is_written_as_channels(tmp_path, name):
    image = RNG.integers(0, 255, (20, 30, 3)).astype(np.uint8)
    write_image(tmp_path / name, image, "YXC")
    stack = read_stack(tmp_path / name)
    assert stack.axes == "CYX"
    np.testing.assert_array_equal(np.asarray(stack.data), image.transpose(2, 0, 1))


def test_units_that_differ_need_ome(tmp_path):
    volume = np.zeros((3, 4, 5), np.uint8)
    write_image(
        tmp_path / "a.tif", volume, "ZYX", (1.0, 50.0, 50.0), (UM, "nanometer", "nanometer")
    )
    stack = read_stack(tmp_path / "a.tif")
    assert stack.scale == (1.0, 50.0, 50.0)
    assert stack.units == (UM, "nanometer", "nanometer")


def test_it_is_compressed_imagej(tmp_path):
    write_labels(tmp_path / "a.tif", np.zeros((5, 200, 200), int), "ZYX")
    assert (tmp_path / "a.tif").stat().st_size < 20000
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_imagej
        assert tif.imagej_metadata["slices"] == 5


ONE = np.ones((4, 5), int)


@pytest.mark.parametrize(
    ("labels", "axes", "options", "message"),
    [
        (-ONE, "YX", {}, "Label -1"),
        (ONE * 2**33, "YX", {}, "Label 8589934592"),
        (ONE * 0.5, "YX", {}, "float64"),
        (ONE, "ZYX", {}, "dimensions"),
        (np.ones((2, 2, 4, 5), int), "NTYX", {}, "both N and T"),
        (ONE[:0], "YX", {}, "empty"),
        (ONE, "YX", {"units": ("furlong", UM)}, "furlong"),
        (ONE, "YX", {"scale": (1.0,)}, "as many"),
    ],
)
def test_what_cant_be_written(tmp_path, labels, axes, options, message):
    with pytest.raises(NucleateError, match=message):
        write_labels(tmp_path / "a.tif", labels, axes, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.png", "a"])
def test_only_tiff(tmp_path, name):
    with pytest.raises(NucleateError, match=r"\.tif"):
        write_image(tmp_path / name, ONE.astype(np.uint8), "YX")


def test_wide_integers_are_refused(tmp_path):
    with pytest.raises(NucleateError, match="int64"):
        write_image(tmp_path / "a.tif", ONE.astype(np.int64), "YX")


def test_an_existing_file_is_replaced_only_on_demand(tmp_path):
    path = tmp_path / "a.tif"
    write_labels(path, ONE, "YX")
    with pytest.raises(NucleateError, match="exists already"):
        write_labels(path, ONE * 2, "YX")
    assert np.asarray(read_stack(path).data).max() == 1
    write_labels(path, ONE * 2, "YX", overwrite=True)
    assert np.asarray(read_stack(path).data).max() == 2
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with (
        pytest.raises((NucleateError, KeyboardInterrupt)),
        atomic(path, overwrite=True, check=lambda part: True) as part,
    ):
        part.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_at_once(tmp_path):
    path = tmp_path / "a.txt"
    with (
        pytest.raises(NucleateError, match="exists already"),
        atomic(path, check=lambda part: True) as part,
    ):
        part.write_text("second")
        path.write_text("first")
    assert path.read_text() == "first"


def bad(part):
    raise ValueError("no such code")


@pytest.mark.parametrize("check", [lambda part: False, bad])
def test_what_is_not_read_back_as_written_does_not_take_the_old_files_place(tmp_path, check):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with (
        pytest.raises(NucleateError, match=r"a\.txt wasn't written: read back"),
        atomic(path, overwrite=True, check=check) as part,
    ):
        part.write_text("new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("at", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_a_disk_that_keeps_other_pixels_is_noticed(tmp_path, monkeypatch, name, at):
    labels = RNG.integers(0, 90 if name == "a.tif" else 90_000, (3, 40, 50))
    flush = module.flush

    def spoilt(part):
        flush(part)
        raw = bytearray(part.read_bytes())
        raw[int(at * len(raw))] ^= 16
        part.write_bytes(raw)

    monkeypatch.setattr(module, "flush", spoilt)
    with pytest.raises(NucleateError, match="Check the disk"):
        write_labels(tmp_path / name, labels, "ZYX")
    with pytest.raises(NucleateError, match="Check the disk"):
        write_text(tmp_path / "a.json", "{}")
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_cut_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "flush", lambda part: os.truncate(part, 3))
    with pytest.raises(NucleateError, match="Check the disk"):
        write_text(tmp_path / "a.txt", "four")


def test_what_is_painted_while_it_is_written_is_no_error(tmp_path, monkeypatch):
    labels = np.zeros((4, 30, 30), np.uint16)
    flush = module.flush

    def painting(part):
        labels[:] = 7
        flush(part)

    monkeypatch.setattr(module, "flush", painting)
    write_labels(tmp_path / "a.tif", labels, "ZYX")
    assert not read_stack(tmp_path / "a.tif").data[...].any()


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4", "<f8", "|i1", "?"])
def test_pixels_of_any_byte_order_come_back(tmp_path, dtype):
    image = RNG.integers(0, 2, (3, 9, 8)).astype(dtype)
    write_image(tmp_path / "a.tif", image, "ZYX")
    np.testing.assert_array_equal(read_stack(tmp_path / "a.tif").data[...], image)


def test_only_old_leftovers_of_ours_are_swept(tmp_path):
    deep = tmp_path / "models" / "round-0"
    deep.mkdir(parents=True)
    left, fresh, other = (
        deep / name
        for name in (".nucleate-0123abcd-weights.tif", ".nucleate-0123abce-x", ".mine.tif")
    )
    for path in (left, fresh, other):
        path.write_text("half")
    for path in (left, other):
        os.utime(path, (1, 1))
    sweep(tmp_path)
    assert sorted(deep.iterdir()) == sorted([fresh, other])


def test_text(tmp_path):
    write_text(tmp_path / "a.txt", "µm\n")
    assert (tmp_path / "a.txt").read_bytes() == "µm\n".encode()
    with pytest.raises(NucleateError, match="folder") as caught:
        write_text(tmp_path / "none" / "a.txt", "")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    with pytest.raises(NucleateError, match="is a folder"):
        write_text(tmp_path, "", overwrite=True)


def test_a_drive_that_is_away_before_anything_is_written_is_told(tmp_path, monkeypatch):
    def away(path):
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    monkeypatch.setattr(Path, "is_dir", away)
    with pytest.raises(NucleateError, match=r"a\.txt can't be written: its drive doesn't answer"):
        write_text(tmp_path / "a.txt", "")


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_large_planes_are_written_in_tiles(tmp_path, monkeypatch, name):
    monkeypatch.setattr("napari_nucleate.io.write._LARGE_PLANE", 1000)
    monkeypatch.setattr("napari_nucleate.io.write._TILE", 16)
    labels = np.memmap(tmp_path / "m", np.int32, "w+", shape=(2, 40, 55))
    labels[:] = RNG.integers(0, 90_000, labels.shape)
    write_labels(tmp_path / name, labels, "ZYX")
    back = read_stack(tmp_path / name)
    np.testing.assert_array_equal(back.data[...], labels)
    with tifffile.TiffFile(tmp_path / name) as tif:
        assert tif.pages[0].is_tiled
