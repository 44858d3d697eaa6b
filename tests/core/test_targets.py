"""Every target is a pair of inverses: decode(encode(labels)) is the labels again."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_nucleate.core.annotation import Annotation, annotate
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import Components, StarConvex, Watershed
from napari_nucleate.core.metrics import evaluate, match
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.core.targets import Boundary, Semantic, StarConvexTarget

SAMPLES = {
    "2d": NucleiSample(count=4, size=160, touching=0.8, seed=3),
    "2d, small and crowded": NucleiSample(count=2, size=128, radius=6, density=0.3, seed=4),
    "3d": NucleiSample(kind="3d", count=1, size=64, depth=24, radius=8, seed=5),
}
INSTANCES = [Boundary(), Boundary(width=1), StarConvexTarget()]


def fits(target, ndim):
    return ndim == 2 or target.kind != "star-convex"


def cases(name):
    sample = SAMPLES[name]
    ndim = 3 if sample.kind == "3d" else 2
    return ndim, [m.read()[0] for m in sample.make().labels.images(ndim)]


@given(
    arrays(np.int32, array_shapes(min_dims=2, max_dims=3, max_side=8), elements=st.integers(0, 4))
)
def test_semantic_decoding_undoes_encoding_exactly(labels):
    target = Semantic(classes=4)
    maps = target.encode(annotate(labels))
    assert maps.shape == (5, *labels.shape)
    np.testing.assert_array_equal(maps.sum(0), 1)
    np.testing.assert_array_equal(target.decode(maps), labels)


@pytest.mark.parametrize(
    ("name", "target"),
    [(n, t) for n in SAMPLES for t in INSTANCES if fits(t, 3 if n == "3d" else 2)],
    ids=lambda x: f"{x.kind} {getattr(x, 'width', '')}" if hasattr(x, "kind") else x,
)
def test_touching_nuclei_come_back_one_by_one(name, target):
    ndim, truths = cases(name)
    # Slivers at the edge of the field are no test of separation.
    pairs = []
    for labels in truths:
        sizes = np.bincount(labels.ravel())
        labels = np.where(sizes[labels] >= 30, labels, 0)
        pairs.append(("", labels, target.decode(target.encode(annotate(labels)))))
    total = evaluate(pairs).total
    assert total.at(0.5).tp + total.at(0.5).fn >= 10
    # In 3D some nuclei are two planes high and have no inside: their neighbours may take them.
    assert total.at(0.5).average_precision >= (1 if ndim == 2 else 0.9)
    assert total.mean_ap > (0.93 if ndim == 2 else 0.88)


@pytest.mark.parametrize("target", [Semantic(), *INSTANCES], ids=lambda t: t.kind)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_foreground_comes_back_whatever_the_objects(target, seed):
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 4, (3, 4)), np.ones((7, 9), int)).astype(np.int32)
    if target.kind == "semantic":
        labels = (labels > 0).astype(np.int32)
    maps = target.encode(annotate(labels))
    assert maps.shape == (target.n_maps, *labels.shape)
    assert maps.dtype == np.float32
    np.testing.assert_array_equal(target.maps(maps).foreground, labels > 0)
    got = target.decode(maps)
    assert got.dtype == np.int32
    assert got.shape == labels.shape
    # Squares of one label that meet at a corner are no star: star-convex may cut them.
    if target.kind != "star-convex":
        np.testing.assert_array_equal(got > 0, labels > 0)


@pytest.mark.parametrize(
    ("target", "shape"),
    [
        (target, shape)
        for target in (Semantic(), *INSTANCES)
        for shape in [(5, 7), (1, 1), (1, 30), (3, 5, 6), (1, 1, 1)]
        if fits(target, len(shape))
    ],
    ids=lambda x: getattr(x, "kind", x),
)
def test_an_image_without_objects_stays_empty(target, shape):
    maps = target.encode(annotate(np.zeros(shape, int)))
    assert maps.shape == (target.n_maps, *shape)
    assert not target.decode(maps).any()


@pytest.mark.parametrize("target", INSTANCES, ids=lambda t: t.kind)
def test_an_object_that_fills_the_image_is_one_object(target):
    got = target.decode(target.encode(annotate(np.full((20, 24), 7))))
    assert got.max() == 1
    assert (got == 1).mean() > 0.95  # polygons cut corners


@pytest.mark.parametrize("target", [Semantic(), *INSTANCES], ids=lambda t: t.kind)
def test_encoding_changes_no_labels(target):
    labels = np.ones((9, 9), np.int32)
    annotation = Annotation(labels, np.ones((9, 9), bool))
    target.encode(annotation)
    assert (labels == 1).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_border_is_where_different_objects_are_near_and_nowhere_else(ndim):
    labels = np.zeros((24,) * ndim, np.int32)
    labels[..., 2:10] = 5
    labels[..., 10:18] = 3
    for width in (1, 2, 4):
        border = Boundary(width=width).encode(annotate(labels))[2] > 0
        wanted = np.zeros(labels.shape, bool)
        wanted[..., 10 - width : 10 + width] = True
        np.testing.assert_array_equal(border, wanted)


def test_large_labels_and_gaps_in_them_make_no_difference():
    labels = np.zeros((30, 30), np.int64)
    labels[2:14, 2:28], labels[14:28, 2:28] = 2**31 - 1, 40
    for target in INSTANCES:
        got = target.decode(target.encode(annotate(labels)))
        assert got.max() == 2
        assert match(labels, got, 0.9).tp == 2


@pytest.mark.parametrize("target", [Semantic(classes=2), *INSTANCES], ids=lambda t: t.kind)
@pytest.mark.parametrize("ndim", [2, 3])
def test_what_the_network_draws_is_in_the_range_of_what_it_learns(target, ndim):
    logits = torch.randn(2, target.n_maps, *[6] * ndim, generator=torch.Generator().manual_seed(0))
    maps = target.activate(logits * 5)
    assert maps.shape == logits.shape
    assert float(maps.min()) >= 0
    if target.kind == "star-convex":
        assert float(maps[:, :2].max()) <= 1
        assert float(maps[:, 2:].max()) > 1
    else:
        torch.testing.assert_close(maps.sum(1), torch.ones_like(maps[:, 0]))
    foreground = target.maps(maps[0].numpy()).foreground
    assert foreground.min() >= 0
    assert foreground.max() <= 1 + 1e-6


def test_another_splitter_can_decode_the_same_maps():
    y, x = np.indices((30, 50))
    labels = np.where((y - 15) ** 2 + (x - 15) ** 2 < 110, 1, 0)
    labels[((y - 15) ** 2 + (x - 34) ** 2 < 110) & (labels == 0)] = 2
    maps = Boundary().encode(annotate(labels))
    assert Boundary().decode(maps).max() == 2
    assert Boundary().decode(maps, Components()).max() == 1
    assert Boundary().decode(maps, StarConvex()).max() == 2
    assert Semantic().decode(Semantic().encode(annotate(labels > 0)), Watershed()).max() == 2


def test_a_class_beyond_those_chosen_is_refused_with_advice():
    with pytest.raises(NucleateError, match=r"Label 3 .* 2 class\(es\); raise the number"):
        Semantic(classes=2).encode(annotate(np.array([[0, 3]])))
    unknown = Annotation(np.array([[0, 3]], np.int32), np.array([[True, False]]))
    assert Semantic(classes=2).encode(unknown).shape == (3, 1, 2)


@pytest.mark.parametrize("anisotropy", [1.0, 3.0])
def test_star_convex_of_volumes_is_undone_whatever_the_splitter_thinks_of_planes(anisotropy):
    z, y, x = np.indices((16, 40, 60), float)
    z = (z - 8) * anisotropy
    labels = np.where(z**2 + (y - 20) ** 2 + (x - 15) ** 2 < 120, 1, 0)
    labels[z**2 + (y - 20) ** 2 + (x - 37) ** 2 < 120] = 2
    target = StarConvexTarget(rays=64, anisotropy=anisotropy)
    maps = target.encode(annotate(labels))
    assert maps.shape == (66, 16, 40, 60)
    assert match(labels, target.decode(maps), 0.9).tp == 2


def test_planes_farther_apart_than_pixels_are_taken_from_the_images():
    recipe = Recipe(ndim=3, target=StarConvexTarget())
    suited = recipe.suited((2.0, 0.5, 0.5)).target
    assert suited.anisotropy == suited.splitter.anisotropy == 4
    assert Recipe(ndim=3).suited((2.0, 0.5, 0.5)).target.splitter.anisotropy == 4
    said = Recipe(ndim=3, target=StarConvexTarget(anisotropy=2.5))
    assert said.suited((2.0, 0.5, 0.5)).target.anisotropy == 2.5
    assert Recipe().suited((0.5, 0.5)) == Recipe()
