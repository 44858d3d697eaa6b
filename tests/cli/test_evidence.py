"""`nucleate split` takes borders, distances and seeds, and the anisotropy of the pixels."""

import numpy as np
import pytest

from napari_nucleate.core.instances import Watershed
from napari_nucleate.core.instances.distance import distance_to_boundary
from napari_nucleate.io.read import read_stack
from napari_nucleate.io.write import write_image, write_labels


def bar(*shape):
    mask = np.zeros(shape, np.uint8)
    mask[..., 10:20, 5:55] = 1
    return mask


def split(nucleate, path, out, *options):
    done = nucleate("split", path, "--out", out, "--json", *options).json
    return done, np.asarray(read_stack(next(out.glob("*.tif"))).data[...])


def test_borders_and_distances(nucleate, refused, tmp_path):
    labels = np.zeros((30, 60), np.int32)
    labels[5:25, 5:30], labels[5:25, 30:55] = 1, 2
    depth = distance_to_boundary(labels)
    write_image(tmp_path / "depth.tif", depth, "YX")
    done, got = split(nucleate, tmp_path / "depth.tif", tmp_path / "d", "--as", "distances")
    assert done["objects"] == {"depth": 2}
    assert got.max() == 2
    write_image(tmp_path / "lines.tif", (labels == 0).astype(np.uint8) * 255, "YX")
    done, _ = split(nucleate, tmp_path / "lines.tif", tmp_path / "l", "--as", "borders")
    assert sum(done["objects"].values()) >= 1
    write_image(tmp_path / "negative.tif", -depth, "YX")
    options = ["--as", "distances", "--out", tmp_path / "n"]
    assert "Distances go down to -" in refused("split", tmp_path / "negative.tif", *options)
    assert "must lie in [0, 1]" in refused("split", tmp_path / "depth.tif", "--out", tmp_path / "m")


@pytest.mark.parametrize("block", [(), ("--block", 16)])
def test_points(nucleate, tmp_path, block):
    write_labels(tmp_path / "mask.tif", bar(30, 60), "YX")
    (tmp_path / "points.csv").write_text("y,x\n15,10\n15,40\n2,2\n")
    options = ["--seeds", tmp_path / "points.csv", *block]
    done, got = split(nucleate, tmp_path / "mask.tif", tmp_path / "o", *options)
    assert done["objects"] == {"mask": 2}
    assert done["seeds_outside"] == (0 if block else 1)
    assert got[15, 10] != got[15, 40]


@pytest.mark.parametrize("block", [(), ("--block", 16)])
def test_points_outside_the_images_are_counted(nucleate, tmp_path, block):
    write_labels(tmp_path / "mask.tif", bar(30, 60), "YX")
    (tmp_path / "points.csv").write_text("y,x\n15,10\n-5,900\n15,900\n")
    options = ["--seeds", tmp_path / "points.csv", *block]
    done, _ = split(nucleate, tmp_path / "mask.tif", tmp_path / "o", *options)
    assert done["objects"] == {"mask": 1}
    assert done["seeds_outside"] == 2
    write_labels(tmp_path / "film.tif", bar(3, 30, 60), "TYX")
    (tmp_path / "points.csv").write_text("t,y,x\n0,15,10\n7,15,10\n1,15,900\n")
    done, _ = split(nucleate, tmp_path / "film.tif", tmp_path / "f", *options)
    assert done["seeds_outside"] == 2


def test_points_of_several_images_and_planes(nucleate, refused, tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    for name in "ab":
        write_labels(folder / f"{name}.tif", bar(30, 60), "YX")
    table = tmp_path / "points.csv"
    table.write_text("image,y,x\na,15,10\na,15,40\nb,15,30\n")
    done, _ = split(nucleate, folder, tmp_path / "o", "--seeds", table)
    assert done["objects"] == {"a": 2, "b": 1}
    table.write_text("y,x\n15,10\n")
    wrong = ["split", folder, "--seeds", table]
    assert "add a column image" in refused(*wrong, "--out", tmp_path / "1")
    table.write_text("image,y,x\nc,15,10\n")
    assert "points on c, and there is no such image" in refused(*wrong, "--out", tmp_path / "2")
    table.write_text("image,z,y,x\na,1,15,10\n")
    assert "points of 3 coordinates; an image has 2" in refused(*wrong, "--out", tmp_path / "3")
    write_labels(tmp_path / "film.tif", bar(3, 30, 60), "TYX")
    table.write_text("index,axis-0,axis-1,axis-2\n0,1,15,10\n1,1,15,40\n2,2,15,30\n")
    _, got = split(nucleate, tmp_path / "film.tif", tmp_path / "f", "--seeds", table)
    assert [plane.max() for plane in got] == [0, 2, 1]


def test_labels_as_seeds(nucleate, refused, tmp_path):
    write_labels(tmp_path / "mask.tif", bar(30, 60), "YX")
    spots = np.zeros((30, 60), np.int32)
    spots[15, 10], spots[15, 40], spots[15, 45] = 3, 8, 8
    write_labels(tmp_path / "spots.tif", spots, "YX")
    done, got = split(
        nucleate, tmp_path / "mask.tif", tmp_path / "o", "--seeds", tmp_path / "spots.tif"
    )
    assert done["objects"] == {"mask": 2}
    assert got[15, 40] == got[15, 45] != got[15, 10]
    write_labels(tmp_path / "small.tif", spots[:20], "YX")
    wrong = ["split", tmp_path / "mask.tif", "--out", tmp_path / "p", "--seeds"]
    assert "both must have the same size" in refused(*wrong, tmp_path / "small.tif")
    assert "act in the watershed only" in refused(
        *wrong, tmp_path / "spots.tif", "--method", "components"
    )


def test_bad_seeds_are_named_once(nucleate, refused, tmp_path):
    write_labels(tmp_path / "mask.tif", bar(30, 60), "YX")
    (tmp_path / "seeds").mkdir()
    seeds = np.zeros((30, 60), np.int16)
    seeds[0, :2] = -3, 4
    write_image(tmp_path / "seeds" / "mask.tif", seeds, "YX")
    wrong = ["split", tmp_path / "mask.tif", "--out", tmp_path / "o", "--seeds", tmp_path / "seeds"]
    assert "These seeds can't be used. mask: Labels run from -3 to 4" in refused(*wrong)


def test_planes_farther_apart_count_as_far(nucleate, tmp_path, monkeypatch):
    seen = []
    find = Watershed.find
    monkeypatch.setattr(
        Watershed, "find", lambda s, maps: (seen.append(s.anisotropy), find(s, maps))[1]
    )
    write_labels(tmp_path / "v.tif", bar(4, 30, 60), "ZYX", (2.0, 0.5, 0.5), ("micrometer",) * 3)
    for i, settings in enumerate(["{}", '{"anisotropy": 1}', '{"anisotropy": 3}']):
        options = ["--ndim", 3, "--settings", settings]
        split(nucleate, tmp_path / "v.tif", tmp_path / str(i), *options)
    assert seen == [4, 1, 3]
