"""Correcting labels by hand: each edit's result, in 2D and 3D, and what it refuses."""

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.cut import cut, merge, split
from napari_nucleate.core.instances.edit import delete, remove_smaller, remove_touching
from napari_nucleate.core.instances.reshape import fill, grow, keep_part, redraw, shrink, smooth

FULL = {n: np.ones((3,) * n) for n in (2, 3)}


def dumbbell(ndim, dtype=np.int32, label=5):
    """Two balls of radius 8, around x = 12 and x = 25, that are one object; another one apart."""
    grid = np.indices((24, 24, 60)[-ndim:])
    y, x = grid[-2:] - 0.0
    z = grid[0] if ndim == 3 else 12
    image = np.zeros(grid.shape[1:], dtype)
    for centre in (12, 25):
        image[(z - 12) ** 2 + (y - 12) ** 2 + (x - centre) ** 2 <= 64] = label
    image[(z - 12) ** 2 + (y - 12) ** 2 + (x - 48) ** 2 <= 36] = label + 2
    return image


def at(ndim, y, x, z=12):
    return (z, y, x)[-ndim:]


def in_one_piece(image, label):
    return ndi.label(image == label, FULL[image.ndim])[1] == 1


@pytest.fixture(params=[2, 3])
def ndim(request):
    return request.param


class TestSplit:
    @pytest.mark.parametrize("x", [(12, 25), (6, 31), (14, 23), (6, 26), (17, 31)])
    def test_the_cut_falls_on_the_neck_wherever_the_points_are(self, ndim, x):
        image = dumbbell(ndim)
        edit = split(image, [at(ndim, 12, x[0]), at(ndim, 12, x[1])])
        new = edit.applied(image)
        left, right = (np.nonzero(new == label)[-1] for label in (5, 8))
        assert left.max() <= 20
        assert right.min() >= 17
        assert abs(len(left) - len(right)) < 0.05 * len(left)
        np.testing.assert_array_equal(new > 0, image > 0)
        assert edit.parents == {5: {5: len(left)}, 8: {5: len(right)}}
        assert in_one_piece(new, 5)
        assert in_one_piece(new, 8)
        assert not edit.gone

    def test_points_in_one_round_part_split_it_by_nearness(self):
        image = dumbbell(2)
        new = split(image, [(12, 48 - 3), (12, 48 + 3)], largest=90).applied(image)
        assert np.nonzero(new == 7)[1].max() < 49
        assert np.nonzero(new == 91)[1].min() > 47

    def test_three_points_make_three(self, ndim):
        image = dumbbell(ndim)
        points = [at(ndim, 12, 12), at(ndim, 8, 25), at(ndim, 16, 25)]
        new = split(image, points).applied(image)
        assert [new[p] for p in points] == [5, 8, 9]
        assert all(in_one_piece(new, label) for label in (5, 8, 9))
        np.testing.assert_array_equal(new > 0, image > 0)

    def test_a_part_apart_without_a_point_goes_to_the_nearest_piece(self):
        image = np.array([[4, 4, 4, 4, 4, 4, 0, 4]])
        new = split(image, [(0, 0), (0, 5)]).applied(image)
        assert new.tolist() == [[4, 4, 4, 5, 5, 5, 0, 5]]

    def test_thick_planes_count(self):
        image = np.zeros((5, 3, 9), np.uint8)
        image[:] = 1
        new = split(image, [(0, 1, 4), (4, 1, 4)], spacing=(10, 1, 1)).applied(image)
        assert set(new[0].flat) == {1}
        assert set(new[4].flat) == {2}

    @pytest.mark.parametrize(
        ("points", "says"),
        [
            ([(12, 12)], "two or more points, not 1"),
            ([(12, 12), (12, 48)], "objects 5 and 7"),
            ([(12, 12), (0, 0)], "no object at pixel (0, 0)"),
            ([(12, 12), (12, 99)], "(12, 99) lies outside"),
            ([(12, 12), (12, 12)], "same pixel"),
        ],
    )
    def test_bad_points(self, points, says):
        with pytest.raises(NucleateError) as caught:
            split(dumbbell(2), points)
        assert says in str(caught.value)

    def test_a_full_dtype_is_said_and_a_large_label_kept_exactly(self):
        with pytest.raises(NucleateError, match=r"uint8 end at 255.*uint32"):
            split(dumbbell(2, np.uint8, 253), [(12, 12), (12, 25)])
        image = dumbbell(2, np.uint64, 2**60 + 1)
        new = split(image, [(12, 12), (12, 25)]).applied(image)
        assert new.dtype == np.uint64
        assert np.unique(new).tolist() == [0, 2**60 + 1, 2**60 + 3, 2**60 + 4]


class TestCut:
    def test_cuts_the_neck_through_all_planes_without_a_gap(self, ndim):
        image = dumbbell(ndim)
        edit = cut(image, [at(ndim, 1, 18), at(ndim, 23, 18)])
        new = edit.applied(image)
        np.testing.assert_array_equal(new > 0, image > 0)
        assert np.unique(new).tolist() == [0, 5, 7, 8]
        assert in_one_piece(new, 5)
        assert in_one_piece(new, 8)
        assert set(edit.parents) == {5, 8}
        assert (new == 5).sum() >= (new == 8).sum()

    def test_a_diagonal_line_leaks_nowhere(self, ndim):
        image = dumbbell(ndim)
        new = cut(image, [at(ndim, 2, 2), at(ndim, 22, 22)]).applied(image)
        assert 8 in new
        assert in_one_piece(new, 8)

    @pytest.mark.parametrize("along", [0, 1, 2])
    def test_the_knife_goes_along_any_axis(self, along):
        image = np.full((9, 9, 9), 3, np.int16)
        flat = [a for a in range(3) if a != along]
        line = np.full((2, 3), 4.0)
        line[:, flat[0]] = -2, 12
        new = cut(image, line, along).applied(image)
        low, high = (new.take(i, flat[1]) for i in (0, 8))
        assert len(set(low.flat)) == len(set(high.flat)) == 1
        assert low.flat[0] != high.flat[0]

    def test_a_bent_line_follows_its_corners(self):
        image = np.full((20, 20), 1)
        new = cut(image, [(-1, 10), (10, 10), (10, 21)]).applied(image)
        assert new[0, 19] == 2
        assert (new == 2).sum() == pytest.approx(100, abs=12)

    def test_every_object_crossed_is_cut_and_no_other(self):
        image = dumbbell(2)
        edit = cut(image, [(12, 0), (12, 59)])
        assert sorted(edit.parents) == [5, 7, 8, 9]
        # it ends within the second
        assert sorted(cut(image, [(12, 0), (12, 48)]).parents) == [5, 8]

    def test_objects_of_other_planes_stay(self):
        image = np.zeros((4, 9, 9), int)
        image[:2], image[3] = 1, 2
        assert 2 not in cut(image, [(0, -1, 4), (0, 9, 4)]).parents

    def test_parts_apart_stay_one_object(self):
        image = np.array([[4, 4, 4, 0, 4, 4]] * 3)
        edit = cut(image, [(-1, 1), (4, 1)])
        assert set(edit.applied(image)[:, 4:].flat) == {4}

    def test_the_line_stays_the_callers(self, ndim):
        image = dumbbell(ndim)
        line = np.array([at(ndim, 1, 18, 12.4), at(ndim, 23, 18, 13.3)], float)
        stroke = np.array([at(ndim, 12, 50, 12.4), at(ndim, 12, 20, 13.3)], float)
        kept = line.copy(), stroke.copy()
        cut(image, line)
        merge(image, stroke)
        np.testing.assert_array_equal(line, kept[0])
        np.testing.assert_array_equal(stroke, kept[1])

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ([(0, 0), (0, 59)], "crosses no object"),
            ([(0, 12), (12, 12)], "object 5 in two"),
            ([(12, 25), (12, 48)], "objects 5 and 7 in two"),
            ([(-9, -9), (-5, -5)], "crosses no object"),
            ([(np.nan, 0), (1, 1)], "points of 2 numbers"),
        ],
    )
    def test_lines_that_cut_nothing(self, line, says):
        with pytest.raises(NucleateError, match=says):
            cut(dumbbell(2), line)


class TestMerge:
    def test_takes_the_first_label_and_counts_what_came_from_where(self, ndim):
        image = dumbbell(ndim)
        edit = merge(image, [at(ndim, 12, 50), at(ndim, 12, 20)])
        new = edit.applied(image)
        np.testing.assert_array_equal(new, np.where(image, 7, 0))
        assert edit.parents == {7: {5: (image == 5).sum(), 7: (image == 7).sum()}}
        assert edit.gone == (5,)

    def test_closes_narrow_gaps_only_and_takes_no_neighbour(self):
        image = np.zeros((9, 12), int)
        image[:, :3], image[:, 5:8], image[:, 11:] = 1, 2, 3
        image[4, 3] = 9
        closed = merge(image, [(0, 0), (0, 11)], gap=2).applied(image)
        assert set(closed[0].tolist()[:8]) == {1}
        assert set(closed[:, 8:11].flat) == {0}
        assert closed[4, 3] == 9

    def test_gaps_between_any_two_of_many_objects_in_little_memory(self):
        image = np.zeros((200, 200), np.int32)
        corners = np.random.default_rng(0).integers(0, 190, (30, 2))
        corners[:2] = (0, 0), (190, 190)
        for label, (y, x) in enumerate(corners.tolist(), 1):
            image[y : y + 10, x : x + 10] = label
        labels = np.unique(image)[1:]
        stroke = [np.argwhere(image == label)[0] for label in labels]
        away = np.sort([ndi.distance_transform_edt(image != label) for label in labels], axis=0)
        for gap in (1, 3, 8):
            tracemalloc.start()
            new = merge(image, stroke, gap=gap).applied(image)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            closed = (image > 0) | (away[0] + away[1] <= gap + 1)
            np.testing.assert_array_equal(new > 0, closed)
            assert peak < away.nbytes / 2

    def test_one_object_is_too_few(self):
        image = dumbbell(2)
        with pytest.raises(NucleateError, match="only object 5"):
            merge(image, [(12, 12), (12, 25)])
        with pytest.raises(NucleateError, match="no object"):
            merge(image, [(0, 0), (0, 9)])


class TestReshape:
    def test_fill_leaves_other_objects_in_the_hole(self, ndim):
        image = np.full((7,) * ndim, 2)
        middle = (slice(2, 5),) * ndim
        image[middle] = 0
        image[(3,) * ndim] = 6
        edit = fill(image, [2])
        new = edit.applied(image)
        assert np.unique(new).tolist() == [2, 6]
        assert edit.reshaped == (2,)
        assert not edit.parents
        np.testing.assert_array_equal(fill(image).applied(image), new)
        with pytest.raises(NucleateError, match="no hole to fill in object 6"):
            fill(image, [6])
        with pytest.raises(NucleateError, match="no hole to fill in any object"):
            fill(new)

    def test_an_open_bay_is_no_hole(self):
        with pytest.raises(NucleateError, match="no hole"):
            fill(np.array([[1, 1, 1], [1, 0, 0], [1, 1, 1]]), [1])

    def test_smooth_takes_spurs_and_opens_no_gap(self, ndim):
        image = np.zeros((20,) * ndim, int)
        image[(slice(4, 16),) * ndim] = 1
        image[(..., slice(10, 16))] *= 2
        spur = (*(10,) * (ndim - 1), slice(16, 20))
        image[spur] = 2
        new = smooth(image, [2], 1).applied(image)
        assert not new[spur][1:].any()
        np.testing.assert_array_equal(new == 1, image == 1)
        assert (new[..., 10][image[..., 10] > 0] == 2).mean() > 0.6  # corners are round now
        core = (*(slice(7, 13),) * (ndim - 1), 10)
        assert (new[core] == 2).all()
        both = smooth(image, radius=1)
        assert set(both.reshaped) == {1, 2}

    def test_smooth_never_deletes(self):
        line = np.zeros((9, 9), int)
        line[4, 1:8] = 3
        with pytest.raises(NucleateError, match="Nothing would be left of object 3"):
            smooth(line, [3], 3)
        with pytest.raises(NucleateError, match="changes nothing"):
            smooth(line, radius=3)

    def test_grow_takes_background_only_and_jumps_over_nobody(self, ndim):
        image = np.zeros((9,) * ndim, np.uint16)
        image[..., 0], image[..., 2] = 1, 2
        new = grow(image, [1], 4).applied(image)
        np.testing.assert_array_equal(new[..., 1], np.ones_like(new[..., 1]))
        assert not new[..., 3:].any()
        with pytest.raises(NucleateError, match="no background"):
            grow(new, [1], 4)

    def test_grow_and_shrink_by_as_many_pixels(self, ndim):
        image = np.zeros((15,) * ndim, int)
        image[(slice(4, 11),) * ndim] = 1
        middle = (7,) * (ndim - 1)
        assert grow(image, [1], 3).applied(image)[middle].sum() == 13
        shrunk = shrink(image, [1], 2).applied(image)
        assert shrunk.sum() == 3**ndim
        with pytest.raises(NucleateError, match="left of object 1"):
            shrink(image, [1], 4)

    def test_planes_far_apart_are_not_reached(self):
        image = np.zeros((5, 5, 5), int)
        image[2, 2, 2] = 1
        new = grow(image, [1], 1, spacing=(2.0, 0.5, 0.5)).applied(image)
        assert new.sum() == 5
        assert not new[[0, 1, 3, 4]].any()

    def test_shrink_leaves_the_edge_of_the_image(self):
        image = np.array([[1, 1, 1, 0, 0]])
        assert shrink(image, [1]).applied(image).tolist() == [[1, 1, 0, 0, 0]]
        with pytest.raises(NucleateError, match="no outline"):
            shrink(np.ones((2, 2), int), [1])

    @pytest.mark.parametrize("pixels", [0, -1, 1.5])
    def test_bad_steps(self, pixels):
        with pytest.raises(NucleateError, match=f"not by {pixels}"):
            grow(dumbbell(2), [5], pixels)

    def test_keep_part(self, ndim):
        image = dumbbell(ndim)
        image[image == 7] = 5
        edit = keep_part(image, at(ndim, 12, 48))
        new = edit.applied(image)
        assert np.nonzero(new)[-1].min() > 40
        assert edit.reshaped == (5,)
        with pytest.raises(NucleateError, match="only one part in object 5"):
            keep_part(new, at(ndim, 12, 48))


class TestRedraw:
    def test_a_star_has_no_dents_holes_or_far_parts(self, ndim):
        image = dumbbell(ndim)
        image[image == 7] = 0
        ball = image.copy()
        image[..., :20][image[..., :20] == 5] = 0  # the right ball, cut flat
        image[at(ndim, 12, 3)] = 5
        image[at(ndim, 16, 27)] = 0
        new = redraw(image, [5]).applied(image)
        assert in_one_piece(new, 5)
        assert new[at(ndim, 16, 27)] == 5
        kept = (new > 0) & (image > 0)
        assert kept.sum() > 0.9 * (image > 0).sum()
        assert ((new > 0) & (ball == 0)).sum() < 0.02 * kept.sum()

    def test_neighbours_stay(self):
        image = dumbbell(2)
        image[12, 18:33] = 7
        new = redraw(image, [5]).applied(image)
        np.testing.assert_array_equal(new == 7, image == 7)

    def test_planes_far_apart(self):
        image = np.zeros((9, 31, 31), int)
        z, y, x = np.indices(image.shape)
        image[(4 * (z - 4)) ** 2 + (y - 15) ** 2 + (x - 15) ** 2 <= 144] = 2
        new = redraw(image, [2], spacing=(2.0, 0.5, 0.5)).applied(image)
        assert ((new > 0) & (image > 0)).sum() / ((new > 0) | (image > 0)).sum() > 0.8

    def test_too_few_rays(self):
        with pytest.raises(NucleateError, match="2 rays can't enclose"):
            redraw(dumbbell(2), [5], 2)


class TestRemove:
    def test_delete(self, ndim):
        image = dumbbell(ndim)
        edit = delete(image, [5])
        assert edit.gone == (5,)
        np.testing.assert_array_equal(edit.applied(image), np.where(image == 5, 0, image))
        where, values = edit.changes(image)
        assert len(where[0]) == (image == 5).sum()
        assert not values.any()

    def test_touching_in_plane_or_with_the_ends(self):
        image = np.zeros((3, 5, 5), int)
        image[0, 2, 2], image[1, 0, 2], image[1, 2, 2] = 1, 2, 3
        assert remove_touching(image).gone == (1, 2)
        assert remove_touching(image, ends=False).gone == (2,)
        assert remove_touching(image[1]).gone == (2,)
        with pytest.raises(NucleateError, match="No object touches"):
            remove_touching(image[:1], ends=False)

    def test_smaller(self, ndim):
        image = dumbbell(ndim)
        size = int((image == 7).sum())
        assert remove_smaller(image, size + 1).gone == (7,)
        with pytest.raises(NucleateError, match=f"fewer than {size} pixels"):
            remove_smaller(image, size)


class TestInput:
    @pytest.mark.parametrize(
        "edit",
        [
            lambda x: delete(x, [1]),
            lambda x: split(x, [(0, 0), (0, 1)]),
            lambda x: cut(x, [(0, 0), (0, 1)]),
            lambda x: merge(x, [(0, 0), (0, 1)]),
            lambda x: fill(x),
            lambda x: keep_part(x, (0, 0)),
            remove_touching,
            lambda x: remove_smaller(x, 3),
        ],
    )
    @pytest.mark.parametrize(
        ("image", "says"),
        [
            (np.ones((3, 3), np.float32), "float32"),
            (np.ones((3, 3), bool), "bool"),
            (np.full((3, 3), -4), "go down to -4"),
            (np.ones(3, int), "shape (3,)"),
            (np.ones((0, 3), int), "shape (0, 3)"),
        ],
    )
    def test_no_labels(self, edit, image, says):
        with pytest.raises(NucleateError) as caught:
            edit(image)
        assert says in str(caught.value)

    @pytest.mark.parametrize("ids", [[], [0], [99]])
    def test_no_object(self, ids):
        with pytest.raises(NucleateError, match="click on one"):
            delete(dumbbell(2), ids)

    def test_nothing_is_changed_in_place(self, ndim):
        image = dumbbell(ndim)
        before = image.copy()
        for edit in (
            split(image, [at(ndim, 12, 12), at(ndim, 12, 25)]),
            cut(image, [at(ndim, 0, 18), at(ndim, 23, 18)]),
            merge(image, [at(ndim, 12, 25), at(ndim, 12, 48)], gap=20),
            grow(image, [5], 2),
            shrink(image, [5], 2),
            smooth(image, [5], 2),
        ):
            edit.applied(image)
        np.testing.assert_array_equal(image, before)

    def test_bad_spacing(self):
        with pytest.raises(NucleateError, match="Pixel sizes"):
            grow(dumbbell(2), [5], 1, spacing=(0, 1))

    def test_work_stays_near_the_object(self):
        image = np.zeros((2000, 2000), np.int32)
        image[1000:1020, 1000:1040] = 1
        edit = split(image, [(1010, 1005), (1010, 1035)])
        assert edit.labels.shape == (20, 40)
