"""Teach a network your own microscopy images: paint, train, review, train again, export."""

from importlib.metadata import version

__version__ = version("napari-nucleate")
