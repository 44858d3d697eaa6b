"""The command line in this process, and small samples as files."""

import json
import sys
from dataclasses import dataclass

import pytest

from napari_nucleate.cli.app import main
from napari_nucleate.cli.sampling import write_sample
from napari_nucleate.core.samples import NucleiSample

TINY = ["--width", "4", "--levels", "2", "--patch", "32", "--batch", "2", "--device", "cpu"]


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def nucleate(monkeypatch, capsys):
    """Runs `nucleate ARGUMENTS` as the command would."""

    # This process opens windows, too.
    monkeypatch.setattr("napari_nucleate.cli.app.keep_memory", lambda: False)

    def run(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["nucleate", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        done = Done(ended.value.code or 0, out, err)
        assert done.code == code, done.err + done.out
        return done

    return run


@pytest.fixture
def refused(nucleate):
    """Runs a command that must end with status 1 and one sentence, which it gives."""

    def run(*arguments):
        done = nucleate(*arguments, code=1)
        assert "Traceback" not in done.err
        assert done.out == ""
        sentence = done.err.strip()
        assert sentence.startswith("Error: ")
        assert sentence.endswith(".")
        assert "\n" not in sentence
        return sentence.removeprefix("Error: ")

    return run


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """Gives folders of images and masks: "2d", "3d" or "time-lapse"."""
    made = {}

    def get(kind="2d", count=6):
        if (kind, count) not in made:
            folder = tmp_path_factory.mktemp(kind)
            options = NucleiSample(
                kind=kind, count=count, size=64 if kind != "3d" else 32, depth=8, radius=6, seed=2
            )
            made[kind, count] = write_sample(options, folder)
        return made[kind, count]

    return get


@pytest.fixture
def tiny_options():
    """Options of `train` and `self-train` for a tiny network and a few steps."""
    return [*TINY, "--steps", "3"]
