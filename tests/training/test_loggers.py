"""The loggers of a history: what they show, and that a run comes to its end without them."""

import base64
import csv
import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import wandb

from gatelab.errors import UserError
from gatelab.training import Stop, Stopped, train_stack
from gatelab.training.loggers import loggers, wandb_process
from tests.training.examples import configuration, outcome, rows
from tests.training.wandb_files import records

pytestmark = pytest.mark.usefixtures("one_step_at_a_time")


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """Two runs of a sweep in one stack; result and W&B records of each."""
    folder = tmp_path_factory.mktemp("logged")
    runs = [configuration(folder, "gru", seed=seed, logger={"wandb": {}, "csv": {}}) for seed in (0, 1)]
    results = train_stack(runs, "the sweep")
    found = [records(file) for file in sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))]
    assert len(found) == 2
    by_identity = {record["run"][0]["config"]["update"]["identity"]: record for record in found}
    return [(run, result, by_identity[run.identity]) for run, result in zip(runs, results, strict=True)]


def test_each_run_of_a_stack_is_a_run_of_its_own_with_its_science_as_config(logged):
    for run, _, found in logged:
        told = found["run"][0]
        config = told["config"]["update"]
        del config["_wandb"]
        assert config == json.loads(json.dumps({**run.science, "label": "gru", "identity": run.identity}))
        assert config["optimizer"]["lr"] == 0.01
        assert told["run_id"] == run.identity
        assert told["display_name"] == f"gru seed {run.seed}"
        assert (told["project"], told["run_group"], told["job_type"]) == ("gatelab", "the sweep", "gru")
        assert told["tags"] == ["gru", "adding", "default"]


def test_the_status_is_a_tag_at_the_end(logged):
    for _, _, found in logged:
        assert found["run"][-1]["tags"] == ["gru", "adding", "default", "finished"]


def test_the_history_is_that_of_the_run_with_histograms(logged):
    for run, _, found in logged:
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


def test_the_summary_is_the_result(logged):
    for _, result, found in logged:
        summary: dict[str, Any] = {}
        for record in found["summary"]:
            summary |= record.get("update", {})
        assert summary["status"] == "finished"
        assert summary["best_step"] == result.best_step
        assert summary["parameters"] == result.parameters
        assert summary["test/score"] == pytest.approx(result.test.score)
        assert summary["validation/best_score"] == pytest.approx(result.validation.score)
        assert found["exit"][0].get("exit_code", 0) == 0


def test_no_run_is_left_open(logged):
    assert len(logged) == 2
    assert wandb.run is None


def test_csv_has_a_line_for_every_validation_and_the_result(logged):
    for run, result, _ in logged:
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
    assert {path.name for path in tmp_path.iterdir()} == {run.identity, "format.json"}
    names = sorted(path.name for path in (tmp_path / run.identity).iterdir())
    assert names == ["checkpoint", "config.yaml", "metrics.jsonl", "provenance.json", "result.json"]


def test_loggers_change_nothing(tmp_path):
    train_stack([configuration(tmp_path / "without")])
    train_stack([configuration(tmp_path / "with", logger={"wandb": {"mode": "disabled"}, "csv": {}})])
    identity = configuration(tmp_path).identity
    assert outcome(tmp_path / "with", identity) == outcome(tmp_path / "without", identity)


def test_the_comparison_of_a_sweep_is_a_run_of_its_group_with_tables(tmp_path):
    run = configuration(tmp_path, logger={"wandb": {}})
    loggers.log_comparison(run, "the sweep", {"variants": (["variant", "score"], [["lstm", 0.5], ["gru", 0.4]])})
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    (told,) = records(file)["run"]
    assert (told["run_group"], told["job_type"]) == ("the sweep", "comparison")
    (table,) = file.parent.glob("files/media/table/variants*.json")
    assert json.loads(table.read_text()) == {"columns": ["variant", "score"], "data": [["lstm", 0.5], ["gru", 0.4]]}


def stopped_between_validations(run):
    """Train a run up to somewhere between its second and its last validation, as a signal would stop it."""
    stop = Stop(lambda: next(asked) > 9)
    asked = itertools.count()
    with pytest.raises(Stopped):
        train_stack([run], stop=stop)


def steps_of(found):
    return [record["item"]["trainer/global_step"] for record in found["history"]]


def test_a_resumed_run_has_its_id_again_and_offline_its_whole_history(tmp_path):
    run = configuration(tmp_path, logger={"wandb": {}})
    stopped_between_validations(run)
    train_stack([run])
    found = [records(file) for file in sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))]
    first, second = sorted(found, key=lambda one: one["run"][0]["start_time"])
    assert first["run"][0]["run_id"] == second["run"][0]["run_id"] == run.identity
    assert first["run"][-1]["tags"] == ["lstm", "adding", "default", "unfinished"]
    assert first["exit"][0]["exit_code"] == 1
    assert steps_of(first) == [3, 6]
    assert steps_of(second) == [3, 6, 8]
    assert second["run"][-1]["tags"] == ["lstm", "adding", "default", "finished"]


class Listening:
    """What wandb.init returns online, as far as a logger knows it."""

    def __init__(self, shown=None):
        self.resumed = shown is not None
        self.summary = {} if shown is None else {"trainer/global_step": shown}
        self.steps = []

    def define_metric(self, *names, **options):
        pass

    def log(self, numbers):
        self.steps.append(numbers["trainer/global_step"])

    def finish(self, exit_code):
        pass


@pytest.fixture
def online(monkeypatch):
    """Train a run in two pieces with a server that has its rows up to some step; return settings and runs."""

    def train(folder, shown):
        begun, settings = [Listening(), Listening(shown)], []

        def start(**given):
            settings.append(given)
            return begun[len(settings) - 1]

        monkeypatch.setattr(wandb, "init", start)
        monkeypatch.setattr(wandb, "login", lambda **given: True)
        monkeypatch.setattr(wandb_process, "_answers", [])
        run = configuration(folder, logger={"wandb": {"mode": "online"}})
        stopped_between_validations(run)
        train_stack([run])
        return run, settings, begun

    return train


@pytest.mark.parametrize("shown, again", [(6, [8]), (3, [6, 8]), (8, [])])
def test_online_a_resumed_run_goes_on_in_the_same_run_where_that_stands(online, tmp_path, shown, again):
    run, (first, second), (before, after) = online(tmp_path, shown)
    assert [given["id"] for given in (first, second)] == [run.identity] * 2
    assert [given["resume"] for given in (first, second)] == [None, "allow"]
    assert (before.steps, after.steps) == ([3, 6], again)
    assert after.tags == ("lstm", "adding", "default", "finished")


def test_an_agents_sweep_keeps_the_id_that_the_agent_has_drawn(online, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    _, settings, _ = online(tmp_path, 6)
    assert [(given["id"], given["resume"]) for given in settings] == [(None, None)] * 2


@pytest.mark.parametrize("which, step", [("best", "best_step"), ("last", "steps")])
def test_a_checkpoint_is_an_artifact_if_asked(tmp_path, which, step):
    run = configuration(tmp_path, logger={"wandb": {"checkpoints": which}})
    (result,) = train_stack([run])
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    (artifact,) = records(file)["artifact"]
    (content,) = artifact["manifest"]["contents"]
    kept = tmp_path / run.identity / "checkpoint" / f"{which}.pt"
    assert (artifact["name"], artifact["type"]) == (f"checkpoint-{run.identity}", "model")
    assert which in artifact["aliases"]
    assert json.loads(artifact["metadata"]) == {"identity": run.identity, "step": getattr(result, step)}
    assert (content["path"], Path(content["local_path"])) == (kept.name, kept)
    assert content["digest"] == base64.b64encode(hashlib.md5(kept.read_bytes()).digest()).decode()


def test_there_are_no_artifacts_if_not_asked(logged):
    assert all("artifact" not in found for _, _, found in logged)


@pytest.mark.parametrize("project", ["", "a/b", "50%", "x" * 129])
def test_a_project_that_wandb_refuses_is_refused_before_anything_is_trained(tmp_path, project):
    line = f"logger.wandb.project={project[:40]}.*: must be 1 to 128 characters without / "
    with pytest.raises(UserError, match=line):
        configuration(tmp_path, logger={"wandb": {"project": project}})


def test_long_names_are_shortened_to_what_wandb_takes():
    assert wandb_process.shortened("a" * 64, 64) == "a" * 64
    assert wandb_process.shortened("a" * 65, 64) == "a" * 63 + "…"
