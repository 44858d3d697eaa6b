"""What docs/security.md promises of the program as a whole; the rest is tested beside its code."""

import ast
import json
import pickle
from pathlib import Path

import pytest

import napari_nucleate
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.model import Card, Record
from napari_nucleate.io.model import CARD, WEIGHTS, load_model, save_model
from napari_nucleate.project.model import Item, RoundEntry, State
from napari_nucleate.project.state_file import STATE
from napari_nucleate.project.store import Store

SOURCE = Path(napari_nucleate.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
ELSEWHERE = ["../x", "a/b", "/etc/x", "a\\b", "C:x", "..", ".", "a\x00b", "a\nb"]


def names_used(path):
    """Dotted names that a file calls or imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_nothing_that_runs_code_of_files_is_used(path):
    used = set(names_used(path))
    runs = {"eval", "exec", "compile", "torch.load", "np.load", "numpy.load", "os.system"}
    runs |= {"yaml", "marshal", "shelve", "dill", "joblib", "torch.jit.load", "os.popen"}
    assert not used & runs
    assert "shell=True" not in path.read_text("utf-8")
    # Pickles go between a process and the one it started, and never into a file.
    alone = path.relative_to(SOURCE).as_posix() == "project/beside.py"
    assert alone or not any(name.split(".")[0] == "pickle" for name in used)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_nothing_is_sent_or_fetched(path):
    talks = {"socket", "urllib", "http", "requests", "httpx", "ftplib", "smtplib", "aiohttp"}
    assert not {name.split(".")[0] for name in names_used(path)} & talks


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_in_the_place_of_weights_isnt_run(tmp_path, random_model, tiny):
    save_model(random_model(tiny()), tmp_path / "model")
    (tmp_path / "model" / WEIGHTS).write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    with pytest.raises(NucleateError, match=WEIGHTS):
        load_model(tmp_path / "model")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ELSEWHERE)
@pytest.mark.parametrize("field", ["key", "model", "chosen", "rounds.model", "rounds.initial"])
def test_names_in_a_project_cant_lead_out_of_it(tmp_path, field, name):
    values = State(
        items=(Item(key="a", model="round-0"),),
        rounds=(RoundEntry(number=0, model="round-0", human=1, pseudo=0, seconds=1),),
    ).model_dump(mode="json")
    if field == "chosen":
        values["chosen"] = name
    else:
        where, _, part = field.rpartition(".")
        values[where or "items"][0][part] = name
    (tmp_path / STATE).write_text(json.dumps(values))
    with pytest.raises(NucleateError, match="can't be the name of a file"):
        Store(tmp_path).load_state()


def test_colons_of_earlier_models_names_are_none_in_paths():
    assert Record(name="C:x").name == "C_x"


@pytest.mark.parametrize("name", [name for name in ELSEWHERE if name != "C:x"])
def test_the_name_of_a_model_cant_lead_out_of_its_folder(tmp_path, random_model, tiny, name):
    folder = save_model(random_model(tiny()), tmp_path / "model")
    values = json.loads((folder / CARD).read_text())
    values["record"]["name"] = name
    (folder / CARD).write_text(json.dumps(values))
    with pytest.raises(NucleateError, match="can't be the name of a file"):
        load_model(folder)


def test_names_of_people_are_names(tiny):
    for name in ("ü 日本 語", "100% #1 'x'", "[red]x[bold]", "<img src=x>", "a.b", "…"):
        assert Item(key=name).key == name
        assert Card(recipe=tiny(), record=Record(name=name)).record.name == name


def test_every_test_that_the_page_names_is_there():
    root = Path(__file__).parents[1]
    page = (root / "docs" / "security.md").read_text("utf-8")
    named = [part for part in page.split("`") if part.startswith("tests/") and "::" in part]
    assert len(named) > 9
    for one in named:
        path, _, function = one.partition("::")
        assert f"def {function}(" in (root / path).read_text("utf-8"), one
