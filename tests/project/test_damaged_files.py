"""A damaged file of a project is said with what helps: no advice for images of a person's."""

import numpy as np
import pytest

from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction
from napari_nucleate.io.model import CARD, WEIGHTS
from napari_nucleate.io.read import read_stack
from napari_nucleate.io.write import write_image
from napari_nucleate.project.store import Store

EARLIER = (
    r"put an earlier copy of it back, from a backup or a zip file of the project; .*paint again\.$"
)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "project") as made:
        yield made


def empty(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[:60])


def spoilt(path):
    path.write_bytes(bytes(path.stat().st_size))


def other(path):
    write_image(path, np.random.default_rng(0).random((5, 6), np.float32), "YX", overwrite=True)


def said(caught, path):
    sentence = str(caught.value)
    assert path.name in sentence
    assert "\n" not in sentence
    for wrong in ("Fiji", "copy it again", "save it"):
        assert wrong not in sentence


@pytest.mark.parametrize("harm", [empty, cut, spoilt, other])
def test_labels_a_person_painted(store, harm):
    path = store.save_annotation("a", np.ones((40, 50), int))
    harm(path)
    with pytest.raises(NucleateError, match=EARLIER) as caught:
        store.load_annotation("a")
    said(caught, path)


@pytest.mark.parametrize("harm", [empty, cut, spoilt])
def test_a_plane_of_a_volume_has_an_earlier_state_in_its_file(store, harm):
    store.save_annotation("a", np.ones((3, 40, 50), int))
    store.save_planes("a", {1: np.full((40, 50), 2)}, (3, 40, 50))
    (path,) = (store.folder / "annotations" / "a.planes").glob("*.tif")
    harm(path)
    with pytest.raises(
        NucleateError, match=r"move it elsewhere; the plane is then .* in a\.tif\.$"
    ) as caught:
        store.load_annotation("a")
    said(caught, path)
    path.rename(store.folder / path.name)
    assert (store.load_annotation("a") == 1).all()


@pytest.mark.parametrize("harm", [empty, cut, spoilt])
def test_joining_planes(store, harm):
    store.save_annotation("a", np.ones((3, 40, 50), int))
    store.save_planes("a", {1: np.full((40, 50), 2)}, (3, 40, 50))
    path = store.folder / "annotations" / "a.tif"
    harm(path)
    with pytest.raises(NucleateError, match=EARLIER) as caught:
        store.join_planes()
    said(caught, path)


@pytest.mark.parametrize("name", ["a.tif", "maps/a.tif", "a.json"])
@pytest.mark.parametrize("harm", [empty, cut, spoilt])
def test_a_prediction(store, harm, name):
    labels = np.ones((40, 50), np.int32)
    store.save_prediction(
        Prediction("a", np.ones((3, 40, 50), np.float16), labels, Scores(0.5, {1: 0.5}, "why"))
    )
    path = store.folder / "predictions" / name
    harm(path)
    with pytest.raises(NucleateError, match=r"predict the image again\.$") as caught:
        store.load_prediction("a")
    said(caught, path)


def test_a_prediction_whose_labels_are_gone(store):
    labels = np.ones((40, 50), np.int32)
    store.save_prediction(
        Prediction("a", np.ones((3, 40, 50), np.float16), labels, Scores(0.5, {1: 0.5}, "why"))
    )
    (store.folder / "predictions" / "a.tif").unlink()
    with pytest.raises(NucleateError, match=r"a\.tif does not exist; predict the image again\.$"):
        store.load_prediction("a")


@pytest.mark.parametrize("harm", [empty, spoilt])
def test_boxes(store, harm):
    store.save_boxes({"a": [((0, 0), (5, 6))]})
    harm(store.boxes_file)
    with pytest.raises(NucleateError, match=r"remove it and draw the boxes again\.$") as caught:
        store.load_boxes()
    said(caught, store.boxes_file)


@pytest.mark.parametrize("name", [WEIGHTS, CARD])
@pytest.mark.parametrize("harm", [empty, cut, spoilt])
def test_a_model(store, tiny, random_model, harm, name):
    folder = store.save_model(random_model(tiny()))
    harm(folder / name)
    with pytest.raises(NucleateError, match=r"use another model, or train\.$") as caught:
        store.load_model(folder.name)
    said(caught, folder / name)


def test_images_keep_their_own_advice(store, tmp_path):
    path = tmp_path / "mine.tif"
    write_image(path, np.ones((40, 50), np.uint8), "YX")
    spoilt(path)
    with pytest.raises(NucleateError, match="Fiji"):
        read_stack(path)
