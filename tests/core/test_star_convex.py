"""Rays are exact, decoding undoes encoding, and any mask can be split into polygons."""

import csv
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import (
    Maps,
    StarConvex,
    centre_probability,
    from_mask_like,
    ray_distances,
)
from napari_nucleate.core.instances.stars import Stars, suppress
from napari_nucleate.core.metrics import average_precision, match

DATA = Path(__file__).parents[3] / "shared" / "data" / "dsb2018_fluo"


def encode(labels, n_rays=32):
    foreground = (labels > 0).astype(np.float32)
    return Maps(foreground, None, centre_probability(labels), ray_distances(labels, n_rays))


def ellipses(seed, n=12, size=96):
    """Random ellipses that may touch, but don't overlap."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), int)
    y, x = np.indices(labels.shape)
    for label in range(1, n + 1):
        cy, cx = rng.uniform(0, size, 2)
        long, angle = rng.uniform(3, 14), rng.uniform(0, np.pi)
        u = (y - cy) * np.sin(angle) + (x - cx) * np.cos(angle)
        v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        inside = (u / long) ** 2 + (v / (long * rng.uniform(0.5, 1))) ** 2 <= 1
        if inside.sum() > 9 and not labels[inside].any():
            labels[inside] = label
    return labels


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_decoding_undoes_encoding(seed):
    labels = ellipses(seed)
    got = StarConvex(min_size=1).split(encode(labels))
    n = len(np.unique(labels)) - 1
    assert got.max() == n
    assert match(labels, got, 0.5).tp == n
    assert match(labels, got, 0.5).mean_iou > 0.9 or not n


def test_ray_lengths_against_small_steps():
    labels = ellipses(3)
    n_rays, step = 16, 0.01
    got = ray_distances(labels, n_rays)
    padded = np.pad(labels, 1)
    for y, x in np.argwhere(labels)[::97]:
        for k, angle in enumerate(2 * np.pi * np.arange(n_rays) / n_rays):
            t = np.arange(0, 60, step)
            rows = np.rint(y + t * np.sin(angle)).astype(int).clip(-1, 96) + 1
            cols = np.rint(x + t * np.cos(angle)).astype(int).clip(-1, 96) + 1
            outside = padded[rows, cols] != labels[y, x]
            # A corner cut by less than a pixel is no end: what counts is each whole unit.
            end = np.argmax(outside[::100]) * 100
            exact = t[end - 99 + np.argmax(outside[end - 99 : end + 1])]
            assert abs(got[k, y, x] - exact) < 0.05
    assert not got[:, labels == 0].any()


def test_ray_lengths_of_a_disc_are_its_radius():
    y, x = np.indices((41, 41)) - 20
    got = ray_distances(y**2 + x**2 <= 15**2, 32)[:, 20, 20]
    assert got == pytest.approx(np.full(32, 15.3), abs=0.7)


def test_centres_of_touching_objects_are_separate():
    labels = np.zeros((12, 24), int)
    labels[2:11, 2:11], labels[2:11, 11:20] = 1, 2
    got = centre_probability(labels)
    assert got[6, 6] == got[6, 15] == 1
    assert got[6, 10] == got[6, 11] == pytest.approx(0.2)
    assert not got[labels == 0].any()


@pytest.mark.parametrize("shape", [(5, 6), (4, 5, 6)])
def test_centre_probability_in_any_dimension(shape):
    got = centre_probability(np.ones(shape, bool))
    assert got.shape == shape
    assert got.max() == 1
    assert got.min() > 0


def test_touching_discs_of_a_mask_are_split():
    y, x = np.indices((40, 64))
    labels = np.where((y - 20) ** 2 + (x - 20) ** 2 <= 144, 1, 0)
    labels[((y - 20) ** 2 + (x - 42) ** 2 <= 121) & (labels == 0)] = 2
    got = StarConvex().split(from_mask_like(labels))
    assert got.max() == 2
    assert match(labels, got, 0.9).tp == 2
    assert not got[labels == 0].any()


def test_holes_don_t_stop_the_rays_of_a_mask():
    y, x = np.indices((40, 40)) - 20
    mask = (y**2 + x**2 <= 200) & ((y - 3) ** 2 + x**2 > 4)
    got = StarConvex().split(from_mask_like(mask))
    assert got.max() == 1
    assert got[23, 20] == 1
    assert StarConvex(fill_holes=0).split(from_mask_like(mask))[23, 20] == 0


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (1, 7), (3, 2), (7, 7)])
@pytest.mark.parametrize("value", [0, 1])
def test_tiny_images(shape, value):
    labels = np.full(shape, value)
    for maps in (encode(labels), from_mask_like(labels)):
        got = StarConvex(min_size=1).split(maps)
        assert got.shape == shape
        assert got.dtype == np.int32
        assert got.max(initial=0) == (value if got.size else 0)


def test_one_pixel_is_one_object():
    labels = np.zeros((9, 9), int)
    labels[4, 4] = 1
    for maps in (encode(labels), from_mask_like(labels)):
        assert np.array_equal(StarConvex(min_size=1).split(maps), labels)


def test_maps_with_nan_infinities_and_negative_distances():
    labels = ellipses(5)
    maps = encode(labels)
    rng = np.random.default_rng(0)
    centre, rays = maps.centre.copy(), maps.distances.copy()
    centre[rng.random(centre.shape) < 0.1] = np.nan
    for bad in (np.nan, np.inf, -np.inf, -5.0):
        rays[:, rng.random(centre.shape) < 0.02] = bad
    got = StarConvex().split(Maps(maps.foreground, None, centre, rays))
    assert np.array_equal(np.unique(got), np.arange(got.max() + 1))
    nothing = np.full_like(centre, np.nan)
    assert not StarConvex().split(Maps(maps.foreground, None, nothing, rays)).any()
    StarConvex().split(Maps(maps.foreground, None, centre, np.full_like(rays, np.nan)))


def test_a_saturated_probability_gives_one_object_each():
    labels = ellipses(7)
    maps = encode(labels)
    sure = Maps(maps.foreground, None, (labels > 0).astype(np.float32), maps.distances)
    got = StarConvex().split(sure)
    assert match(labels, got, 0.5).fn == 0
    assert np.array_equal(
        got, StarConvex().split(Maps(maps.foreground, None, None, maps.distances))
    )


def test_unlikely_centres_are_no_objects():
    labels = ellipses(11)
    maps = encode(labels)
    faint = Maps(maps.foreground, None, maps.centre * 0.1, maps.distances)
    assert not StarConvex().split(faint).any()
    assert np.array_equal(StarConvex(probability=0.05).split(faint), StarConvex().split(maps))


def two_stars(ndim, apart, radius=10.0, n_rays=64):
    """Maps with two equal stars beside each other, the left one likelier; and their shape."""
    shape = (41, 41, 61)[-ndim:]
    probability = np.zeros(shape, np.float32)
    left, right = (20,) * (ndim - 1) + (20,), (20,) * (ndim - 1) + (20 + apart,)
    probability[left], probability[right] = 0.9, 0.8
    return probability, np.full((n_rays, *shape), radius, np.float32), left, right


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(("overlap", "n"), [(0.1, 1), (0.9, 2)])
def test_overlap_decides_what_is_dropped(ndim, overlap, n):
    probability, distances, *_ = two_stars(ndim, 8)
    stars, labels = suppress(probability, distances, overlap=overlap)
    assert len(stars) == labels.max() == n


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("apart", range(1, 20))
def test_overlap_is_measured_as_that_of_discs_and_balls(ndim, apart):
    r, d = 10.0, float(apart)
    if ndim == 2:
        shared = 2 * r * r * np.arccos(d / 2 / r) - d / 2 * np.sqrt(4 * r * r - d * d)
        part = shared / (np.pi * r * r)
    else:
        part = (4 * r + d) * (2 * r - d) ** 2 / (16 * r**3)
    probability, distances, *_ = two_stars(ndim, apart)
    for overlap in np.linspace(0.05, 0.7, 14):  # above, so much is buried that nothing is left
        if abs(overlap - part) > 0.03:
            stars, _ = suppress(probability, distances, overlap=float(overlap))
            assert len(stars) == (1 if part > overlap else 2)


@pytest.mark.parametrize("ndim", [2, 3])
def test_contested_pixels_go_to_the_likelier(ndim):
    probability, distances, left, _ = two_stars(ndim, 10)
    stars, labels = suppress(probability, distances, overlap=0.7)
    assert len(stars) == 2
    assert tuple(stars.points[0]) == left
    assert np.count_nonzero(labels == 1) > 1.1 * np.count_nonzero(labels == 2) > 0
    assert np.array_equal(stars.draw(labels.shape), labels)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("anisotropy", [1.0, 2.5])
def test_stars_cover_their_pixels(ndim, anisotropy):
    n_rays = {2: 64, 3: 400}[ndim]
    stars = Stars(
        np.full((1, ndim), 20), np.full((1, n_rays), 10.3, np.float32), np.ones(1), anisotropy
    )
    got = stars.draw((41,) * ndim)
    z2 = sum((x - 20.0) ** 2 for x in np.indices(got.shape)[-2:])
    if ndim == 3:
        z2 = z2 + (anisotropy * (np.indices(got.shape)[0] - 20.0)) ** 2
    wrong = np.count_nonzero((got > 0) != (z2 <= 10.3**2))
    assert wrong <= {2: 8, 3: 0.07 * np.count_nonzero(got)}[ndim]


def ellipsoids(seed, n=14, shape=(24, 64, 64)):
    """Random ellipsoids that may touch, but don't overlap."""
    rng = np.random.default_rng(seed)
    labels, grid = np.zeros(shape, int), np.indices(shape)
    for label in range(1, n + 1):
        centre, radii = rng.uniform(0, shape), rng.uniform(3, 9, 3)
        far = sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True))
        if (far <= 1).sum() > 40 and not labels[far <= 1].any():
            labels[far <= 1] = label
    return labels


@pytest.mark.parametrize("outline", ["stars", "pixels"])
@pytest.mark.parametrize("seed", range(5))
def test_decoding_undoes_encoding_in_3d(seed, outline):
    labels = ellipsoids(seed)
    n = len(np.unique(labels)) - 1
    maps = Maps(
        (labels > 0).astype(np.float32), None, centre_probability(labels), ray_distances(labels, 96)
    )
    got = StarConvex(min_size=1, outline=outline).find(maps)
    assert len(got) == got.labels.max() == n
    assert match(labels, got.labels, 0.5).tp == n
    assert match(labels, got.labels, 0.5).mean_iou > (0.95 if outline == "pixels" else 0.8)
    assert got.points.shape == (n, 3)
    assert got.rays.shape == (n, 96)


def test_an_unlikely_star_on_sure_pixels_is_an_object():
    labels = np.zeros((40, 80), int)
    y, x = np.indices(labels.shape)
    labels[(y - 20) ** 2 + (x - 20) ** 2 < 100] = 1
    labels[(y - 20) ** 2 + (x - 60) ** 2 < 100] = 2
    maps = encode(labels)
    centre = np.where(labels == 1, maps.centre, 0.3 * maps.centre)
    found = StarConvex().find(Maps(maps.foreground, None, centre, maps.distances))
    assert match(labels, found.labels, 0.9).tp == 2
    stars = StarConvex(outline="stars").split(Maps(maps.foreground, None, centre, maps.distances))
    assert stars.max() == 1


def test_bad_rays_are_refused_in_a_sentence():
    with pytest.raises(NucleateError, match=r"Rays need 2D or 3D labels; these have shape \(4,\)"):
        ray_distances(np.zeros(4, int))
    with pytest.raises(NucleateError, match="2 rays can't enclose"):
        ray_distances(np.zeros((3, 4), int), 2)
    with pytest.raises(NucleateError, match="3 rays can't enclose"):
        ray_distances(np.zeros((3, 4, 5), int), 3)


def test_a_megapixel_is_quick():
    labels = ndi.label(np.tile(ellipses(1, size=128), (8, 8)))[0]
    maps = from_mask_like(labels)
    network = Maps(maps.foreground, None, centre_probability(labels), ray_distances(labels))
    for evidence in (maps, network):
        start = time.perf_counter()
        StarConvex().split(evidence)
        assert time.perf_counter() - start < 2  # 0.2 s alone; other work may run beside


@pytest.mark.skipif(not DATA.exists(), reason=f"the real images {DATA} are not here")
def test_real_nuclei_survive_encoding():
    tifffile = pytest.importorskip("tifffile")
    rows = csv.DictReader((DATA / "split.csv").read_text().splitlines())
    names = [r["name"] for r in rows if r["split"] == "train"][::43][:10]
    truths = [tifffile.imread(DATA / "masks" / f"{n}.tif") for n in names]
    pairs = [(t, StarConvex(min_size=1).split(encode(t))) for t in truths]
    assert average_precision(pairs, (0.5,))[0.5] >= 0.95
