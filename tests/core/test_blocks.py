"""Block by block, every splitter finds what it finds in the whole image."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import (
    Blocks,
    Components,
    Instances,
    LinkedPlanes,
    Maps,
    StarConvex,
    Watershed,
    centre_probability,
    find_in_blocks,
    from_mask_like,
    ray_distances,
)

MASKS = [
    Components(),
    Components(min_size=1, fill_holes=0),
    Components(min_size=300, fill_holes=40),
    Watershed(),
    Watershed(sigma=2.5, separation=0.3, min_size=60),
]


def nuclei(seed, shape, n, radius):
    """Ellipsoids at random places; later ones lie over earlier ones, and most touch."""
    rng = np.random.default_rng(seed)
    labels, grid = np.zeros(shape, np.int32), np.indices(shape)
    for i in range(1, n + 1):
        centre = rng.uniform(0, shape).reshape(-1, *[1] * len(shape))
        radii = rng.uniform(0.5 * radius, 1.4 * radius, centre.shape)
        labels[(((grid - centre) / radii) ** 2).sum(0) < 1] = i
    return labels


def star_maps(labels, seed=0):
    """Maps as a network would draw them: centres and rays with errors, two classes."""
    rng = np.random.default_rng(seed)
    rays = ray_distances(labels, 16)
    rays = np.maximum(rays + rng.normal(0, 0.7, rays.shape), 0.5).astype(np.float32)
    classes = np.stack([labels % 2 == 0, labels % 2 == 1]).astype(np.float32)
    foreground = (labels > 0).astype(np.float32) * rng.uniform(0.6, 1, labels.shape)
    return Maps(
        foreground.astype(np.float32),
        centre=centre_probability(labels),
        distances=rays,
        classes=classes,
    )


def in_blocks(splitter, maps, **blocks):
    """Run block by block; also how many pixels were read, over those of the image."""
    shape, read = maps.foreground.shape, [0]

    def reading(region):
        part = maps[region]
        read[0] += part.foreground.size
        return part

    out = np.zeros(shape, np.int32)
    events = find_in_blocks(splitter, reading, shape, out, Blocks(**blocks))
    done = []
    try:
        while True:
            done.append(next(events))
    except StopIteration as end:
        found = end.value
    assert found.labels is out
    assert [event.done for event in done] == list(range(1, done[-1].total + 1)) if done else True
    assert not done or done[-1].objects == len(found)
    return found, read[0] / max(maps.foreground.size, 1)


def assert_same(found, whole):
    """Equal but for the order of the labels; the scores go with them."""
    inside = whole.labels > 0
    assert np.array_equal(found.labels > 0, inside)
    n = len(whole)
    assert len(found) == n
    assert np.array_equal(np.union1d(found.labels, 0), np.arange(n + 1))
    pairs = np.unique(np.stack((whole.labels[inside], found.labels[inside]), 1), axis=0)
    assert len(pairs) == n
    assert len(np.unique(pairs[:, 1])) == n
    ours, theirs = pairs[:, 1] - 1, pairs[:, 0] - 1
    for name in ("probability", "points", "rays", "classes"):
        table, expected = getattr(found, name), getattr(whole, name)
        assert (table is None) == (expected is None), name
        if table is not None:
            np.testing.assert_allclose(table[ours], expected[theirs], atol=1e-3, err_msg=name)
            assert table.dtype == expected.dtype


@pytest.mark.parametrize("side", [16, 64, 2000])
@pytest.mark.parametrize("splitter", [*MASKS, StarConvex()])
@pytest.mark.parametrize("seed", range(3))
def test_touching_nuclei(splitter, side, seed):
    maps = from_mask_like(nuclei(seed, (190, 243), 70 + 60 * seed, 10))
    found, _ = in_blocks(splitter, maps, side=side, halo=(4, 16, 64)[seed])
    assert_same(found, splitter.find(maps))


@pytest.mark.parametrize("side", [16, 50])
@pytest.mark.parametrize("seed", range(3))
def test_the_maps_of_a_network(side, seed):
    labels = nuclei(seed, (170, 150), 60, 9)
    for splitter, maps in (
        (StarConvex(probability=0.3), star_maps(labels, seed)),
        (StarConvex(overlap=0.05, min_size=1), star_maps(labels, seed)),
        (Watershed(), Maps((labels > 0) * np.float32(0.9), border=border(labels))),
        (Components(), star_maps(labels, seed)),
    ):
        found, _ = in_blocks(splitter, maps, side=side, halo=16)
        assert_same(found, splitter.find(maps))


def border(labels):
    right = np.roll(labels, 1, -1) != labels
    below = np.roll(labels, 1, -2) != labels
    return ((right | below) & (labels > 0)).astype(np.float32)


@pytest.mark.parametrize("splitter", [*MASKS, StarConvex(), StarConvex(anisotropy=2)])
@pytest.mark.parametrize(("side", "depth"), [(16, 5), (64, 9)])
@pytest.mark.parametrize("seed", range(2))
def test_volumes(splitter, side, depth, seed):
    maps = from_mask_like(nuclei(seed, (21, 70, 83), 70, 7))
    found, _ = in_blocks(splitter, maps, side=side, depth=depth, halo=8)
    assert_same(found, splitter.find(maps))


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=14)),
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(1, 12),
    st.integers(0, 12),
)
def test_components_of_any_mask(mask, side, depth, min_size, fill_holes):
    splitter = Components(min_size=min_size, fill_holes=fill_holes)
    maps = from_mask_like(mask)
    found, read = in_blocks(splitter, maps, side=side, depth=depth)
    assert read == 1  # an object that runs through all blocks needs no more than they
    assert_same(found, splitter.find(maps))


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10_000),
    st.tuples(st.integers(1, 110), st.integers(1, 110)),
    st.integers(0, 60),
    st.floats(2, 14),
    st.integers(10, 60),
    st.sampled_from([Watershed(), StarConvex(), Watershed(separation=1)]),
)
def test_any_scene(seed, shape, n, radius, side, splitter):
    maps = from_mask_like(nuclei(seed, shape, n, radius))
    found, _ = in_blocks(splitter, maps, side=side, halo=8)
    assert_same(found, splitter.find(maps))


@pytest.mark.parametrize("splitter", [*MASKS, StarConvex()])
class TestPlaces:
    def test_at_seams_and_corners(self, splitter):
        y, x = np.indices((128, 128))
        for centre in ((64, 64), (64, 32), (31, 96), (0, 64), (127, 127)):
            maps = from_mask_like((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 120)
            found, _ = in_blocks(splitter, maps, side=32)
            assert_same(found, splitter.find(maps))

    def test_larger_than_blocks(self, splitter):
        y, x = np.indices((150, 150))
        maps = from_mask_like(((y - 75) ** 2 + (x - 75) ** 2 < 4900) | (y + x < 12))
        found, _ = in_blocks(splitter, maps, side=16, halo=2)
        assert_same(found, splitter.find(maps))

    def test_empty_and_full(self, splitter):
        for fill in (0, 1):
            maps = Maps(np.full((45, 52), fill, np.float32))
            found, _ = in_blocks(splitter, maps, side=16)
            assert_same(found, splitter.find(maps))
        found, _ = in_blocks(splitter, Maps(np.zeros((0, 5), np.float32)), side=16)
        assert len(found) == 0


def test_holes_across_seams():
    mask = np.ones((40, 40), bool)
    mask[18:22, 10:30] = False  # 80 pixels, over four blocks
    mask[0:5, 20] = False  # open to the edge of the image
    mask[30, 15], mask[31, 16] = False, False  # one hole, joined through a corner at a seam
    for limit in (1, 2, 79, 80):
        splitter = Components(fill_holes=limit)
        found, _ = in_blocks(splitter, from_mask_like(mask), side=16)
        assert_same(found, splitter.find(from_mask_like(mask)))


def test_more_objects_than_uint16_counts():
    mask = np.zeros((600, 600), bool)
    mask[::2, ::2] = True
    found, _ = in_blocks(Components(min_size=1), from_mask_like(mask), side=128)
    assert len(found) == found.labels.max() == 90_000


def test_little_more_than_the_image_is_read():
    maps = from_mask_like(nuclei(0, (512, 512), 120, 9))
    found, read = in_blocks(Watershed(), maps, side=256, halo=64)
    assert_same(found, Watershed().find(maps))
    assert read < 1.9


def test_memory_goes_with_the_block_not_the_image(tmp_path):
    labels = nuclei(0, (256, 256), 60, 9)
    peaks = []
    for times in (2, 8):
        shape = (256, 256 * times)

        def read(region):
            y, x = (np.arange(part.start, part.stop) % 256 for part in region)
            return from_mask_like(labels[np.ix_(y, x)])

        out = np.memmap(tmp_path / f"{times}", np.int32, "w+", shape=shape)
        tracemalloc.start()
        list(find_in_blocks(Watershed(), read, shape, out, Blocks(side=128, halo=32)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(np.unique(out[:, :256])) > 20
    assert peaks[1] < 1.3 * peaks[0]


def test_labels_that_do_not_fit_are_refused():
    read = Maps(np.zeros((9, 9), np.float32)).__getitem__
    for out, sentence in (
        (np.zeros((9, 8), np.int32), "(9, 8)"),
        (np.zeros((9, 9), np.uint16), "uint16"),
        (np.zeros((9, 9), np.float32), "float32"),
    ):
        with pytest.raises(NucleateError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
            list(find_in_blocks(Components(), read, (9, 9), out))
    with pytest.raises(NucleateError, match="2D or 3D"):
        list(find_in_blocks(Components(), read, (9,), np.zeros(9, np.int32)))


class Misled(Watershed):
    """Finds a thing that isn't there wherever an edge cuts the image."""

    def find(self, maps):
        found = super().find(maps)
        labels = found.labels.copy()
        if labels.shape != (100, 100):
            labels[:3] = labels[-3:] = len(found) + 1
        extra = np.append(found.probability, np.float32(1))
        return Instances(labels, extra) if labels.max() > len(found) else found


def test_what_touches_the_edge_of_a_look_is_not_believed():
    maps = from_mask_like(nuclei(3, (100, 100), 20, 9))
    found, _ = in_blocks(Misled(), maps, side=32, halo=8)
    assert_same(found, Watershed().find(maps))


@pytest.mark.parametrize(
    "splitter",
    [
        LinkedPlanes(min_planes=50),
        LinkedPlanes(splitter=Watershed(min_size=390, separation=1)),
        LinkedPlanes(splitter=Watershed(min_size=401, separation=1)),
    ],
)
def test_least_sizes_of_planes_and_of_their_number_are_asked_of_whole_objects(splitter):
    mask = np.zeros((120, 40, 40), bool)
    mask[38:92, 10:30, 10:30] = True
    maps, out = from_mask_like(mask), np.zeros(mask.shape, np.int32)
    list(find_in_blocks(splitter, maps.__getitem__, mask.shape, out, Blocks(side=20, halo=8)))
    assert np.array_equal(out, splitter.split(maps))
