"""Notices to the person, in napari's way; names of files in them are nothing but text."""

from __future__ import annotations

from napari.utils import notifications

from napari_nucleate.gui.widgets import plain


def show_warning(message: str) -> None:
    """Show a sentence about what went wrong."""
    notifications.show_warning(plain(message))


def show_info(message: str) -> None:
    """Show a sentence about what was done."""
    notifications.show_info(plain(message))
