"""The compare command and its entry."""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatelab.cli import entry
from gatelab.cli.compare import compare
from gatelab.errors import UserError
from gatelab.store import Store
from tests.store.examples import diverged, example

KEYS = ("runs", "baseline", "task", "by", "select", "small", "diverged", "family", "out", "wandb")
WRITTEN = ["figures", "index.html", "runs.csv", "table.csv", "table.md", "table.tex", "tables"]
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
    assert "median gain over lstm, paired by seed" in printed
    assert "diverged at 40" in printed
    assert "4 runs: 3 finished, 1 diverged" in printed
    assert "gru: undecided: too few seeds on adding" in printed
    assert "p, typical runs" in printed and "p, means" in printed and "p, signed ranks" in printed
    assert "not compared on copy." in printed
    assert "1 paired seed cannot reach p < 0.05" in printed
    assert "written: report/new/index.html" in printed
    # the verdict stands at the end, and where the page is
    *_, last = printed.splitlines()
    assert last == f"the page, for a browser: {Path('report/new/index.html').resolve()}"
    assert printed.index("written:") < printed.index("gru: undecided")
    assert sorted(os.listdir("report/new")) == WRITTEN
    variants = list(csv.DictReader(io.StringIO(Path("report/new/table.csv").read_text())))
    assert [(row["task"], row["variant"], row["gain"]) for row in variants] == [
        ("adding", "lstm", ""),
        ("adding", "gru", "-0.25"),
        ("copy", "lstm", ""),
    ]
    assert len(Path("report/new/runs.csv").read_text().splitlines()) == 5
    assert Path("report/new/table.md").read_text().startswith("# gru against lstm on 2 tasks\n\n- gru: undecided")
    assert "python scripts/compare.py runs=runs/ baseline=lstm" not in Path("report/new/index.html").read_text()
    assert "python scripts/compare.py baseline=lstm" in Path("report/new/index.html").read_text()


@pytest.mark.parametrize("policy, pairs", [("worst", 8), ("separate", 7)])
def test_terminal_and_page_agree_on_a_loss_and_a_diverged_run(policy, pairs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    store = Store("runs")
    loss = {"score_name": "error", "higher_is_better": False, "chance": 1.0, "perfect": 0.0}
    lost = diverged(label="gru", seed=7, **loss)
    for result in (
        *(example(seed=seed, test_score=0.5, **loss) for seed in range(8)),
        *(example(label="gru", seed=seed, test_score=0.2, **loss) for seed in range(7)),
        lost,
    ):
        store.record(result.identity, {"seed": result.seed}).finish(result)
    compare(["baseline=lstm", f"diverged={policy}"])
    # the first table is that of the variants, the second that of the tests
    printed, _ = [line for line in capsys.readouterr().out.splitlines() if line.startswith("adding  gru")]
    # the median difference, which the verdict is of: the run that diverged does not move it
    assert f"+0.3000 ({pairs} pairs)" in printed
    _, gru = csv.DictReader(io.StringIO(Path("report/table.csv").read_text()))
    assert float(gru["typical"]) == pytest.approx(0.3)
    assert int(gru["pairs"]) == pairs
    # chance stands for the run that diverged: (7 * 0.2 + 1) / 8
    mean = {"worst": 0.3, "separate": 0.2}[policy]
    assert float(gru["mean"]) == pytest.approx(mean)
    assert f"{mean:.4f} ± " in printed


def test_defaults(runs, capsys):
    assert compare([]) == 0
    assert "difference" not in capsys.readouterr().out
    assert sorted(os.listdir("report")) == WRITTEN


def test_a_report_comes_out_the_same_again(runs):
    compare(["out=one"])
    compare(["out=two"])
    files = sorted(path.relative_to("one") for path in Path("one").rglob("*.*"))
    assert len(files) > 20
    assert files == sorted(path.relative_to("two") for path in Path("two").rglob("*.*"))
    assert [file for file in files if (Path("one") / file).read_bytes() != (Path("two") / file).read_bytes()] == []


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
    assert all(f"    {key}=" in printed for key in KEYS)


def test_what_the_tables_hide_is_said(runs, capsys):
    runs.record("e" * 16, {"seed": 7})
    compare(["out="])
    assert "begun and not ended, so in no table: 1 " in capsys.readouterr().out


@pytest.mark.parametrize(
    "argument, message",
    [
        (
            "baselin=lstm",
            r"unknown key 'baselin' \(did you mean 'baseline'\?\).*keys are runs, baseline, out, task, by, ",
        ),
        ("lstm", r"'lstm' is not of the form key=value"),
        ("baseline=lstn", r"unknown baseline 'lstn' \(did you mean 'lstm'\?\); known are gru, lstm"),
        ("task=ading", r"no runs of task 'ading' \(did you mean 'adding'\?\).*adding, copy"),
        ("runs=absent/", r"no runs in absent: No such file"),
        ("runs=empty/", r"no finished runs in empty/"),
        ("out=runs/file/x", r"out=runs/file/x: must be a folder; .*/runs/file is a file"),
        ("select=test", r"select=test: refused, .*looks better than it is; allowed is validation"),
        ("select=valid", r"select=valid: must be validation \(did you mean 'validation'\?\)"),
        ("by=model.hidden_size", r"by=model.hidden_size: must name task"),
        ("by=task,model.width", r"by=model.width: no such setting; allowed are task and settings of the runs"),
        ("small=1", r"small=1: must be a number of at least 0 and below 1"),
        ("small=few", r"small=few: must be a number"),
        ("diverged=wrst", r"diverged=wrst: must be worst or separate \(did you mean 'worst'\?\)"),
        ("family=none", r"family=none: must be page or task"),
    ],
)
def test_mistakes_are_one_line(runs, argument, message):
    Path("empty").mkdir()
    Path("runs/file").write_text("")
    with pytest.raises(UserError, match=rf"^{message}[^\n]*$"):
        compare([argument])


def test_what_goes_to_wandb_has_to_be_written(runs):
    with pytest.raises(UserError, match=r"^wandb=gates: what goes there is what is written; out= must name a folder$"):
        compare(["out=", "wandb=gates"])


def test_what_is_written_goes_to_wandb_when_asked(runs, monkeypatch):
    sent = []
    monkeypatch.setattr("gatelab.cli.wandb_report.log_report", lambda *arguments: sent.append(arguments))
    compare(["out=report", "wandb=me/gates"])
    assert sent == [(Path("report"), "me/gates", Path("runs"))]
    assert "wandb" not in Path("report/index.html").read_text()


def test_settings_asked_for_are_comparisons_of_their_own(runs):
    for identity, size in (("a" * 16, 8), ("b" * 16, 16)):
        result = example(label="gru", task="copy", identity=identity, settings={"model.hidden_size": size})
        runs.record(identity, {"seed": 0}).finish(result)
    compare(["task=copy", "by=task,model.hidden_size", "out=report"])
    rows = list(csv.DictReader(io.StringIO(Path("report/table.csv").read_text())))
    assert [row["task"] for row in rows if row["variant"] == "gru"] == [
        "copy model.hidden_size=16",
        "copy model.hidden_size=8",
    ]


def test_settings_that_make_variants(runs, capsys):
    for identity, size, score in (("a" * 16, 8, 0.5), ("b" * 16, 16, 0.75)):
        settings = {"model.hidden_size": size}
        result = example(label="gru", task="sizes", identity=identity, test_score=score, settings=settings)
        runs.record(identity, {"seed": 0}).finish(result)
    compare(["task=sizes", "apart=model.hidden_size", "baseline=gru model.hidden_size=8", "out=report"])
    rows = list(csv.DictReader(io.StringIO(Path("report/table.csv").read_text())))
    gains = {row["variant"]: row["gain"] for row in rows}
    assert gains == {"gru model.hidden_size=8": "", "gru model.hidden_size=16": "0.25"}
    page = Path("report/index.html").read_text()
    assert "apart=model.hidden_size" in page
    assert "gru model.hidden_size=16" in capsys.readouterr().out


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
        entry.run(lambda arguments: len(arguments), ["a", "debug=true", "b"])
    assert left.value.code == 2


def test_an_interrupted_command_ends_with_one_line(capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as left:
        entry.run(interrupted, [])
    assert left.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_report_that_cannot_be_written_is_refused_before_the_runs_are_read(tmp_path):
    (tmp_path / "report").write_text("a file")
    with pytest.raises(UserError, match=r"^out=.*/report: must be a folder; it is a file$"):
        compare([f"runs={tmp_path / 'nowhere'}", f"out={tmp_path / 'report'}"])


def test_a_family_of_tests_where_nothing_is_tested_is_told(runs, capsys):
    assert compare(["family=task", "out="]) == 0
    assert capsys.readouterr().err == "note: family=task has no effect: without baseline= nothing is tested\n"
    assert compare(["family=page", "out="]) == 0
    assert capsys.readouterr().err == ""
