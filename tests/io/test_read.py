import logging
import os
from concurrent.futures import ThreadPoolExecutor

import imagecodecs
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import Stack
from napari_nucleate.io.read import natural, pair, read_folder, read_images, read_stack

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 255, (20, 30)).astype(np.uint8)
COLOUR = RNG.integers(0, 255, (20, 30, 3)).astype(np.uint8)
ALPHA = np.concatenate([COLOUR, np.full((20, 30, 1), 255, np.uint8)], axis=2)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".PNG"])
@pytest.mark.parametrize(
    ("written", "axes", "expected"), [(GREY, "YX", GREY), (COLOUR, "YXC", COLOUR)]
)
def test_grey_and_colour(tmp_path, suffix, written, axes, expected):
    path = tmp_path / f"a{suffix}"
    iio.imwrite(path, written, extension=suffix.lower())
    stack = read_stack(path)
    assert (stack.axes, stack.name, stack.source) == (axes, "a", path)
    np.testing.assert_array_equal(np.asarray(stack.data), expected)


def test_alpha_is_dropped(tmp_path):
    iio.imwrite(tmp_path / "a.png", ALPHA)
    stack = read_stack(tmp_path / "a.png")
    assert stack.channels == ("red", "green", "blue")
    np.testing.assert_array_equal(stack.images(2)[0].read(), COLOUR.transpose(2, 0, 1))


def test_grey_with_alpha(tmp_path):
    iio.imwrite(tmp_path / "a.png", ALPHA[..., 2:], mode="LA")
    np.testing.assert_array_equal(np.asarray(read_stack(tmp_path / "a.png").data), COLOUR[..., 2])


def test_one_bit_becomes_0_and_1(tmp_path):
    iio.imwrite(tmp_path / "a.png", GREY > 99)
    data = read_stack(tmp_path / "a.png").data
    assert data.dtype == np.uint8
    np.testing.assert_array_equal(np.asarray(data), GREY > 99)


def test_a_palette_becomes_colour(tmp_path):
    few = COLOUR // 128 * 255
    image = pytest.importorskip("PIL.Image").fromarray(few).quantize(8)
    image.save(tmp_path / "a.png")
    stack = read_stack(tmp_path / "a.png")
    assert stack.axes == "YXC"
    np.testing.assert_array_equal(np.asarray(stack.data), few)


@pytest.mark.parametrize("image", [GREY.astype(np.uint16) * 257, COLOUR.astype(np.uint16) * 250])
def test_16_bits_stay_16_bits(tmp_path, image):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(image))
    data = read_stack(tmp_path / "a.png").data
    assert data.dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(data), image)


def test_jpeg(tmp_path):
    iio.imwrite(tmp_path / "a.jpg", np.full((16, 16), 77, np.uint8))
    assert np.abs(np.asarray(read_stack(tmp_path / "a.jpg").data).astype(int) - 77).max() < 3


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("ome", [False, True])
def test_tiff_is_read_lazily(tmp_path, compression, byteorder, ome):
    movie = RNG.integers(0, 60000, (3, 4, 2, 16, 18)).astype(np.uint16)
    path = tmp_path / ("m.ome.tif" if ome else "m.tif")
    metadata = {"axes": "TZCYX"}
    options = {"ome": True} if ome else {"imagej": byteorder == ">"}
    tifffile.imwrite(
        path,
        movie,
        compression=compression,
        metadata=metadata,
        byteorder=byteorder,
        photometric="minisblack",
        **options,
    )
    stack = read_stack(path)
    assert (stack.axes, stack.name) == ("TZCYX", "m")
    assert not isinstance(stack.data, np.ndarray)
    image = stack.images(3)[1].read()
    np.testing.assert_array_equal(image, movie[1].transpose(1, 0, 2, 3))
    assert image.dtype.isnative
    np.testing.assert_array_equal(stack.data[2, 1:3, 1, 4, ::3], movie[2, 1:3, 1, 4, ::3])
    np.testing.assert_array_equal(stack.data[:, 0, 0:0], movie[:, 0, 0:0])


def test_a_file_can_be_replaced_while_its_stack_lives(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY)
    stack = read_stack(path)
    tifffile.imwrite(path, GREY + 1)
    np.testing.assert_array_equal(np.asarray(stack.data), GREY + 1)
    path.unlink()
    with pytest.raises(NucleateError, match="does not exist"):
        np.asarray(stack.data)


def test_axes_by_hand(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5, 20, 30), np.uint8))
    assert read_stack(tmp_path / "a.tif", "TZYX").axes == "TZYX"
    with pytest.raises(NucleateError, match="TZY"):
        read_stack(tmp_path / "a.tif", "TZY")
    with pytest.raises(NucleateError, match="TQYX"):
        read_stack(tmp_path / "a.tif", "TQYX")


def test_axes_that_cant_be_told_apart(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((4, 5, 20, 30), np.uint8), metadata={"axes": "QQYX"})
    with pytest.raises(NucleateError, match="name them"):
        read_stack(path)
    assert read_stack(path, "NZYX").data.shape == (4, 5, 20, 30)


@pytest.mark.parametrize("unit", ["um", "micron", "µm", "\\u00B5m", "microns"])
def test_imagej_units(tmp_path, unit):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        np.zeros((3, 20, 30), np.uint8),
        imagej=True,
        resolution=(4, 2),
        metadata={"axes": "ZYX", "spacing": 1.5, "unit": unit.replace("µ", "\\u00B5")},
    )
    stack = read_stack(path)
    assert stack.scale == (1.5, 0.5, 0.25)
    assert stack.units == ("micrometer",) * 3


def test_broken_files_are_refused_in_a_sentence(tmp_path):
    whole = tmp_path / "whole.tif"
    tifffile.imwrite(whole, RNG.integers(0, 255, (64, 64)).astype(np.uint8))
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole.read_bytes()[:-2000])
    empty = tmp_path / "empty.tif"
    empty.touch()
    text = tmp_path / "text.png"
    text.write_text("no image")
    unknown = tmp_path / "a.czi"
    unknown.write_text("x")
    refused = {
        cut: "cut off",
        empty: "empty",
        text: "can't be read",
        unknown: "'.czi'",
        tmp_path: "folder",
        tmp_path / "none.tif": "does not exist",
    }
    for path, message in refused.items():
        with pytest.raises(NucleateError, match=message) as caught:
            read_stack(path)
        assert path.name in str(caught.value)


def test_a_cut_png_is_refused_when_read(tmp_path):
    iio.imwrite(tmp_path / "a.png", RNG.integers(0, 255, (99, 99)).astype(np.uint8))
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NucleateError, match=r"a\.png"):
        read_stack(tmp_path / "a.png").images(2)[0].read()


def test_an_absurd_size_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags["ImageWidth"].overwrite(2_000_000)
        tif.pages[0].tags["ImageLength"].overwrite(2_000_000)
    with pytest.raises(NucleateError, match="claims to hold"):
        read_stack(path)


def test_complex_numbers_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.complex64))
    with pytest.raises(NucleateError, match="complex64"):
        read_stack(tmp_path / "a.tif")


def test_tifffile_may_log_for_others(caplog):
    with caplog.at_level(logging.WARNING, "tifffile"):
        logging.getLogger("tifffile").warning("of someone else")
    assert "of someone else" in caplog.text


def test_a_folder_in_natural_order(tmp_path):
    for name in ("b10.tif", "b9.TIF", "a.png", ".hidden.tif", "notes.txt"):
        iio.imwrite(tmp_path / name, GREY, extension=".png" if "png" in name else ".tif")
    assert [s.name for s in read_folder(tmp_path)] == ["a", "b9", "b10"]
    assert len(read_images(tmp_path)) == 3
    assert [s.name for s in read_images(tmp_path / "a.png")] == ["a"]


def test_natural_mixes_numbers_and_letters():
    assert sorted(["10", "b", "9", "a2"], key=natural) == ["9", "10", "a2", "b"]


def test_no_folder_and_no_image(tmp_path):
    with pytest.raises(NucleateError, match="holds no image"):
        read_folder(tmp_path)
    with pytest.raises(NucleateError, match="not a folder"):
        read_folder(tmp_path / "none")
    with pytest.raises(NucleateError, match="does not exist"):
        read_images(tmp_path / "none")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"x")
    (tmp_path / "a.tif").chmod(0)
    with pytest.raises(NucleateError, match="permissions"):
        read_stack(tmp_path / "a.tif")


def refs(*names, shape=(8, 9), axes="YX"):
    return [ref for n in names for ref in Stack(np.zeros(shape, int), axes, name=n).images(2)]


def test_masks_by_name():
    images = refs("a", "b", "c_1", "d_mask")
    masks = refs("d_mask", "b_labels", "a", "c_1 GT")
    assert [(i.key, m.key) for i, m in pair(images, masks)] == [
        ("a", "a"),
        ("b", "b_labels"),
        ("c_1", "c_1 GT"),
        ("d_mask", "d_mask"),
    ]


def test_images_without_a_mask_are_left_out():
    assert [i.key for i, _ in pair(refs("a", "b", "c"), refs("b_seg"))] == ["b"]


@pytest.mark.parametrize("axes", ["NYX", "TYX"])
def test_two_stacks_by_position(axes):
    images = refs("movie", shape=(3, 8, 9), axes="TYX")
    masks = refs("other", shape=(3, 8, 9), axes=axes)[1:]
    assert [(i.index[0][1], m.index[0][1]) for i, m in pair(images, masks)] == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        (refs("a", "b"), refs("c_mask"), "c_mask has no image"),
        (refs("a", "b"), refs("a", "a_mask"), "Both a and a_mask"),
        (refs("a", "a"), refs("a"), "Two images"),
        (refs("a", "b"), refs("a", shape=(8, 8)), r"\(8, 8\).*\(8, 9\)"),
        (refs("a", "b"), refs("a", shape=(8, 9, 3), axes="YXC"), "3 channels"),
    ],
)
def test_pairs_that_fail(images, masks, message):
    with pytest.raises(NucleateError, match=message):
        pair(images, masks)


def test_pages_that_lie_about_their_number_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    planes = np.zeros((2, 3, 20, 24), np.uint8)
    tifffile.imwrite(path, planes, imagej=True, compression="zlib", metadata={"axes": "TZYX"})
    path.write_bytes(path.read_bytes().replace(b"frames=2", b"frames=1"))
    with pytest.raises(NucleateError, match=r"a\.tif"):
        read_stack(path).images(2)[0].read()


def test_many_threads_may_read_at_once(tmp_path):
    movie = RNG.integers(0, 255, (24, 16, 16)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", movie, compression="zlib")
    data = read_stack(tmp_path / "a.tif").data
    with ThreadPoolExecutor(6) as pool:
        np.testing.assert_array_equal(list(pool.map(data.__getitem__, range(24))), movie)


@pytest.mark.parametrize("layout", [{"tile": (16, 32)}, {"rowsperstrip": 7}, {}])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_a_region_decodes_its_strips_or_tiles_only(
    tmp_path, monkeypatch, layout, compression, byteorder
):
    pixels = np.random.default_rng(0).integers(0, 60_000, (2, 50, 70)).astype(np.uint16)
    path = tmp_path / "a.tif"
    options = layout | {"compression": compression, "byteorder": byteorder}
    tifffile.imwrite(path, pixels, photometric="minisblack", predictor=bool(compression), **options)
    stack = read_stack(path)
    if layout and compression:

        def whole(*_, **__):
            raise AssertionError("a whole page was decoded")

        monkeypatch.setattr(tifffile.TiffPage, "asarray", whole)
        monkeypatch.setattr(tifffile.TiffFrame, "asarray", whole)
    for y, x in (
        (slice(0, 9), slice(60, 70)),
        (slice(33, 50), slice(0, 31)),
        (slice(5, 5), slice(None)),
    ):
        for z in (0, 1, slice(None)):
            np.testing.assert_array_equal(stack.data[z, y, x], pixels[z, y, x])
