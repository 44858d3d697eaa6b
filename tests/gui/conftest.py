"""What the tests of the docks share: a folder for projects, and a project with predictions."""

import numpy as np
import pytest

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.instances.found import measured
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.gui import trainings, warming
from napari_nucleate.gui.session import session_of
from napari_nucleate.project.beside import dismiss


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """The folder that projects are made in."""
    folder = tmp_path / "home"
    monkeypatch.setenv("NUCLEATE_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def nothing_compiles_beside(monkeypatch):
    """Docks compile nothing in a process of their own; tests of that say so."""
    monkeypatch.setattr(warming, "needed", lambda: False)
    monkeypatch.setattr(warming, "_warming", [])


@pytest.fixture(autouse=True)
def nothing_trains_beside(monkeypatch):
    """Trainings run in a thread, where loading torch costs once; tests of processes say so."""
    monkeypatch.setattr(trainings, "possible", lambda: False)
    yield
    dismiss()


class Project:
    """A viewer with six small images of nuclei and a project on them; one image is labelled."""

    def __init__(self, viewer):
        self.sample = NucleiSample(count=6, size=64, radius=6).make()
        images = self.sample.images
        self.viewer = viewer
        self.layer = viewer.add_image(
            images.data,
            name="nuclei",
            scale=images.scale,
            units=images.units,
            axis_labels=("n", "y", "x"),
        )
        self.session = session_of(viewer)
        self.session.choose_layer(self.layer, "NYX", 2)
        self.session.annotate().data[0] = self.sample.labels.data[0]
        self.session.strokes.refresh()
        self.keys = self.session.state.keys()

    def predict(self, **confidences):
        """Have the truth predicted, with these confidences by image: n1=0.9."""
        for name, confidence in confidences.items():
            key = f"nuclei_{name}"
            labels = self.sample.labels.data[int(name[1:])].astype(np.int32)
            maps = self.session.state.recipe.target.encode(annotate(labels)).astype(np.float16)
            objects = {int(i): confidence for i in np.unique(labels)[1:]}
            target = self.session.state.recipe.target
            found = measured(labels, target.maps(maps.astype(np.float32)))
            scores = Scores(confidence, objects, "it is a test")
            event = Prediction(key, maps, labels, scores, found)
            self.session.store.save_prediction(event)
            self.session.job.happened.emit(event)

    def status(self, name):
        return self.session.state.item(f"nuclei_{name}").status


@pytest.fixture
def project(make_napari_viewer):
    """A project in a viewer, see `Project`."""
    return Project(make_napari_viewer())
