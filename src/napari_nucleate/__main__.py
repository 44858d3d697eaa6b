"""The command line as `python -m napari_nucleate`, where its script isn't on the path."""

from napari_nucleate.cli.app import main

if __name__ == "__main__":
    main()
