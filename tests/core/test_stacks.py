"""Which images belong to one stack, and which of them are taken together."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_nucleate.core.pool import choose
from napari_nucleate.core.stacks import apart, stack_of, stacks_of


@pytest.mark.parametrize(
    ("key", "stack"),
    [
        ("cells", "cells"),
        ("cells_t3", "cells"),
        ("cells_t03_z012", "cells"),
        ("nuclei_n4", "nuclei_n4"),
        ("nuclei_n4_z1", "nuclei_n4"),
        ("a_t1_n2", "a_n2"),
        ("night_train_z", "night_train_z"),
        ("_t1", "_t1"),
    ],
)
def test_the_stack_is_known_by_the_name(key, stack):
    assert stack_of(key) == stack


class TestWhatImagesShow:
    def test_those_that_look_alike_are_of_one_stack(self):
        rng = np.random.default_rng(0)
        a, b = (gaussian_filter(rng.normal(size=(1, 150, 200)), (0, 6, 6)) for _ in range(2))
        images = {
            "one": a,
            "two": b,
            "three": 300 * a + rng.normal(0, 3, a.shape) + np.linspace(0, 90, 200),
            "cells_t1": np.concatenate([b, b]),
            "cells_t2": np.zeros((2, 150, 200)),
            "dark": np.zeros((2, 150, 200)),
            "small": a[:, :75, :100],
        }
        assert stacks_of(images) == {
            "one": "one",
            "two": "two",
            "three": "one",
            "cells_t1": "cells",
            "cells_t2": "cells",
            "dark": "dark",
            "small": "small",
        }

    def test_what_all_images_have_is_no_stack(self):
        rng = np.random.default_rng(0)
        yy, xx = np.mgrid[-32:32, -32:32]
        cells, dirt = {}, gaussian_filter(rng.normal(size=(64, 64)), 2)
        for n in range(12):
            radius, noise = rng.uniform(10, 16), gaussian_filter(rng.normal(size=(64, 64)), 2)
            cells[f"cell {n}"] = (np.hypot(yy, xx) < radius)[np.newaxis] + noise
            cells[f"dirt {n}"] = (noise / noise.std() + 1.5 * dirt / dirt.std())[np.newaxis]
        for kind in ("cell", "dirt"):
            some = {key: image for key, image in cells.items() if key.startswith(kind)}
            assert stacks_of(some) == {key: key for key in some}
        # Frames of a movie in which nothing moves are one all the same.
        frames = {f"{n}": dirt[np.newaxis] + rng.normal(0, 0.01, (1, 64, 64)) for n in range(8)}
        assert set(stacks_of(frames).values()) == {"0"}

    def test_volumes_and_whole_numbers(self):
        rng = np.random.default_rng(0)
        cells = gaussian_filter(rng.normal(size=(1, 5, 90, 90)), (0, 1, 3, 3))
        grey = np.round(1000 * (cells - cells.min())).astype(np.uint16)
        flat = np.full((1, 5, 90, 90), 7, np.uint16)
        images = {"a": grey, "b": grey + np.uint16(40), "c": flat, "d": flat}
        assert stacks_of(images) == {"a": "a", "b": "a", "c": "c", "d": "d"}

    def test_no_image_is_too_small(self):
        images = {
            f"{n}": np.ones((1, *shape)) for n, shape in enumerate([(1, 1), (1, 300), (2, 3)])
        }
        assert stacks_of(images) == {key: key for key in images}
        assert stacks_of({}) == {}


def slices(*numbers, stack="a"):
    return [f"{stack}_z{n}" for n in numbers]


class TestApart:
    def test_neighbours_of_the_best_are_left_out_while_there_are_others(self):
        ranked = slices(20, 21, 19, 22, 18, *range(17), *range(23, 40))
        assert apart(ranked, 4) == slices(20, 0, 5, 10)

    def test_numbers_are_no_words(self):
        ranked = slices(9, 10, 2, 1, 3, 4, 5, 6)
        assert apart(ranked, 2) == slices(9, 2)

    def test_images_of_their_own_go_by_the_ranking_alone(self):
        ranked = [f"{n}" for n in (5, 4, 6, 3, 7)]
        assert apart(ranked, 3) == ranked[:3]

    def test_neighbours_of_what_is_learned_already_are_left_out_too(self):
        ranked = slices(19, 21, 20, *range(18), *range(22, 40))
        assert apart(ranked, 1, taken=["other"]) == slices(19)
        assert apart(ranked, 1, taken=slices(20)) == slices(0)
        # However few of them are ranked, they are few of many.
        assert apart(slices(19, 21, 25, 38), 1, slices(*range(40)), slices(20)) == slices(38)

    def test_planes_of_neighbouring_times_are_neighbours(self):
        ranked = [f"a_t{t}_z{z}" for t in range(4) for z in range(8)]
        assert apart(ranked, 2) == ["a_t0_z0", "a_t0_z2"]
        assert apart(ranked, 8) == ranked[:8]
        assert apart(["a_t1_z5", "a_t0_z1"], 1, ranked, ["a_t0_z5"]) == ["a_t0_z1"]

    def test_places_are_counted_not_read(self):
        assert apart(slices(100, 110, 120, 130, 140, 150), 2) == slices(100, 120)

    def test_stacks_do_not_hinder_each_other(self):
        ranked = [*slices(3, 4, 2, 1), *slices(3, 4, 2, 1, stack="b")]
        assert apart(ranked, 2) == slices(3, 1)
        assert apart(ranked, 4) == [*slices(3, 4, 2, 1)]

    def test_where_too_few_lie_apart_the_best_of_the_others_follow(self):
        ranked = slices(1, 4, 7, 10, 2, 0, 3, 5, 6, 8, 9)
        assert apart(ranked, 5) == slices(1, 4, 7, 10, 2)
        assert apart(ranked, 20) == ranked

    @pytest.mark.parametrize("count", [0, 1])
    def test_few(self, count):
        assert apart(["a", "b"], count) == ["a", "b"][:count]
        assert apart([], count) == []

    def test_self_training_takes_them_so(self):
        order = [(key, 0.9 - i / 100) for i, key in enumerate(slices(4, 5, 3, 1, 2, 0))]
        assert choose(order, dict(order), 2, 0).keys == tuple(slices(4, 1))
