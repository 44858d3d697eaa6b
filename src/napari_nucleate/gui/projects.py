"""Which project is worked on: one begun on an image, opened, or gone on with elsewhere."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_nucleate.core.recipe import Recipe
from napari_nucleate.gui.layers import LayerSource, file_of
from napari_nucleate.gui.notices import show_warning
from napari_nucleate.gui.reading import read_labels, read_predictions
from napari_nucleate.gui.viewpoint import look_again
from napari_nucleate.io.boxes import check_boxes
from napari_nucleate.project import run
from napari_nucleate.project.copying import renamed
from napari_nucleate.project.model import Item, State
from napari_nucleate.project.store import Store, new_folder_for

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_nucleate.core.images import NDim
    from napari_nucleate.gui.layers import Colour
    from napari_nucleate.gui.session import Session


class Projects:
    """Puts projects in each other's place: nothing of the former one is lost on the way.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(self, layer: Image, axes: str, ndim: NDim, colour: Colour | None = None) -> None:
        """Begin a project on an image layer.

        Raises
        ------
        NucleateError
            If something runs, or the axes don't fit.
        """
        session = self._session
        session.need_rest()
        source = LayerSource.of(layer, axes, ndim, colour)
        refs = source.stack.images(ndim)
        recipe = session.state.recipe.model_copy(
            update={"ndim": ndim, "channels": source.stack.n_channels}
        )
        state = State(
            name=layer.name,
            known=session.state.known,
            recipe=Recipe.parse(recipe.model_dump()),
            self_training=session.state.self_training,
            items=tuple(Item(key=ref.key, source=file_of(layer, ref)) for ref in refs),
            view=source.view(colour),
        )
        self._work_on(source, state, Store(new_folder_for(layer.name)))
        session.changed.emit()

    def open(self, source: LayerSource, state: State, store: Store) -> None:
        """Go on with a project whose image layer is in the viewer; its labels are painted again.

        Parameters
        ----------
        source : LayerSource
        state : State
        store : Store
            Claimed already, or locked: then nothing can be painted.

        Raises
        ------
        NucleateError
            If something runs, or labels or boxes are gone, damaged or of another image; the former
            project goes on then.
        """
        session = self._session
        session.need_rest()
        refs = source.stack.images(source.ndim)
        check_boxes(store.boxes_file, store.load_boxes(), {ref.key for ref in refs}, source.ndim)
        state = run.recovered(state, store)
        kept = read_labels(store, state, refs)
        self._work_on(source, state, store)
        session.trainings.interrupted = store.interrupted()
        if kept:
            layer = session.painting.make(kept)
            layer.mode, layer.editable = "pan_zoom", not store.locked
            # What was painted right before a crash may be told by its file alone.
            session.strokes.refresh(*kept)
        session.painting.need_boxes()
        look_again(session.viewer, state.view)
        session.changed.emit()
        for said in filter(None, (store.restored, store.locked)):
            show_warning(said)
        predicted = [item.key for item in state.ranked()]
        if predicted:
            session.start("opening", partial(read_predictions, store, predicted))

    def go_on_in(self, store: Store) -> None:
        """Go on with the same work in a copy of the project; the former folder is let go.

        What was noted while it was copied goes along.
        """
        session = self._session
        session.keeper.flush()
        before, session.store = session.store, store
        before.close()
        session.set_state(renamed(session.state, before.folder, store.folder))

    def read_from(self, source: LayerSource) -> None:
        """Read the same images from other pixels, or with another scale; the project stays."""
        session = self._session
        session.read(source)
        if session.state.view is not None:
            now = source.view(None)
            session.state = session.state.model_copy(
                update={
                    "view": session.state.view.model_copy(
                        update={"scale": now.scale, "units": now.units}
                    )
                }
            )
        session.keeper.touch()
        session.eye.look()
        session.changed.emit()

    def _work_on(self, source: LayerSource, state: State, store: Store) -> None:
        """Put another project in the place of this one, whose work is written first.

        Raises
        ------
        NucleateError
            If that can't be written; nothing changes then.
        """
        session = self._session
        session.keeper.finish()
        session.store.close()
        session.undoing.forget(session.annotation)
        session.life.leave(session.state.name)
        session.state, session.store = state, store
        session.read(source)
        session.trainings.forget()
        session.judgements.forget()
        session.keeper.forget()
        # Layers of the former image stay in the viewer, to look at and to copy; new ones are made.
        session.annotation = session.boxes = session.prediction = session.preview = None
        session.checks.begin()
        session.life.work_on(source)
        session.eye.look()
