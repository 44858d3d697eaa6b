"""A checksum tells another image, however the same one is written."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.sampled import checksum
from napari_nucleate.io.write import write_image

PIXELS = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)


def test_the_same_pixels_have_the_same_checksum_however_they_are_written(tmp_path):
    write_image(tmp_path / "a.tif", PIXELS, "YX", (0.5, 0.5), ("micrometer",) * 2)
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "b.tif", PIXELS.astype(np.uint16), compression="zlib")
    tifffile.imwrite(tmp_path / "c.tif", PIXELS[None].astype(np.float32))
    assert len({checksum(path) for path in tmp_path.iterdir()}) == 1


@pytest.mark.parametrize("change", ["pixel", "cut", "turned"])
def test_another_image_has_another(tmp_path, change):
    other = {"cut": PIXELS[:, 1:], "turned": PIXELS.T}.get(change, PIXELS.copy())
    if change == "pixel":
        other[20, 20] += 1
    write_image(tmp_path / "a.tif", PIXELS, "YX")
    write_image(tmp_path / "b.tif", other, "YX")
    assert checksum(tmp_path / "a.tif") != checksum(tmp_path / "b.tif")


def test_of_a_large_stack_little_is_read(tmp_path, monkeypatch):
    stack = np.random.default_rng(1).integers(0, 9, (50, 300, 1100)).astype(np.uint8)
    write_image(tmp_path / "a.tif", stack, "TYX")
    hashed = []
    array = np.ascontiguousarray
    monkeypatch.setattr(np, "ascontiguousarray", lambda *a: hashed.append(array(*a)) or hashed[-1])
    before = checksum(tmp_path / "a.tif")
    assert hashed[0].shape == (3, 256, 1024)
    stack[24] += 1  # the middle one of those looked at
    write_image(tmp_path / "a.tif", stack, "TYX", overwrite=True)
    assert checksum(tmp_path / "a.tif") != before


def test_what_is_no_image_has_none(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"nothing")
    with pytest.raises(NucleateError, match=r"a\.tif"):
        checksum(tmp_path / "a.tif")
