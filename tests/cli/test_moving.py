"""Projects whose images moved, that are sent in a zip file, and what is written of all that."""

import json
import shutil
import zipfile

import numpy as np
import pytest

from napari_nucleate.io.write import write_image
from napari_nucleate.project import log
from napari_nucleate.project.learned import Round
from napari_nucleate.project.store import Store

ALL_GOOD = ["--least", 0, "--sure", 0, "--sizes", 1000]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, sample):
    """A project of six images and where its images are; four images are the pool."""
    images, masks = sample("2d", 6)
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(images, folder / "images")
    (folder / "masks").mkdir()
    for path in sorted(masks.iterdir())[:2]:
        shutil.copy(path, folder / "masks")
    return folder


@pytest.fixture
def project(trained, tmp_path, nucleate, tiny_options):
    """The same, trained in a few steps, in folders of its own."""
    shutil.copytree(trained, tmp_path / "data")
    options = ["--images", tmp_path / "data" / "images", "--masks", tmp_path / "data" / "masks"]
    rounds = ["--rounds", 1, *ALL_GOOD]
    nucleate("self-train", *options, "--out", tmp_path / "project", *rounds, *tiny_options)
    return tmp_path / "project"


def test_a_project_goes_to_somebody_else_with_its_images(
    nucleate, refused, project, tmp_path, tiny_options
):
    plain, whole = tmp_path / "plain.zip", tmp_path / "ganz 全部.zip"
    assert "--with-images packs them" in nucleate("pack", project, plain).err
    nucleate("pack", project, whole, "--with-images")
    assert "exists already" in refused("pack", project, whole)
    assert "inside the project" in refused("pack", project, project / "p.zip")
    names = zipfile.ZipFile(whole).namelist()
    assert {"nucleate.json", "log.csv", "models/round-0/weights.safetensors"} <= set(names)
    assert not [n for n in names if any(part.startswith(".") for part in n.split("/"))]
    assert len([n for n in names if n.startswith("images/")]) == 6
    assert not [n for n in zipfile.ZipFile(plain).namelist() if n.startswith("images/")]
    keys = Store(project).load_state().keys()
    before = {key: Store(project).load_annotation(key) for key in keys}

    shutil.rmtree(tmp_path / "data")
    shutil.move(project, tmp_path / "away")
    theirs = tmp_path / "ihre Daten"
    assert nucleate("unpack", whole, theirs, "--json").json["missing"] == []
    assert "exists already" in refused("unpack", whole, theirs)
    raw = json.loads((theirs / "nucleate.json").read_text("utf-8"))
    assert {i["source"].rpartition("/")[0] for i in raw["items"]} == {"images"}
    state = Store(theirs).load_state()
    for key, painted in before.items():
        again = Store(theirs).load_annotation(key)
        assert (again is None) == (painted is None)
        if painted is not None:
            np.testing.assert_array_equal(again, painted)
    more = nucleate("self-train", theirs, "--rounds", 1, *ALL_GOOD, *tiny_options)
    assert "Warning" not in more.err
    assert len(Store(theirs).load_state().rounds) == len(state.rounds) + 1


def test_images_that_moved_are_found_again(nucleate, refused, project, tmp_path, tiny_options):
    moved = tmp_path / "elsewhere" / "deep"
    moved.mkdir(parents=True)
    go_on = ["self-train", project, "--rounds", 1, *tiny_options]
    shutil.move(tmp_path / "data" / "images", moved / "images")
    assert "say where it is by `nucleate locate PROJECT FOLDER`" in refused(*go_on)
    assert nucleate("locate", project, "--json", code=1).json["missing"]
    done = nucleate("locate", project, tmp_path / "elsewhere", "--json").json
    assert len(done["found"]) == 6
    assert done["missing"] == done["changed"] == []
    assert nucleate("locate", project).err.strip() == "All images are there, as they were."
    nucleate(*go_on)
    told = [row["what"] for row in log.read(project)]
    assert "located" in told


def test_what_is_found_is_kept_though_some_is_not(nucleate, project, tmp_path):
    images = sorted((tmp_path / "data" / "images").iterdir())
    (tmp_path / "new").mkdir()
    for path in images[:4]:
        shutil.move(path, tmp_path / "new")
    for path in images[4:]:
        path.unlink()
    done = nucleate("locate", project, tmp_path / "new", code=1)
    assert "4 of 6 missing files found" in done.err
    assert "2 image file(s)" in done.err
    assert len(nucleate("locate", project, "--json", code=1).json["missing"]) == 2


def test_a_swapped_file_is_said_before_it_is_learned_from(
    nucleate, project, tmp_path, tiny_options
):
    first, second, *_ = sorted((tmp_path / "data" / "images").iterdir())
    shutil.copy(second, first)
    go_on = ["self-train", project, "--rounds", 1, *ALL_GOOD, *tiny_options]
    said = nucleate(*go_on).err
    assert f"Warning: {first} holds other pixels than when the project was made" in said
    assert nucleate("suggest", project, "--json").err.count("other pixels") == 1
    assert nucleate("locate", project, "--json", code=1).json["changed"] == [str(first)]
    nucleate("locate", project, "--accept")
    assert "other pixels" not in nucleate("suggest", project, "--json").err


def test_the_folder_tells_what_happened_and_what_each_round_learned_from(nucleate, project):
    told = [(row["what"], row["images"], row["model"]) for row in log.read(project)]
    assert told[:2] == [("created", "6", ""), ("labelled", "2", "")]
    assert ("trained", "2", "round-0") in told
    assert ("predicted", "4", "round-0") in told
    first, second = (Round.load(project / "rounds" / f"round-{n}.json") for n in (0, 1))
    assert first.pseudo == ()
    assert len(first.human) == 2
    assert all(item.checksum for item in first.human)
    assert 0 < len(second.pseudo) <= 4
    assert all(i.confidence is not None and i.model == "round-0" for i in second.pseudo)
    nucleate("export", project / "predictions", "--out", project.parent / "out")
    assert log.read(project)[-1]["what"] == "exported"


@pytest.mark.parametrize("kind", ["none", "folder", "newer", "damaged"])
def test_a_zip_file_of_another_kind_is_one_sentence(refused, nucleate, tmp_path, kind):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        if kind == "folder":  # zipped by hand
            packed.writestr("mice/nucleate.json", '{"version": 1}')
        elif kind == "newer":
            packed.writestr("nucleate.json", '{"version": 99}')
        else:
            packed.writestr("a.txt", "no project")
    if kind == "damaged":
        archive.write_bytes(archive.read_bytes()[:40])
    if kind == "folder":
        nucleate("unpack", archive, tmp_path / "p")
        assert Store(tmp_path / "p").load_state().name == "project"
    else:
        refused("unpack", archive, tmp_path / "p")
        assert not (tmp_path / "p").exists()
    assert {p.name for p in tmp_path.iterdir()} <= {"a.zip", "p"}


def test_an_image_that_is_none_is_not_packed(refused, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("a key")
    (tmp_path / "p").mkdir()
    items = [{"key": "a", "source": str(secret)}]
    (tmp_path / "p" / "nucleate.json").write_text(json.dumps({"version": 1, "items": items}))
    assert "'.txt'" in refused("pack", tmp_path / "p", tmp_path / "a.zip", "--with-images")
    assert not (tmp_path / "a.zip").exists()


def test_images_of_one_name_stay_apart_in_the_archive(nucleate, tmp_path):
    files = [tmp_path / day / "a" / "c.tif" for day in ("one", "two")]
    for value, path in enumerate(files):
        path.parent.mkdir(parents=True)
        write_image(path, np.full((5, 6), value, np.uint8), "YX")
    items = [{"key": str(n), "source": str(path)} for n, path in enumerate(files)]
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "nucleate.json").write_text(json.dumps({"version": 1, "items": items}))
    nucleate("pack", tmp_path / "p", tmp_path / "a.zip", "--with-images")
    nucleate("unpack", tmp_path / "a.zip", tmp_path / "q")
    sources = [item.source for item in Store(tmp_path / "q").load_state().items]
    assert sources == [str(tmp_path / "q" / "images" / name / "c.tif") for name in ("a", "a-2")]
