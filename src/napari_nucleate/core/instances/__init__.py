"""From per-pixel maps to instances: the splitters, and what they share."""

from typing import Annotated

from pydantic import Field

from napari_nucleate.core.instances.blocks import Blocks, find_in_blocks
from napari_nucleate.core.instances.clean import from_mask_like, relabel, remove_small
from napari_nucleate.core.instances.components import Components
from napari_nucleate.core.instances.found import Instances
from napari_nucleate.core.instances.maps import Maps
from napari_nucleate.core.instances.planes import LinkedPlanes
from napari_nucleate.core.instances.rays import centre_probability, ray_distances
from napari_nucleate.core.instances.star_convex import StarConvex
from napari_nucleate.core.instances.watershed import Watershed

Splitter = Annotated[
    Components | Watershed | StarConvex | LinkedPlanes, Field(discriminator="kind")
]

__all__ = [
    "Blocks",
    "Components",
    "Instances",
    "LinkedPlanes",
    "Maps",
    "Splitter",
    "StarConvex",
    "Watershed",
    "centre_probability",
    "find_in_blocks",
    "from_mask_like",
    "ray_distances",
    "relabel",
    "remove_small",
]
