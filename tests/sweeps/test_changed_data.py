"""A file that has changed under finished runs is told before anything is trained."""

import re

import pytest

from gatelab.cli import entry
from gatelab.cli.train import train
from gatelab.errors import UserError
from gatelab.store import Store
from gatelab.sweeps import training_call
from gatelab.sweeps.changed_data import of_changed_data
from gatelab.tasks import task_from_mapping
from gatelab.tasks.series.series_task import Series
from gatelab.tasks.text.byte_text import Bytes

TABLE = "id,a,label\n" + "".join(f"{row // 2},{row * row % 7},{'xy'[row // 2 % 2]}\n" for row in range(96))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(words, capsys):
    if "describe=true" in words:
        assert train(words) == 0
    else:
        with pytest.raises(UserError, match="here training begins"):
            train(words)
    return [line for line in capsys.readouterr().err.splitlines() if "another content" in line]


@pytest.mark.parametrize("words", [["describe=true"], ["seed=1"], ["-m", "seed=0,1"]])
def test_a_run_a_sweep_and_a_description_tell_it(folder, capsys, monkeypatch, words):
    def stopped(*given):
        raise UserError("here training begins")

    monkeypatch.setattr(training_call, "execute", stopped)
    asked = ["task=series", "task.path=mine.csv", *words]
    (folder / "mine.csv").write_text(TABLE)
    now = Series(path="mine.csv").pinned()
    keys = {"name": "series", "path": "mine.csv"}
    fitted = {"fitted": {"classes": ["x", "y"]}}
    Store("runs").record("a" * 16, {"task": {**keys, "sha256": now.sha256, **fitted}})
    assert told(asked, capsys) == []  # nothing has changed
    Store("runs").record("b" * 16, {"task": {**keys, "sha256": "0123456789abcdef" * 4, **fitted}})
    assert told(asked, capsys) == [
        "note: task.path=mine.csv has another content than 1 run in runs/ read from it: sha256 0123456789ab… then "
        f"(bbbbbbbbbbbbbbbb), {str(now.sha256)[:12]}… now; they are of another task, and are not compared with new ones"
    ]


def test_every_task_with_a_path_tells_it(folder):
    (folder / "text").write_text("some words of a text " * 9)
    store, sha256 = Store("runs"), "0123456789abcdef" * 4
    task = {"name": "bytes", "path": str(folder / "text"), "sha256": sha256, "length": 5}
    for number in range(5):
        store.record(f"{number:016x}", {"task": task})
    (line,) = of_changed_data("runs", [Bytes(path="text", length=7)])
    assert line.startswith("task.path=text has another content than 5 runs in runs read from it: sha256 0123456789ab… ")
    assert "(0000000000000000, 0000000000000001, 0000000000000002 and 2 more)" in line
    assert list(of_changed_data("nothing", [Bytes(path="text", length=7)])) == []
    pinned = Bytes(path="text", length=7).pinned()
    store.record("a" * 16, {"task": {**task, "sha256": pinned.sha256}})
    store.record("b" * 16, {"task": {**task, "name": "characters"}})
    assert len(list(of_changed_data("runs", [pinned]))) == 1


@pytest.mark.parametrize(
    "words, said",
    [
        ("task.target=labell", "task.target=labell: no such column (did you mean 'label'?); the table has id,"),
        ("task.inputs=[a,q]", "task.inputs=q: no such column"),
        ("task.per=step task.horizon=99", "nothing is left for training: none of it is longer than horizon=99 steps"),
        ("task.sha256=" + "0" * 64, "but task.sha256=" + "0" * 64 + " is expected"),
    ],
)  # fmt: skip
def test_a_description_that_ends_in_a_mistake_ends_with_status_2(folder, capsys, words, said):
    (folder / "mine.csv").write_text(TABLE)
    with pytest.raises(SystemExit) as ended:
        entry.run(train, ["task=series", "task.path=mine.csv", *words.split(), "describe=true"])
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert printed.err.count("\n") == 1 and said in printed.err
    assert re.search(r"^  a: (input and target, )?number, 0 to 4$", printed.out, re.MULTILINE)
    assert "not understood" not in printed.out


@pytest.mark.parametrize("task", ["series", "bytes", "characters", "words", "midi"])
@pytest.mark.parametrize(
    "path, said",
    [
        ("", "task.path: is empty; must name a file or a folder"),
        ("x" * 5000 + ".csv", ".csv: no file can have that name, or it cannot be read"),
        ("~nobody_of_this_name/a.csv", ": no file can have that name, or it cannot be read"),
    ],
)
def test_a_path_that_no_file_can_have_is_refused(folder, task, path, said):
    (folder / "mine.csv").write_text(TABLE)  # an empty path is not this folder
    with pytest.raises(UserError) as refused:
        task_from_mapping({"name": task, "path": path}).pinned().validation()
    assert said in str(refused.value) and "\n" not in str(refused.value)
