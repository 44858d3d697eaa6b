"""Objects of any size are brought to the size that networks are made for."""

import numpy as np
import pytest

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.device import choose_device
from napari_nucleate.core.model import build
from napari_nucleate.core.predict import Tiling, predict_maps
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.core.targets import Boundary, Semantic, StarConvexTarget
from napari_nucleate.core.zoom import measured_diameter, resized, resized_labels, zoom_for


def disc(side, radius):
    y, x = np.indices((side, side)) - side // 2
    return (y**2 + x**2 < radius**2).astype(np.int32)


def test_the_diameter_is_that_of_discs():
    assert measured_diameter([annotate(disc(99, 30))]) == pytest.approx(60, abs=0.5)
    specks = np.zeros((20, 20), int)
    specks[3, 3] = 1
    assert measured_diameter([annotate(specks)]) == 0


def test_only_much_smaller_or_larger_objects_are_rescaled():
    assert zoom_for(30) == 1
    assert zoom_for(120) == pytest.approx(0.2)
    assert zoom_for(60) == pytest.approx(0.4)
    assert zoom_for(8) == 3


def test_a_recipe_measures_what_nobody_told_it():
    annotations = [annotate(disc(199, 60))]
    measured = Recipe().measured(annotations)
    assert measured.diameter == pytest.approx(120, abs=1)
    assert measured.zoom == pytest.approx(0.2, abs=0.01)
    assert Recipe(diameter=24).measured(annotations).zoom == 1
    assert Recipe(target=Semantic()).measured(annotations).diameter == 0
    assert Recipe(ndim=3).measured(annotations).zoom == 1


def test_resizing_there_and_back_keeps_smooth_images_and_labels():
    y, x = np.indices((64, 96), np.float32)
    image = np.stack([np.sin(y / 9), np.cos(x / 11)])
    back = resized(resized(image, (32, 48)), (64, 96))
    assert np.abs(back - image)[:, 4:-4, 4:-4].max() < 0.03
    labels = disc(64, 20) * 7
    again = resized_labels(resized_labels(labels, (128, 128)), (64, 64))
    np.testing.assert_array_equal(again, labels)


@pytest.mark.parametrize("target", [Boundary(), StarConvexTarget(rays=8)])
def test_maps_have_the_shape_of_the_image_and_lengths_its_pixels(target):
    recipe = Recipe(target=target, diameter=72)  # zoom 1/3
    network = build(recipe).eval()
    pixels = np.random.default_rng(0).random((1, 97, 130), np.float32)
    device = choose_device("cpu")
    maps = predict_maps(network, recipe, pixels, device)
    assert maps.shape == (target.n_maps, 97, 130)
    small = predict_maps(
        network, recipe.model_copy(update={"diameter": 24.0}), resized(pixels, (32, 43)), device
    )
    expected = target.rescaled(resized(small, (97, 130)), 3)
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("target", [Boundary(), StarConvexTarget(rays=16)])
def test_maps_of_views_are_turned_back(target):
    labels = np.zeros((40, 56), np.int32)
    labels[3:20, 5:30], labels[22:38, 40:54], labels[25:30, 3:9] = 1, 2, 3
    expected = target.encode(annotate(labels))
    for turns in range(4):
        for mirrored in (False, True):
            view = np.rot90(labels, turns)
            view = np.ascontiguousarray(view[:, ::-1] if mirrored else view)
            drawn = target.encode(annotate(view))
            np.testing.assert_allclose(target.seen(drawn, turns, mirrored), expected, atol=0.6)
            assert np.abs(target.seen(drawn, turns, mirrored) - expected).mean() < 0.01


def test_eight_views_make_predictions_turn_with_the_image():
    recipe = Recipe()
    network, device = build(recipe).eval(), choose_device("cpu")
    pixels = np.random.default_rng(0).random((1, 64, 64), np.float32)
    maps = [
        predict_maps(network, recipe, np.ascontiguousarray(p), device, Tiling(views=8))
        for p in (pixels, np.rot90(pixels, 1, (-2, -1)))
    ]
    np.testing.assert_allclose(np.rot90(maps[0], 1, (-2, -1)), maps[1], atol=1e-4)
    single = predict_maps(network, recipe, pixels, device)
    assert np.abs(single - maps[0]).max() > 1e-4


def test_scribbles_and_objects_cut_off_are_not_measured():
    painted = np.zeros((80, 80), int)
    painted[40, 10:30], painted[60, 20:40] = 2, 3  # strokes through larger objects
    assert measured_diameter([annotate(painted, "sparse")]) == 0
    labels = disc(80, 12)
    labels[:30, :6] = 2  # at the edge of the image
    assert measured_diameter([annotate(labels)]) == pytest.approx(24, abs=0.5)
    assert Recipe().measured([annotate(painted, "sparse")]).zoom == 1


def test_a_turned_image_of_one_pixel_is_resampled():
    # Turned, such an image has strides that torch doesn't take, and numpy calls contiguous.
    turned = np.rot90(np.ones((1, 1, 1), np.float32), 2, (-2, -1))[..., ::-1]
    assert resized(turned, (2, 2)).tolist() == [[[1, 1], [1, 1]]]
