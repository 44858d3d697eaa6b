"""Lines, distances and seeds of other tools are evidence for objects; what can't be is refused."""

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import Components, StarConvex, Watershed, from_mask_like
from napari_nucleate.core.instances.distance import distance_to_boundary
from napari_nucleate.core.instances.evidence import (
    astray,
    evidence_from,
    guess,
    outside,
    seeds_at,
    with_seeds,
)
from napari_nucleate.core.instances.spacing import anisotropy_of, suited
from napari_nucleate.core.metrics import match


def cells(*shape):
    """A tissue of square cells, and the lines between them."""
    labels = np.zeros(shape, np.int32)
    for axis, at in enumerate(np.indices(shape)):
        labels = labels * 10 + at // 12 + 1
        del axis
    lines = np.any([at % 12 >= 10 for at in np.indices(shape)], axis=0)
    return labels, lines


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("splitter", [Watershed(), Components()])
@pytest.mark.parametrize(
    "draw",
    [
        lambda lines: lines,
        lambda lines: lines.astype(np.uint8),
        lambda lines: np.asfortranarray(lines * np.uint8(255)),
        lambda lines: lines * np.uint16(60_000),
        lambda lines: lines * 0.9,
        lambda lines: lines.astype(np.int64),
    ],
    ids=["bool", "0 and 1", "8 bits", "16 bits", "floats", "int64"],
)
def test_lines_part_the_cells_of_a_tissue(ndim, splitter, draw):
    truth, lines = cells(*(36,) * ndim)
    got = splitter.split(evidence_from(draw(lines), "borders"))
    assert got.max() == 3**ndim
    assert match(np.where(lines, 0, truth), got, 0.9).tp == 3**ndim


def test_a_lower_threshold_gives_the_lines_to_the_cells():
    truth, lines = cells(36, 36)
    got = Watershed(threshold=0).split(evidence_from(lines * 0.9, "borders"))
    assert (got > 0).all()
    assert match(truth, got, 0.6).tp == 9


@pytest.mark.parametrize("scale", [1, 1 / 15])
def test_distances_tell_where_objects_part(nuclei, scale):
    labels = np.zeros((40, 60), np.int32)
    labels[5:35, 4:30], labels[5:35, 30:56] = 1, 2
    depth = distance_to_boundary(labels) * scale
    got = Watershed().split(evidence_from(depth, "distances"))
    if scale == 1:
        assert match(labels, got, 0.9).tp == 2
    assert got.max() == 2
    assert Watershed().split(from_mask_like(labels)).max() == 1


@pytest.mark.parametrize(
    ("array", "kind", "sentence"),
    [
        (np.array([[0, -2.5]]), "distances", "Distances go down to -2.5; set .* 0"),
        (np.array([[np.nan, 1, np.nan]]), "distances", r"2 pixel\(s\) that are not finite"),
        (np.array([[np.inf, 1]]), "distances", r"1 pixel\(s\) that are not finite"),
        (np.array([["a"]]), "distances", "can't be of type <U1"),
        (np.array([[np.nan, 0.5]]), "borders", r"1 pixel\(s\) that are not finite"),
        (np.array([[0.5, 1.5]]), "borders", "float64 runs from 0.5 to 1.5"),
        (np.array([[-1, 1]]), "borders", "int64 runs from -1 to 1"),
        (np.array([[0, 700]], np.int32), "borders", "int32 runs from 0 to 700; give prob"),
        (np.zeros((2, 2, 2, 2)), "borders", "2D or 3D is needed"),
        (np.zeros((2, 2, 2, 2)), "distances", "2D or 3D is needed"),
        (np.array([[0.5, 1.5]]), "mask", "must lie in"),
    ],
)
def test_what_it_can_not_be_is_refused_in_a_sentence(array, kind, sentence):
    with pytest.raises(NucleateError, match=sentence):
        evidence_from(array, kind)


@pytest.mark.parametrize("kind", ["mask", "borders", "distances"])
@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (0, 3, 3), (1, 4, 4)])
@pytest.mark.parametrize("splitter", [Watershed(), Components(), StarConvex()])
def test_small_and_empty_images(kind, shape, splitter):
    assert splitter.split(evidence_from(np.zeros(shape, np.float32), kind)).shape == shape


def test_guesses():
    assert guess(np.zeros((0, 3))) == "mask"
    assert guess(np.array([0.2, 3000.0])) == "mask"  # a raw image has no exact zeros
    assert guess(np.array([0.0, np.inf])) == "mask"
    assert guess(np.array([0.0, np.nan, 5])) == "mask"


@pytest.mark.parametrize("ndim", [2, 3])
def test_each_seed_is_an_object(ndim):
    """Also along a bar without a neck, where the cuts lie halfway."""
    mask = np.ones((*(9,) * (ndim - 1), 30), bool)
    points = np.array([[4.0] * (ndim - 1) + [x] for x in (3, 13, 25)])
    seeds = seeds_at(points, mask.shape)
    assert np.bincount(seeds.ravel())[1:].tolist() == [2 * ndim + 1] * 3
    maps = with_seeds(from_mask_like(mask), seeds)
    got = Watershed().split(maps)
    assert got.max() == 3
    assert [got[tuple(p.astype(int))] for p in points] == [1, 2, 3]
    middle = got[(4,) * (ndim - 1)]
    assert np.abs(np.flatnonzero(np.diff(middle)) - (8, 19)).max() <= 1
    assert astray(maps, Watershed()) == 0


def test_several_pieces_of_one_label_are_one_seed():
    seeds = np.zeros((9, 30), np.uint16)
    seeds[4, 3] = seeds[4, 20] = 700
    seeds[4, 27] = 9
    got = Watershed().split(with_seeds(from_mask_like(np.ones((9, 30))), seeds))
    assert got.max() == 2
    assert got[4, 3] == got[4, 20] != got[4, 27]


def test_seeds_at_the_edge_outside_and_on_top_of_each_other():
    points = np.array([[0, 0], [0, 1], [-3, 0], [np.nan, 2], [5, 5], [5, 5], [1e30, 0]])
    seeds = seeds_at(points, (6, 6))
    assert set(np.unique(seeds)) == {0, 1, 2, 6}
    assert (seeds[0, 0], seeds[0, 1]) == (1, 2)
    assert seeds_at(points, (3, 3), (3, 3))[2, 2] == 6
    assert not seeds_at(np.zeros((0, 2)), (3, 3)).any()
    with pytest.raises(NucleateError, match="Seeds have 2 coordinates each, the image is 3D"):
        seeds_at(points, (3, 3, 3))


@pytest.mark.parametrize("shape", [(6, 8), (3, 6, 8)])
def test_points_outside_are_those_of_which_nothing_is_drawn(shape):
    points = np.random.default_rng(0).uniform(-2, np.array(shape) + 2, (300, len(shape)))
    points = np.concatenate([points, np.full((1, len(shape)), np.nan), points[:1] * 0 + 1e30])
    drawn = [seeds_at(point[np.newaxis], shape).any() for point in points]
    assert 0 < sum(drawn) < len(points)
    np.testing.assert_array_equal(outside(points, shape), ~np.array(drawn))
    assert outside(np.zeros((0, 2)), (3, 3)).shape == (0,)


def test_seeds_outside_the_mask_are_counted():
    mask = np.zeros((12, 12))
    mask[:6] = 0.8
    maps = with_seeds(
        from_mask_like(mask), seeds_at(np.array([[3, 3], [9, 3], [10, 10]]), (12, 12))
    )
    assert astray(maps, Watershed()) == 2
    assert astray(maps, Watershed(threshold=0.9)) == 3
    assert astray(from_mask_like(mask), Watershed()) == 0
    assert Watershed().split(maps).max() == 1


def test_seeds_of_another_image_are_refused():
    maps = from_mask_like(np.ones((4, 5)))
    with pytest.raises(NucleateError, match=r"shape \(5, 4\), the image \(4, 5\)"):
        with_seeds(maps, np.ones((5, 4), int))
    with pytest.raises(NucleateError, match="float64 are no labels"):
        with_seeds(maps, np.ones((4, 5)))
    assert with_seeds(maps, None) is maps
    assert Watershed(min_size=1).split(with_seeds(maps, np.eye(4, 5) > 0)).max() == 1


def test_anisotropy_comes_from_the_spacing_unless_it_was_set():
    assert anisotropy_of((1.0, 0.5, 0.25)) == 4
    assert anisotropy_of((1e9, 1, 1)) == 100
    for odd in ((), (2.0, 2.0), (0, 1, 1), (1, 1, 0), (np.nan, 1, 1), (np.inf, 1, 1)):
        assert anisotropy_of(odd) == 1
    assert suited(StarConvex(), (3, 1, 1)).anisotropy == 3
    assert suited(StarConvex(anisotropy=2), (3, 1, 1)).anisotropy == 2
    assert suited(Components(), (3, 1, 1)) == Components()


def overlapping(ndim, radii, apart):
    """Two balls that overlap so far that they are one hill, and their middles."""
    side = 2 * max(radii) + 4
    middle = [side // 2] * (ndim - 1)
    centres = [[*middle, radii[0] + 2], [*middle, radii[0] + 2 + apart]]
    grid = np.indices((side,) * (ndim - 1) + (sum(radii) + apart + 4,))
    far = [((grid - np.reshape(c, (-1, *[1] * ndim))) ** 2).sum(0) for c in centres]
    part = [f - r**2 for f, r in zip(far, radii, strict=True)]
    return np.where(np.min(part, 0) <= 0, np.argmin(part, 0) + 1, 0), np.array(centres, float)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(("radii", "apart"), [((16, 8), 18), ((12, 12), 12), ((14, 9), 14)])
def test_seeds_on_one_hill_share_it_by_their_size(ndim, radii, apart):
    truth, middles = overlapping(ndim, radii, apart)
    maps = with_seeds(from_mask_like(truth), seeds_at(middles, truth.shape))
    got = Watershed(separation=0.3).split(maps)
    assert got.max() == 2
    assert match(truth, got, 0.75).tp == 2


def test_hundreds_of_seeds_on_one_hill():
    points = np.argwhere(np.ones((20, 20))) * 10.0 + 5
    maps = with_seeds(from_mask_like(np.ones((200, 200))), seeds_at(points, (200, 200)))
    got = Watershed().split(maps)
    assert np.bincount(got.ravel())[1:].tolist() == pytest.approx([100] * 400, abs=25)


def test_a_hill_without_a_seed_joins_its_neighbour():
    truth, middles = overlapping(2, (10, 10), 18)
    assert Watershed().split(from_mask_like(truth)).max() == 2
    maps = with_seeds(from_mask_like(truth), seeds_at(middles[:1], truth.shape))
    assert np.array_equal(Watershed().split(maps) > 0, truth > 0)
    assert Watershed().split(maps).max() == 1
