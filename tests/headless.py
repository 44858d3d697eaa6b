"""Run the tests, with a virtual screen where there is none.

On Debian and Ubuntu what a window needs is installed first, where it is missing. Arguments go on to
pytest. Called by tox.
"""

import os
import shutil
import subprocess
import sys

PACKAGES = [
    "xvfb",
    "xauth",
    "libegl1",
    "libgl1",
    "libgl1-mesa-dri",
    "libdbus-1-3",
    "libfontconfig1",
    "libglib2.0-0",
    "libxkbcommon-x11-0",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-image0",
    "libxcb-keysyms1",
    "libxcb-render-util0",
    "libxcb-shape0",
    "libxcb-xkb1",
]


def main() -> int:
    command = [sys.executable, "-m", "pytest", "--pyargs", "tests", "napari_nucleate"]
    command += sys.argv[1:]
    if sys.platform.startswith("linux") and not has_screen():
        install_missing()
        screen = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]
        command = screen + command
    return subprocess.call(command)


def has_screen() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def install_missing() -> None:
    if shutil.which("apt-get") is None:
        if shutil.which("xvfb-run") is None:
            sys.exit(f"There is no screen: install xvfb-run. On Debian: {' '.join(PACKAGES)}")
        return
    missing = [p for p in PACKAGES if not installed(p)]
    if not missing:
        return
    root = [] if os.geteuid() == 0 else ["sudo"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", *missing]):
        subprocess.run([*root, "apt-get", *words], check=True, env=environment)


def installed(package: str) -> bool:
    """Newer Debian and Ubuntu have some of these under a name that ends in t64."""
    for name in (package, f"{package}t64"):
        query = ["dpkg-query", "-W", "-f=${Status}", name]
        answer = subprocess.run(query, capture_output=True, text=True, check=False)
        if "install ok installed" in answer.stdout:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
