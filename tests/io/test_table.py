import csv
import math

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.rows import read_rows
from napari_nucleate.io.table import measure, write_table

UM = "micrometer"


def ellipsoid(half_axes, spacing):
    size = [int(2.4 * a / s) | 1 for a, s in zip(half_axes, spacing, strict=True)]
    grid = np.meshgrid(*(np.arange(n) - n // 2 for n in size), indexing="ij")
    inside = sum((g * s / a) ** 2 for g, s, a in zip(grid, spacing, half_axes, strict=True))
    return (inside <= 1).astype(np.int32)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.25, 0.25), (0.5, 0.25)])
def test_an_ellipse(spacing):
    a, b = 20 * spacing[0], 10 * spacing[0]
    (row,) = measure(ellipsoid((a, b), spacing), spacing=spacing, units=(UM, UM))
    assert row["area_um2"] == pytest.approx(math.pi * a * b, rel=0.02)
    assert row["equivalent_diameter_um"] == pytest.approx(2 * math.sqrt(a * b), rel=0.02)
    assert row["axis_major_um"] == pytest.approx(2 * a, rel=0.02)
    assert row["axis_minor_um"] == pytest.approx(2 * b, rel=0.02)
    assert row["eccentricity"] == pytest.approx(math.sqrt(0.75), rel=0.02)
    assert row["orientation_deg"] == pytest.approx(0, abs=1)
    assert row["solidity"] > 0.93
    assert ("perimeter_um" in row) == (spacing[0] == spacing[1])
    if "perimeter_um" in row:
        assert row["perimeter_um"] == pytest.approx(48.44 * a / 10, rel=0.05)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 0.25, 0.25)])
def test_an_ellipsoid(spacing):
    half = (8.0, 6.0, 4.0)
    labels = ellipsoid(half, spacing)
    (row,) = measure(labels, spacing=spacing, units=(UM,) * 3)
    assert row["volume_um3"] == pytest.approx(4 / 3 * math.pi * math.prod(half), rel=0.05)
    assert row["pixels"] == labels.sum()
    lengths = [row[f"axis_{n}_um"] for n in ("major", "middle", "minor")]
    assert lengths == pytest.approx([16, 12, 8], rel=0.05)
    assert "perimeter_um" not in row


@pytest.mark.parametrize("ndim", [2, 3])
def test_degenerate_objects(ndim):
    labels = np.zeros((9,) * ndim, int)
    labels[(0,) * ndim] = 1
    labels[(4,) * (ndim - 1)] = 5
    labels[(-1,) * (ndim - 1) + (slice(3, 5),)] = 7
    rows = measure(labels, labels[None].astype(np.uint8), spacing=(0.5,) * ndim, units=(UM,) * ndim)
    assert [row["label"] for row in rows] == [1, 5, 7]
    assert all(math.isfinite(v) for row in rows for v in row.values())
    assert [row["pixels"] for row in rows] == [1, 9, 2]
    assert rows[0]["axis_minor_um"] == 0 or rows[0]["axis_minor_um"] < 1


def test_a_flat_object_in_3d():
    labels = np.zeros((5, 9, 9), int)
    labels[2, 2:7, 2:7] = 3
    (row,) = measure(labels, spacing=(2.0, 1.0, 1.0), units=(UM,) * 3)
    assert row["volume_um3"] == 50
    assert row["centroid_z_um"] == 4


def test_intensities_per_channel():
    labels = np.array([[0, 1, 1], [2, 2, 2]])
    image = np.array([[[9, 1, 3], [2, 2, 2]], [[9, 0, 0], [1, 2, 6]]], np.uint16)
    one, two = measure(labels, image, channels=("DAPI", "actin"))
    assert one["intensity_mean_DAPI"] == 2
    assert (one["intensity_min_DAPI"], one["intensity_max_DAPI"]) == (1, 3)
    assert one["intensity_std_DAPI"] == 1
    assert two["intensity_mean_actin"] == 3
    assert "intensity_mean_c1" in measure(labels, image)[0]


def test_scores_and_units():
    labels = np.array([[1, 0, 2]])
    rows = measure(
        labels,
        scores={"confidence": {1: 0.75}, "area_nm2": {1: 0}},
        spacing=(1.0, 1000.0),
        units=(UM, "nanometer"),
    )
    assert rows[0]["confidence"] == 0.75
    assert math.isnan(rows[1]["confidence"])
    assert rows[0]["area_nm2"] == pytest.approx(1e6)
    assert "area_px2" in measure(labels)[0]


def test_nothing_to_measure():
    assert measure(np.zeros((4, 4), int)) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": np.zeros((1, 4, 5))}, r"\(1, 4, 5\)"),
        ({"spacing": (1.0,)}, "spacing"),
        ({"spacing": (1.0, 1.0), "units": (UM, "pixel")}, "can't be converted"),
    ],
)
def test_what_cant_be_measured(options, message):
    with pytest.raises(NucleateError, match=message):
        measure(np.ones((4, 4), int), **options)


def test_the_table_comes_back(tmp_path):
    path = tmp_path / "a.csv"
    rows = [{"image": "a, b", "label": 1, "area_um2": 0.1}, {"image": "c", "confidence": math.nan}]
    write_table(path, rows)
    with path.open(encoding="utf-8", newline="") as file:
        back = list(csv.DictReader(file))
    assert back == [
        {"image": "a, b", "label": "1", "area_um2": "0.1", "confidence": ""},
        {"image": "c", "label": "", "area_um2": "", "confidence": ""},
    ]
    with pytest.raises(NucleateError, match="exists already"):
        write_table(path, rows)
    write_table(path, [], overwrite=True)


def test_texts_that_a_spreadsheet_would_run_are_texts(tmp_path):
    run = ["=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", "-2+3", "\t=1", "'=1"]
    names = [*run, "cell-1", "-1.5", "x=1"]
    write_table(tmp_path / "a.csv", [{"image": n, "=area": -1.5, "label": -3} for n in names])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        header, *written = csv.reader(file)
    assert header == ["image", "'=area", "label"]
    assert [row[0] for row in written] == [*(f"'{n}" for n in run), "cell-1", "-1.5", "x=1"]
    assert {tuple(row[1:]) for row in written} == {("-1.5", "-3")}
    assert [row[0] for row in read_rows(tmp_path / "a.csv")] == ["image", *names]
