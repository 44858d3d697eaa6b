"""Folders and files that people name as they like: the loop works, and names stay text."""

import csv
import io
import subprocess
import sys

import numpy as np
import pytest

from napari_nucleate.cli.console import PlainConsole
from napari_nucleate.io.model import load_model
from napari_nucleate.io.read import read_images

STRANGE = [
    "nuclei ü 日本 語",
    "100% #1 'it' & so",
    "[red]x[bold]",
    "=1+1",
    "-5",
    "%20 ~ $HOME;ls",
    "x" * 240,
]


@pytest.fixture
def strange(tmp_path, sample):
    """A folder in which nothing has a plain name: images and their masks."""
    inside = tmp_path / "ü 日本 語" / "100% #1 'mine' [/red]"
    sources = [sorted(folder.iterdir()) for folder in sample("2d", len(STRANGE))]
    for folder, files in zip(("images", "masks"), sources, strict=True):
        (inside / folder).mkdir(parents=True)
        for name, source in zip(STRANGE, files, strict=True):
            (inside / folder / f"{name}.tif").write_bytes(source.read_bytes())
    return inside


def test_the_whole_loop_works(nucleate, strange, tiny_options):
    images, masks, project = strange / "images", strange / "masks", strange / "project %41"
    for name in STRANGE[2:]:
        (masks / f"{name}.tif").rename(strange / f"{name}.tif")
    loop = ["self-train", "--images", images, "--masks", masks, "--rounds", 1, "--out", project]
    nucleate(*loop, *tiny_options)
    nucleate("self-train", project, "--rounds", 2, *tiny_options[-2:])
    nucleate(
        "train", "--images", images, "--masks", masks, "--out", strange / "a: b", *tiny_options
    )
    assert load_model(strange / "a: b").card.record.name == "a_ b"
    found, measured = strange / "found", strange / "measured"
    nucleate("predict", strange / "a: b", "--images", images, "--out", found)
    nucleate("split", found, "--out", strange / "split", "--table")
    nucleate("export", strange / "split", "--images", images, "--out", measured)
    labels = read_images(measured / "labels")
    assert len(labels) == len(STRANGE)
    assert all(np.asarray(one.data).shape == (64, 64) for one in labels)
    with (measured / "measurements.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(row["probability"] for row in rows)
    assert not any(row["image"].startswith("=") for row in rows)


def test_markup_and_escapes_in_names_are_shown_and_not_obeyed(refused, tmp_path):
    said = refused("evaluate", tmp_path / "[red]x[bold]", tmp_path)
    assert "[red]x[bold]" in said
    said = refused("evaluate", tmp_path / "a\x1b[2J\x9b1mb", tmp_path)
    assert "\x1b" not in said
    assert "\x9b" not in said


def test_a_console_shows_texts_as_they_are():
    out = io.StringIO()
    PlainConsole(file=out, width=80).print("[red]x[/red] \x1b]0;title\x07 :smile:\nnext")
    assert out.getvalue() == "[red]x[/red]  ]0;title :smile:\nnext\n"


def test_the_command_line_is_a_module_too():
    told = subprocess.run(
        [sys.executable, "-m", "napari_nucleate", "--help"], capture_output=True, text=True
    )
    assert told.returncode == 0
    assert "self-train" in told.stdout
