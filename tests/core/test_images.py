"""Stacks with named axes give single images, whatever the order of their axes."""

import itertools

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import Stack

SIZES = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}


def stack(axes="TCZYX", **options):
    shape = tuple(SIZES[a] for a in axes)
    return Stack(np.arange(np.prod(shape)).reshape(shape), axes, **options)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("axes", ["TCZYX", "ZTYXC", "XYZCT"])
def test_an_image_has_channels_first_and_its_own_pixels(axes, ndim):
    source = stack(axes)
    images = source.images(ndim)
    assert len(images) == {2: 8, 3: 2}[ndim]
    for image in images:
        got = image.read()
        assert got.shape == ((3, 5, 6) if ndim == 2 else (3, 4, 5, 6))
        for at in itertools.product(*map(range, got.shape)):
            where = dict(zip("CYX" if ndim == 2 else "CZYX", at, strict=True)) | image.position
            assert got[at] == source.data[tuple(where[a] for a in axes)]
            break
        where = {a: n - 1 for a, n in SIZES.items()} | image.position
        assert got.ravel()[-1] == source.data[tuple(where[a] for a in axes)]


def test_an_image_without_channels_gets_one():
    assert stack("ZYX").images(3)[0].read().shape == (1, 4, 5, 6)
    assert stack("YX").images(2)[0].read().shape == (1, 5, 6)
    assert stack("YX").n_channels == 1
    assert stack("CYX").n_channels == 3


def test_spacing_and_units_follow_the_axes():
    units = ("second", "pixel", "nanometer", "micrometer", "millimeter")
    source = stack(scale=(9, 1, 0.5, 0.2, 0.1), units=units)
    assert source.spacing(3) == (0.5, 0.2, 0.1)
    assert source.spacing(2) == (0.2, 0.1)
    assert source.spacing_units(3) == units[2:]
    assert source.images(3)[0].spacing == (0.5, 0.2, 0.1)
    assert stack("YX").scale == (1.0, 1.0)
    assert stack("YX").units == ("pixel", "pixel")


def test_names_are_unique_and_sort_as_the_images_do():
    source = Stack(np.zeros((12, 2, 3, 4)), "TZYX", name="movie")
    keys = [i.key for i in source.images(2)]
    assert keys[:3] == ["movie_t00_z0", "movie_t00_z1", "movie_t01_z0"]
    assert len(set(keys)) == 24
    assert sorted(keys) == keys


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("细胞 核", "细胞 核"),
        ("Zellkerne äöü", "Zellkerne äöü"),
        ("a/b\\c:d", "a_b_c_d"),
        ("..", "image"),
        (" . ", "image"),
        ("what?*", "what__"),
        ("tab\there", "tab_here"),
    ],
)
def test_names_are_fit_for_files_in_any_script(name, key):
    assert stack("YX", name=name).images(2)[0].key == key


@pytest.mark.parametrize("axes", ["YX ", "YXY", "ZY", "QYX", ""])
def test_axes_that_make_no_sense_are_refused_naming_them(axes):
    data = np.zeros((2,) * len(axes))
    with pytest.raises(NucleateError, match=f"Axes {axes!r} of plate are not valid"):
        Stack(data, axes, name="plate")


def test_axes_and_shape_must_agree():
    with pytest.raises(NucleateError, match=r"3 dimensions \(2, 3, 4\) but 2 axes 'YX'"):
        Stack(np.zeros((2, 3, 4)), "YX")


def test_a_flat_stack_has_no_volumes_and_says_what_to_choose():
    with pytest.raises(NucleateError, match="without Z; choose 2D"):
        stack("TYX").images(3)


def test_a_stack_of_no_frames_has_no_images():
    assert Stack(np.zeros((0, 4, 5)), "TYX").images(2) == []


def test_nothing_is_read_before_its_turn():
    class Lazy:
        shape, dtype = (3, 4, 5), np.dtype(np.uint8)
        asked = 0

        def __getitem__(self, where):
            self.asked += 1
            return np.zeros(self.shape, self.dtype)[where]

    lazy = Lazy()
    images = Stack(lazy, "TYX").images(2)
    assert lazy.asked == 0
    images[1].read()
    assert lazy.asked == 1


def test_a_region_of_an_image():
    data = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)
    region = (slice(1, 3), slice(0, 2), slice(2, 5))
    ref = Stack(data, "TCZYX").images(3)[1]
    assert ref.shape == (4, 5, 6)
    np.testing.assert_array_equal(ref.read(region), data[1][:, *region])
    turned = Stack(data.transpose(0, 4, 1, 3, 2), "TXCYZ").images(3)[1]
    assert turned.shape == (4, 5, 6)
    np.testing.assert_array_equal(turned.read(region), ref.read(region))
    flat = Stack(data, "TCZYX").images(2)[5]
    np.testing.assert_array_equal(flat.read(region[1:]), data[1, :, 1][:, *region[1:]])


def test_images_of_several_sizes_have_no_padding():
    data = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    sized = Stack(data, "NZYX", names=("a", "b"), extents=((3, 2, 5), (1, 4, 3)))
    assert [ref.key for ref in sized.images(2)] == ["a_z0", "a_z1", "a_z2", "b_z0"]
    assert [ref.shape for ref in sized.images(3)] == [(3, 2, 5), (1, 4, 3)]
    np.testing.assert_array_equal(sized.images(3)[1].read(), data[1:, :1, :, :3])
    region = (slice(2, 9), slice(None))
    np.testing.assert_array_equal(sized.images(2)[3].read(region), data[1:, 0, 2:, :3])


def test_sizes_that_do_not_fit_are_refused():
    for wrong in (((4, 5),), ((4, 5), (4, 4), (3, 3)), ((4,), (5,)), ((4, 4), (3, 3))):
        with pytest.raises(NucleateError, match="isn't that of images of the sizes"):
            Stack(np.zeros((2, 4, 5)), "NYX", extents=wrong)
    planes = Stack(np.zeros((2, 4, 5)), "ZYX", extents=((4, 5), (3, 3)))
    assert [ref.shape for ref in planes.images(2)] == [(4, 5), (3, 3)]
    with pytest.raises(NucleateError, match="can't be parts of one image; say that this axis is N"):
        planes.images(3)
