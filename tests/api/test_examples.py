"""Every example in a docstring of the surface runs, and prints what it says."""

import doctest
import inspect
from pathlib import Path

import pytest
import torch

import gatelab
from scripts.api_page import TINY, documented, members

NAMES = [name for name in gatelab.__all__ if name != "__version__"]
EXAMPLES = {
    **{name: inspect.getdoc(documented(getattr(gatelab, name))) or "" for name in NAMES},
    **{f"{name}.{member}": inspect.getdoc(value) or "" for name in NAMES for member, value in members(name)},
}
# what an example of the class, or of another method, shows already
SHOWN_ELSEWHERE = {
    "Network.forward", "OnnxNode.run", "RNN.forward", "RNN.reset_parameters", "Run.folder", "Run.identity",
    "Run.label", "Run.seed", "Variant.from_mapping", "Variant.latex", "Variant.mapping", "Variant.plain",
    "Variant.reads",
}  # fmt: skip


def test_every_name_has_an_example():
    assert {name for name, text in EXAMPLES.items() if ">>>" not in text} == SHOWN_ELSEWHERE


@pytest.mark.parametrize("name", [name for name, text in EXAMPLES.items() if ">>>" in text])
def test_the_example_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"gatelab": gatelab, "torch": torch, "Path": Path, "tiny": TINY}
    test = doctest.DocTestParser().get_doctest(EXAMPLES[name], given, name, None, 0)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert not said, "".join(said)
