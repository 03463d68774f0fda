"""One small task of every kind, and ways to write the data that some of them read."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from gatelab.tasks import TASKS, Task
from gatelab.tasks.music.chorales import Chorales
from tests.tasks.examples import SMALL, TINY_CHORALES
from tests.tasks.local_data import LOCAL


@dataclass(frozen=True)
class WrittenFile:
    path: str
    sha256: str


def write(path: Path, content: str) -> WrittenFile:
    path.write_text(content, encoding="utf-8")
    return WrittenFile(str(path), hashlib.sha256(content.encode()).hexdigest())


@pytest.fixture
def written(tmp_path):
    """Write text to a file; return its path and hash."""
    return lambda content: write(tmp_path / "chorales.json", content)


@pytest.fixture
def tiny_chorales(written):
    file = written(json.dumps(TINY_CHORALES))
    return Chorales(path=file.path, sha256=file.sha256)


@pytest.fixture(scope="session")
def local(tmp_path_factory):
    """Return the fields of a task of real data, whose tiny data are written when they are first asked for."""
    return cache(lambda name: LOCAL[name](tmp_path_factory.mktemp(name)))


@pytest.fixture(params=sorted(TASKS))
def task(request, tiny_chorales, local) -> Task:
    """Every task in turn, small."""
    if request.param == "chorales":
        return tiny_chorales
    fields = local(request.param) if request.param in LOCAL else SMALL[request.param]
    return TASKS[request.param].model_validate(fields)
