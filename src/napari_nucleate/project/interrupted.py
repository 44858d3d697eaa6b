"""A round of self-training that was interrupted, gone on with by the same images and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.pseudo import usual_diameter
from napari_nucleate.core.rounds import Begun
from napari_nucleate.project.run import accepted_examples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.predict import Source
    from napari_nucleate.project.model import State
    from napari_nucleate.project.store import Store


def interrupted_round(
    state: State,
    store: Store,
    name: str,
    sources: Mapping[str, Source],
    labelled: Sequence[Example],
    accepted: Sequence[Example],
) -> Begun:
    """Make ready to go on with a round: where its training was, and its pseudo-labels.

    Parameters
    ----------
    state : State
        With the recipe and the options of the rounds to come.
    store : Store
    name : str
        Its model's, see `Store.interrupted`.
    sources : mapping of str to Source
        The images by name.
    labelled, accepted : sequence of Example
        The person's, and predictions that a person accepted.

    Raises
    ------
    NucleateError
        Saying why it can't be gone on with: images, labels, the recipe or the model in use are
        others now, or what was kept is damaged.
    """
    snapshot = store.load_snapshot(name)
    initial, used = snapshot.card.record.initial, state.model
    if initial != (used if used != name else ""):
        raise NucleateError(
            f"It began with {f'the model {initial}' if initial else 'none'}, and {used or 'none'} "
            "is in use now."
        )
    if initial and state.self_training.form == "continuous":
        raise NucleateError("It learned from chosen masks, which the continuous form doesn't.")
    known = {example.key for example in (*labelled, *accepted)}
    keys = [seen.key for seen in snapshot.progress.seen if seen.key not in known]
    taken = set(state.keys("accepted"))
    if gone := [key for key in keys if key not in taken]:
        raise NucleateError(f"The prediction of {gone[0]} isn't accepted any more.")
    diameter = usual_diameter(state.recipe, labelled)
    pseudo = accepted_examples(state, store, sources, keys, diameter)
    snapshot.same([*labelled, *accepted, *pseudo], snapshot.completed(state.recipe))
    return Begun(snapshot, pseudo)
