"""Layers and stacks: axes, places, and layers that lie where the image lies."""

import dask.array
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.layers import LayerSource, boxes_of, guess_axes


@pytest.mark.parametrize(
    ("shape", "labels", "axes"),
    [
        ((8, 9), None, "YX"),
        ((3, 8, 9), None, "ZYX"),
        ((2, 3, 8, 9), None, "TZYX"),
        ((2, 2, 3, 8, 9), None, "TCZYX"),
        ((3, 8, 9), ("time", "y", "x"), "TYX"),
        ((3, 8, 9), ("n", "y", "x"), "NYX"),
        ((3, 8, 9), ("c", "Y", "X"), "CYX"),
        ((3, 8, 9), ("q", "y", "x"), "ZYX"),
        ((3, 8, 9), ("y", "y", "x"), "ZYX"),
    ],
)
def test_axes_are_guessed(shape, labels, axes):
    assert guess_axes(Image(np.zeros(shape), axis_labels=labels)) == axes


def test_images_of_a_stack_and_their_places():
    data = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)
    source = LayerSource.of(Image(data, name="stack"), "TCZYX", 2)
    refs = source.stack.images(2)
    assert len(refs) == 2 * 4
    assert source.shape == (2, 1, 4, 5, 6)
    labels = np.zeros(source.shape, int)
    for i, ref in enumerate(refs):
        labels[source.place(ref)] = i
        np.testing.assert_array_equal(ref.read(), data[ref.position["T"], :, ref.position["Z"]])
    assert sorted(np.unique(labels)) == list(range(8))
    volumes = LayerSource.of(Image(data), "TCZYX", 3)
    assert [labels[volumes.place(r)].shape for r in volumes.stack.images(3)] == [(4, 5, 6)] * 2


def test_edited_pixels_tell_their_images():
    source = LayerSource.of(Image(np.zeros((3, 4, 8, 9))), "TZYX", 2)

    def found(*where):
        return [ref.index for ref in source.images_at(where)]

    rows = np.array([1, 2])
    assert found(np.array([0, 2]), np.array([3, 1]), rows, rows) == [
        (("T", 0), ("Z", 3)),
        (("T", 2), ("Z", 1)),
    ]
    # As napari's brush and other programs give them.
    assert found(2, np.int64(1), rows, rows) == [(("T", 2), ("Z", 1))]
    assert len(found(slice(None), np.array([1]), rows, slice(0, 3))) == 3
    assert found(*(np.array([], int),) * 4) == []
    volumes = LayerSource.of(Image(np.zeros((4, 8, 9))), "ZYX", 3)
    assert [ref.index for ref in volumes.images_at((rows,) * 3)] == [()]


def test_a_label_layer_covers_all_channels():
    image = Image(np.zeros((3, 8, 9)), scale=(2, 0.5, 0.5), translate=(10, 1, 2))
    source = LayerSource.of(image, "CYX", 2)
    labels = Labels(np.zeros(source.shape, int), **source.geometry())
    # The middle of the one plane is the middle of the channels, and it is as thick as all.
    assert labels.data_to_world((0, 0, 0)) == tuple(image.data_to_world((1, 0, 0)))
    assert labels.scale[0] == 6
    assert labels.data_to_world((0, 3, 4))[1:] == tuple(image.data_to_world((0, 3, 4)))[1:]


def test_geometry_is_the_images():
    image = Image(
        np.zeros((4, 8, 9)),
        scale=(600, 0.5, 0.25),
        translate=(0, 5, 6),
        units=("second", "micrometer", "micrometer"),
        axis_labels=("t", "y", "x"),
    )
    source = LayerSource.of(image, "TYX", 2)
    labels = Labels(np.zeros(source.shape, int), **source.geometry())
    assert labels.units == image.units
    assert labels.axis_labels == image.axis_labels
    assert labels.data_to_world((1, 2, 3)) == tuple(image.data_to_world((1, 2, 3)))


@pytest.mark.parametrize("options", [{}, {"rotate": 30}, {"shear": [0.2, 0, 0]}], ids=str)
def test_a_region_lies_where_the_image_lies(options):
    image = Image(np.zeros((4, 20, 30)), scale=(2, 0.5, 0.25), translate=(1, 2, 3), **options)
    source = LayerSource.of(image, "TYX", 2)
    ref = source.stack.images(2)[2]
    part = source.expand(np.zeros((5, 6)))
    assert part.shape == (1, 5, 6)
    layer = Image(part, **source.geometry_at(ref, (7, 8)))
    np.testing.assert_allclose(layer.data_to_world((0, 0, 0)), image.data_to_world((2, 7, 8)))
    np.testing.assert_allclose(layer.data_to_world((0, 3, 4)), image.data_to_world((2, 10, 12)))


@pytest.mark.parametrize("scale", [(1, 1, 1), (600, 0.5, 0.5)])
def test_sliders_follow_and_lead(scale):
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((5, 8, 9)), scale=scale, translate=(3, 0, 0))
    source = LayerSource.of(image, "TYX", 2)
    for ref in source.stack.images(2):
        source.show(viewer, ref)
        assert source.in_view(viewer).key == ref.key
    # Beside a layer of more dimensions the sliders are others.
    viewer.add_image(np.zeros((2, 5, 8, 9)))
    source.show(viewer, source.stack.images(2)[1])
    assert source.in_view(viewer).key == source.stack.images(2)[1].key


def test_colours_are_asked_for():
    image = Image(np.random.default_rng(0).random((4, 8, 9, 3)), rgb=True)
    with pytest.raises(NucleateError, match="colour"):
        LayerSource.of(image, "TYX", 2)
    channels = LayerSource.of(image, "TYX", 2, "channels")
    assert channels.stack.n_channels == 3
    assert channels.shape == (4, 8, 9)
    assert channels.stack.images(2)[1].read().shape == (3, 8, 9)
    grey = LayerSource.of(image, "TYX", 2, "grey")
    np.testing.assert_allclose(grey.stack.images(2)[1].read()[0], image.data[1].mean(-1))


def test_what_does_not_fit_is_refused():
    with pytest.raises(NucleateError, match="out of order"):
        LayerSource.of(Image(np.zeros((3, 8, 9))), "YZX", 2)
    with pytest.raises(NucleateError, match="2D"):
        LayerSource.of(Image(np.zeros((3, 8, 9))), "TYX", 3)
    with pytest.raises(NucleateError, match="at most once"):
        LayerSource.of(Image(np.zeros((3, 8, 9))), "YYX", 2)


def test_lazy_data_stays_lazy_and_pyramids_give_their_finest():
    lazy = dask.array.zeros((3, 8, 9), chunks=(1, 8, 9))
    assert LayerSource.of(Image(lazy), "TYX", 2).stack.data is lazy
    pyramid = Image([np.ones((16, 16)), np.ones((8, 8))], multiscale=True)
    assert LayerSource.of(pyramid, "YX", 2).shape == (16, 16)


def test_boxes_of_one_image():
    image = Image(np.zeros((3, 20, 30)), scale=(1, 2, 2))
    source = LayerSource.of(image, "TYX", 2)
    corners = [[1, 2, 3], [1, 2, 9], [1, 8, 9], [1, 8, 3]]
    shapes = Shapes([np.array(corners)], shape_type="rectangle", **source.geometry())
    refs = source.stack.images(2)
    assert boxes_of(shapes, source, refs[1]) == [([2, 3], [8, 9])]
    assert boxes_of(shapes, source, refs[0]) == []
    assert boxes_of(None, source, refs[0]) == []
    # In a volume the box drawn on a plane knows that plane.
    volume = LayerSource.of(image, "ZYX", 3)
    assert boxes_of(shapes, volume, volume.stack.images(3)[0]) == [([1, 2, 3], [2, 8, 9])]
