"""The work itself: numpy, scipy, scikit-image, numba and torch; no files, no Qt, no napari."""

import os

# Threads of OpenMP that wait for work spin by default, and take the processor from the window, from
# numba and from other programs: on two busy cores a training step takes 2.4 s so, and 0.43 s with
# threads that sleep; on idle ones it's the same. Read when torch is loaded, hence set here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
