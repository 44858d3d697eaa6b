"""The docks in napari. The only part that imports napari and Qt; it never imports torch itself."""
