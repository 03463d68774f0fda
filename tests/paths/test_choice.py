"""Which path runs, and what is said when the compiled one cannot."""

import logging
import multiprocessing
import stat

import pytest
import torch

from gatelab.errors import UserError
from gatelab.language import Variant
from gatelab.language.library import load_variant
from gatelab.layers.layer import Layer
from gatelab.paths import choice
from gatelab.paths.choice import Choice
from gatelab.paths.native import build

SOURCE = "int answer(void) { return 42; }\n"


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Forget what earlier tests have said."""
    monkeypatch.setattr(choice, "_said", set())
    monkeypatch.setattr(choice, "_unable", {})


def layer_of_its_own(constant: float) -> Layer:
    equations = {"h": f"tanh(linear(x, h)) + {constant!r}"}
    return Layer(Variant.from_mapping({"name": "own", "state": ["h"], "equations": equations}), 3, 4)


def test_auto_takes_the_compiled_path_where_it_can():
    layer = Layer(load_variant("lstm"), 3, 4)
    x = torch.zeros(2, 1, 3)
    assert layer.choice(x) == Choice("native", "the fastest that can run")
    layer.path = "loop"
    assert layer.choice(x) == Choice("loop", "asked for")


def test_an_unknown_path_is_named():
    layer = Layer(load_variant("lstm"), 3, 4)
    layer.path = "nativ"
    line = r"path=nativ: must be one of auto, native, triton, scan, loop \(did you mean 'native'\?\)"
    with pytest.raises(UserError, match=line):
        layer(torch.zeros(2, 1, 3))


def test_without_a_compiler_the_loop_runs_and_says_so_once(monkeypatch, caplog):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    layer = Layer(load_variant("lstm"), 3, 4)
    with caplog.at_level(logging.WARNING):
        layer(torch.zeros(2, 1, 3))
        layer(torch.zeros(2, 1, 3))
    assert [record.getMessage() for record in caplog.records] == [
        "path=auto takes the loop: native cannot run: there is no C compiler (cc, gcc or clang; CC names another)"
    ]
    layer.path = "native"
    with pytest.raises(UserError, match="path=native cannot run: there is no C compiler"):
        layer(torch.zeros(2, 1, 3))


def test_a_compiler_that_fails_is_not_asked_again(monkeypatch, tmp_path, caplog):
    calls = tmp_path / "calls"
    broken = tmp_path / "broken-cc"
    broken.write_text(f"#!/bin/sh\necho called >> {calls}\necho 'no such flag' >&2\nexit 1\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", str(broken))
    monkeypatch.setenv(build.CACHE_VARIABLE, str(tmp_path / "cache"))
    layer = layer_of_its_own(0.125)
    with caplog.at_level(logging.WARNING):
        layer(torch.zeros(2, 1, 3))
        layer(torch.zeros(2, 1, 3))
    assert len(caplog.records) == 1
    assert "no such flag" in caplog.records[0].getMessage()
    assert calls.read_text().count("called") == 2  # with OpenMP, and without
    assert not list((tmp_path / "cache").glob("*.so"))


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(build.CACHE_VARIABLE, raising=False)
    assert build.cache_directory() == tmp_path / "gatelab"
    monkeypatch.setenv(build.CACHE_VARIABLE, str(tmp_path / "mine"))
    assert build.cache_directory() == tmp_path / "mine"


def _answer(cache, barrier, compiler):
    import os

    os.environ[build.CACHE_VARIABLE], os.environ["CC"] = cache, compiler
    barrier.wait()
    return build.load(SOURCE).answer()


def _work(cache, barrier, compiler, answers):
    answers.put(_answer(cache, barrier, compiler))


def test_eight_processes_at_once_compile_once(tmp_path):
    found = build.compiler()
    calls, counting = tmp_path / "calls", tmp_path / "counting-cc"
    counting.write_text(f'#!/bin/sh\necho called >> {calls}\nexec {found} "$@"\n')
    counting.chmod(counting.stat().st_mode | stat.S_IXUSR)
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(8), context.Queue()
    cache = tmp_path / "cache"
    arguments = (str(cache), barrier, str(counting), answers)
    processes = [context.Process(target=_work, args=arguments) for _ in range(8)]
    for process in processes:
        process.start()
    assert [answers.get(timeout=120) for _ in processes] == [42] * 8
    for process in processes:
        process.join()
    assert calls.read_text().count("called") == 1
    assert sorted(file.suffix for file in cache.iterdir()) == [".lock", ".so"]
