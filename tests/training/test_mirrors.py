"""The mirrors of a history: what they show, and that a run comes to its end without them."""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import wandb

from gatelab.runs import Store
from gatelab.training import mirrors, train_stack
from tests.training.examples import configuration, outcome, rows

SHORT = 0.2  # seconds of patience with a mirror that hangs


def records(file: Path):
    """What Weights & Biases itself reads out of a file of its own, by kind."""
    command = [str(Path(sys.executable).parent / "wandb"), "leet", "inspect", "--json", str(file)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found: dict[str, list[Any]] = {}
    for line in lines:
        record = json.loads(line)
        found.setdefault(record["type"], []).append(record[record["type"]])
    return found


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory):
    """Two runs of a sweep in one stack; result and W&B records of each."""
    folder = tmp_path_factory.mktemp("mirrored")
    runs = [configuration(folder, "gru", seed=seed, logger={"wandb": {}, "csv": {}}) for seed in (0, 1)]
    results = train_stack(runs, "the sweep")
    found = [records(file) for file in sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))]
    assert len(found) == 2
    by_identity = {record["run"][0]["config"]["update"]["identity"]: record for record in found}
    return [(run, result, by_identity[run.identity]) for run, result in zip(runs, results, strict=True)]


def test_each_run_of_a_stack_is_a_run_of_its_own_with_its_configuration(mirrored):
    for run, _, found in mirrored:
        (told,) = found["run"]
        config = told["config"]["update"]
        expected = json.loads(json.dumps(run.mapping()))
        assert {name: config[name] for name in expected} == expected
        assert config["variant"]["equations"] == dict(run.variant.equations)
        assert told["display_name"] == f"gru seed {run.seed}"
        assert (told["project"], told["run_group"], told["job_type"]) == ("gatelab", "the sweep", "train")


def test_the_history_is_that_of_the_run_with_histograms(mirrored):
    for run, _, found in mirrored:
        shown = [record["item"] for record in found["history"]]
        training = rows(Path(run.runs_dir), run.identity, "train")
        validation = rows(Path(run.runs_dir), run.identity, "validation")
        assert [row["trainer/global_step"] for row in shown] == [row["step"] for row in validation] == [3, 6, 8]
        for row, trained, validated in zip(shown, training, validation, strict=True):
            assert row["train/loss"] == pytest.approx(trained["loss"])
            assert row["validation/score"] == pytest.approx(validated["score"])
            for gate in ("r", "u"):
                assert row[f"gates/{gate}/mean"] == pytest.approx(validated[f"gates/{gate}/mean"])
                assert row[f"gates/{gate}/histogram._type"] == "histogram"
                assert sum(row[f"gates/{gate}/histogram.values"]) == 8 * 40 * 5


def test_the_summary_is_the_result(mirrored):
    for _, result, found in mirrored:
        summary: dict[str, Any] = {}
        for record in found["summary"]:
            summary |= record.get("update", {})
        assert summary["status"] == "finished"
        assert summary["best_step"] == result.best_step
        assert summary["test/score"] == pytest.approx(result.test.score)
        assert summary["validation/best_score"] == pytest.approx(result.validation.score)
        assert found["exit"][0].get("exit_code", 0) == 0


def test_no_run_is_left_open(mirrored):
    assert len(mirrored) == 2
    assert wandb.run is None


def test_csv_has_a_line_for_every_validation_and_the_result(mirrored):
    for run, result, _ in mirrored:
        folder = Path(run.runs_dir) / run.identity / "csv"
        lines = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
        assert [int(line["step"]) for line in lines] == [3, 6, 8, 8]
        validation = rows(Path(run.runs_dir), run.identity, "validation")
        for line, row in zip(lines[:3], validation, strict=True):
            assert float(line["validation/score"]) == row["score"]
        assert float(lines[3]["test/score"]) == result.test.score
        assert (folder / "hparams.yaml").exists()


def test_a_run_trained_anew_has_no_lines_of_its_first_attempt(tmp_path):
    run = configuration(tmp_path, logger={"csv": {}})
    train_stack([run])
    (tmp_path / run.identity / "result.json").unlink()
    train_stack([run])
    lines = (tmp_path / run.identity / "csv" / "metrics.csv").read_text().splitlines()
    assert len(lines) == 1 + 4


def test_without_loggers_there_is_nothing_beside_the_folder_of_the_run(tmp_path):
    run = configuration(tmp_path)
    train_stack([run])
    assert [path.name for path in tmp_path.iterdir()] == [run.identity]
    names = sorted(path.name for path in (tmp_path / run.identity).iterdir())
    assert names == ["checkpoint", "config.yaml", "metrics.jsonl", "provenance.json", "result.json"]


def test_loggers_change_nothing(tmp_path):
    train_stack([configuration(tmp_path / "without")])
    train_stack([configuration(tmp_path / "with", logger={"wandb": {"mode": "disabled"}, "csv": {}})])
    identity = configuration(tmp_path).identity
    assert outcome(tmp_path / "with", identity) == outcome(tmp_path / "without", identity)


class FaultyRun:
    """A W&B run of which one call goes wrong."""

    def __init__(self, faulty, fault):
        self.faulty, self.fault = faulty, fault
        self.summary = {}
        self.called = []

    def _call(self, name):
        self.called.append(name)
        if name == self.faulty:
            self.fault()

    def define_metric(self, *names, **options):
        self._call("define_metric")

    def log(self, numbers):
        self._call("log")

    def finish(self, exit_code):
        self._call("finish")


def fail():
    raise ConnectionError("the server\nis gone")


def hang():
    time.sleep(60)


@pytest.fixture
def faulty(tmp_path, monkeypatch, capfd):
    """Train two runs whose W&B has a fault; return the warnings, after checking that the runs are whole."""

    def train(start):
        monkeypatch.setattr(wandb, "init", start)
        monkeypatch.setattr(mirrors, "PATIENCE", SHORT)
        monkeypatch.setattr(mirrors, "IMPATIENCE", SHORT)
        runs = [configuration(tmp_path / "faulty", seed=seed, logger={"wandb": {}, "csv": {}}) for seed in (0, 1)]
        train_stack(runs)
        train_stack([configuration(tmp_path / "sound", seed=seed) for seed in (0, 1)])
        for run in runs:
            assert Store(tmp_path / "faulty").finished(run.identity).status == "finished"
            assert outcome(tmp_path / "faulty", run.identity) == outcome(tmp_path / "sound", run.identity)
            lines = (tmp_path / "faulty" / run.identity / "csv" / "metrics.csv").read_text().splitlines()
            assert len(lines) == 1 + 4
        return capfd.readouterr().err.splitlines()

    return train


def test_a_mirror_that_does_not_begin_costs_one_line_a_stack(faulty):
    (warning,) = faulty(lambda **settings: fail())
    identity = configuration("unused", seed=0).identity
    assert warning == (
        f"warning: the wandb mirror of run {identity} and of those after it in its stack is dropped: "
        "ConnectionError: the server is gone"
    )


@pytest.mark.parametrize("call", ["log", "finish"])
def test_a_mirror_that_fails_costs_one_line_a_run(faulty, call):
    opened = []

    def start(**settings):
        opened.append(FaultyRun(call, fail))
        return opened[-1]

    warnings = faulty(start)
    identities = [configuration("unused", seed=seed).identity for seed in (0, 1)]
    assert warnings == [
        f"warning: the wandb mirror of run {identity} is dropped: ConnectionError: the server is gone"
        for identity in identities
    ]
    # after its first failure it is ended, and not spoken to again
    assert all(run.called.count("finish") == 1 for run in opened)
    assert call == "finish" or all(run.called.count("log") == 1 for run in opened)


def test_a_mirror_that_never_ends_is_left_behind(faulty):
    begun = time.monotonic()
    warnings = faulty(lambda **settings: FaultyRun("finish", hang))
    assert time.monotonic() - begun < 20
    assert len(warnings) == 2
    assert all(warning.endswith(f"TimeoutError: no end after {SHORT:g} s") for warning in warnings)


def test_one_mirror_that_does_not_end_costs_its_patience_once():
    given: list[float] = []

    class Slow:
        def finish(self, result, seconds):
            given.append(seconds)
            return len(given) != 2

    mirrors.finish_mirrors([Slow() for _ in range(4)], [None] * 4)  # type: ignore[list-item]
    assert given == [mirrors.PATIENCE, mirrors.PATIENCE, mirrors.IMPATIENCE, mirrors.IMPATIENCE]


def test_a_stack_that_dies_leaves_no_run_open_and_says_that_it_failed(tmp_path, monkeypatch):
    opened = []

    class Ended(FaultyRun):
        def finish(self, exit_code):
            self.called.append(exit_code)

    def start(**settings):
        opened.append(Ended(None, None))
        return opened[-1]

    monkeypatch.setattr(wandb, "init", start)
    monkeypatch.setattr("gatelab.training.fit.fit", lambda *arguments: fail())
    with pytest.raises(ConnectionError):
        train_stack([configuration(tmp_path, seed=seed, logger={"wandb": {}}) for seed in (0, 1)])
    assert [run.called[-1] for run in opened] == [1, 1]


def test_the_comparison_of_a_sweep_is_a_run_of_its_group_with_tables(tmp_path):
    run = configuration(tmp_path, logger={"wandb": {}})
    mirrors.mirror_comparison(run, "the sweep", {"variants": (["variant", "score"], [["lstm", 0.5], ["gru", 0.4]])})
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    (told,) = records(file)["run"]
    assert (told["run_group"], told["job_type"]) == ("the sweep", "comparison")
    (table,) = file.parent.glob("files/media/table/variants*.json")
    assert json.loads(table.read_text()) == {"columns": ["variant", "score"], "data": [["lstm", 0.5], ["gru", 0.4]]}


def test_a_comparison_that_cannot_be_mirrored_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(wandb, "init", lambda **settings: fail())
    mirrors.mirror_comparison(configuration(tmp_path, logger={"wandb": {}}), "the sweep", {})
    expected = "warning: the wandb mirror of the comparison is dropped: ConnectionError: the server is gone\n"
    assert capsys.readouterr().err == expected
