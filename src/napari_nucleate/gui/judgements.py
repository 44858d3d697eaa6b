"""A person's word on predictions: accepted, rejected, or taken over as labels; and taken back."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.edit import Edit
from napari_nucleate.core.stacks import apart
from napari_nucleate.gui.card import POOR
from napari_nucleate.gui.edits import Editor
from napari_nucleate.project.model import HUMAN, WAITING, Item, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucleate.gui.session import Session


@dataclass(frozen=True, eq=False)
class _Step:
    """Images as they were before a judgement, and after it; an act that can be undone."""

    of: Judgements
    before: tuple[Item, ...]
    after: tuple[Item, ...]

    def undo(self) -> str:
        """Take it back; nothing where that was done, or all images are others by now."""
        return self._said(self.of.take_back(self))

    def redo(self) -> str:
        """Judge so again; nothing where the images were judged anew."""
        return self._said(self.of.repeat(self))

    def _said(self, keys: Sequence[str]) -> str:
        if not keys:
            return ""
        what = keys[0] if len(keys) == 1 else f"{len(keys)} images"
        return f"{what} {self.after[0].status}"


class Judgements:
    """Takes a person's word on predictions, and takes it back.

    Parameters
    ----------
    session : Session
        Whose predictions are judged.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._steps: list[_Step] = []
        # Images whose predictions were taken over: as they were before, and what was painted.
        self._taken: dict[str, tuple[Item, bytes]] = {}

    def __bool__(self) -> bool:
        """Whether there is one to take back."""
        return bool(self._steps)

    def forget(self) -> None:
        """The images are others now: what was judged before can't be taken back."""
        self._steps, self._taken = [], {}

    def judge(self, keys: Sequence[str], accept: bool) -> list[str]:
        """Accept or reject predictions; a person's labels are left as they are.

        Returns
        -------
        list of str
            The images whose status is another one now.
        """
        status: Status = "accepted" if accept else "rejected"
        self._session.strokes.refresh(*keys)
        wanted = set(keys)
        items = [i for i in self._session.state.items if i.key in wanted]
        return self._mark(
            [i for i in items if i.status not in HUMAN and i.status != status], status
        )

    def good_enough(self) -> list[str]:
        """Name the predictions that nobody judged yet and that may be accepted, the surest first.

        None that a round wouldn't take, see `SelfTraining.least`, nor any that the gallery shows as
        poor: nobody looks at each.

        Raises
        ------
        NucleateError
            If there are none.
        """
        least = max(self._session.state.self_training.least, POOR)
        good = [i.key for i in self._waiting() if (i.confidence or 0.0) >= least]
        if not good:
            raise NucleateError(
                f"No prediction has a confidence of {least:g}: none is good enough to be accepted "
                "unseen. Label more images, or accept one by one."
            )
        return good

    def accept_best(self, count: int, order: Sequence[str] = ()) -> list[str]:
        """Accept so many of those that are `good_enough`; returns their names.

        Of one stack, images that lie apart, from those labelled and accepted before as well.

        Parameters
        ----------
        count : int
        order : sequence of str
            Which come first; the others follow, the surest first.
        """
        good, state = self.good_enough(), self._session.state
        there = set(good)
        wanted = list(dict.fromkeys([*(key for key in order if key in there), *good]))
        learned = state.keys(*HUMAN, "accepted")
        chosen = apart(wanted, count, state.keys(*WAITING), learned)
        items = [state.item(key) for key in chosen]
        return self._mark(items, "accepted", looked_at=False)

    def accept_down_to(self, key: str) -> list[str]:
        """Accept all that nobody judged yet and is ranked as high as an image; returns their names.

        Parameters
        ----------
        key : str
            The last image to accept. In whichever order they are shown, this never accepts one of
            lower confidence.
        """
        ranked = [item.key for item in self._session.state.ranked()]
        higher = set(ranked[: ranked.index(key) + 1])
        many = [item for item in self._waiting() if item.key in higher]
        return self._mark(many, "accepted", looked_at=False)

    def take_over(self, key: str) -> None:
        """Make a prediction the person's own labels, to correct by hand, and show it.

        It is painted on the annotation layer, as a stroke that Ctrl+Z undoes; from then on it
        trains as what a person painted.

        Raises
        ------
        NucleateError
            If the image has a person's labels, no prediction, or nothing was found in it.
        """
        session = self._session
        session.strokes.refresh(key)
        item = session.state.item(key)
        if item.status in HUMAN:
            raise NucleateError(f"{key} is {item.status} by a person already; correct it there.")
        found = session.store.load_predicted_labels(key)
        if found is None:
            raise NucleateError(f"{key} has no prediction yet; predict it first.")
        session.go_to(key)
        session.annotate()
        if not found.any():
            raise NucleateError(
                f"Nothing was found in {key}: paint what is missing, or confirm that it is empty "
                "in the Label dock."
            )
        largest = np.iinfo(session.painted(key).dtype).max
        if found.max() > largest:
            raise NucleateError(
                f"{key} has an object {found.max()}, and {largest} is the largest label that the "
                "annotation layer can hold; convert it to a larger type, such as int32."
            )
        after = item.model_copy(update={"status": "corrected"})
        # Noted before the layer tells that it was painted on: `status` is asked then.
        self._taken[key] = item, _digest(found)
        self._paint(key, found)
        # The stroke alone is in the row of acts: the status follows the labels.
        self._steps.append(_Step(self, (item,), (after,)))
        session.set_items(after)
        if session.prediction is not None:
            session.prediction.visible = False

    def undo(self) -> list[str]:
        """Take the last judgement back; returns the images that are judged anew.

        What became another prediction since, or was labelled, stays as it is.

        Raises
        ------
        NucleateError
            If there is nothing to take back, or labels taken over were corrected since: they are
            the person's then, and the judgement before is taken back the next time.
        """
        try:
            while self._steps:
                back = self.take_back(self._steps[-1])
                if back:
                    return back
        finally:
            self._session.changed.emit()
        raise NucleateError("No judgement is left to take back.")

    def status(self, key: str, painted: bool) -> Status:
        """What an image is, now that something, or nothing, is painted on it.

        Whoever lets napari undo what was taken over has the prediction as it was judged before; and
        who redoes it, a corrected one.
        """
        session = self._session
        before, digest = self._taken.get(key, (None, b""))
        if painted:
            # What nobody took over isn't looked at: it may be a large volume.
            same = before is not None and digest == _digest(session.painted(key))
            return "corrected" if same else "labelled"
        item = session.state.item(key)
        if before is not None and before.confidence == item.confidence:
            return before.status
        return "unlabelled" if item.confidence is None else "predicted"

    # -- inside -------------------------------------------------------------------------

    def _waiting(self) -> list[Item]:
        return [item for item in self._session.state.ranked() if item.status == "predicted"]

    def _mark(self, items: Sequence[Item], status: Status, *, looked_at: bool = True) -> list[str]:
        if not items:
            return []
        for item in items:
            if item.confidence is None:
                raise NucleateError(f"{item.key} has no prediction yet; predict it first.")
        judged = status == "accepted" and looked_at
        after = tuple(i.model_copy(update={"status": status, "judged": judged}) for i in items)
        step = _Step(self, tuple(items), after)
        self._steps.append(step)
        self._session.undoing.enter(step)
        self._session.set_items(*after)
        return [item.key for item in items]

    def take_back(self, step: _Step) -> list[str]:
        """Undo a judgement; returns the images that it still concerns, none where it's undone."""
        session = self._session
        if step not in self._steps:
            return []
        keys = [item.key for item in step.after]
        session.strokes.refresh(*keys)
        now = {key: session.state.item(key) for key in keys}
        pairs = zip(step.before, step.after, strict=True)
        back = [b.at(now[b.key]) for b, after in pairs if now[b.key] == after.at(now[b.key])]
        taken = [item for item in step.after if item.status == "corrected"] if back else []
        if taken and session.annotation is None:
            raise NucleateError("There is no annotation layer; press Annotate first, then undo.")
        self._steps.remove(step)
        for item in taken:
            self._unpaint(item.key)
        if back:
            session.set_items(*back)
        return [item.key for item in back]

    def repeat(self, step: _Step) -> list[str]:
        """Judge again as it was taken back; returns the images that nobody judged since."""
        session = self._session
        pairs = zip(step.before, step.after, strict=True)
        known = set(session.state.keys())
        again = [
            after.at(item)
            for before, after in pairs
            if before.key in known and (item := session.state.item(before.key)) == before.at(item)
        ]
        if again:
            self._steps.append(step)
            session.set_items(*again)
        return [item.key for item in again]

    def _unpaint(self, key: str) -> None:
        session = self._session
        painted = session.painted(key)
        if _digest(painted) != self._taken[key][1]:
            raise NucleateError(
                f"{key} was corrected since; erase its labels yourself if they aren't right."
            )
        session.go_to(key)
        self._paint(key, np.zeros_like(painted))
        if session.prediction is not None:
            session.prediction.visible = True

    def _paint(self, key: str, labels: NDArray[np.int32]) -> None:
        """Paint an image anew, in one step of the layer's history."""
        session = self._session
        source, layer = session.source, session.annotation
        if source is None or layer is None:
            raise NucleateError("There is no annotation layer; press Annotate first.")
        pixel = tuple(0 if isinstance(at, slice) else at for at in source.place(session.ref(key)))

        def make(image: NDArray[Any]) -> Edit:
            return Edit(tuple(slice(0, n) for n in image.shape), labels.astype(image.dtype), {})

        Editor(session, layer, source.ndim).apply(pixel, make)
        session.strokes.note(key)


def _digest(labels: NDArray[Any]) -> bytes:
    """What tells labels apart, without keeping them."""
    return blake2b(labels.astype(np.int32, order="C").tobytes(), digest_size=16).digest()
