"""From options to a splitter."""

from __future__ import annotations

import json
from typing import Any

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import (
    Components,
    LinkedPlanes,
    Splitter,
    StarConvex,
    Watershed,
)

METHODS: dict[str, type[Components | Watershed | StarConvex | LinkedPlanes]] = {
    "watershed": Watershed,
    "components": Components,
    "star-convex": StarConvex,
    "linked-planes": LinkedPlanes,
}


def splitter_from(
    method: str, threshold: float | None, min_size: int | None, settings: str
) -> Splitter:
    """Make the splitter that the options describe.

    Raises
    ------
    NucleateError
        If the settings aren't a JSON object, or a value is out of bounds.
    """
    try:
        values: Any = json.loads(settings)
    except json.JSONDecodeError as error:
        raise NucleateError(f"--settings {settings!r} is not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise NucleateError(f"--settings {settings!r} is not a JSON object, such as {{}}.")
    given = {"threshold": threshold, "min_size": min_size}
    given = {name: value for name, value in given.items() if value is not None}
    if method != "linked-planes":
        return METHODS[method].parse(values | given)
    # What options say of the mask and of sizes is about each plane.
    inner = values.get("splitter", {"kind": "watershed"})
    if given and isinstance(inner, dict):
        values["splitter"] = inner | given
    return LinkedPlanes.parse(values)
