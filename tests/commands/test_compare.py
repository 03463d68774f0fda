"""The compare command and the door in front of it."""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatelab.commands import door
from gatelab.commands.compare import compare
from gatelab.errors import UserError
from gatelab.runs import Store
from tests.runs.examples import diverged, example

SCRIPT = Path(__file__).parents[2] / "scripts" / "compare.py"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = Store("runs")
    for result in (
        example(),
        example(label="gru", test_score=0.5),
        diverged(label="gru", seed=1),
        example(task="copy"),
    ):
        store.record(result.identity, {"seed": result.seed}).finish(result)
    return store


def test_tables_are_printed_and_written(runs, capsys):
    assert compare(["runs=runs/", "baseline=lstm", "out=report/new/"]) == 0
    printed = capsys.readouterr().out
    assert "mean difference to lstm, paired by seed" in printed
    assert "diverged at 40" in printed
    assert "4 runs: 3 finished, 1 diverged" in printed
    assert "written: report/new/table.md" in printed
    assert sorted(os.listdir("report/new")) == ["runs.csv", "table.csv", "table.md"]
    variants = list(csv.DictReader(io.StringIO(Path("report/new/table.csv").read_text())))
    assert [(row["task"], row["variant"], row["difference"]) for row in variants] == [
        ("adding", "lstm", ""),
        ("adding", "gru", "-0.25"),
        ("copy", "lstm", ""),
    ]
    assert len(Path("report/new/runs.csv").read_text().splitlines()) == 5
    assert Path("report/new/table.md").read_text().startswith("# Variants\n\n| task | variant | runs |")


def test_defaults(runs, capsys):
    assert compare([]) == 0
    assert "difference" not in capsys.readouterr().out
    assert sorted(os.listdir("report")) == ["runs.csv", "table.csv", "table.md"]


def test_a_report_comes_out_the_same_again(runs):
    compare(["out=one"])
    compare(["out=two"])
    assert Path("one/table.md").read_bytes() == Path("two/table.md").read_bytes()


def test_nothing_is_written_without_a_folder(runs, capsys):
    compare(["out="])
    assert sorted(os.listdir()) == ["runs"]
    assert "written" not in capsys.readouterr().out


def test_one_task(runs, capsys):
    compare(["task=copy", "out="])
    printed = capsys.readouterr().out
    assert "copy" in printed
    assert "adding" not in printed


def test_help_lists_every_key(capsys):
    assert compare(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"    {key}=" in printed for key in ("runs", "baseline", "task", "out"))


def test_what_the_tables_hide_is_said(runs, capsys):
    runs.record("e" * 16, {"seed": 7})
    compare(["out="])
    assert "begun and not ended, so in no table: 1 " in capsys.readouterr().out


@pytest.mark.parametrize(
    "argument, message",
    [
        ("baselin=lstm", r"unknown key 'baselin' \(did you mean 'baseline'\?\).*keys are runs, baseline, out, task"),
        ("lstm", r"'lstm' is not of the form key=value"),
        ("baseline=lstn", r"unknown baseline 'lstn' \(did you mean 'lstm'\?\); known are gru, lstm"),
        ("task=ading", r"no runs of task 'ading' \(did you mean 'adding'\?\).*adding, copy"),
        ("runs=absent/", r"no runs in absent: No such file"),
        ("runs=empty/", r"no finished runs in empty/"),
        ("out=runs/file/x", r"out=runs/file/x: the tables cannot be written: Not a directory"),
    ],
)
def test_mistakes_are_one_line(runs, argument, message):
    Path("empty").mkdir()
    Path("runs/file").write_text("")
    with pytest.raises(UserError, match=rf"^{message}[^\n]*$"):
        compare([argument])


def test_a_key_given_twice(runs):
    with pytest.raises(UserError, match="'task' is given twice"):
        compare(["task=copy", "task=adding"])


def command(*arguments):
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)


def test_the_script_ends_with_status_2_and_one_line(tmp_path):
    answer = command(f"runs={tmp_path / 'absent'}")
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr == f"no runs in {tmp_path / 'absent'}: No such file or directory\n"


def test_the_script_shows_the_traceback_when_asked(tmp_path):
    answer = command(f"runs={tmp_path / 'absent'}", "debug=true")
    assert answer.returncode == 1
    assert "Traceback" in answer.stderr


def test_the_script_prints_to_a_terminal_of_another_alphabet(runs):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    answer = subprocess.run([sys.executable, str(SCRIPT), "out="], capture_output=True, check=False, env=environment)
    assert answer.returncode == 0
    assert b"test accuracy ?, mean ? sd over runs" in answer.stdout


def test_a_reader_that_closes_the_pipe_is_no_error(runs):
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), "out="], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_the_status_of_the_command_is_that_of_the_process():
    with pytest.raises(SystemExit) as left:
        door.run(lambda arguments: len(arguments), ["a", "debug=true", "b"])
    assert left.value.code == 2


def test_an_interrupted_command_ends_with_one_line(capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as left:
        door.run(interrupted, [])
    assert left.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"
