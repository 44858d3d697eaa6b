"""From options to a splitter."""

from __future__ import annotations

import json
from typing import Any

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import Components, Splitter, StarConvex, Watershed

METHODS: dict[str, type[Components | Watershed | StarConvex]] = {
    "watershed": Watershed,
    "components": Components,
    "star-convex": StarConvex,
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
    if threshold is not None:
        values["threshold"] = threshold
    if min_size is not None:
        values["min_size"] = min_size
    return METHODS[method].parse(values)
