"""What every benchmark shares: arguments, machine, results."""

import argparse
import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def arguments(description: str) -> argparse.Namespace:
    return parser(description).parse_args()


def parser(description: str) -> argparse.ArgumentParser:
    """What all benchmarks understand; a script may add options of its own."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--quick", action="store_true", help="the same on less data, in 2 minutes")
    made.add_argument("--out", type=Path, help="write the JSON there as well")
    return made


def machine() -> dict[str, Any]:
    import os

    import torch

    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "versions": {n: version(n) for n in ("napari-nucleate", "torch", "numpy", "numba")},
    }


def keep(options: argparse.Namespace, entries: dict[str, Any]) -> str:
    """Write what was measured so far: a long run may be ended."""
    text = json.dumps({"machine": machine(), "quick": options.quick, "entries": entries}, indent=2)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")
    return text


def finish(options: argparse.Namespace, entries: dict[str, Any]) -> None:
    print(keep(options, entries))
