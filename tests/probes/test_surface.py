"""The diagnostics by name: each has an example that runs, an entry in docs/probes.md, and is imported without torch."""

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gatelab
from gatelab import probes
from scripts.api_page import TINY

PAGE = Path(__file__).parents[2] / "docs" / "probes.md"


def examples(name):
    """Return what has examples under a name: a function, or a class and its methods."""
    value = getattr(probes, name)
    if inspect.isclass(value):
        return [value]
    returned = inspect.signature(value).return_annotation
    result = inspect.getmodule(value).__dict__.get(returned if isinstance(returned, str) else returned.__name__)
    methods = vars(result).values() if inspect.isclass(result) and result.__module__.startswith("gatelab") else ()
    return [value, *(method for method in methods if inspect.isfunction(method) and ">>>" in (method.__doc__ or ""))]


@pytest.mark.parametrize("name", probes.__all__)
def test_every_diagnostic_has_an_example_that_runs_and_a_place_on_the_page(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ">>>" in getattr(probes, name).__doc__
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")
    for value in examples(name):
        given = {"gatelab": gatelab, "torch": torch, "tiny": TINY}
        test = doctest.DocTestParser().get_doctest(inspect.getdoc(value), given, name, None, 0)
        said: list[str] = []
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
        assert not said, "".join(said)


def test_a_name_stays_a_function_whatever_is_imported_first():
    """A module of the same name beside it would take its place."""
    code = (
        "import importlib, pkgutil, gatelab.probes as probes, gatelab.probes.diagnostics as inner\n"
        "for one in (*pkgutil.iter_modules(inner.__path__, inner.__name__ + '.'),\n"
        "            *pkgutil.iter_modules(probes.__path__, probes.__name__ + '.')):\n"
        "    importlib.import_module(one.name)\n"
        "assert all(callable(getattr(probes, name)) for name in probes.__all__)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_records_are_read_without_torch():
    code = "import sys, gatelab.probes.records; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
