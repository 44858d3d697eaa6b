"""The work itself: numpy, scipy, scikit-image, numba and torch; no files, no Qt, no napari."""

import os

# Threads of OpenMP that wait for work spin by default, and take the processor from the window, from
# numba and from other programs: beside another training a step takes twice as long so, or more;
# alone, sleeping costs less than a tenth (benchmarks/threads.py). Read when torch is loaded, hence
# set here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
