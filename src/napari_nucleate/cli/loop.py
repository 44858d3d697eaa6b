"""The loop of self-training on a project, new or begun, without a screen."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucleate.cli.data import check_same_channels, example, matched
from napari_nucleate.cli.options import merged
from napari_nucleate.cli.projects import (
    Found,
    annotations_of,
    checked,
    images_of,
    labelled_example,
    warn,
)
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.model import Card
from napari_nucleate.core.training.initial import check_fits
from napari_nucleate.core.training.snapshot import ADVICE
from napari_nucleate.project import run
from napari_nucleate.project.images import look, noted, sources
from napari_nucleate.project.interrupted import interrupted_round
from napari_nucleate.project.model import HUMAN, Item, State
from napari_nucleate.project.store import Store

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from napari_nucleate.core.annotation import Known
    from napari_nucleate.core.events import RoundEvent
    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.core.model import Model
    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.predict import Tiling
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.core.rounds import Begun, SelfTraining
    from napari_nucleate.io.boxes import Boxes


SELF_TRAIN = "nucleate self-train"
"""What works on a project meanwhile, for others."""


@dataclass
class Loop:
    """A project, and its state as the rounds go by.

    Parameters
    ----------
    store : Store
    state : State
    labelled : list of Example
        Images with a person's masks.
    pool : list of Found
        The others.
    accepted : list of Example
        Predictions that a person accepted.
    model : Model, optional
        What the rounds go on from.
    begun : Begun, optional
        The round that was interrupted, and is gone on with.
    """

    store: Store
    state: State
    labelled: list[Example]
    pool: list[Found]
    accepted: list[Example] = field(default_factory=list)
    model: Model | None = None
    begun: Begun | None = None

    @classmethod
    def prepare(
        cls,
        images: Sequence[ImageRef],
        masks: Path | Sequence[tuple[ImageRef, ImageRef]],
        folder: Path,
        recipe: Recipe,
        options: SelfTraining,
        known: Known = "dense",
        boxes: Boxes | None = None,
    ) -> Loop:
        """Make the project: images with a mask are labelled, the others are the pool.

        Raises
        ------
        NucleateError
            If masks don't match, channels differ, or no image is left for the pool.
        """
        pairs = matched(images, masks, recipe.ndim) if isinstance(masks, Path) else masks
        labelled = {image.key for image, _ in pairs}
        pool = [Found(ref.key, ref) for ref in images if ref.key not in labelled]
        if not pool:
            raise NucleateError(
                f"All {len(images)} images have masks; self-training needs images without."
            )
        recipe = merged(recipe, {"channels": check_same_channels(images)})
        items = tuple(
            Item(
                key=ref.key,
                # Found again from wherever the next command is run.
                source=str(Path(ref.stack.source).resolve()) if ref.stack.source else "",
                status="labelled" if ref.key in labelled else "unlabelled",
            )
            for ref in images
        )
        state = State(
            name=folder.name, known=known, recipe=recipe, self_training=options, items=items
        )
        state = noted(state, look(sources(state)))
        store = Store(folder, SELF_TRAIN)
        examples = [example(image, mask, known, boxes or {}) for image, mask in pairs]
        if boxes:
            store.save_boxes({key: drawn for key, drawn in boxes.items() if key in labelled})
        for (image, _), made in zip(pairs, examples, strict=True):
            # As the rule reads them: in sparse masks 0 is unknown and 1 background.
            painted = made.annotation.labels
            if known == "sparse":
                painted = (painted + 1) * made.annotation.known
            store.save_annotation(image.key, painted, image.spacing, image.units)
        return cls(store, state, examples, pool)

    @classmethod
    def go_on(
        cls,
        store: Store,
        state: State,
        recipe: Recipe,
        options: Mapping[str, Any],
        resume: bool = True,
    ) -> Loop:
        """Go on with a project: from the model in use, with the labels there are now.

        A training that was interrupted comes first, if nothing that it learns from changed since.

        What a person accepted by itself is learned from as it is, what was accepted among many is
        predicted anew, as what a round took; what a person rejected isn't.

        Parameters
        ----------
        store : Store
            The project's.
        state : State
            As it was read there.
        recipe : Recipe
            Of the trainings to come.
        options : mapping
            What is to be another value in how masks join.
        resume : bool
            Go on with a training that was interrupted.

        Raises
        ------
        NucleateError
            If nothing is labelled, an image isn't found, none is left for the
            pool, or the recipe doesn't go with the model.
        """
        if recipe.ndim != state.recipe.ndim:
            raise NucleateError(
                f"{store.folder} is a project in {state.recipe.ndim}D, not {recipe.ndim}D."
            )
        annotations = annotations_of(store, state)
        # Of earlier versions it isn't known who accepted: then a person did.
        judged = [item.key for item in state.items if item.vouched]
        rest = [k for k in state.keys("unlabelled", "predicted", "accepted") if k not in judged]
        if not rest:
            raise NucleateError(
                f"All images of {store.folder} are labelled, accepted or rejected; self-training "
                "needs others."
            )
        human = state.keys(*HUMAN)
        found = {one.key: one for one in images_of(state, [*human, *judged, *rest])}
        channels = check_same_channels([one.ref for one in found.values()])
        if channels != recipe.channels:
            raise NucleateError(
                f"The project works on {recipe.channels} channel(s), but its files have "
                f"{channels}; begin another one from the files, with --images and --masks."
            )
        labelled = [
            labelled_example(
                found[key], annotations.get(key), state.item(key).status == "corrected"
            )
            for key in human
        ]
        state = checked(state, list(found))
        self_training = merged(state.self_training, options)
        state = state.model_copy(update={"recipe": recipe, "self_training": self_training})
        accepted = run.accepted_examples(state, store, found, judged)
        begun: Begun | None = None
        if name := store.interrupted():
            begun = _begun(state, store, name, found, labelled, accepted) if resume else None
            if begun is None:
                state = run.given_up(state, store, name)
        first = begun is not None and not begun.snapshot.card.record.initial
        model = store.load_model(state.used.model) if state.used and not first else None
        if model is not None and not (state.self_training.rounds or "rounds" in options):
            raise NucleateError(
                "The project is trained already, and was made for no rounds; give --rounds."
            )
        if model is not None:
            check_fits(model, recipe)
            if not state.self_training.rounds:
                begun = None  # nothing is trained; it can be gone on with another time
        return cls(store, state, labelled, [found[key] for key in rest], accepted, model, begun)

    def run(
        self, refine: Recipe | None = None, tiling: Tiling | None = None
    ) -> Generator[RoundEvent, None, None]:
        """Run all rounds; `state` follows. `refine` is the recipe of later rounds."""
        first = self.pool[0]
        card = Card(
            recipe=self.state.recipe,
            channels=first.ref.stack.channels,
            spacing=first.spacing,
            units=first.units,
        )
        # In the window a person may have said another pixel size than the files do.
        known = self.model.card if self.model is not None else None
        if known is None and self.begun is not None:
            known = self.begun.snapshot.card
        if known is not None:
            same = {"channels": known.channels, "spacing": known.spacing, "units": known.units}
            card = card.model_copy(update=same)
        if refine is not None:
            refine = merged(refine, {"channels": self.state.recipe.channels})
        events = run.self_training(
            self.store,
            self.labelled,
            self.pool,
            self.state,
            refine=refine,
            card=card,
            accepted=self.accepted,
            model=self.model,
            tiling=tiling,
            begun=self.begun,
        )
        with closing(events):
            for event in events:
                self.state = run.after(self.state, event)
                yield event


def _begun(
    state: State,
    store: Store,
    name: str,
    found: Mapping[str, Found],
    labelled: Sequence[Example],
    accepted: Sequence[Example],
) -> Begun | None:
    """The training that was interrupted; None, which is said, where it can't be gone on with."""
    try:
        return interrupted_round(state, store, name, found, labelled, accepted)
    except NucleateError as error:
        why = str(error).replace(ADVICE, "")  # it comes too late
        warn(f"{name}, which was interrupted, isn't gone on with, and another begins: {why}")
        return None
