"""`nucleate doctor` prints a diagnosis, or writes it where nothing is."""

import json


def test_it_is_printed(nucleate):
    out = nucleate("doctor").out
    assert out.startswith("Diagnosis of napari-nucleate ")
    assert "\nDevice\n" in out
    assert "\nProject\n" not in out


def test_it_is_written_and_overwrites_nothing(nucleate, refused, tmp_path):
    path = tmp_path / "d.txt"
    done = nucleate("doctor", "--out", path)
    assert done.out == ""
    assert "d.txt written; read it before you send it." in done.err.replace("\n", "")
    before = path.read_text("utf-8")
    assert before.startswith("Diagnosis of napari-nucleate ")
    assert "exists already" in refused("doctor", "--out", path)
    assert path.read_text("utf-8") == before


def test_a_project_is_looked_at(nucleate, refused, sample, tmp_path, tiny_options):
    images, masks = sample()
    given = ["--images", images, "--masks", masks, "--out", tmp_path / "p", "--rounds", 0]
    (tmp_path / "few").mkdir()
    for mask in sorted(masks.iterdir())[:4]:
        (tmp_path / "few" / mask.name).write_bytes(mask.read_bytes())
    given[3] = tmp_path / "few"
    nucleate("self-train", *given, *tiny_options)
    found = nucleate("doctor", tmp_path / "p", "--json").json
    project = dict(found["Project"])
    assert project["images"].startswith("6: 4 labelled")
    assert str(tmp_path) not in json.dumps(found)
    assert "is no folder" in refused("doctor", tmp_path / "nowhere")


def test_an_error_of_before_is_in_it(nucleate, refused, tmp_path, monkeypatch):
    def odd(*args, **kwargs):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("napari_nucleate.cli.app.write_sample", odd)
    sentence = refused("sample", tmp_path / "s")
    out = nucleate("doctor").out
    assert sentence in out
    assert "cli/app.py" in out
