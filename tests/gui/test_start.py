"""The window from the command line."""

import numpy as np
import pytest

from napari_nucleate.cli.projects import images_of
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import Stack
from napari_nucleate.gui.files import alike
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.start import check_screen, fill
from napari_nucleate.io.read import read_images
from napari_nucleate.io.write import write_image


def stack(shape, axes, dtype="uint8", name="a"):
    return Stack(np.zeros(shape, dtype), axes, name=name)


def test_without_a_screen_it_says_so(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(NucleateError, match="no screen"):
        check_screen()


def test_images_of_one_shape_become_one_layer(make_napari_viewer):
    viewer = make_napari_viewer()
    same = [stack((32, 40), "YX", name=str(i)) for i in range(3)]
    other = [stack((20, 20, 3), "YXC")]
    assert [len(g) for g in alike([*same, *other])] == [3, 1]
    fill(viewer, [*same, *other])
    first, second = viewer.layers
    assert first.data.shape == (3, 32, 40)
    assert first.axis_labels == ("n", "y", "x")
    assert second.rgb
    assert second.data.shape == (20, 20, 3)


def test_the_window_s_project_finds_its_files_again(make_napari_viewer, tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 9999, (3, 32, 40)).astype(np.uint16)
    for name, image in zip("abc", pixels, strict=True):
        write_image(tmp_path / f"{name}.tif", image, "YX")
    viewer = make_napari_viewer()
    fill(viewer, read_images(tmp_path))
    session = session_of(viewer)
    session.choose_layer(viewer.layers[0], "NYX", 2)
    keys = session.state.keys()
    found = images_of(session.state, keys)
    assert [one.key for one in found] == keys
    for one in found:
        np.testing.assert_array_equal(one.read(), session.ref(one.key).read())
    np.testing.assert_array_equal(found[2].read()[0], pixels[2])


def test_without_images_it_shows_the_sample(make_napari_viewer):
    viewer = make_napari_viewer()
    fill(viewer, [])
    assert [layer.name for layer in viewer.layers] == ["nuclei 2d truth", "nuclei 2d"]
    titles = {dock.windowTitle() for dock in viewer.window._qt_window.findChildren(_dock_class())}
    assert {"Label", "Train", "Review", "Split", "Export"} <= titles


def _dock_class():
    from qtpy.QtWidgets import QDockWidget

    return QDockWidget
