"""Compiled code: what a compiler may do wrong, and what may be wrong with what was kept."""

import logging
import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gatelab.errors import UserError
from gatelab.language import Variant
from gatelab.layers.layer import Layer
from gatelab.paths import choice
from gatelab.paths.native import build, c_compiler

DAMAGES = int(os.environ.get("GATELAB_DAMAGES", "7"))
SOURCE = "int answer(void) { return 42; }\n"


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    """A cache of its own for each test, and no memory of what was said and loaded before."""
    monkeypatch.setenv(build.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(choice, "_said", set())
    monkeypatch.setattr(choice, "_unable", {})
    for remembered in (build._load, build._say_once, c_compiler._compiler):
        remembered.cache_clear()
    yield
    for remembered in (build._load, build._say_once, c_compiler._compiler):
        remembered.cache_clear()


def program(folder, name, text):
    path = folder / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def loaded():
    """The answer of the library as another process would find it."""
    build._load.cache_clear()
    return build.load(SOURCE, "answer").answer()


def entry(tmp_path):
    (path,) = (tmp_path / "cache").glob("*.so")
    return path


def problem(monkeypatch, text, folder):
    monkeypatch.setenv("CC", str(program(folder, "cc", text)))
    with pytest.raises(UserError) as caught:
        loaded()
    line = str(caught.value)
    assert "\n" not in line
    assert line.isprintable()
    return line


def test_a_library_is_compiled_once(tmp_path):
    assert loaded() == 42
    before = entry(tmp_path).stat()
    assert loaded() == 42
    assert entry(tmp_path).stat() == before
    assert build.check_cache(tmp_path / "cache") == (1, [])


def test_a_folder_named_from_where_the_process_works(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(build.CACHE_VARIABLE, "cache")
    with caplog.at_level(logging.WARNING):
        assert loaded() == 42
    assert entry(tmp_path).exists()
    assert not caplog.records


@pytest.mark.parametrize("damage", range(DAMAGES))
def test_a_damaged_library_is_never_loaded_and_is_compiled_anew(tmp_path, caplog, damage):
    loaded()
    path, chance = entry(tmp_path), random.Random(damage)
    whole = path.read_bytes()
    place = chance.randrange(len(whole))
    data = bytearray(whole)
    data[place] ^= 1 << chance.randrange(8)
    cut, flipped = whole[:place], bytes(data)
    path.write_bytes([flipped, cut, flipped, b"", cut, b"garbage" * 100, whole + b"\n"][damage % 7])
    assert len(build.check_cache(tmp_path / "cache")[1]) == 1
    with caplog.at_level(logging.WARNING):
        assert loaded() == 42
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"compiled code is not used: {path}: damaged: ")
    assert line.endswith("; it is compiled anew")
    assert path.read_bytes() == whole
    assert build.check_cache(tmp_path / "cache") == (1, [])


def test_an_entry_under_the_name_of_another_is_not_loaded(tmp_path):
    loaded()
    first = entry(tmp_path)
    data = first.read_bytes()
    build.load("int answer(void) { return 43; }\n", "answer")
    (second,) = {*(tmp_path / "cache").glob("*.so")} - {first}
    second.write_bytes(data)
    build._load.cache_clear()
    assert build.load("int answer(void) { return 43; }\n", "answer").answer() == 43


def test_what_happens_to_an_entry_after_it_was_loaded_does_not_matter(tmp_path):
    library = build.load(SOURCE, "answer")
    os.truncate(entry(tmp_path), 0)
    assert library.answer() == 42
    assert library["answer"]() == 42


@pytest.mark.parametrize("mode", [0o666, 0o664])
def test_an_entry_that_others_may_write_is_not_loaded(tmp_path, caplog, mode):
    loaded()
    entry(tmp_path).chmod(mode)
    with caplog.at_level(logging.WARNING):
        assert loaded() == 42
    assert "others may write it; it is compiled anew" in caplog.text
    assert stat.S_IMODE(entry(tmp_path).stat().st_mode) & 0o022 == 0


def other_user(monkeypatch, path):
    """Make a file look as if it were another user's."""
    if os.geteuid() == 0:
        os.chown(path, 1, -1)
    else:
        monkeypatch.setattr(build, "_trusted", lambda: (os.geteuid() + 1, 0))


def test_an_entry_of_another_user_is_not_loaded(tmp_path, monkeypatch, caplog):
    loaded()
    monkeypatch.setattr(build, "unusable", lambda folder: "")
    other_user(monkeypatch, entry(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert loaded() == 42
    assert "it belongs to another user; it is compiled anew" in caplog.text


def a_file(tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("")


def of_another_user(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir()
    other_user(monkeypatch, tmp_path / "cache")


def open_to_all(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)


def no_room(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build, "write_atomically", full)


def read_only(tmp_path, monkeypatch):
    opened = os.open

    def refused(path, flags, *mode):
        if str(path).startswith(str(tmp_path / "cache")) and flags & os.O_CREAT:
            raise OSError(30, "Read-only file system")
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", refused)


@pytest.mark.parametrize(
    "happens, reason",
    [
        (a_file, "File exists"),
        (of_another_user, "it belongs to another user"),
        (open_to_all, "every user may write there"),
        (no_room, r"the disk is full \(No space left on device\)"),
        (read_only, "Read-only file system"),
    ],
)
def test_where_the_folder_cannot_be_used_code_is_compiled_for_the_process(
    tmp_path, monkeypatch, caplog, happens, reason
):
    happens(tmp_path, monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert loaded() == 42
        assert loaded() == 42
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"compiled code cannot be kept in {tmp_path / 'cache'}: ")
    assert line.endswith(("by this process alone", "for this process alone"))
    assert reason.replace("\\", "") in line


def test_without_a_home_code_is_compiled_for_the_process(monkeypatch, caplog):
    for name in (build.CACHE_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr(build, "_home_of_user", lambda: "")
    assert build.cache_directory() is None
    with caplog.at_level(logging.WARNING):
        assert loaded() == 42
    assert "compiled code is not kept: nobody knows the user's home" in caplog.text


def test_what_a_killed_compilation_has_left_is_removed_and_holds_nobody_up(tmp_path, monkeypatch):
    holding = """
import fcntl, os, signal, sys
from pathlib import Path
folder = Path(sys.argv[1])
folder.mkdir()
lock = (folder / (sys.argv[2] + ".lock")).open("w")
fcntl.flock(lock, fcntl.LOCK_EX)
(folder / (sys.argv[2] + ".x.build")).mkdir()
(folder / ("." + sys.argv[2] + ".so.1.2.tmp")).write_text("")
print("held", flush=True)
sys.stdin.read()
"""
    loaded()
    name = entry(tmp_path).stem
    command = [sys.executable, "-c", holding, str(tmp_path / "second"), name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.communicate()
    monkeypatch.setenv(build.CACHE_VARIABLE, str(tmp_path / "second"))
    assert loaded() == 42
    assert sorted(path.name for path in (tmp_path / "second").iterdir()) == [f"{name}.lock", f"{name}.so"]


COMPILERS = {
    "exit 0": "it ends without an error and writes no library",
    'for last; do true; done\nwhile [ "$1" != -o ]; do shift; done\necho garbage > "$2"': "cannot be loaded: it: ",
    'while [ "$1" != -o ]; do shift; done\n: > "$2"': "it ends without an error and writes no library",
    "kill -KILL $$": "it was ended by SIGKILL",
    "exit 3": "it ends with status 3 and says nothing",
    r"printf '\377\376 \033[31mno\tsuch\nflag' >&2; exit 1": "no such flag",
    "yes a long problem | head -c 100000 >&2; exit 1": "a long problem",
}


@pytest.mark.parametrize("text", COMPILERS)
def test_whatever_a_compiler_does_wrong_is_told_in_one_line(tmp_path, monkeypatch, text):
    line = problem(monkeypatch, f"#!/bin/sh\n{text}\n", tmp_path)
    assert line.startswith(f"the C compiler {tmp_path}/cc fails: ")
    assert COMPILERS[text] in line
    assert len(line) < 600
    assert not list((tmp_path / "cache").glob("*.so"))
    assert not list((tmp_path / "cache").glob("*.build"))


def test_a_compiler_without_an_interpreter_is_told(tmp_path, monkeypatch):
    assert "it cannot be started: " in problem(monkeypatch, "#!/no/such/shell\n", tmp_path)


def test_a_library_that_lacks_a_function_is_told():
    with pytest.raises(UserError, match=r"what it has written cannot be loaded: it lacks question$"):
        build.load(SOURCE, "answer", "question")


def test_a_compiler_that_hangs_is_ended_with_all_that_it_has_started(tmp_path, monkeypatch):
    monkeypatch.setattr(c_compiler, "LONGEST_COMPILATION", 0.3)
    line = problem(monkeypatch, f"#!/bin/sh\nsleep 600 & echo $! > {tmp_path}/child\nsleep 600\n", tmp_path)
    assert line.endswith("fails: it has not come to an end in 0.3 s")
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    for _ in range(200):
        if not child.exists() or child.read_text().rpartition(")")[2].split()[0] in "ZX":
            break
        time.sleep(0.01)
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_a_command_that_the_compiler_leaves_behind_holds_nobody_up(tmp_path, monkeypatch):
    real = build.compiler()
    program(tmp_path, "cc", f'#!/bin/sh\nsleep 2 &\nexec {real} "$@"\n')
    monkeypatch.setenv("CC", str(tmp_path / "cc"))
    assert loaded() == 42


def test_the_compiler_may_have_flags(monkeypatch):
    real = build.compiler()
    monkeypatch.setenv("CC", f"{real} -O2 -DANSWER=41")
    build._load.cache_clear()
    assert build.load("int answer(void) { return ANSWER; }\n", "answer").answer() == 41
    monkeypatch.setenv("CC", f"{real} -O2 -DANSWER=40")
    assert build.load("int answer(void) { return ANSWER; }\n", "answer").answer() == 40


def test_a_path_of_a_compiler_may_have_spaces(tmp_path, monkeypatch):
    real = build.compiler()
    (tmp_path / "a folder").mkdir()
    monkeypatch.setenv("CC", str(program(tmp_path / "a folder", "cc", f'#!/bin/sh\nexec {real} "$@"\n')))
    assert loaded() == 42


@pytest.mark.parametrize(
    "wished, line",
    [
        ("no-such-compiler -O2", "there is no C compiler: CC=no-such-compiler -O2 names no program that is there"),
        ("gcc '", "CC=gcc ' cannot be read: No closing quotation"),
    ],
)
def test_a_compiler_that_is_not_there_is_told_by_its_name_and_the_loop_runs(monkeypatch, caplog, wished, line):
    monkeypatch.setenv("CC", wished)
    equations = {"h": "tanh(linear(x, h)) + 0.375"}
    layer = Layer(Variant.from_mapping({"name": "own", "state": ["h"], "equations": equations}), 3, 4)
    with caplog.at_level(logging.WARNING):
        layer(torch.zeros(2, 1, 3))
        layer(torch.zeros(2, 1, 3))
    assert [each.getMessage() for each in caplog.records] == [f"path=auto takes the loop: native cannot run: {line}"]


@pytest.mark.parametrize("wished", ["", "  "])
def test_an_empty_wish_is_none(monkeypatch, wished):
    monkeypatch.setenv("CC", wished)
    assert build.compiler() is not None


def test_what_a_processor_can_do_is_in_the_name(tmp_path, monkeypatch):
    loaded()
    other = build._processor().replace("flags\t\t: ", "flags\t\t: one_more ").replace("Features\t: ", "Features\t: x ")
    monkeypatch.setattr(build, "_processor", lambda: other)
    assert loaded() == 42
    assert len(list((tmp_path / "cache").glob("*.so"))) == 2
