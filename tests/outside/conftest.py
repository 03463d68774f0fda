"""A folder of packages that can be imported, and are forgotten after each test."""

import sys

import pytest


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Return a folder on the path of modules; what is imported from it is forgotten in the end."""
    folder = tmp_path / "library"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
