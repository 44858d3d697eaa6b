"""Volumes split plane by plane, and linked."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import (
    Blocks,
    Components,
    LinkedPlanes,
    Maps,
    Splitter,
    StarConvex,
    Watershed,
    find_in_blocks,
    from_mask_like,
)
from napari_nucleate.core.metrics import match

PLAIN = LinkedPlanes(splitter=Components(min_size=1))


def ellipsoids(seed, n, shape=(24, 160, 160), radii=(2.6, 11, 11), apart=1.0):
    """Nuclei in a stack whose planes are far apart; they touch, but hardly overlap."""
    rng = np.random.default_rng(seed)
    labels, grid, centres = np.zeros(shape, np.int32), np.indices(shape), []
    size = np.array(radii)
    while len(centres) < n:
        centre = rng.uniform(0, shape)
        if all((((centre - c) / size) ** 2).sum() > (2 * apart) ** 2 for c in centres):
            centres.append(centre)
            scale = size * rng.uniform(0.8, 1.1, 3)
            far = ((grid - centre.reshape(3, 1, 1, 1)) / scale.reshape(3, 1, 1, 1)) ** 2
            labels[(far.sum(0) < 1) & (labels == 0)] = len(centres)
    return labels


def column(*radii, shape=(40, 40), shift=0):
    """A pile of discs, one a plane."""
    y, x = np.indices(shape)
    return np.stack(
        [(y - 20) ** 2 + (x - 20 - shift * z) ** 2 < r * r for z, r in enumerate(radii)]
    )


@pytest.mark.parametrize("splitter", [Components(), Watershed(), StarConvex()])
@pytest.mark.parametrize("seed", range(3))
def test_ellipsoids_of_few_planes(splitter, seed):
    labels = ellipsoids(seed, 70)
    linked = LinkedPlanes(splitter=splitter)
    found = linked.find(from_mask_like(labels))
    assert found.labels.dtype == np.int32
    assert found.labels.max() == len(found)
    truth = np.where(np.isin(labels, np.flatnonzero(np.bincount(labels.ravel()) >= 30)), labels, 0)
    if not isinstance(splitter, Components):  # some touch within planes
        assert match(truth, found.labels, 0.5).average_precision >= 0.95
    assert np.allclose(found.probability, 1)


def test_a_plane_is_split_and_nothing_else():
    maps = from_mask_like(ellipsoids(0, 40)[12])
    for splitter in (Components(), Watershed(), StarConvex()):
        whole, found = splitter.find(maps), LinkedPlanes(splitter=splitter).find(maps)
        np.testing.assert_array_equal(found.labels, whole.labels)


def test_objects_that_lie_over_each_other_with_a_plane_between():
    mask = column(8, 9, 8, 0, 8, 9, 8)
    assert PLAIN.split(from_mask_like(mask))[:, 20, 20].tolist() == [1, 1, 1, 0, 2, 2, 2]
    bridged = PLAIN.model_copy(update={"gap": 1})
    assert bridged.split(from_mask_like(mask))[:, 20, 20].tolist() == [1, 1, 1, 0, 1, 1, 1]
    apart = column(8, 8, 0, 0, 8, 8)
    assert bridged.split(from_mask_like(apart)).max() == 2


def test_a_neck_parts_what_touches_in_depth():
    mask = from_mask_like(column(5, 9, 8, 3, 8, 9, 5))
    assert PLAIN.split(mask).max() == 2
    assert PLAIN.model_copy(update={"neck": 0.0}).split(mask).max() == 1
    assert PLAIN.split(from_mask_like(column(3, 6, 9, 9, 6, 3))).max() == 1


def test_a_leaning_object_is_one():
    assert PLAIN.split(from_mask_like(column(8, 8, 8, 8, 8, shift=3))).max() == 1
    assert PLAIN.split(from_mask_like(column(6, 6, shift=11))).max() == 2


def test_what_forks_goes_on_as_the_larger_part():
    mask = np.zeros((4, 20, 30), bool)
    mask[:2, 5:15, 4:26] = True
    mask[2:, 5:15, 4:17] = True  # the larger part
    mask[2:, 5:15, 19:26] = True
    labels = PLAIN.split(from_mask_like(mask))
    assert labels[:, 10, 10].tolist() == [1, 1, 1, 1]
    assert labels[:, 10, 22].tolist() == [1, 1, 2, 2]
    labels = PLAIN.split(from_mask_like(mask[::-1]))  # and merging is forking from behind
    assert labels[0, 10, 10] == labels[3, 10, 10]
    assert labels[0, 10, 22] != labels[3, 10, 22]


def test_one_plane_objects():
    mask = np.zeros((3, 20, 20), bool)
    mask[1, 4:9, 4:9] = True
    mask[:, 12:18, 12:18] = True
    assert PLAIN.split(from_mask_like(mask)).max() == 2
    found = PLAIN.model_copy(update={"min_planes": 2}).find(from_mask_like(mask))
    assert len(found) == found.labels.max() == 1
    assert not found.labels[1, :10, :10].any()
    single = PLAIN.split(from_mask_like(mask[1:2]))
    assert single.shape == (1, 20, 20)
    assert single.max() == 2


def test_scores_are_those_of_the_sections_by_their_area():
    foreground = np.where(column(9, 9), np.float32(0.6), np.float32(0))
    foreground[1] *= 1.5
    classes = np.stack([foreground * 0.1, foreground * 0.9]).astype(np.float32)
    found = PLAIN.find(Maps(foreground, classes=classes))
    np.testing.assert_allclose(found.probability, [0.75], atol=1e-6)
    assert found.classes.tolist() == [2]


@pytest.mark.parametrize("shape", [(0, 5, 5), (3, 0, 5), (3, 5, 5)])
def test_nothing_in_it(shape):
    found = PLAIN.find(Maps(np.zeros(shape, np.float32)))
    assert found.labels.shape == shape
    assert len(found) == 0


@pytest.mark.parametrize("side", [16, 48])
@pytest.mark.parametrize("splitter", [Components(), Watershed(), StarConvex()])
def test_block_by_block(splitter, side):
    maps = from_mask_like(ellipsoids(5, 60, (20, 120, 110)))
    linked = LinkedPlanes(splitter=splitter, gap=1)
    whole, out = linked.find(maps), np.zeros((20, 120, 110), np.int32)
    blocks = Blocks(side=side, depth=6, halo=16)
    list(find_in_blocks(linked, maps.__getitem__, out.shape, out, blocks))
    assert np.array_equal(out > 0, whole.labels > 0)
    inside = out > 0
    pairs = np.unique(np.stack((out[inside], whole.labels[inside]), 1), axis=0)
    assert len(pairs) == len(whole) == out.max()


def test_parses_and_says_what_is_wrong():
    adapter = TypeAdapter(Splitter)
    value = LinkedPlanes(splitter=StarConvex(overlap=0.2), gap=2)
    assert adapter.validate_json(value.to_json()) == value
    with pytest.raises(NucleateError, match="kind"):
        LinkedPlanes.parse({"splitter": {"kind": "linked-planes"}})
    with pytest.raises(NucleateError, match="overlap"):
        LinkedPlanes.parse({"overlap": 0})
