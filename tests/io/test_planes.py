"""Planes written beside their volume's file: what is read is always the newest."""

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.planes import drop_planes, loose, newer_planes, save_planes
from napari_nucleate.io.write import write_labels
from napari_nucleate.project.store import Store


@pytest.fixture
def path(tmp_path):
    """A volume's file, of 4 planes."""
    path = tmp_path / "embryo ü.tif"
    write_labels(path, np.ones((4, 6, 8), np.int32), "ZYX")
    return path


def test_planes_are_read_where_they_belong(path):
    save_planes(path, {2: np.full((6, 8), 70_000), 0: np.zeros((6, 8), int)})
    found = newer_planes(path, (4, 6, 8))
    assert sorted(found) == [0, 2]
    assert (found[2] == 70_000).all()
    assert not found[0].any()
    assert loose(path.parent) == [path]


def test_planes_of_one_row_keep_their_shape(tmp_path):
    path = tmp_path / "thin.tif"
    write_labels(path, np.ones((4, 1, 8), np.int32), "ZYX")
    save_planes(path, {1: np.full((1, 8), 3)})
    assert newer_planes(path, (4, 1, 8))[1].shape == (1, 8)


def test_dropped_planes_are_gone(path):
    save_planes(path, {2: np.zeros((6, 8), int)})
    drop_planes(path)
    drop_planes(path)
    assert newer_planes(path, (4, 6, 8)) == {}
    assert loose(path.parent) == []


@pytest.mark.parametrize("name", ["0004.tif", "two.tif"])
def test_a_plane_that_is_none_is_named(path, name):
    save_planes(path, {0: np.zeros((6, 8), int)})
    write_labels(path.parent / "embryo ü.planes" / name, np.zeros((6, 8), int), "YX")
    with pytest.raises(NucleateError, match=rf"{name} has the shape .* isn't a plane of embryo ü"):
        newer_planes(path, (4, 6, 8))


def test_a_plane_of_another_size_is_named(path):
    save_planes(path, {1: np.zeros((5, 8), int)})
    with pytest.raises(NucleateError, match=r"0001\.tif has the shape"):
        newer_planes(path, (4, 6, 8))


def test_a_store_joins_planes_into_one_file(tmp_path):
    with Store(tmp_path / "project") as store:
        store.save_planes(
            "a", {3: np.full((6, 8), 9)}, (4, 6, 8), (2.0, 0.5, 0.5), ("micrometer",) * 3
        )
        before = store.load_annotation("a")
        store.join_planes()
        assert not (tmp_path / "project" / "annotations" / "a.planes").exists()
        np.testing.assert_array_equal(store.load_annotation("a"), before)
    assert (before[3] == 9).all()
    assert not before[:3].any()


def test_what_is_written_whole_is_newer_than_planes_of_before(tmp_path):
    with Store(tmp_path / "project") as store:
        store.save_planes("a", {3: np.full((6, 8), 9)}, (4, 6, 8))
        store.save_annotation("a", np.ones((4, 6, 8), np.int32))
        assert (store.load_annotation("a") == 1).all()


def test_a_volume_of_one_plane_has_no_planes_beside(tmp_path):
    with Store(tmp_path / "project") as store:
        store.save_planes("a", {0: np.full((6, 8), 9)}, (1, 6, 8))
        assert (store.load_annotation("a") == 9).all()
        assert loose(tmp_path / "project" / "annotations") == []
