"""Connected components: the splitter for objects that don't touch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from napari_nucleate.core.instances.base import SplitterBase
from napari_nucleate.core.instances.clean import holes
from napari_nucleate.core.instances.connected import connected, numbered
from napari_nucleate.core.instances.found import Instances, measured

if TYPE_CHECKING:
    from napari_nucleate.core.instances.maps import Maps


class Components(SplitterBase):
    """Every connected piece of the foreground is an object: for objects that never touch.

    Pixels that meet only at a corner belong to different objects. Border and rays are not used.
    """

    kind: Literal["components"] = "components"
    threshold: float = Field(
        0.5, ge=0, le=1, description="Pixels more probable than this belong to objects."
    )
    min_size: int = Field(
        10, ge=1, le=10_000_000, description="Objects of fewer pixels than this are dropped."
    )
    fill_holes: int = Field(
        100,
        ge=0,
        le=10_000_000,
        description="Holes of up to this many pixels are filled; 0 leaves all holes open.",
    )

    def find(self, maps: Maps) -> Instances:
        """Label the connected pieces of the foreground.

        Parameters
        ----------
        maps : Maps
            Only the foreground is used, 2D or 3D.

        Returns
        -------
        Instances
        """
        mask = maps.foreground > self.threshold
        pieces = connected(holes(mask, self.fill_holes).filled(mask))
        return measured(pieces.labels(numbered(pieces.sizes() >= self.min_size)), maps)
