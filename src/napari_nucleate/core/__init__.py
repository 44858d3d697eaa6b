"""The work itself: numpy, scipy, scikit-image, numba and torch; no files, no Qt, no napari."""
