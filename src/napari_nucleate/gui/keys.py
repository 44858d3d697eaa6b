"""Keys of a dock on a layer, without taking those that napari or the person gave another use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.key_bindings import coerce_keybinding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari import Viewer
    from napari.layers import Layer


class Keys:
    """Binds keys on one layer until they are released.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Layer | None = None
        self._bound: dict[Any, Any] = {}

    def bind(
        self, layer: Layer, keys: Mapping[str, Callable[[], None]], over: bool = False
    ) -> None:
        """Bind keys on a layer, besides those bound before.

        Parameters
        ----------
        layer : napari.layers.Layer
        keys : mapping of str to callable
            What to call, by the key as napari spells it.
        over : bool
            Whether a key takes precedence over its other use, for as long as it is bound.
        """
        if layer is not self._layer:
            self.release_all()
            self._layer = layer
        used = () if over else self._used(layer)
        for name, call in keys.items():
            key = coerce_keybinding(name)
            if key not in used:
                self._bound.setdefault(key, layer.keymap.get(key))
                layer.bind_key(key, _calling(call), overwrite=True)

    def release_all(self) -> None:
        """Give all keys back."""
        self._give_back(list(self._bound))

    def release(self, *names: str) -> None:
        """Give some keys back."""
        self._give_back([coerce_keybinding(name) for name in names])

    def _give_back(self, keys: list[Any]) -> None:
        for key in keys:
            before = self._bound.pop(key, None)
            if self._layer is not None:
                self._layer.bind_key(key, before, overwrite=True)

    def _used(self, layer: Layer) -> set[Any]:
        providers = (layer, self._viewer)
        used = {key for provider in providers for key in provider.keymap}
        for provider in providers:
            for cls in type(provider).__mro__:
                used |= set(getattr(cls, "class_keymap", ()))
        return used


def _calling(call: Callable[[], None]) -> Callable[[Layer], None]:
    def pressed(layer: Layer) -> None:
        del layer
        call()

    return pressed
