"""The Python that the pages of docs/ show runs, block after block, as a reader would type it."""

import doctest
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gatelab
from docs._site.code import language
from tests.exchange.onnx_files import case, model
from tests.test_documented_commands import FILES, PAGES, blocks, write

NOT_RUN = {
    "README.md": "tests/test_readme.py runs it",
    "api.md": "tests/api/test_examples.py runs the docstrings that it is made of",
    "api_probes.md": "tests/probes/test_surface.py runs the docstrings that it is made of",
    "own_tasks.md": "tests/outside/test_page.py runs it",
}
"""Pages whose Python another test runs."""

NOT_RUN_BLOCKS = {"push_to_hub": "needs an account of the hub"}
"""Blocks that hold one of these are not run, with the reason."""

EXAMPLE = "0123456789abcdef"
"""The identity that pages show; it stands for that of a stored run."""

MEASURED = Path(__file__).parent / "exchange" / "measured"

SMALL = ["model.hidden_size=3", "training.max_steps=2", "training.validate_every=1", "training.batch_size=4",
         "task.validation_size=8", "task.test_size=8", "logger=none"]  # fmt: skip

PYTHON = {
    page: [
        block
        for block in blocks(page)
        if language(block) in ("python", "pycon") and not any(part in block for part in NOT_RUN_BLOCKS)
    ]
    for page in PAGES
    if page.name not in NOT_RUN
}
SHOWN = [page for page, found in PYTHON.items() if found]


def shortened(function, **more):
    def short(*words, **options):
        given = {word.partition("=")[0] for word in words if isinstance(word, str)}
        few = [word for word in SMALL if word.partition("=")[0] not in given - {"training.max_steps"}]
        return function(*words, *few, **{**options, **more})

    return short


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Go where the runs and the files of other libraries are that the pages read."""
    monkeypatch.chdir(tmp_path)
    gatelab.sweep("variant=lstm,cifg", "task=adding", "seed=3", *SMALL, workers=0)
    shutil.copy(MEASURED / "layers.keras", "model.keras")
    with np.load(MEASURED / "jax.npz") as cells:
        cell = {name.split("|")[1]: cells[name] for name in cells if name.startswith("flax.nnx.GRUCell|cell")}
    np.savez("parameters.npz", **{f"encoder/{name}": array for name, array in cell.items()})
    Path("model.onnx").write_bytes(model(case("LSTM", np.random.default_rng(0)), name="").SerializeToString())
    monkeypatch.setattr(gatelab, "train", shortened(gatelab.train))
    monkeypatch.setattr(gatelab, "sweep", shortened(gatelab.sweep, workers=0))
    return tmp_path


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page, folder):
    for text in (block for name, block in FILES if name == page.name):
        write(text, folder)
    names: dict[str, Any] = {}
    identity = gatelab.runs("runs/")[0].identity
    for block in (block.replace(EXAMPLE, identity) for block in PYTHON[page]):
        if language(block) == "python":
            exec(compile(block, page.name, "exec"), names)
        else:
            said: list[str] = []
            test = doctest.DocTestParser().get_doctest(f"{block}\n", names, page.name, None, 0)
            doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(
                test, out=said.append
            )
            assert not said, "".join(said)


def test_pages_show_python():
    assert {"getting_started.md", "own_probes.md", "own_variants.md", "probes.md"} <= {page.name for page in SHOWN}
    assert set(NOT_RUN) <= {page.name for page in PAGES}
