"""Copy the manifest into the package, so that the file at the top stays the only source."""

import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManifestHook(BuildHookInterface):
    """Put `napari.yaml` beside the modules before every build, editable builds included."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Copy the manifest; called by hatchling before files are collected."""
        root = Path(self.root)
        shutil.copyfile(root / "napari.yaml", root / "src" / "napari_nucleate" / "napari.yaml")
