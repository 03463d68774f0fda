"""A folder, a pipe, a socket or a broken link in place of a run's file: reported by name; the other runs continue."""

import os
import shutil
import socket
from dataclasses import replace

import pytest

from gatelab.cli.store import store as store_command
from gatelab.errors import UserError
from gatelab.store import FAILED, Result, Store
from gatelab.store.finished_run import RESULT, SEALED
from gatelab.sweeps import Failure, execute
from gatelab.sweeps.search.journal import check_journal, mark_journal, mend_journal
from gatelab.sweeps.search.study import claimed
from gatelab.training import train_stack
from tests.training.examples import configuration, outcome

FILES = [*SEALED, "checkpoint/previous.pt", RESULT, FAILED, "claim-000001.json"]


def put_folder(path):
    path.mkdir()


def put_socket(path):
    # the name of a socket may have no more than 108 bytes
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(path.parent)
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


def put_link(path):
    path.symlink_to("nowhere")


KINDS = {
    "a folder": put_folder,
    "a pipe": os.mkfifo,
    "a socket": put_socket,
    "a link to nothing": put_link,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train_stack([configuration(folder, seed=seed) for seed in (0, 1)])
    return folder


def put(path, kind):
    path.unlink(missing_ok=True)
    KINDS[kind](path)


def removed(path):
    path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, "a folder") for name in FILES] + [(name, kind) for name in ("config.yaml", FILES[-1]) for kind in KINDS],
)
def test_what_is_no_file_is_named_and_the_other_runs_go_on(trained, tmp_path, name, kind, finished):
    shutil.copytree(trained, tmp_path / "runs")
    runs = [configuration(tmp_path / "runs", seed=seed) for seed in (0, 1)]
    store = Store(tmp_path / "runs")
    folder = tmp_path / "runs" / runs[0].identity
    for run in runs if not finished else runs[1:]:
        (tmp_path / "runs" / run.identity / RESULT).unlink()
    put(folder / name, kind)
    first, second = execute(runs)
    assert isinstance(second, Result)
    if finished and name not in (RESULT, *SEALED[:3]):  # which was not checked
        assert isinstance(first, Result)
        return
    assert isinstance(first, Failure)
    assert first.reason == f"{folder / name}: it is {kind}, not a file; move it away"
    removed(folder / name)
    assert store.owner(runs[0].identity) is None
    assert all(isinstance(one, Result) for one in execute(runs))
    assert outcome(tmp_path / "runs", runs[0].identity) == outcome(trained, runs[0].identity)


def test_a_checkpoint_that_is_no_file_is_damage(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs")
    identity = configuration(trained).identity
    path = tmp_path / "runs" / identity / "checkpoint" / "best.pt"
    put(path, "a folder")
    assert str(Store(tmp_path / "runs").damage(identity)) == f"{path}: cannot be read: it is a folder, not a file"


def test_a_claim_that_is_no_file_is_not_freed_in_silence(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs")
    identity = configuration(trained).identity
    path = tmp_path / "runs" / identity / "claim-000001.json"
    path.mkdir()
    for which in (identity, "all"):
        with pytest.raises(UserError, match=f"{path}: cannot be written: Is a directory"):
            store_command([f"runs={tmp_path / 'runs'}", f"free={which}"])


def test_a_history_that_is_no_file_is_not_an_empty_one(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs")
    identity = configuration(trained).identity
    path = tmp_path / "runs" / identity / "metrics.jsonl"
    (path.parent / RESULT).unlink()
    put(path, "a folder")
    with pytest.raises(UserError, match=f"{path}: cannot be read: it is a folder, not a file"):
        Store(tmp_path / "runs").history(identity)


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_that_is_claimed_by_no_file_is_told(tmp_path, kind):
    put(tmp_path / "rates.claim", kind)
    with (
        pytest.raises(UserError, match=rf"rates\.claim: it is {kind}, not a file"),
        claimed(tmp_path, "rates"),
    ):
        pass


def test_a_journal_that_is_a_pipe_keeps_nobody_waiting(tmp_path):
    path = tmp_path / "rates.journal"
    os.mkfifo(path)
    with pytest.raises(UserError, match="it is a pipe, not a file"):
        check_journal(path)
    with pytest.raises(UserError, match="it is a pipe, not a file"):
        mark_journal(path)
    with pytest.raises(OSError, match="it is a pipe, not a file"):
        mend_journal(path)


def test_a_run_that_lies_where_a_file_does_is_named(tmp_path):
    runs = [replace(configuration(tmp_path / "runs", seed=seed), progress=False) for seed in (0, 1)]
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / runs[0].identity).write_text("")
    first, second = execute(runs)
    assert isinstance(second, Result)
    assert first.reason == f"{tmp_path / 'runs' / runs[0].identity}: the folder cannot be made: File exists"
