"""What loads what: a plugin must not slow napari's start, nor the command line its help."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "torch._dynamo",
    "triton",
    "napari",
    "qtpy",
    "PyQt6",
    "magicgui",
    "superqt",
    "pyqtgraph",
)


def loaded_by(*modules):
    """Names of the heavy packages that these imports load, in a new Python."""
    code = (
        f"import sys; import {', '.join(modules)}; print(*[m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "modules",
    [
        ("napari_nucleate",),
        (
            "napari_nucleate.core.annotation",
            "napari_nucleate.core.recipe",
            "napari_nucleate.core.events",
            "napari_nucleate.core.rounds",
            "napari_nucleate.core.patches",
            "napari_nucleate.core.confidence",
            "napari_nucleate.core.choose",
            "napari_nucleate.core.predict",
            "napari_nucleate.core.model",
            "napari_nucleate.core.samples",
            "napari_nucleate.core.metrics",
            "napari_nucleate.core.targets",
        ),
        ("napari_nucleate.io.read", "napari_nucleate.io.write", "napari_nucleate.io.model"),
        (
            "napari_nucleate.project.model",
            "napari_nucleate.project.plan",
            "napari_nucleate.project.store",
            "napari_nucleate.project.run",
        ),
        ("napari_nucleate.cli.app",),
    ],
    ids=["the package", "core", "io", "project", "the command line"],
)
def test_no_torch_and_no_window_is_loaded_by(modules):
    assert loaded_by(*modules) == set()


def test_training_loads_torch_but_neither_its_compiler_nor_a_window():
    assert loaded_by("napari_nucleate.core.training.train") == {"torch"}


def test_the_package_knows_its_version():
    from importlib.metadata import version

    import napari_nucleate

    assert napari_nucleate.__version__ == version("napari-nucleate")
