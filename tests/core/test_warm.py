"""After warming up, nothing compiles; where nothing can be kept, everything still works."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from napari_nucleate.core.instances import (
    Components,
    LinkedPlanes,
    Maps,
    StarConvex,
    Watershed,
    centre_probability,
    from_mask_like,
    ray_distances,
    warm,
)

SPLITTERS = [
    Components(),
    Watershed(),
    Watershed(sigma=3, separation=1),
    StarConvex(),
    StarConvex(outline="stars", anisotropy=2),
    LinkedPlanes(),
]
LAYOUTS = {
    "C": lambda x: x,
    "Fortran": np.asfortranarray,
    "turned": lambda x: x.transpose(),
    "every second": lambda x: np.repeat(x, 2, -1)[..., ::2],
    "bool": lambda x: x > 0,
    "int64": lambda x: x.astype(np.int64),
    "big-endian": lambda x: x.astype(">u2"),
    "float64": lambda x: (x > 0) * 0.9,
}


@pytest.fixture(scope="module", autouse=True)
def warmed():
    warm.warm()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ndim", [2, 3])
def test_nothing_is_left_to_compile(nuclei, ndim, layout):
    labels = LAYOUTS[layout](nuclei(ndim)[0].annotation.labels)
    # Holes are filled by a loop of their own.
    labels = np.where(np.indices(labels.shape).sum(0) % 13 == 0, np.zeros_like(labels), labels)
    given = from_mask_like(labels)
    seen = [given, Maps(given.foreground, depth=given.foreground.astype(np.float64) * 3)]
    with warm.compilations() as made:
        if labels.dtype.kind in "iu":
            rays, centre = ray_distances(labels, 16), centre_probability(labels, 2.0)
            seen += [
                Maps(given.foreground, centre=centre, distances=rays),
                Maps(given.foreground, centre=centre, distances=rays)[(slice(1, -1),) * ndim],
                Maps(given.foreground, border=np.asfortranarray(centre), seeds=labels),
            ]
        for maps in seen:
            for splitter in SPLITTERS:
                splitter.find(maps)
    assert made == []


def test_the_files_are_there():
    assert len(warm.files()) >= len({name for name, k in warm.kernels() if k.signatures})
    assert all(path.is_file() for path in warm.files())


def test_compiling_is_noticed():
    import numba

    told = []
    with warm.compilations(lambda: told.append("once")) as made:
        numba.njit(lambda x: x + 1)(1)
        numba.njit(lambda x: x + 2)(1)
    assert len(made) == 2
    assert told == ["once"]


def run(*code, **environment):
    done = subprocess.run(
        [sys.executable, *code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout


def test_without_a_place_for_machine_code_it_compiles_when_needed():
    # numba then looks nowhere but in the folder that a variable names, and there is none.
    nowhere = {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator", "NUMBA_CACHE_DIR": ""}
    answer = json.loads(run("-m", "napari_nucleate.core.instances.warm", **nowhere))
    assert answer["files"] == []
    assert answer["compiled"] == 0
    code = (
        "import numpy as np; from napari_nucleate.core.instances import *; "
        "print(Components(min_size=1).split(from_mask_like(np.eye(3))).max())"
    )
    assert run("-c", code, **nowhere) == "3\n"


def test_a_child_ends_with_its_parent():
    child = subprocess.Popen(
        [sys.executable, "-m", "napari_nucleate.core.instances.warm", "--child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child.stdin.close()
    assert child.wait(60) in (0, 1)
    child.stdout.close()


def test_a_child_comes_to_its_end():
    child = subprocess.Popen(
        [sys.executable, "-m", "napari_nucleate.core.instances.warm", "--child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.wait(120) == 0
    assert json.loads(child.stdout.read())["files"]
    child.stdin.close()
    child.stdout.close()
