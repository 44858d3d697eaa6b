"""What every splitter can do."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING

from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_nucleate.core.instances.found import Instances
    from napari_nucleate.core.instances.maps import Maps


class SplitterBase(Params):
    """Turns maps or a mask into objects."""

    @abstractmethod
    def find(self, maps: Maps) -> Instances:
        """Find the objects, with what is known of each. Pure.

        Parameters
        ----------
        maps : Maps
            2D or 3D.

        Returns
        -------
        Instances
            Labels 1..n of the foreground's shape, 0 is background; and the scores.
        """

    def split(self, maps: Maps) -> NDArray[np.int32]:
        """The labels of `find` alone."""
        return self.find(maps).labels

    def reach(self, ndim: int) -> tuple[int, ...]:
        """How near an object something must be to act on it without touching it, in pixels.

        The smoothing reaches farthest, four times its width; what looks at neighbouring pixels
        adds two. `core/instances/blocks.py` reads so much more around an object.
        """
        wide = 4 * float(getattr(self, "sigma", 1.0))
        step = float(getattr(self, "anisotropy", 1.0))
        return tuple(math.ceil(x) + 2 for x in (wide / step, wide, wide)[-ndim:])
