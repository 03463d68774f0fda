"""A written report in Weights & Biases: read back what was logged."""

import json

import pytest
import wandb

from gatelab.cli.wandb_report import log_report
from gatelab.errors import UserError
from tests.training.wandb_files import records


@pytest.fixture
def report(tmp_path, monkeypatch):
    """A folder as scripts/compare.py writes it, as far as W&B is concerned, and the places of W&B below tmp_path."""
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    folder = tmp_path / "report"
    (folder / "figures").mkdir(parents=True)
    (folder / "index.html").write_text("<html>é</html>")
    (folder / "table.csv").write_text("variant,runs,score,note\nlstm,3,0.5,\ngru,3,nan,diverged\n")
    (folder / "table.md").write_text("| variant |\n")
    (folder / "figures" / "forest.svg").write_text("<svg/>")
    return folder


def logged(folder):
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    return file, records(file)


def test_the_report_is_one_run_with_a_table_and_an_artifact(report, tmp_path, capsys):
    log_report(report, "me/variants", tmp_path)
    file, found = logged(tmp_path)
    told = found["run"][0]
    assert (told["entity"], told["project"], told["job_type"]) == ("me", "variants", "report")
    assert (told["display_name"], told["tags"]) == ("report report", ["report"])
    (table,) = file.parent.glob("files/media/table/comparison*.json")
    assert json.loads(table.read_text()) == {
        "columns": ["variant", "runs", "score", "note"],
        "data": [["lstm", 3, 0.5, None], ["gru", 3, None, "diverged"]],
    }
    (artifact,) = [one for one in found["artifact"] if one["name"] == "comparison"]
    assert artifact["type"] == "report"
    contents = {one["path"]: one["size"] for one in artifact["manifest"]["contents"]}
    assert sorted(contents) == ["index.html", "table.csv", "table.md"]
    assert int(contents["index.html"]) == len("<html>é</html>".encode())
    assert found["exit"][0].get("exit_code", 0) == 0
    assert capsys.readouterr().out == f"W&B (offline): wandb sync {file.parent}\n"


def test_a_project_of_ones_own_needs_no_entity(report, tmp_path):
    log_report(report, "variants", tmp_path)
    told = logged(tmp_path)[1]["run"][0]
    assert (told.get("entity"), told["project"]) == (None, "variants")


@pytest.mark.parametrize("place", ["", "me/", "50%", "a/b/c:d"])
def test_a_place_that_wandb_refuses_is_a_line(report, tmp_path, place):
    with pytest.raises(UserError, match=r"^wandb.project=.*: must be 1 to 128 characters without / "):
        log_report(report, place, tmp_path)


def test_an_unknown_mode_is_a_line(report, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "onlin")
    with pytest.raises(UserError, match=r"^wandb.mode=onlin: must be "):
        log_report(report, "variants", tmp_path)


def test_a_folder_without_a_page_is_a_line(report, tmp_path):
    (report / "index.html").unlink()
    with pytest.raises(UserError, match=r"^wandb=variants: .*index.html is missing; needed are "):
        log_report(report, "variants", tmp_path)


def test_a_report_that_cannot_be_logged_is_a_warning(report, tmp_path, monkeypatch, capsys):
    def fail(**settings):
        raise ConnectionError("the server\nis gone")

    monkeypatch.setattr(wandb, "init", fail)
    log_report(report, "variants", tmp_path)
    expected = "warning: the report is not in W&B: ConnectionError: the server is gone\n"
    assert capsys.readouterr() == ("", expected)


def test_nothing_is_printed_and_written_when_disabled(report, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    log_report(report, "variants", tmp_path)
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.glob("wandb/*")) == []
