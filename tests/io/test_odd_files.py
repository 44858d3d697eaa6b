"""Every odd file is read or refused in a sentence; nothing else happens."""

import time
from pathlib import Path

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.read import read_stack

ODD = Path(__file__).parents[3] / "shared" / "data" / "oddfiles"
FILES = sorted(p for p in ODD.glob("*") if p.suffix not in (".csv", ".txt"))


@pytest.mark.skipif(not FILES, reason=f"the odd files are not in {ODD}")
def test_there_are_files():
    assert len(FILES) > 50


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_is_read_or_refused(path, caplog, capfd):
    start = time.monotonic()
    try:
        stack = read_stack(path)
        pixels = stack.images(2)[0].read()
    except NucleateError as error:
        assert path.name in str(error)
        assert "\n" not in str(error)
    else:
        assert pixels.ndim == 3
        assert pixels.dtype.isnative
        sizes = dict(zip(stack.axes, stack.data.shape, strict=True))
        assert pixels.shape == (stack.n_channels, sizes["Y"], sizes["X"])
        assert len(stack.scale) == len(stack.units) == len(stack.axes)
    assert time.monotonic() - start < 10
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


READ = {
    "Pillow__pil136.tiff": ("YXC", (43, 55, 3), 1.0, "pixel"),
    "Pillow__tiff_strip_planar_16bit_RGBa.tiff": ("CYX", (3, 40, 100), 1.0, "pixel"),
    "Pillow__g4-multi.tiff": ("NYX", (3, 4677, 3307), 1.0, "pixel"),
    "qupath__cells-2c.ome.tif": ("CYX", (2, 131, 93), 0.25, "micrometer"),
    "qupath__cells-2t.ome.tif": ("TYX", (2, 131, 93), 0.25, "micrometer"),
    "training-resources__xyz_8bit__mitotic_plate_calibrated.tif": (
        "ZYX",
        (6, 263, 263),
        1 / 11.737581,
        "micrometer",
    ),
    "test_images__movie.stk": ("TYX", (2, 20, 20), 1.0, "pixel"),
    "test_images__multipage_rgb.tif": ("NCYX", (2, 3, 10, 10), 1.0, "pixel"),
}


@pytest.mark.parametrize("name", READ)
def test_axes_and_scale(name):
    if not (ODD / name).exists():
        pytest.skip(f"{ODD / name} is absent")
    axes, shape, size, unit = READ[name]
    stack = read_stack(ODD / name)
    assert (stack.axes, stack.data.shape) == (axes, shape)
    assert stack.scale[axes.index("X")] == pytest.approx(size)
    assert stack.units[axes.index("X")] == unit


@pytest.mark.parametrize("path", FILES[::3], ids=lambda p: p.name)
def test_agrees_with_tifffile(path):
    tifffile = pytest.importorskip("tifffile")
    try:
        stack = read_stack(path)
        pixels = np.asarray(stack.data)
    except NucleateError:
        return
    expected = tifffile.imread(path, series=0)
    expected = expected[tuple(slice(n) for n in stack.data.shape)]
    np.testing.assert_array_equal(pixels, expected)
