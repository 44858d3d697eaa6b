import time
from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.segmentation import watershed

from napari_nucleate.core.samples import NucleiSample

SMALL = {
    "2d": {"kind": "2d", "count": 2, "size": 96},
    "3d": {"kind": "3d", "count": 2, "size": 64, "depth": 12},
    "time-lapse": {"kind": "time-lapse", "count": 4, "size": 96},
}


@pytest.fixture(scope="module", params=SMALL)
def sample(request):
    return NucleiSample.parse(SMALL[request.param]).make()


def test_axes_types_and_scale(sample):
    images, labels = sample.images, sample.labels
    assert images.data.dtype == np.uint16
    assert labels.data.dtype == np.int32
    assert images.data.shape == labels.data.shape
    assert (images.axes, images.scale, images.units) == (labels.axes, labels.scale, labels.units)
    assert images.units[-1] == "micrometer"


@pytest.mark.parametrize(
    ("kind", "axes", "shape", "scale"),
    [
        ("2d", "NYX", (2, 96, 96), (1.0, 0.5, 0.5)),
        ("3d", "NZYX", (2, 12, 64, 64), (1.0, 1.0, 0.25, 0.25)),
        ("time-lapse", "TYX", (4, 96, 96), (600.0, 0.5, 0.5)),
    ],
)
def test_each_kind_has_its_axes(kind, axes, shape, scale):
    images = NucleiSample.parse(SMALL[kind]).make().images
    assert (images.axes, images.data.shape, images.scale) == (axes, shape, scale)


def test_every_object_is_in_one_piece_and_no_speck(sample):
    for labels in sample.labels.data:
        assert labels.max() > 0
        for label in np.unique(labels[labels > 0]):
            assert ndimage.label(labels == label)[1] == 1
            assert np.sum(labels == label) >= 12


def test_nuclei_are_brighter_than_the_background(sample):
    for image, labels in zip(sample.images.data, sample.labels.data, strict=True):
        assert image[labels > 0].mean() > 1.3 * image[labels == 0].mean()
        assert image.max() < 65535


@pytest.mark.parametrize("kind", SMALL)
def test_an_image_depends_on_seed_and_index_only(kind):
    few = NucleiSample.parse(SMALL[kind] | {"count": 1}).make()
    many = NucleiSample.parse(SMALL[kind]).make()
    np.testing.assert_array_equal(few.images.data[0], many.images.data[0])
    np.testing.assert_array_equal(few.labels.data[0], many.labels.data[0])
    other = NucleiSample.parse(SMALL[kind] | {"count": 1, "seed": 1}).make()
    assert (other.labels.data != few.labels.data).any()


def test_a_label_is_the_same_nucleus_over_time_and_some_divide():
    labels = NucleiSample(kind="time-lapse", count=8, size=160, seed=2).make().labels.data
    for before, after in pairwise(labels):
        for label in np.intersect1d(before, after)[1:]:
            first = np.array(ndimage.center_of_mass(before == label))
            then = np.array(ndimage.center_of_mass(after == label))
            assert np.linalg.norm(first - then) < 10
    born = np.setdiff1d(labels[-1], labels[0])
    gone = np.setdiff1d(labels[0], labels[-1])
    assert len(born) >= 2
    assert len(gone) >= 1


def test_many_nuclei_touch():
    labels = NucleiSample(count=2, size=192).make().labels.data
    shares = []
    for image in labels:
        for label in np.unique(image)[1:]:
            rim = ndimage.binary_dilation(image == label) & (image != label)
            shares.append(bool(np.any(image[rim] > 0)))
    assert 0.4 < np.mean(shares) < 0.98


def test_density_is_the_share_that_is_covered():
    covered = [
        np.mean(NucleiSample(count=6, size=128, density=d).make().labels.data > 0)
        for d in (0.05, 0.3)
    ]
    assert 0.02 < covered[0] < 0.1
    assert 0.15 < covered[1] < 0.4


def test_plain_watershed_finds_some_but_not_all():
    sample = NucleiSample(count=8).make()
    hits = union = 0
    for image, truth in zip(sample.images.data, sample.labels.data, strict=True):
        found = _otsu_watershed(image)
        tp, n = _matches(truth, found)
        hits, union = hits + tp, union + n - tp
    assert 0.55 < hits / union < 0.82


def _otsu_watershed(image):
    smooth = gaussian(image.astype(float), 1)
    mask = smooth > threshold_otsu(smooth)
    distance = gaussian(ndimage.distance_transform_edt(mask), 1)
    peaks = peak_local_max(distance, min_distance=5, labels=mask.astype(int), exclude_border=False)
    markers = np.zeros(image.shape, int)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, markers, mask=mask)


def _matches(truth, found):
    joint = np.zeros((truth.max() + 1, found.max() + 1))
    np.add.at(joint, (truth.ravel(), found.ravel()), 1)
    rows, columns = joint.sum(1, keepdims=True), joint.sum(0, keepdims=True)
    iou = (joint / np.maximum(rows + columns - joint, 1))[1:, 1:]
    return int((iou > 0.5).sum()), int((rows[1:] > 0).sum() + (columns[:, 1:] > 0).sum())


def test_is_quick():
    start = time.process_time()
    NucleiSample(count=6).make()
    # A quarter of what a person waits for; the bound is generous, for shared machines.
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"size": 8}, {"density": 0.9}, {"kind": "4d"}, {"radius": 1}]
)
def test_bounds(wrong):
    with pytest.raises(ValidationError):
        NucleiSample(**wrong)


def test_extremes_end():
    sample = NucleiSample(count=1, size=32, radius=100, density=0.6, photons=10000).make()
    assert sample.labels.data.max() >= 1
    NucleiSample(count=1, size=32, radius=4, density=0.01, touching=1).make()
