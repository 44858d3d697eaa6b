"""What a network can learn to draw; one file a target."""

from typing import Annotated

from pydantic import Field

from napari_nucleate.core.targets.boundary import Boundary
from napari_nucleate.core.targets.semantic import Semantic
from napari_nucleate.core.targets.star_convex import StarConvexTarget

Target = Annotated[Boundary | Semantic | StarConvexTarget, Field(discriminator="kind")]

__all__ = ["Boundary", "Semantic", "StarConvexTarget", "Target"]
