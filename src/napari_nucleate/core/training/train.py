"""Teach a network a few labelled images."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from napari_nucleate.core.events import Trained, TrainEvent, Viewed
from napari_nucleate.core.predict import checked
from napari_nucleate.core.training.run import Run
from napari_nucleate.core.training.snapshot import Snapshot
from napari_nucleate.core.zoom import USUAL

if TYPE_CHECKING:
    from napari_nucleate.core.model import Card, Model
    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.core.training.renewal import Changed
    from napari_nucleate.core.training.teacher import Teacher

View = Callable[[], Viewed | None]
"""Gives what is looked at, or None where nothing is to be drawn now."""

Keep = Callable[[Snapshot], object]
"""Keeps what an interrupted training needs to go on."""


def train(
    examples: Sequence[Example],
    recipe: Recipe,
    *,
    card: Card | None = None,
    initial: Model | None = None,
    view: View | None = None,
    changed: Changed | None = None,
    snapshot: Snapshot | None = None,
    keep: Keep | None = None,
    teacher: Teacher | None = None,
) -> Generator[TrainEvent, None, Model]:
    """Train by a recipe, saying at each step what happens.

    Closing the generator stops at the next step; the best weights went out with the last
    `Validated` event whose `model` isn't None.

    Parameters
    ----------
    examples : sequence of Example
        Images with known pixels. A share of those by a person is held out to validate on, see
        `hold_out`.
    recipe : Recipe
    card : Card, optional
        Names, voxel size and record to go with the model; its recipe is replaced.
    initial : Model, optional
        Weights to start from, instead of random ones. What they held out stays held out, and they
        are measured on it first: a `Validated` of step 0, without a model.
    view : callable, optional
        Asked between steps for what to preview; less often where previews take long.
    changed : callable, optional
        Asked between steps for examples whose labels changed, and for new ones: these are learned
        from then on, and for a while more often.
    snapshot : Snapshot, optional
        Of an interrupted training on the same images by the same recipe, to go on from. With a
        budget of steps or epochs it ends as if it hadn't been interrupted, bit for bit, on a
        processor with the same number of threads; unless labels were corrected meanwhile. Of
        `Seconds`, those used before count.
    keep : callable, optional
        Takes a snapshot where the last is a minute old, and when the generator is closed before
        its end.
    teacher : Teacher, optional
        Labels other images while the network learns. Not with `changed` or `snapshot`, which know
        nothing of these labels.

    Yields
    ------
    Started, Step, Validated, Warned, Preview, Corrected, Finishing, Trained

    Returns
    -------
    Model
        The one of `Trained`.

    Raises
    ------
    NucleateError
        If nothing is labelled, images don't fit the recipe, memory runs out with a single small
        patch a step, the loss stops being finite twice, or images, labels or recipe aren't those
        of the snapshot.
    """
    if snapshot is not None:
        card = snapshot.card
    recipe = _completed(recipe, examples, card, initial, snapshot)
    for example in examples:
        checked(example.image, recipe, example.key)
    if snapshot is not None:
        examples = snapshot.same(examples, recipe)
    run = Run(
        examples,
        recipe,
        card=card,
        initial=initial,
        changed=changed,
        snapshot=snapshot,
        teacher=teacher,
    )
    try:
        yield run.started
        yield from run.warnings()
        yield from run.before()
        while not run.over:
            if keep is not None:
                yield from run.keep(keep)
            if run.due:
                yield run.validate()
                yield from run.told()
                continue
            yield from run.learn()
            if view is not None and run.may_preview and (viewed := view()) is not None:
                yield run.preview(viewed)
        yield from run.warned_at_end()
        best = yield from run.finished()
    except GeneratorExit:
        if keep is not None and run.step:
            try:
                run.take_up()
            finally:
                keep(run.snapshot())
        raise
    finally:
        run.close()
    yield Trained(best)
    return best


def _completed(
    recipe: Recipe,
    examples: Sequence[Example],
    card: Card | None,
    initial: Model | None,
    snapshot: Snapshot | None,
) -> Recipe:
    """The recipe with what it leaves to the images: their voxels, and the size of objects."""
    if snapshot is not None:
        return snapshot.completed(recipe)
    if card is not None:
        recipe = recipe.suited(card.spacing)
    if initial is not None and not recipe.diameter:
        # Its weights know objects of this size; of the usual one, where none was measured.
        return recipe.model_copy(update={"diameter": initial.recipe.diameter or USUAL})
    return recipe.measured([e.annotation for e in examples if not e.pseudo])
