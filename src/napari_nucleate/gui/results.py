"""What models make of images, shown: predictions, and the preview of a network that learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucleate.core.events import Prediction, Preview
from napari_nucleate.core.images import same_size
from napari_nucleate.gui.layers import lay
from napari_nucleate.gui.notices import show_warning
from napari_nucleate.gui.shown import show_prediction, show_preview

if TYPE_CHECKING:
    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.gui.session import Session


class Results:
    """Makes the session's layers of predictions and of the preview, and draws on them.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        # Where the preview lies: its image, and the pixel that it begins at.
        self._previewed: tuple[ImageRef, tuple[int, ...]] | None = None

    def watch_training(self) -> None:
        """Show what a training will make of what is in view."""
        session = self._session
        session.preview = session.preview or session.life.back("preview")
        if session.preview is not None:
            session.preview.visible = True
        if session.prediction is not None:
            # Of what an earlier model predicted the colours would mix with it.
            session.prediction.visible = False
        session.eye.look()
        session.eye.normalisation = session.state.recipe.normalisation
        blank = session.eye.blank()
        if session.preview is None and blank is not None:
            # napari takes a third of a second to add a layer: now, while a click is answered, and
            # not in the middle of a stroke.
            self.show(blank)

    def show(self, event: Prediction | Preview) -> None:
        """Show what a model predicted, or what a learning network makes of what is in view."""
        session = self._session
        source = session.source
        if source is None or event.key not in session.refs():
            return
        ref = session.ref(event.key)
        if isinstance(event, Prediction) and not same_size(event.labels.shape, ref.shape):
            show_warning(
                f"The prediction of {event.key} has the shape {event.labels.shape}, its image "
                f"{ref.shape}; predict it again."
            )
        elif isinstance(event, Prediction):
            before = session.prediction or session.life.back("prediction")
            session.prediction = show_prediction(session.viewer, source, before, ref, event)
            if before is None:
                session.life.watch("prediction", session.prediction)
        elif not session.life.gone("preview"):  # else the person doesn't want it
            made, self._previewed = session.preview is None, (ref, event.offset)
            session.preview = show_preview(session.viewer, source, session.preview, ref, event)
            if made:
                session.preview.events.visible.connect(session.eye.look)

    def lay_preview(self) -> None:
        """Move the preview to where its image lies now."""
        session = self._session
        if (
            session.preview is not None
            and self._previewed is not None
            and session.source is not None
        ):
            lay(session.preview, session.source.geometry_at(*self._previewed))
