"""What is printed for people: names of files and words of others are text, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.segment import Segment

from napari_nucleate.core.foreign import printable

if TYPE_CHECKING:
    from collections.abc import Iterable


class PlainConsole(Console):
    """A console without markup in texts, and without control characters in them.

    A file may be called `[red]x[/red]`, or hold an escape that clears the screen.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render(self, *args: Any, **kwargs: Any) -> Iterable[Segment]:
        """As rich does, but for what isn't printable."""
        for segment in super().render(*args, **kwargs):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)
