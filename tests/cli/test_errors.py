"""What goes wrong is one sentence and a status; nothing is overwritten."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile

from napari_nucleate.core.recipe import Optimisation


@pytest.fixture
def options(sample):
    images, masks = sample()
    return ["--images", images, "--masks", masks]


class TestWhatIsMissing:
    def test_images(self, refused, tmp_path, sample):
        masks = sample()[1]
        for where in (tmp_path / "nowhere", tmp_path):
            sentence = refused(
                "train", "--images", where, "--masks", masks, "--out", tmp_path / "o"
            )
            assert str(where) in sentence

    def test_masks_with_the_names_of_images(self, refused, tmp_path, sample):
        images = sample()[0]
        other = tmp_path / "masks"
        other.mkdir()
        tifffile.imwrite(other / "stranger.tif", np.ones((64, 64), np.uint8))
        sentence = refused("train", "--images", images, "--masks", other, "--out", tmp_path / "o")
        assert "stranger" in sentence or "no mask" in sentence

    def test_a_model(self, refused, tmp_path, sample):
        sentence = refused("predict", tmp_path, "--images", sample()[0], "--out", tmp_path / "o")
        assert "is not a model" in sentence

    def test_a_pool(self, refused, tmp_path, options):
        sentence = refused("self-train", *options, "--out", tmp_path / "o")
        assert sentence == "All 6 images have masks; self-training needs images without."

    def test_either_images_or_masks_of_the_demo(self, refused, sample, tmp_path):
        sentence = refused("demo", "--images", sample()[0], "--out", tmp_path / "o")
        assert sentence == "--images and --masks belong together; give both or neither."

    def test_images_to_predict_in_the_demo(self, refused, options, tmp_path):
        sentence = refused("demo", *options, "--labelled", 6, "--out", tmp_path / "o")
        assert "6 images have masks and 6 are to be labelled" in sentence


class TestWhatDoesNotFit:
    def test_two_budgets(self, refused, options, tmp_path):
        sentence = refused("train", *options, "--steps", 3, "--epochs", 4, "--out", tmp_path / "o")
        assert sentence == "--epochs and --steps are both given; choose one."

    def test_flat_images_in_3d(self, refused, options, tmp_path):
        assert "choose 2D" in refused("train", *options, "--ndim", 3, "--out", tmp_path / "o")

    def test_classes_of_a_target_that_has_none(self, refused, options, tmp_path):
        sentence = refused(
            *("train", *options, "--target", "boundary", "--classes", 3, "--out", tmp_path / "o")
        )
        assert "--classes 3 goes with --target semantic" in sentence

    def test_a_patch_that_can_not_be_halved(self, refused, options, tmp_path):
        assert "patch = 50" in refused("train", *options, "--patch", 50, "--out", tmp_path / "o")

    def test_images_of_other_channels(self, refused, tmp_path, sample, tiny_options, nucleate):
        images, masks = sample()
        training = ["--images", images, "--masks", masks, "--out", tmp_path / "model"]
        nucleate("train", *training, *tiny_options)
        other = tmp_path / "other"
        other.mkdir()
        tifffile.imwrite(
            other / "two.tif",
            np.zeros((2, 20, 20), np.uint8),
            imagej=True,
            metadata={"axes": "CYX"},
        )
        sentence = refused(
            "predict", tmp_path / "model", "--images", other, "--out", tmp_path / "o"
        )
        assert "two has 2 channel(s) but the model was trained on 1" in sentence

    def test_labels_and_truth_of_other_shapes(self, refused, tmp_path):
        for name, side in (("a", 20), ("b", 30)):
            (tmp_path / name).mkdir()
            tifffile.imwrite(tmp_path / name / "x.tif", np.ones((side, side), np.uint8))
        sentence = refused("evaluate", tmp_path / "a", tmp_path / "b")
        assert "(20, 20)" in sentence
        assert "(30, 30)" in sentence

    def test_masks_with_fractions(self, refused, tmp_path, sample):
        masks = tmp_path / "masks"
        masks.mkdir()
        tifffile.imwrite(masks / "nuclei_0.tif", np.full((64, 64), 0.5, np.float32))
        sentence = refused(
            "train", "--images", sample()[0], "--masks", masks, "--out", tmp_path / "o"
        )
        assert "whole numbers" in sentence

    def test_a_damaged_recipe(self, refused, options, tmp_path):
        (tmp_path / "r.json").write_text("{")
        sentence = refused(
            "train", *options, "--recipe", tmp_path / "r.json", "--out", tmp_path / "o"
        )
        assert "r.json can't be read as JSON" in sentence

    def test_a_damaged_image(self, refused, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "cut.tif").write_bytes(b"II*\0 cut off")
        assert "cut.tif" in refused("split", tmp_path / "in", "--out", tmp_path / "o")


@pytest.mark.parametrize("command", ["train", "self-train", "demo"])
def test_nothing_is_overwritten(refused, options, tmp_path, command):
    (tmp_path / "mine.txt").write_text("precious")
    sentence = refused(command, *options, "--out", tmp_path)
    assert sentence.endswith("is not empty; choose a new folder, nothing is overwritten.")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["[bold]", "[/bold]", "a [red]b", "[1]", ":smile:"])
def test_names_of_files_are_shown_as_they_are(refused, tmp_path, name):
    folder = tmp_path / name
    assert str(folder) in refused("evaluate", folder, folder)


@pytest.mark.parametrize("name", ["[bold]", "[/bold] ü"])
def test_names_of_results_are_shown_as_they_are(nucleate, sample, tmp_path, name):
    out = tmp_path / name
    assert name in nucleate("split", sample()[1], "--out", out).err.replace("\n", "")


def test_a_wrong_option_is_a_usage_error_with_status_2(nucleate, tmp_path):
    assert "No such option" in nucleate("train", "--sekonds", 3, code=2).err
    assert "Missing option" in nucleate("train", code=2).err
    done = nucleate("sample", tmp_path / "o", "--radius", 1, code=2)
    assert "4" in done.err
    assert not (tmp_path / "o").exists()


COMMANDS = [
    "sample",
    "train",
    "predict",
    "self-train",
    "suggest",
    "split",
    "tune",
    "export",
    "evaluate",
    "doctor",
    "demo",
    "gui",
]


def test_the_help_lists_every_command(nucleate):
    text = nucleate("--help").out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_help_text(nucleate, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    lines = nucleate(command, "--help").out.splitlines()
    options = [line for line in lines if line.strip("│ *").startswith("--")]
    assert options
    for line in options:
        words = line.strip("│ *").split("  ")
        assert len([w for w in words if w.strip()]) >= 2, line


def test_the_help_shows_the_descriptions_of_the_fields(nucleate, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    text = " ".join(nucleate("train", "--help").out.split())
    for field in ("patch", "batch", "learning_rate", "validation", "seed", "device"):
        assert Optimisation.model_fields[field].description in text
    assert "(default: 0.003)" in text


def test_json_is_all_that_stands_on_the_output(nucleate, sample, tmp_path):
    done = nucleate("split", sample()[1], "--out", tmp_path / "o", "--json")
    assert json.loads(done.out)["out"] == str(tmp_path / "o")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a child")
def test_ctrl_c_stops_the_training_and_keeps_the_best(sample, tmp_path, tiny_options):
    images, masks = sample()
    out = tmp_path / "model"
    command = [sys.executable, "-c", "from napari_nucleate.cli.app import main; main()", "train"]
    command += ["--images", images, "--masks", masks, "--out", out, *tiny_options[:-2]]
    command += ["--seconds", "120"]
    process = subprocess.Popen(
        [str(c) for c in command],
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background has Ctrl+C ignored, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while not (out / "model.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "Stopped; what is done so far is kept." in err
    assert (out / "model.json").exists()


def test_the_command_is_installed_and_ends_with_status_1(tmp_path):
    code = "from napari_nucleate.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "evaluate", str(tmp_path / "a"), str(tmp_path / "b")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
