"""The label-free baseline, on plain scenes and on real images."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_nucleate.core.classical import Otsu, otsu_watershed
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.metrics import average_precision

DATA = Path(__file__).parents[3] / "shared" / "data" / "dsb2018_fluo"


def scene(ndim):
    """Two touching balls and one apart, blurred, with noise; and their labels."""
    grid = np.indices((40,) * ndim)
    truth = np.zeros((40,) * ndim, int)
    for label, at in enumerate(([12] * ndim, [12] * (ndim - 1) + [25], [31] * ndim), start=1):
        truth[((grid - np.reshape(at, (-1, *[1] * ndim))) ** 2).sum(0) < 49] = label
    image = ndi.gaussian_filter((truth > 0) * 100.0, 0.5)
    return truth, (image + np.random.default_rng(0).normal(0, 5, image.shape))[np.newaxis]


@pytest.mark.parametrize("ndim", [2, 3])
def test_separates_balls(ndim):
    truth, image = scene(ndim)
    got = otsu_watershed(image)
    assert got.dtype == np.int32
    assert average_precision([(truth, got)], (0.7,)) == {0.7: 1.0}


def test_dark_objects_and_single_channels():
    _, image = scene(2)
    assert (Otsu(bright=False).mask(-image) == Otsu().mask(image)).all()
    two = np.concatenate((np.random.default_rng(1).normal(0, 500, image.shape), image))
    assert (Otsu(channel=1).mask(two) == Otsu().mask(image)).all()
    with pytest.raises(NucleateError, match="Channel 2 does not exist; the image has 2"):
        Otsu(channel=2).mask(two)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("value", [0, 1])
def test_constant_images_hold_nothing(dtype, value):
    assert not otsu_watershed(np.full((3, 9, 9), value, dtype)).any()


def test_constant_large_float_holds_nothing():
    assert not Otsu().mask(np.full((1, 9, 9), 0.1, np.float32)).any()
    assert not Otsu().mask(np.full((1, 9, 9), 1e30)).any()


def test_nan_and_infinity_are_background():
    truth, image = scene(2)
    image[0, :4] = np.nan
    image[0, -2:] = np.inf
    mask = Otsu().mask(image)
    assert not mask[:4].any()
    assert not mask[-2:].any()
    assert average_precision([(truth, otsu_watershed(image))], (0.7,)) == {0.7: 1.0}
    assert not otsu_watershed(np.full((1, 5, 5), np.nan)).any()


@pytest.mark.parametrize("shape", [(5, 5), (1, 0, 5), (1, 2, 3, 4, 5)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(NucleateError, match=r"\(C, Y, X\) or \(C, Z, Y, X\) is needed"):
        Otsu().mask(np.zeros(shape))


@pytest.mark.skipif(not DATA.exists(), reason=f"the real images {DATA} are not here")
def test_real_nuclei():
    tifffile = pytest.importorskip("tifffile")
    rows = csv.DictReader((DATA / "split.csv").read_text().splitlines())
    names = [r["name"] for r in rows if r["split"] == "val"][::5]
    images = (tifffile.imread(DATA / "images" / f"{n}.tif") for n in names)
    truths = (tifffile.imread(DATA / "masks" / f"{n}.tif") for n in names)
    pairs = [(t, otsu_watershed(i[np.newaxis])) for i, t in zip(images, truths, strict=True)]
    assert average_precision(pairs, (0.5,))[0.5] > 0.55
