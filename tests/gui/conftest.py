"""What the tests of the docks share: projects go to a folder of the test."""

import pytest


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """The folder that projects are made in."""
    folder = tmp_path / "home"
    monkeypatch.setenv("NUCLEATE_HOME", str(folder))
    return folder
