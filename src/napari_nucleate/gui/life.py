"""What becomes of the layers of the work: removed, given other pixels, moved; all come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from napari.layers import Labels

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.active import staying
from napari_nucleate.gui.features import move_tables
from napari_nucleate.gui.layers import LayerSource, geometry_of, lay, pixels_of
from napari_nucleate.gui.notices import show_warning

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image, Layer, Shapes

    from napari_nucleate.gui.session import Session

Role = Literal["annotation", "boxes", "prediction", "preview"]
ROLES: tuple[Role, ...] = ("annotation", "boxes", "prediction", "preview")
MOVES = ("scale", "translate", "rotate", "shear", "affine", "units")
"""Events of a layer that tell that it lies elsewhere."""


class Follower:
    """Calls back when the pixels or the place of one layer change; of one layer at a time.

    Parameters
    ----------
    changed : callable
        A method, called with napari's event.
    others : tuple of str
        More events of the layer to follow.
    """

    def __init__(self, changed: Callable[[Any], None], others: tuple[str, ...] = ()) -> None:
        self._changed, self._names = changed, ("data", *MOVES, *others)
        self._layer: Layer | None = None

    def follow(self, layer: Layer | None) -> None:
        """Follow this layer from now on, and the one before no more."""
        before, self._layer = self._layer, layer
        for name in self._names:
            if before is not None:
                getattr(before.events, name).disconnect(self._changed)
            if layer is not None:
                getattr(layer.events, name).connect(self._changed)


class LayerLife:
    """Follows what a person, or another plugin, does to the layers that the work needs.

    A layer that was removed is kept until it is needed again, and is then the very same: with all
    that was painted, and its undo history. One that is given pixels of another shape is the
    person's from then on; the former pixels come back in a layer of their own.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._gone: dict[Role, Layer] = {}
        # What the layers showed when they were last looked at: whether pixels were replaced.
        self._pixels: dict[str, Any] = {}
        self._image: Image | None = None
        self._follower = Follower(self._on_image_changed)
        self._geometry: dict[str, Any] = {}
        session.viewer.layers.events.removed.connect(self._on_removed)

    # -- what is followed -----------------------------------------------------------------

    def work_on(self, source: LayerSource | None) -> None:
        """Follow an image layer from now on; what was removed before stays away."""
        self._gone.clear()
        self._pixels.clear()
        self._follow(source)

    def leave(self, project: str) -> None:
        """Lock what was painted on for a project that is left: nobody would keep more of it."""
        for role in ("annotation", "boxes"):
            layer: Labels | Shapes | None = getattr(self._session, role)
            if layer is not None:
                layer.editable = False
                layer.name = f"{layer.name} of {project}"

    def watch(self, role: Role, layer: Layer) -> None:
        """Follow a layer that was made for the image."""
        if isinstance(layer, Labels):
            self._pixels[role] = layer.data
            layer.events.data.connect(self._on_labels)
        elif role == "boxes":
            layer.events.data.connect(self._on_boxes)
        self._gone.pop(role, None)

    def _follow(self, source: LayerSource | None) -> None:
        self._image = None if source is None else source.layer
        if self._image is not None:
            self._pixels["image"] = pixels_of(self._image)
            self._geometry = geometry_of(self._image)
        self._follower.follow(self._image)

    # -- removed, and back ----------------------------------------------------------------

    @property
    def image_gone(self) -> bool:
        """Whether the image that is worked on isn't in the viewer any more."""
        return self._image is not None and self._image not in self._session.viewer.layers

    def kept(self, role: Role) -> Any:
        """The layer of a role, also one that was removed and not needed since; None without one."""
        layer = getattr(self._session, role)
        return self._gone.get(role) if layer is None else layer

    def gone(self, role: Role) -> bool:
        """Whether such a layer was removed, and not needed since."""
        return role in self._gone

    def show_image(self) -> None:
        """Show the image again, below all others, if its layer was removed."""
        if self._image is not None and self.image_gone:
            with staying(self._session.viewer):
                self._session.viewer.layers.insert(0, self._image)

    def back(self, role: Role) -> Any:
        """Show a layer again that was removed, where the image lies now; None where none was."""
        layer, source = self._gone.pop(role, None), self._session.source
        if layer is None or source is None:
            return None
        if role != "preview":
            lay(layer, source.geometry())
        layer.visible = True
        with staying(self._session.viewer):
            self._session.viewer.layers.append(layer)
        return layer

    def _on_removed(self, event: Any) -> None:
        session, layer = self._session, event.value
        ours = [role for role in ROLES if getattr(session, role) is layer]
        if layer is self._image or set(ours) & {"annotation", "boxes"}:
            session.keeper.flush()
        for role in ours:
            self._gone[role] = layer
            setattr(session, role, None)
        if "preview" in ours:
            session.eye.look()
        session.changed.emit()

    # -- other pixels ---------------------------------------------------------------------

    def _on_image_changed(self, event: Any) -> None:
        source = self._session.source
        if source is None or source.layer is not self._image:
            return
        if event.type != "data":
            self._on_moved(source)
        elif pixels_of(self._image) is not self._pixels["image"]:
            self._on_replaced(source)

    def _on_replaced(self, source: LayerSource) -> None:
        """See whether the image's new pixels are the same images."""
        session = self._session
        try:
            again = source.again()
        except NucleateError as error:
            # Work goes on with the former pixels.
            self._put(source.apart(self._geometry))
            show_warning(
                f"{error} They are other images: press “Use this image” to work on them, or "
                "Annotate to go on with the former ones, in a layer of their own."
            )
            return
        stopped = session.job.running if session.job.running in ("training", "prediction") else ""
        if stopped:
            session.job.stop()
        self._put(again)
        why = f" The {stopped} was stopped: it looked at the former ones." if stopped else ""
        show_warning(
            f"The pixels of {source.layer.name!r} were replaced.{why} What is painted stays as it "
            "is, and the network looks at the new pixels from now on."
        )

    def _put(self, source: LayerSource) -> None:
        """Let the session read the same images from another source."""
        self._follow(source)
        self._session.projects.read_from(source)

    def _on_labels(self, event: Any) -> None:
        """See whether the pixels of a layer of ours were replaced, and by what."""
        session, source, layer = self._session, self._session.source, event.source
        role: Role = "annotation" if layer is session.annotation else "prediction"
        if source is None or layer is not getattr(session, role):
            return
        before = self._pixels[role]
        if layer.data is before:
            return
        if role == "annotation" and tuple(layer.data.shape) == source.shape:
            self._pixels[role] = layer.data
            # napari would undo strokes on what was replaced; a lock makes it forget them.
            layer.editable = False
            layer.editable = not session.store.locked
            for key in session.refs():
                session.strokes.note(key)
            session.strokes.refresh()
            return
        self._let_go(role, layer, before)

    def _on_boxes(self) -> None:
        """Leave boxes to the person that lie in no image; those that were kept come back."""
        session, boxes = self._session, self._session.boxes
        if boxes is not None and boxes.ndim != len(self._geometry["scale"]):
            session.boxes = None
            show_warning(
                f"The shapes of {boxes.name!r} lie in {boxes.ndim} dimensions: the layer is yours "
                "now. The boxes of before come back with Annotate."
            )

    def _let_go(self, role: Role, layer: Labels, before: Any) -> None:
        """Leave a layer to the person; what it showed before comes back when it is needed."""
        session, source = self._session, self._session.source
        if source is None:
            return
        former = Labels(before, name=f"{role} (before)", opacity=layer.opacity, **source.geometry())
        former.n_edit_dimensions, former.brush_size = source.ndim, layer.brush_size
        setattr(session, role, former)
        if role == "annotation":
            session.strokes.watch(former)
            session.keeper.flush()
            back = "press Annotate to paint on"
        else:
            former.editable = False
            move_tables(layer, former)
            back = "it comes back with the next prediction"
        setattr(session, role, None)
        self.watch(role, former)
        self._gone[role] = former
        show_warning(
            f"The pixels of {layer.name!r} were replaced: the layer is yours now. What it showed "
            f"before is kept; {back}."
        )
        session.changed.emit()

    # -- moved ----------------------------------------------------------------------------

    def _on_moved(self, source: LayerSource) -> None:
        """Let all layers follow the image."""
        session, before = self._session, self._geometry
        if source.layer.ndim != len(before["scale"]):
            return  # other pixels are coming, and will be looked at
        now = self._geometry = geometry_of(source.layer)
        if now["units"] != before["units"] or (now["scale"] != before["scale"]).any():
            source = source.again()
            session.projects.read_from(source)
        geometry = source.geometry()
        for role in ("annotation", "boxes", "prediction"):
            layer: Labels | Shapes | None = getattr(session, role)
            if layer is not None:
                lay(layer, geometry)
        session.results.lay_preview()
