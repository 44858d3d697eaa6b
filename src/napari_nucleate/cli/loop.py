"""The loop of self-training on a project, without a screen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucleate.cli.data import check_same_channels, example, matched
from napari_nucleate.cli.options import merged
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.model import Card
from napari_nucleate.project import run
from napari_nucleate.project.model import Item, State
from napari_nucleate.project.store import Store

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_nucleate.core.annotation import Known
    from napari_nucleate.core.events import RoundEvent
    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.predict import Tiling
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.core.rounds import SelfTraining


@dataclass
class Loop:
    """A project made from images and masks, and its state as the rounds go by.

    Parameters
    ----------
    store : Store
    state : State
    labelled : list of Example
        Images with a person's masks.
    pool : list of ImageRef
        The others.
    """

    store: Store
    state: State
    labelled: list[Example]
    pool: list[ImageRef]

    @classmethod
    def prepare(
        cls,
        images: Sequence[ImageRef],
        masks: Path | Sequence[tuple[ImageRef, ImageRef]],
        folder: Path,
        recipe: Recipe,
        options: SelfTraining,
        known: Known = "dense",
    ) -> Loop:
        """Make the project: images with a mask are labelled, the others are the pool.

        Raises
        ------
        NucleateError
            If masks don't match, channels differ, or no image is left for the pool.
        """
        pairs = matched(images, masks, recipe.ndim) if isinstance(masks, Path) else masks
        labelled = {image.key for image, _ in pairs}
        pool = [ref for ref in images if ref.key not in labelled]
        if not pool:
            raise NucleateError(
                f"All {len(images)} images have masks; self-training needs images without."
            )
        recipe = merged(recipe, {"channels": check_same_channels(images)})
        items = tuple(
            Item(
                key=ref.key,
                source=str(ref.stack.source or ""),
                status="labelled" if ref.key in labelled else "unlabelled",
            )
            for ref in images
        )
        state = State(
            name=folder.name, known=known, recipe=recipe, self_training=options, items=items
        )
        store = Store(folder)
        examples = [example(image, mask, known) for image, mask in pairs]
        for (image, _), made in zip(pairs, examples, strict=True):
            # As the rule reads them: in sparse masks 0 is unknown and 1 background.
            painted = made.annotation.labels
            if known == "sparse":
                painted = (painted + 1) * made.annotation.known
            store.save_annotation(image.key, painted, image.spacing, image.units)
        return cls(store, state, examples, pool)

    def run(
        self, refine: Recipe | None = None, tiling: Tiling | None = None
    ) -> Generator[RoundEvent, None, None]:
        """Run all rounds; `state` follows. `refine` is the recipe of later rounds."""
        first = self.pool[0]
        card = Card(
            recipe=self.state.recipe,
            channels=first.stack.channels,
            spacing=first.spacing,
            units=first.units,
        )
        if refine is not None:
            refine = merged(refine, {"channels": self.state.recipe.channels})
        events = run.self_training(
            self.store,
            self.labelled,
            self.pool,
            self.state,
            refine=refine,
            card=card,
            tiling=tiling,
        )
        for event in events:
            self.state = run.after(self.state, event)
            yield event
