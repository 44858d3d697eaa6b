"""Small files that claim, or unfold into, more than can be: a sentence, before it is made."""

import json
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest
import tifffile

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.foreign import LARGEST
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.io import rows
from napari_nucleate.io.points import read_points
from napari_nucleate.io.read import read_stack

SIZES = 'SizeX="8" SizeY="8" SizeC="1" SizeZ="1" Type="uint8" DimensionOrder="XYZCT"'


@contextmanager
def refused(*words, most=2**27):
    """One sentence with these words, without more memory than this."""
    tracemalloc.start()
    try:
        with pytest.raises(NucleateError) as caught:
            yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
    said = str(caught.value)
    assert "\n" not in said
    assert all(word in said for word in words), said


def ome(path, inside, size='SizeT="2"', after=""):
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" {SIZES} {size}>{inside}</Pixels></Image>'
        f"{after}</OME>"
    )
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), description=xml, metadata=None)
    return path


def test_planes_that_arent_there_are_counted_before_they_are_listed(tmp_path):
    path = ome(tmp_path / "a.ome.tif", "<TiffData/>", 'SizeT="1000000000"')
    with refused("a.ome.tif", "claims to hold 1000000000 images"):
        read_stack(path)
    path = ome(tmp_path / "b.ome.tif", '<TiffData PlaneCount="1000000000"/>')
    with refused("b.ome.tif", "claims"):
        read_stack(path)


def test_steps_of_a_modulo_axis_are_counted_too(tmp_path):
    along = '<ModuloAlongT Start="0" End="1000000000" Step="0.01"/>'
    note = f'<XMLAnnotation ID="A" Namespace="modulo"><Value><M>{along}</M></Value></XMLAnnotation>'
    after = f"<StructuredAnnotations>{note}</StructuredAnnotations>"
    with refused("a.ome.tif", "claims"):
        read_stack(ome(tmp_path / "a.ome.tif", "<TiffData/>", after=after))


@pytest.mark.parametrize("name", ["../x.tif", "/x.tif", "C:x.tif", "\\\\host\\x.tif", ".."])
def test_a_series_isnt_followed_into_another_folder(tmp_path, name):
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "x.tif", np.ones((8, 8), np.uint8))
    uuid = f'<UUID FileName="{name}">urn:uuid:1</UUID>'
    path = ome(
        tmp_path / "in" / "a.ome.tif", f'<TiffData FirstT="1" PlaneCount="1">{uuid}</TiffData>'
    )
    with refused("a.ome.tif", "another folder"):
        read_stack(path)


def test_pages_in_a_circle_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((3, 8, 8), np.uint8), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as tif:
        first, last = tif.pages[0].offset, tif.pages[2]
        link = last.offset + 2 + 12 * len(last.tags)
    raw = bytearray(path.read_bytes())
    raw[link : link + 4] = first.to_bytes(4, "little")
    path.write_bytes(raw)
    with refused("a.tif", "in a circle"):
        read_stack(path)


def test_a_page_larger_than_its_strips_can_unfold_into_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="zlib", rowsperstrip=64)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tif.pages[0].tags[name].overwrite(60_000)
    with refused("a.tif", "claims to hold"):
        read_stack(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"channels": ' + "[" * 200_000, "nested too deeply"),
        ('{"channels": ' + "9" * 5000 + "}", "too large a number"),
        ('{"channels": 1' + "0" * 400 + "}", "too large a number"),
        ("[" + "{}," * 1_000_001 + "0]", "more than 1000000 values"),
        (json.dumps({"\n" * 5000 + "x" * 5000: 1}), "not valid"),
        (json.dumps({"channels": "x" * 100_000}), "not valid"),
    ],
)
def test_json_that_would_fill_memory_or_the_screen_is_refused(tmp_path, text, said):
    (tmp_path / "recipe.json").write_text(text)
    with refused("recipe.json", said) as _:
        Recipe.load(tmp_path / "recipe.json")


def test_a_json_file_without_end_isnt_read(tmp_path):
    with (tmp_path / "recipe.json").open("wb") as file:
        file.truncate(LARGEST + 1)
    with refused("recipe.json", "bytes", most=2**20):
        Recipe.load(tmp_path / "recipe.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [("y,x" + ",a" * 100_000, "a line is longer"), ("y,x\n" + "1,2\n" * 101, "100 rows")],
)
def test_tables_without_end_are_refused(tmp_path, monkeypatch, text, said):
    monkeypatch.setattr(rows, "_ROWS", 100)
    (tmp_path / "points.csv").write_text(text)
    with refused("points.csv", said):
        read_points(tmp_path / "points.csv")
