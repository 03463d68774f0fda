"""Gives the tests of this folder their chunks: a few trials in ``make test``, all of them in ``make trust``."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.trust.chunk import TRIALS, Chunk, deal, done
from tests.trust.parts import PARTS


def pytest_generate_tests(metafunc: Any) -> None:
    """Deal the trials of a part to its test, which is the only one of its module that takes a ``chunk``."""
    if "chunk" not in metafunc.fixturenames:
        return
    part = PARTS[metafunc.module.__name__.rpartition("test_")[2]]
    kinds = list(getattr(metafunc.module, "KINDS", ("",)))
    wanted = os.environ.get(TRIALS)
    if wanted is None:
        kinds = list(getattr(metafunc.module, "QUICK", kinds))
    trials = part.quick if wanted is None else int(wanted) or part.trials
    chunks = deal(part, kinds, trials)
    metafunc.parametrize("chunk", chunks, ids=[chunk.name.replace(" ", "-") for chunk in chunks], indirect=True)


@pytest.fixture
def chunk(request: Any) -> Chunk:
    if done(request.param):
        pytest.skip("done at this commit")
    given: Chunk = request.param
    return Chunk(given.part, given.kind, given.first, given.count)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: Any) -> Iterator[None]:
    """Note a chunk when its test has come to its end; one that was interrupted is done anew."""
    result = yield
    if isinstance(chunk := pyfuncitem.funcargs.get("chunk"), Chunk):
        chunk.close()
    return result
