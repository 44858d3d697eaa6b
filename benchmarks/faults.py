"""Whether anything is lost: kills, full disks, damaged files, a monkey at the window, autosaving.

Run under a screen, such as `xvfb-run -a`. Each entry is a module of its own, `fault_*.py`.
"""

import argparse
from typing import Any

import common

ENTRIES = {
    "kills": "fault_kills",
    "full_disk": "fault_disk",
    "mutated_files": "fault_files",
    "monkey": "fault_monkey",
    "autosave_stall_ms": "fault_autosave",
}
"""The function of an entry has its name; modules are loaded when they are asked for."""


def options_given() -> argparse.Namespace:
    parser = common.parser(__doc__ or "")
    parser.add_argument("--only", nargs="+", choices=list(ENTRIES))
    return parser.parse_args()


def main() -> None:
    import importlib

    options = options_given()
    entries: dict[str, Any] = {}
    for name in options.only or ENTRIES:
        measure = getattr(importlib.import_module(ENTRIES[name]), name)
        entries[name] = measure(options.quick)
        common.keep(options, entries)
    common.finish(options, entries)


if __name__ == "__main__":
    main()
