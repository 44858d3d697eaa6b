"""Tables of points: with and without a header, from napari, and what is wrong with them."""

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.points import read_points


def written(tmp_path, text):
    path = tmp_path / "points.csv"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("1,2\n3,4.5\n", [[1, 2], [3, 4.5]]),
        ("0, 1, 2\n", [[0, 1, 2]]),
        ("x,y\n2,1\n", [[1, 2]]),
        ("\ufeffX,Y,Z,note\n2,1,0,bright\n\n", [[0, 1, 2]]),
        ("index,axis-0,axis-1,axis-2\n0,5,1,2\n1,6,3,4\n", [[5, 1, 2], [6, 3, 4]]),
        ("t,y,x\n3,1,2", [[3, 1, 2]]),
        ("y,x\n", np.zeros((0, 2))),
    ],
)
def test_places(tmp_path, text, places):
    found = read_points(written(tmp_path, text))
    np.testing.assert_array_equal(found.places, places)
    assert found.images is None


def test_images(tmp_path):
    found = read_points(written(tmp_path, 'image,y,x\n"a, b",1,2\nc,3,4\n'))
    assert found.images == ("a, b", "c")
    assert found.places.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty; give a point a row"),
        ("a,b\n1,2\n", "has columns a, b; give y and x"),
        ("7\n", "has columns 7; give y and x"),
        ("y,x\n1,2\n3,four\n", r"Line 3 of .*points.csv is no point \(3, four\)"),
        ("1,2\n3\n", r"Line 2 of .*points.csv is no point \(3\)"),
        ("1,2\nnan,3\n", "Line 2 .* not finite"),
    ],
)
def test_bad_tables_are_one_sentence(tmp_path, text, sentence):
    with pytest.raises(NucleateError, match=sentence) as caught:
        read_points(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_no_table(tmp_path):
    with pytest.raises(NucleateError, match="does not exist"):
        read_points(tmp_path / "no.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NucleateError, match="can't be read as a table"):
        read_points(tmp_path / "binary.csv")
