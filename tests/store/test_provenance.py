"""Provenance: true where it can be known, None elsewhere, and nothing heavy imported."""

import json
import platform
import subprocess
import sys
from datetime import datetime, timedelta
from importlib.metadata import version

from gatelab.store import provenance
from gatelab.store.provenance import COMMAND, git_state


def git(folder, *words):
    settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", "-C", str(folder), *settings, *words], check=True, capture_output=True, text=True
    ).stdout


def test_versions_machine_and_time():
    found = provenance()
    assert found["versions"]["python"] == platform.python_version()
    assert found["versions"]["numpy"] == version("numpy")
    assert found["command"] == sys.argv
    assert found["cpu_count"] >= 1
    assert datetime.fromisoformat(found["date"]).utcoffset() == timedelta(0)
    assert json.loads(json.dumps(found)) == found


def test_commit_and_changes(tmp_path):
    git(tmp_path, "init")
    assert git_state(tmp_path) == {"commit": None, "dirty": False}
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "one")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()
    assert git_state(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "a").write_text("2")
    assert git_state(tmp_path) == {"commit": commit, "dirty": True}


def test_a_folder_inside_another_checkout_is_none(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "inside").mkdir()
    assert git_state(tmp_path / "inside") == {"commit": None, "dirty": None}


def test_without_git_nothing_is_known(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    assert git_state(tmp_path) == {"commit": None, "dirty": None}


def test_runs_statistics_and_reports_do_not_import_torch():
    code = "import sys, gatelab.report, gatelab.store; gatelab.store.provenance(); print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout == "False\n"


def test_a_worker_tells_the_command_that_it_works_for(monkeypatch):
    words = ["scripts/train.py", "-m", "seed=range(3)"]
    monkeypatch.setenv(COMMAND, json.dumps(words))
    assert provenance()["command"] == words


def test_a_command_is_kept_without_its_passwords(monkeypatch):
    words = ["train.py", "hydra.sweeper.storage=postgresql://me:secret@host/studies?password=secret"]
    monkeypatch.setattr("sys.argv", words)
    monkeypatch.delenv(COMMAND, raising=False)
    expected = ["train.py", "hydra.sweeper.storage=postgresql://me:***@host/studies?password=***"]
    assert provenance()["command"] == expected
    monkeypatch.setenv(COMMAND, json.dumps(words))
    assert provenance()["command"] == expected
