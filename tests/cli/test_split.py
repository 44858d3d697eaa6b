"""`nucleate split`: whole and in blocks, masks and a network's maps, planes and volumes."""

import numpy as np
import pytest

from napari_nucleate.cli.progress import Follower
from napari_nucleate.core.instances import Watershed
from napari_nucleate.io import scratch
from napari_nucleate.io.read import read_images, read_stack
from napari_nucleate.io.write import write_image


def same_but_for_order(a, b):
    """Whether two label images show the same objects."""
    assert np.array_equal(a > 0, b > 0)
    pairs = np.unique(np.stack((a[a > 0], b[b > 0]), 1), axis=0)
    return len(pairs) == a.max() == b.max()


def stacks(folder):
    return {s.name: np.asarray(s.data[...]) for s in read_images(folder)}


def ndim(kind):
    return ["--ndim", 3] if kind == "3d" else []


@pytest.mark.parametrize("kind", ["2d", "3d", "time-lapse"])
@pytest.mark.parametrize("method", ["watershed", "components", "star-convex"])
def test_blocks_find_what_the_whole_image_shows(
    nucleate, tmp_path, sample, monkeypatch, kind, method
):
    masks = sample(kind, 3)[1]
    options = [masks, "--method", method, *ndim(kind), "--json"]
    whole = nucleate("split", *options, "--out", tmp_path / "whole").json
    events = []
    monkeypatch.setattr(Follower, "_show_block", lambda _, event: events.append(event))
    done = nucleate("split", *options, "--out", tmp_path / "blocks", "--block", 16)
    assert done.json["objects"] == whole["objects"]
    assert len(events) > 3
    assert sum(e.objects for e in events if e.done == e.total) == sum(whole["objects"].values())
    expected = stacks(tmp_path / "whole")
    for name, labels in stacks(tmp_path / "blocks").items():
        planes = zip(labels, expected[name], strict=True) if kind == "time-lapse" else None
        for one, other in planes or [(labels, expected[name])]:
            assert same_but_for_order(one, other)


def test_large_images_go_by_blocks_and_through_a_file(nucleate, tmp_path, sample, monkeypatch):
    masks = sample("2d", 3)[1]
    nucleate("split", masks, "--out", tmp_path / "whole")
    monkeypatch.setattr("napari_nucleate.cli.splitting.LARGE", 64)
    monkeypatch.setattr(scratch, "LARGE", 64)
    monkeypatch.setattr(Watershed, "split", None)  # what takes all of an image
    nucleate("split", masks, "--out", tmp_path / "blocks")
    expected = stacks(tmp_path / "whole")
    assert sorted(p.name for p in (tmp_path / "blocks").iterdir()) == sorted(
        f"{name}.tif" for name in expected
    )
    for name, labels in stacks(tmp_path / "blocks").items():
        assert same_but_for_order(labels, expected[name])


def test_small_blocks_are_refused(nucleate, tmp_path, sample):
    done = nucleate("split", sample()[1], "--out", tmp_path / "o", "--block", 4, code=2)
    assert "--block" in done.err


@pytest.mark.parametrize("kind", ["2d", "3d"])
@pytest.mark.parametrize("target", ["boundary", "star-convex"])
def test_maps_of_a_model(nucleate, refused, tmp_path, sample, tiny_options, kind, target):
    if (kind, target) == ("3d", "star-convex"):
        pytest.skip("the target is 2D")
    images, masks = sample(kind, 3)
    model, found = tmp_path / "model", tmp_path / "found"
    training = ["--images", images, "--masks", masks, *ndim(kind), *tiny_options]
    nucleate("train", *training, "--patch-depth", 8, "--target", target, "--out", model)
    nucleate("predict", model, "--images", images, "--out", found, "--maps")
    options = [found / "maps", "--model", model]
    nucleate("split", *options, "--out", tmp_path / "again")
    nucleate("split", *options, "--out", tmp_path / "blocks", "--block", 32)
    predicted, blocks = stacks(found), stacks(tmp_path / "blocks")
    for name, labels in stacks(tmp_path / "again").items():
        assert same_but_for_order(labels, blocks[name])
        # Maps are stored with half precision, and so are those that the prediction decodes.
        assert labels.max() == predicted[name].max()
    nucleate("split", *options, "--out", tmp_path / "other", "--method", "components")
    assert "--model" in refused("split", found / "maps", *ndim(kind), "--out", tmp_path / "o")
    wrong = refused("split", masks, "--model", model, "--out", tmp_path / "o")
    assert "1 map(s)" in wrong
    assert "not a model" in refused("split", masks, "--model", masks, "--out", tmp_path / "o")


def test_linked_planes(nucleate, refused, tmp_path):
    mask = np.zeros((5, 40, 40), np.uint8)
    mask[[0, 1, 3, 4], 10:30, 10:30] = 1
    (tmp_path / "masks").mkdir()
    write_image(tmp_path / "masks" / "a.tif", mask, "ZYX")
    options = ["split", tmp_path / "masks", "--method", "linked-planes"]
    nucleate(*options, "--ndim", 3, "--out", tmp_path / "two")
    assert read_stack(tmp_path / "two" / "a.tif").data[:, 20, 20].tolist() == [1, 1, 0, 2, 2]
    gap = ["--settings", '{"gap": 1}', "--block", 16]
    nucleate(*options, "--ndim", 3, "--out", tmp_path / "one", *gap)
    assert read_stack(tmp_path / "one" / "a.tif").data[:, 20, 20].tolist() == [1, 1, 0, 1, 1]
    assert "--ndim 3" in refused(*options, "--out", tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_what_is_no_mask_is_named(refused, tmp_path):
    write_image(tmp_path / "a.tif", np.full((9, 9), 3, np.float32), "YX")
    assert "a: A map of probabilities" in refused(
        "split", tmp_path / "a.tif", "--out", tmp_path / "o"
    )
