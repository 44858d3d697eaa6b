"""Components and watershed turn maps into contiguous labels, in 2D and 3D alike."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import TypeAdapter, ValidationError
from scipy import ndimage as ndi

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import (
    Components,
    Maps,
    Splitter,
    StarConvex,
    Watershed,
    clean,
    from_mask_like,
    relabel,
)
from napari_nucleate.core.metrics import average_precision, match

BOTH = [Components(min_size=1), Watershed(min_size=1)]
ALL = [*BOTH, StarConvex(min_size=1)]


def balls(shape, centres, radius):
    """Balls, each pixel in that of its nearest centre."""
    grid = np.indices(shape)
    far = [((grid - np.reshape(c, (-1, *[1] * len(shape)))) ** 2).sum(0) for c in centres]
    return np.where(np.min(far, 0) <= radius**2, np.argmin(far, 0) + 1, 0)


def touching(ndim):
    """Two balls that touch, along X, and one apart."""
    middle = [14] * (ndim - 1)
    return balls((28,) * (ndim - 1) + (60,), [[*middle, 12], [*middle, 28], [*middle, 50]], 9)


def drawn_border(labels):
    """Where different labels meet, two pixels wide."""
    low, high = ndi.minimum_filter(np.where(labels, labels, 99), 3), ndi.maximum_filter(labels, 3)
    return ((low != high) & (labels > 0)).astype(np.float32)


def assert_contiguous(labels, shape):
    assert labels.shape == shape
    assert labels.dtype == np.int32
    assert np.array_equal(np.union1d(labels, 0), np.arange(labels.max(initial=0) + 1))


@pytest.mark.parametrize("splitter", ALL)
@settings(max_examples=20, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
        elements=st.floats(0, 1, width=32) | st.just(np.nan),
    )
)
def test_any_map_gives_contiguous_labels_within_the_foreground(splitter, foreground):
    labels = splitter.split(Maps(foreground))
    assert_contiguous(labels, foreground.shape)
    filled = clean.holes(foreground > 0.5, 1000).filled(foreground > 0.5)
    assert not labels[~(foreground > 0.5) & ~filled].any()


@pytest.mark.parametrize("splitter", BOTH)
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("border", [False, True])
class TestSizes:
    def maps(self, foreground, border):
        return Maps(foreground, np.zeros_like(foreground) if border else None)

    def test_empty(self, splitter, ndim, border):
        labels = splitter.split(self.maps(np.zeros((9,) * ndim, np.float32), border))
        assert_contiguous(labels, (9,) * ndim)
        assert not labels.any()

    def test_all_foreground_is_one_object(self, splitter, ndim, border):
        labels = splitter.split(self.maps(np.ones((9,) * ndim, np.float32), border))
        assert (labels == 1).all()

    def test_one_pixel(self, splitter, ndim, border):
        foreground = np.zeros((5,) * ndim, np.float32)
        foreground[(2,) * ndim] = 1
        assert splitter.split(self.maps(foreground, border)).sum() == 1
        assert (splitter.split(self.maps(np.ones((1,) * ndim, np.float32), border)) == 1).all()

    def test_no_pixels(self, splitter, ndim, border):
        assert splitter.split(self.maps(np.zeros((0,) * ndim, np.float32), border)).size == 0

    def test_min_size(self, splitter, ndim, border):
        foreground = (touching(ndim) == 3).astype(np.float32)
        size = int(foreground.sum())
        foreground[(0,) * ndim] = 1
        maps = self.maps(foreground, border)
        assert splitter.split(maps).max() == 2
        assert splitter.model_copy(update={"min_size": size}).split(maps).max() == 1
        assert not splitter.model_copy(update={"min_size": size + 1}).split(maps).any()


@pytest.mark.parametrize("splitter", BOTH)
@pytest.mark.parametrize("ndim", [2, 3])
def test_separated_objects_are_recovered(splitter, ndim):
    labels = touching(ndim) * (touching(ndim) != 2)
    got = splitter.split(from_mask_like(labels))
    assert np.array_equal(got, relabel(labels))


def test_more_objects_than_uint16_counts():
    mask = np.zeros((600, 600), bool)
    mask[::2, ::2] = True
    assert Components(min_size=1).split(from_mask_like(mask)).max() == 90_000


@pytest.mark.parametrize("splitter", BOTH)
@pytest.mark.parametrize("ndim", [2, 3])
def test_holes_are_filled_up_to_a_size(splitter, ndim):
    foreground = (touching(ndim) == 3).astype(np.float32)
    middle = np.argwhere(foreground).mean(0).astype(int)
    hole = tuple(slice(m - 1, m + 1) for m in middle)
    full = foreground > 0
    foreground[hole] = 0
    size = 2**ndim
    for limit, filled in ((size, True), (size - 1, False), (0, False)):
        got = splitter.model_copy(update={"fill_holes": limit}).split(Maps(foreground)) > 0
        assert got[hole].all() == filled
        assert not got[~full].any()


def test_gaps_between_objects_stay_open():
    labels = balls((40, 40), [[12, 12], [12, 28], [28, 12], [28, 28]], 8.2)
    assert clean.holes(labels > 0, 100)  # the four enclose a gap
    got = Watershed().split(from_mask_like(labels))
    assert not got[labels == 0].any()
    assert match(labels, got, 0.9).tp == 4


@pytest.mark.parametrize("ndim", [2, 3])
class TestWatershed:
    def test_necks_are_cut_in_a_mask(self, ndim):
        labels = touching(ndim)
        assert Components().split(from_mask_like(labels)).max() == 2
        got = Watershed().split(from_mask_like(labels))
        assert match(labels, got, 0.9).tp == 3
        assert Watershed(separation=1).split(from_mask_like(labels)).max() == 2

    def test_borders_cut_where_there_is_no_neck(self, ndim):
        labels = np.zeros((16,) * (ndim - 1) + (40,), int)
        labels[..., 2:20], labels[..., 20:38] = 1, 2
        foreground = (labels > 0).astype(np.float32)
        assert Watershed().split(Maps(foreground)).max() == 1
        got = Watershed().split(Maps(foreground, drawn_border(labels)))
        assert match(labels, got, 0.9).tp == 2
        assert ((got > 0) == (labels > 0)).all()

    def test_a_broken_border_is_mended_at_the_neck(self, ndim):
        labels = touching(ndim)
        border = drawn_border(labels)
        gap = tuple(slice(13, 16) for _ in range(ndim - 1))
        border[(*gap, slice(15, 25))] = 0
        got = Watershed().split(Maps((labels > 0).astype(np.float32), border))
        assert match(labels, got, 0.8).tp == 3

    def test_a_piece_without_any_core_is_still_an_object(self, ndim):
        labels = touching(ndim)
        border = drawn_border(labels)
        border[labels == 3] = 1
        got = Watershed().split(Maps((labels > 0).astype(np.float32), border))
        assert match(labels, got, 0.9).tp == 3

    def test_specks_of_core_are_no_seeds_beside_a_larger_core(self, ndim):
        labels = np.zeros((16,) * (ndim - 1) + (24,), int)
        labels[(slice(2, 14),) * (ndim - 1) + (slice(2, 22),)] = 1
        border = (labels > 0).astype(np.float32)
        middle = (7,) * (ndim - 1)
        border[(*middle, 19)] = 0
        foreground = (labels > 0).astype(np.float32)
        assert np.array_equal(Watershed().split(Maps(foreground, border)), labels)
        border[(slice(5, 11),) * (ndim - 1) + (slice(5, 15),)] = 0
        assert np.array_equal(Watershed().split(Maps(foreground, border)), labels)
        assert Watershed(seed_size=1).split(Maps(foreground, border)).max() == 2

    def test_a_piece_with_only_specks_of_core_is_one_object(self, ndim):
        labels = touching(ndim)
        border = drawn_border(labels)
        border[labels == 3] = 1
        for x in (46, 50, 54):  # of equal size: none is larger than the others
            border[(14,) * (ndim - 1) + (x,)] = 0
        maps = Maps((labels > 0).astype(np.float32), border)
        assert match(labels, Watershed().split(maps), 0.9).tp == 3
        assert Watershed().split(maps).max() == 3
        assert Watershed(seed_size=1).split(maps).max() == 5


def test_thick_slices_are_measured_by_their_distance():
    flat = balls((40, 40, 80), [[20, 20, 28], [20, 20, 52]], 15)  # a neck in true pixel sizes
    thick = flat[2::5]
    got = Watershed(anisotropy=5).split(from_mask_like(thick))
    assert match(thick, got, 0.9).tp == 2


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int64, np.uint64])
def test_masks_and_labels_become_maps(dtype):
    array = np.array([[0, 1], [1, 0]]).astype(dtype)
    maps = from_mask_like(array)
    assert maps.foreground.dtype == np.float32
    assert np.array_equal(maps.foreground, [[0, 1], [1, 0]])
    assert maps.border is maps.centre is maps.distances is None


def test_probabilities_stay_and_nan_counts_as_zero():
    assert np.array_equal(from_mask_like(np.array([[np.nan, 0.25]])).foreground, [[0, 0.25]])


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.array([[0.0, 1.5]]), "runs from 0 to 1.5"),
        (np.array([[-0.1, np.nan]]), "runs from -0.1 to 0"),
        (np.array([[np.inf]]), "runs from inf to inf"),
        (np.array([[-3, 0]]), "Labels go down to -3"),
        (np.array([["a"]]), "dtype <U1 can't be split"),
        (np.zeros((2, 2, 2, 2)), "2D or 3D is needed"),
    ],
)
def test_what_is_no_mask_is_refused_in_a_sentence(array, sentence):
    with pytest.raises(NucleateError, match=sentence):
        from_mask_like(array)


def test_relabel_keeps_the_order_at_any_size():
    assert relabel(np.array([[0, 9, 4], [9, 0, 2]])).tolist() == [[0, 3, 2], [3, 0, 1]]
    assert relabel(np.array([2**60, 0, 2**40])).tolist() == [2, 0, 1]
    assert relabel(np.array([2**60, 2**40])).tolist() == [2, 1]
    assert relabel(np.zeros((0, 3), np.uint16)).shape == (0, 3)


@pytest.mark.parametrize("splitter", ALL)
def test_the_union_reads_back_what_it_wrote(splitter):
    adapter = TypeAdapter(Splitter)
    assert adapter.validate_json(adapter.dump_json(splitter)) == splitter
    assert hash(splitter) == hash(type(splitter)(min_size=1))
    for name, field in type(splitter).model_fields.items():
        assert name == "kind" or (field.description and field.description.endswith("."))
    with pytest.raises(ValidationError):
        adapter.validate_python({"kind": splitter.kind, "threshold": 1.1})


def test_import_is_quick():
    code = (
        "import sys, napari_nucleate.core.instances as i; i.Watershed(); "
        "assert not {'numba', 'scipy', 'skimage', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_average_precision_of_a_crowd():
    rng = np.random.default_rng(0)
    centres = [
        np.array([y, x]) + rng.integers(-2, 3, 2)
        for y in range(12, 150, 20)
        for x in range(12, 150, 20)
    ]
    labels = balls((156, 156), centres, 10)
    got = Watershed().split(from_mask_like(labels))
    assert average_precision([(labels, got)], (0.8,))[0.8] > 0.95
