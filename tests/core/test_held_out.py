"""What is validated on: whole stacks, or regions, chosen by labels and seed alone."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_nucleate.core.annotation import Annotation, annotate
from napari_nucleate.core.events import Trained
from napari_nucleate.core.model import Record
from napari_nucleate.core.patches import Example
from napari_nucleate.core.stacks import stack_of
from napari_nucleate.core.targets import Semantic
from napari_nucleate.core.training.held_out import MOST_VALIDATED, Split, _whole, hold_out
from napari_nucleate.core.training.snapshot import fingerprint
from napari_nucleate.core.training.train import train


def grid(key, rows=4, columns=5, pseudo=False, shape=None):
    """An image of squares that don't touch, 10 pixels apart."""
    labels = np.zeros(shape or (10 * rows, 10 * columns), np.int32)
    for i in range(rows * columns):
        y, x = 10 * (i // columns) + 2, 10 * (i % columns) + 2
        labels[..., y : y + 6, x : x + 6] = i + 1
    # No two images have the same pixels.
    image = np.full((1, *labels.shape), zlib.crc32(key.encode()))
    return Example(key, image, annotate(labels), pseudo=pseudo)


def keys(examples):
    return {e.key for e in examples}


class TestWholeImages:
    def test_it_depends_on_names_and_seed_and_not_on_pseudo_labels(self, nuclei, tiny):
        human = nuclei(count=8)
        pseudo = [
            Example(f"pseudo {i}", e.image, e.annotation, 0.5, pseudo=True)
            for i, e in enumerate(nuclei(count=3, seed=2))
        ]
        recipe = tiny(validation=0.25)
        split = hold_out(human, recipe)
        assert len(split.held_out) == 2
        assert split.regions == {}
        assert keys(split.learned(human)) == keys(human) - set(split.held_out)
        assert keys(split.validated(human)) == set(split.held_out)
        assert split.note == "Validated on 2 of 8 labelled images."
        mixed = [*pseudo, *reversed(human)]
        assert set(hold_out(mixed, recipe).held_out) == set(split.held_out)
        assert keys(pseudo) < keys(hold_out(mixed, recipe).learned(mixed))
        others = {hold_out(human, tiny(validation=0.25, seed=s)).held_out for s in range(9)}
        assert len(others) > 2

    def test_what_a_model_began_is_held_out_only_where_nothing_else_is(self, tiny):
        painted = [grid(f"image {i}") for i in range(6)]
        taken = [replace(grid(f"taken {i}"), corrected=True) for i in range(20)]
        recipe = tiny(validation=0.25)
        alone = set(hold_out(painted, recipe).held_out)
        assert alone
        assert set(hold_out([*taken, *painted], recipe).held_out) == alone
        assert hold_out(taken, recipe).held_out
        # A single painted image has a strip for that.
        split = hold_out([*taken, painted[0]], recipe)
        assert (set(split.held_out), set(split.regions)) == (set(), {"image 0"})

    def test_no_more_are_held_out_than_are_looked_at(self, tiny):
        human = [grid(f"image {i}") for i in range(200)]
        split = hold_out(human, tiny(validation=0.25))
        assert len(split.held_out) == MOST_VALIDATED
        assert split.note == f"Validated on {MOST_VALIDATED} of 200 labelled images."
        large = [grid(f"s{s}_z{z}") for s in range(6) for z in range(20)]
        split = hold_out(large, tiny(validation=0.25))
        assert len(split.held_out) == 20
        assert split.note == "Validated on 16 of 20 of 120 labelled images."

    def test_slices_with_any_names_are_never_on_both_sides(self, tiny):
        rng = np.random.default_rng(0)
        human, stack = [], {}
        for s in range(6):
            noise = gaussian_filter(rng.normal(size=(4, 40, 50)), (1, 2, 2))
            for plane in noise:
                key = f"{rng.integers(10**9)}"
                stack[key] = s
                human.append(replace(grid(key), image=plane[np.newaxis]))
        for seed in range(4):
            split = hold_out(human, tiny(validation=0.2, seed=seed))
            held, learned = (
                {stack[e.key] for e in part}
                for part in (split.validated(human), split.learned(human))
            )
            assert held
            assert not held & learned

    def test_planes_of_one_stack_are_never_on_both_sides(self, tiny):
        human = [grid(f"s{s}_t{t}_z{z}") for s in range(6) for t in range(2) for z in range(2)]
        pseudo = [grid(f"s{s}_t7_z0", pseudo=True) for s in range(6)]
        for seed in range(5):
            split = hold_out(human, tiny(validation=0.2, seed=seed))
            learned, held = split.learned([*human, *pseudo]), split.validated([*human, *pseudo])
            assert len(held) in (4, 8)
            assert not {stack_of(e.key) for e in learned} & {stack_of(e.key) for e in held}
            assert not any(e.pseudo for e in held)
            assert any(e.pseudo for e in learned)

    def test_a_large_stack_is_not_held_out_for_a_small_share(self, tiny):
        human = [grid(f"long_t{t:02d}") for t in range(30)] + [grid(f"x{i}") for i in range(5)]
        for seed in range(5):
            split = hold_out(human, tiny(validation=0.1, seed=seed))
            assert 1 <= len(split.held_out) <= 5
            assert not any(k.startswith("long") for k in split.held_out)

    def test_it_can_be_turned_off(self, nuclei, tiny):
        human = nuclei(count=8)
        split = hold_out(human, tiny(validation=0))
        assert split.learned(human) == human == split.validated(human)
        assert split.note == "Validated on the 8 training image(s)."

    def test_training_validates_on_the_images_held_out_and_says_which(self, nuclei, tiny):
        recipe = tiny(steps=2, validation=0.2)
        events = list(train(nuclei(count=6), recipe))
        held = hold_out(nuclei(count=6), recipe).held_out
        record = events[-1].model.card.record
        assert events[0].held_out == held == record.held_out
        assert events[0].examples == 5
        assert record.validation == events[0].note == "Validated on 1 of 6 labelled images."


class TestRegions:
    @pytest.mark.parametrize("count", [1, 2, 4])
    @pytest.mark.parametrize("seed", range(4))
    def test_a_strip_at_one_side_has_about_the_share_of_the_objects(self, tiny, count, seed):
        human = [grid(f"i{i}") for i in range(count)]
        split = hold_out(human, tiny(validation=0.25, seed=seed))
        assert split.held_out == ()
        assert keys(split.validated(human)) == keys(human) == set(split.regions)
        for whole in human:
            learned, held = split.parts(whole)
            known, other = learned.annotation.known, held.annotation.known
            np.testing.assert_array_equal(known ^ other, np.ones_like(known))
            assert not (known & other).any()
            assert learned.image is held.image is whole.image
            # No object is cut, as there is room between them.
            assert learned.annotation.n_objects + held.annotation.n_objects == 20
            assert 4 <= held.annotation.n_objects <= 8
            (top, bottom), (left, right) = split.regions[whole.key]
            assert (top, bottom) == (0, 40) or (left, right) == (0, 50)
            assert 0 in (top, left)
        assert split.note == (
            f"Validated on a strip at one side of {count} of {count} labelled image(s), which "
            "isn't learned from."
        )

    def test_an_image_without_objects_is_learned_whole(self, tiny):
        empty = Example("none", np.ones((1, 40, 40)), annotate(np.zeros((40, 40), np.int32)))
        human = [empty, grid("a"), grid("b", shape=(40, 60))]
        split = hold_out(human, tiny(validation=0.25))
        assert set(split.regions) == {"a", "b"}
        learned, held = split.parts(empty)
        assert learned is empty
        assert held is None

    def test_it_is_repeatable_and_pseudo_labels_change_nothing(self, tiny):
        human, recipe = [grid("a"), grid("b")], tiny()
        split = hold_out(human, recipe)
        pseudo = [grid("c", pseudo=True), grid("d", pseudo=True)]
        assert hold_out([*pseudo, *reversed(human)], recipe).regions == split.regions
        learned, held = split.parts(pseudo[0])
        assert learned is pseudo[0]
        assert held is None

    def test_all_planes_of_a_stack_hold_out_the_same_region(self, tiny):
        human = [grid(f"s_z{z}") for z in range(3)]
        split = hold_out(human, tiny())
        assert len(set(split.regions.values())) == 1
        # Nothing of that region is learned from another plane either, whoever labelled it.
        learned, held = split.parts(grid("s_z9", pseudo=True))
        assert not learned.annotation.known.all()
        assert held is None

    def test_volumes_are_cut_through_all_planes(self, tiny):
        (volume,) = human = [grid("v", shape=(3, 40, 50))]
        split = hold_out(human, tiny(3))
        _, held = split.parts(volume)
        assert held.annotation.known.shape == (3, 40, 50)
        assert (held.annotation.known == held.annotation.known[0]).all()
        assert held.annotation.known.any()

    @pytest.mark.parametrize(("rows", "columns"), [(0, 0), (1, 1), (1, 11)])
    def test_too_few_objects_are_all_learned_from_and_it_is_said(self, tiny, rows, columns):
        human = [grid("few", rows, columns, shape=(40, 120))]
        split = hold_out(human, tiny(validation=0.5))
        assert split.learned(human) == human == split.validated(human)
        assert split.note == (
            "Validated on the 1 training image(s): too few objects to hold some out."
        )

    def test_only_known_objects_count(self, tiny):
        whole = grid("a")
        known = np.zeros((40, 50), bool)
        known[:20, :20] = True
        sparse = Example("a", whole.image, Annotation(whole.annotation.labels, known))
        assert hold_out([sparse], tiny()).regions == {}

    def test_objects_in_one_heap_are_not_torn_apart(self, tiny):
        labels = np.zeros((40, 40), np.int32)
        labels[20, 5:25] = np.arange(1, 21)
        human = [Example("a", np.ones((1, 40, 40)), annotate(labels))]
        split = hold_out(human, tiny())
        _, held = split.parts(human[0])
        assert 3 <= held.annotation.n_objects <= 10

    def test_labels_of_any_size_and_without_background(self, tiny):
        labels = np.arange(1, 26).reshape(5, 5).repeat(4, 0).repeat(4, 1) * 10**7
        split = hold_out([Example("a", np.ones((1, 20, 20)), annotate(labels))], tiny())
        assert split.regions

    def test_pieces_of_classes_count_as_objects(self, tiny):
        example = grid("a")
        classes = Example("a", example.image, annotate(np.minimum(example.annotation.labels, 1)))
        assert hold_out([classes], tiny(2, Semantic())).regions
        assert not hold_out([classes], tiny()).regions

    def test_training_learns_nothing_there(self, nuclei, tiny):
        events = list(train(nuclei(), tiny(steps=2)))
        record = events[-1].model.card.record
        assert set(record.regions) == {e.key for e in nuclei()}
        assert record.held_out == ()
        assert record.validation == events[0].note
        assert isinstance(events[-1], Trained)
        assert Split.recorded(record).regions == hold_out(nuclei(), tiny()).regions

    def test_what_a_model_never_saw_can_be_asked_for(self, tiny):
        human = [grid("a"), grid("b")]
        split = hold_out(human, tiny())
        unseen = split.unseen("a", human[0].annotation)
        np.testing.assert_array_equal(unseen.known, split.parts(human[0])[1].annotation.known)
        assert split.unseen("c", human[0].annotation) is None
        assert Split(("c",)).unseen("c", human[0].annotation) is human[0].annotation


def test_at_least_half_is_left_to_learn_from(tiny):
    keys = [*(f"single {i}" for i in range(4)), *(f"stack_z{i:03}" for i in range(100))]
    human = [grid(key) for key in keys]
    for seed in range(5):
        stacks = {key: stack_of(key) for key in keys}
        held = _whole(human, stacks, 0.5, False, np.random.default_rng(seed))
        assert held
        assert len(held) <= 52


class TestEmptyImages:
    """An image in which there is nothing tells nothing of how objects are found."""

    @pytest.mark.parametrize("seed", range(6))
    def test_one_is_not_held_out_alone(self, tiny, seed):
        human = [grid(f"x{i}") for i in range(3)] + [grid(f"empty {i}", 0, 0) for i in range(3)]
        for example in human[3:]:
            assert example.annotation.n_objects == 0
        (held,) = hold_out(human, tiny(validation=0.15, seed=seed)).held_out
        assert held.startswith("x")

    def test_images_are_added_until_there_are_objects_enough(self, tiny):
        human = [grid(f"x{i}", 1, 2) for i in range(8)]
        assert len(hold_out(human, tiny(validation=0.1)).held_out) == 2

    @pytest.mark.parametrize("seed", range(6))
    def test_where_few_images_have_most_objects_strips_are_held_out(self, tiny, seed):
        human = [grid(f"x{i}", 1, 1) for i in range(4)] + [grid("many", 4, 5)]
        split = hold_out(human, tiny(seed=seed))
        assert split.held_out == ()
        assert set(split.regions) == {"many"}

    def test_with_too_few_objects_in_all_none_is_held_out(self, tiny):
        human = [grid(f"x{i}", 1, 2) for i in range(5)]
        split = hold_out(human, tiny(validation=0.2))
        assert (split.held_out, split.regions) == ((), {})
        assert split.note.endswith("too few objects to hold some out.")


def given(*examples):
    """What is on record of images that a model was given."""
    return {e.key: fingerprint(e.image) for e in examples}


class TestGoingOn:
    """What a model that is gone on from has learned is never validated on."""

    @pytest.mark.parametrize("pixels", [True, False], ids=["pixels", "names"])
    def test_what_it_held_out_stays_held_out_and_some_of_what_is_new_is_too(self, tiny, pixels):
        recipe = tiny(validation=0.2)
        old = [grid(f"x{i}") for i in range(5)]
        split = hold_out(old, recipe)
        record = Record(human=tuple(e.key for e in old), held_out=split.held_out)
        if pixels:
            record = record.model_copy(update={"images": given(*old)})
        new = [grid(f"y{i}") for i in range(10)]
        for seed in range(5):
            again = hold_out([*new, *old], tiny(validation=0.2, seed=seed), record)
            assert set(again.held_out) >= set(split.held_out)
            assert not (set(again.held_out) - set(split.held_out)) & keys(old)
            assert len(again.held_out) == 3
        assert again.note == "Validated on 3 of 15 labelled images."
        assert hold_out(old, tiny(validation=0.2, seed=9), record).held_out == split.held_out

    def test_strips_stay_where_they_are(self, tiny):
        old = [grid("a"), grid("b")]
        split = hold_out(old, tiny())
        record = Record(human=("a", "b"), regions=split.regions)
        again = hold_out([*old, grid("c"), grid("a_z1")], tiny(seed=5), record)
        assert {k: again.regions[k] for k in "ab"} == split.regions
        assert set(again.regions) == {"a", "b", "c"}

    def test_where_it_learned_from_all_nothing_can_be_held_out(self, tiny):
        record = Record(human=("a_z1",), pseudo=("b",))
        human = [grid("a_z1"), grid("a_z2"), grid("b")]
        split = hold_out(human, tiny(), record)
        assert (split.held_out, split.regions) == ((), {})
        assert split.note == (
            "Validated on the 3 training image(s): the model that it goes on from learned from "
            "them already. Begin anew to hold some out."
        )

    def test_images_of_others_may_have_the_same_names(self, tiny):
        old = [grid("a"), grid("b")]
        record = Record(human=("a", "b"), regions=hold_out(old, tiny()).regions)
        record = record.model_copy(update={"images": given(*old)})
        others = [Example(e.key, e.image + i + 1, e.annotation) for i, e in enumerate(old)]
        assert hold_out(others, tiny(seed=3), record) == hold_out(others, tiny(seed=3))
        assert hold_out(old, tiny(seed=3), record).regions == record.regions

    def test_what_was_learned_by_a_model_further_back_is_known_too(self, tiny):
        old, once = grid("a"), grid("pseudo")
        once = Example("pseudo", once.image * 2, once.annotation)
        record = Record(human=("a",), images=given(old, once))
        assert set(hold_out([old, once], tiny(), record).regions) == set()

    def test_where_labels_were_erased_there_nothing_is_held_out(self, tiny):
        old = [grid("a"), grid("b")]
        split = hold_out(old, tiny())
        record = Record(human=("a", "b"), regions=split.regions, images=given(*old))
        learned = split.parts(old[0])[0].annotation
        erased = Example("a", old[0].image, learned)
        assert set(hold_out([erased, old[1]], tiny(), record).regions) == {"b"}
        assert hold_out([erased], tiny(), record).note.endswith("Begin anew to hold some out.")

    def test_both_are_said(self, tiny):
        record = Record(human=("a", "b"), held_out=("b",))
        split = hold_out([grid("a"), grid("b"), grid("c")], tiny(), record)
        assert (split.held_out, list(split.regions)) == (("b",), ["c"])
        assert split.note == (
            "Validated on 1 of 3 labelled images and on a strip at one side of 1 of 3 labelled "
            "image(s), which isn't learned from."
        )
