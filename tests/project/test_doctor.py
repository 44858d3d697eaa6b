"""A diagnosis holds what who helps must know, and nothing private; it never fails."""

import getpass
import json
import os
import platform
import re
import subprocess
from pathlib import Path

import pytest
import torch

from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.io import private
from napari_nucleate.io.error_log import keep_error
from napari_nucleate.project import doctor
from napari_nucleate.project.doctor import Diagnosis, Section, diagnose
from napari_nucleate.project.lock import OWNER
from napari_nucleate.project.model import Item, State, View
from napari_nucleate.project.run import entered
from napari_nucleate.project.store import Store


@pytest.fixture
def store(tmp_path, tiny, random_model):
    """A project of "Smith" with two models, images that aren't there, and a lock left behind."""
    folder = tmp_path / "Dr Smith" / "cells 2026"
    store = Store(folder)
    state = State(
        recipe=tiny(steps=7),
        known="boxes",
        items=(
            Item(key="a", status="labelled", source="/data/Smith/a.tif"),
            Item(key="b", status="labelled", source="/data/Smith/b.tif"),
            Item(key="c", status="predicted", confidence=0.5),
        ),
        view=View(name="Smith", axes="NYX", shape=(3, 64, 64), files=("/data/Smith/a.tif",)),
    )
    for name, initial in (("round-0", ""), ("round-1", "round-0")):
        record = Record(name=name, initial=initial, human=("a", "b"), seconds=3, validation_ap=0.5)
        model = Model(Card(recipe=tiny(), record=record), random_model(tiny()).weights)
        store.save_model(model)
        state = entered(state, model)
    store.save_state(state.set_aside("round-1", "It is worse."))
    store.close()
    return store


def section(diagnosis, title):
    return dict(next(s.facts for s in diagnosis.sections if s.title == title))


def test_versions_machine_device_and_folders_are_told():
    found = diagnose()
    versions = section(found, "Versions")
    assert versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"napari-nucleate", "Python", "napari", "numpy", "numba"} <= set(versions)
    machine = section(found, "Machine")
    assert machine["processors"].startswith(f"{os.cpu_count()}, ")
    assert re.fullmatch(r"[\d.]+ GiB, [\d.]+ GiB free", machine["memory"])
    device = section(found, "Device")
    assert device["used by “auto”"] in ("cpu", "cuda", "mps")
    assert device["bfloat16"].startswith(("used", "not used"))
    folders = section(found, "Folders")
    assert {"new projects", "cache", "last errors", "compiled code"} <= set(folders)
    assert all(" free" in said for said in folders.values())


def test_a_project_is_told_of(store):
    found = section(diagnose(store.folder), "Project")
    assert found["images"] == "3: 2 labelled, 1 predicted"
    assert found["their files"] == "2, 2 of them not there"
    assert found["what counts"] == "boxes"
    assert found["layer"].startswith("3 × 64 × 64, axes NYX")
    assert json.loads(found["recipe: optimisation"])["budget"] == {"kind": "steps", "value": 7}
    assert "self-training: rounds" in found
    assert found["lock"] == "free"
    assert found["models"].split("\n") == [
        "2",
        "round-0: round 0, 2 images by a person, 0 by the program, 3 s, AP 0.500, in use",
        "round-1: round 0, 2 images by a person, 0 by the program, 3 s, AP 0.500, from round-0, "
        "set aside",
    ]


def test_nothing_private_is_told(store, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "annlee")
    monkeypatch.setattr(platform, "node", lambda: "lab-7")
    monkeypatch.setenv("NUCLEATE_HOME", "/data/Smith")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/scratch/annlee")
    private._names.cache_clear()
    owner = {"what": "self-train", "process": 1, "machine": "lab-8", "user": "bobby", "since": "t"}
    (store.folder / OWNER).write_text(json.dumps(owner))
    keep_error(OSError(5, "odd", "/data/Smith/a.tif"), "training", "/data/Smith/a.tif is odd")
    text = diagnose(store.folder).text()
    private._names.cache_clear()
    for secret in ("Smith", "annlee", "lab-7", "lab-8", "bobby", str(Path.home())):
        assert secret not in text
    assert "self-train, process 1 on another machine, since t" in text
    assert "…/a.tif is odd" in text


@pytest.mark.parametrize("process", ["runs", "has ended"])
def test_who_writes_a_project_is_told(store, process):
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    pid = os.getpid() if process == "runs" else ended.pid
    owner = {"what": "x", "process": pid, "machine": platform.node(), "user": "u", "since": "t"}
    (store.folder / OWNER).write_text(json.dumps(owner))
    lock = section(diagnose(store.folder), "Project")["lock"]
    assert lock == f"x, process {pid} on this machine, {process}, since t"


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"what": 1, "process": "x"}'])
def test_a_damaged_project_is_told_of(store, note):
    (store.folder / OWNER).write_text(note)
    (store.folder / "nucleate.json").write_text('{"version": 1, "known": 3}')
    found = section(diagnose(store.folder), "Project")
    assert found["lock"] == "not known: its note is damaged"
    assert found["problem"].startswith("…/nucleate.json: State: known = 3")
    assert "…/cells" not in found["problem"]


def test_a_folder_that_is_no_project_and_is_not_there(tmp_path):
    found = diagnose(tmp_path / "Smith" / "no")
    assert "is not a project" in section(found, "Project")["problem"]
    assert section(found, "Folders")["this project"].endswith("isn't there yet")
    assert not (tmp_path / "Smith").exists()


def test_the_last_errors_are_told_newest_first():
    for name in ("first", "second"):
        keep_error(ValueError(name), "training", f"It was the {name}.")
    text = diagnose().text()
    assert text.index("It was the second.") < text.index("It was the first.")
    assert "      ValueError: second" in text


def test_what_cannot_be_found_out_is_told_and_the_rest_is_there(monkeypatch):
    def broken():
        yield "one", "1"
        raise OSError(5, "Input/output error", "/lib/Smith/libtorch.so")

    monkeypatch.setattr(doctor, "_device", broken)
    device = section(diagnose(), "Device")
    assert device["one"] == "1"
    assert device["not known"] == "OSError: [Errno 5] Input/output error: '…/libtorch.so'"


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (lambda *a, **k: subprocess.CompletedProcess(a, 0, "NVIDIA X, 999.9, 8 MiB\n", ""), "999"),
        (
            lambda *a, **k: (_ for _ in ()).throw(subprocess.TimeoutExpired("x", 1)),
            "doesn't answer",
        ),
    ],
)
def test_the_driver_is_asked(monkeypatch, run, said):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(doctor.subprocess, "run", run)
    assert said in dict(doctor._drivers())["NVIDIA driver"]


def test_the_text_has_a_line_a_fact():
    found = Diagnosis((Section("Things", (("a", "1"), ("long", "2\n3"))),))
    head, rest = found.text().split("\n", 1)
    assert head.startswith("Diagnosis of napari-nucleate ")
    assert rest == "\nThings\n  a     1\n  long  2\n      3\n"
    assert found.to_dict() == {"Things": [("a", "1"), ("long", "2\n3")]}
