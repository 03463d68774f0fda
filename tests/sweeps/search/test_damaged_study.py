"""A study with a changed journal is refused by name; an incomplete last line is reported and removed."""

import errno
import os
import random

import pytest
from optuna.storages.journal import JournalFileBackend

from gatelab.errors import UserError
from gatelab.sweeps.search.journal import check_journal
from gatelab.sweeps.search.study import counted
from tests.sweeps.search.made_up import LR, Killed, MadeUpRuns, searched

DAMAGES = int(os.environ.get("GATELAB_DAMAGES", "12"))


@pytest.fixture
def journal(tmp_path):
    searched(MadeUpRuns(tmp_path), LR)
    return tmp_path / "studies" / "study.journal"


def test_any_damage_to_a_journal_is_noticed(tmp_path, journal):
    whole = journal.read_bytes()
    check_journal(journal)
    for number in range(DAMAGES):
        chance = random.Random(number)
        place = chance.randrange(len(whole))
        data = bytearray(whole)
        data[place] ^= 1 << chance.randrange(8)
        journal.write_bytes(data if number % 2 else whole[:place])
        with pytest.raises(UserError, match=r"study\.journal: damaged study: [^\n]*another name begins another$"):
            check_journal(journal)
    runs = MadeUpRuns(tmp_path)
    with pytest.raises(UserError, match=r"study\.journal: damaged study"):
        searched(runs, LR, n_trials=9)
    assert runs.batches == []
    journal.write_bytes(whole)
    assert len(searched(runs, LR, n_trials=9).trials) == 9


def test_a_part_of_a_line_is_told_and_removed(tmp_path, journal, capsys):
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "wor')
    searched(MadeUpRuns(tmp_path), LR)
    now = journal.read_bytes()
    assert now.startswith(whole)
    assert b"wor" + whole[:1] not in now
    assert f"warning: {journal}: 19 bytes of an unfinished last line removed\n" in capsys.readouterr().err


def test_a_search_that_was_killed_goes_on_from_lines_that_no_mark_covers(tmp_path):
    with pytest.raises(Killed):
        searched(MadeUpRuns(tmp_path, kill_at=1), LR)
    path = tmp_path / "studies" / "study.journal"
    (tmp_path / "studies" / "study.journal.mark").unlink()
    check_journal(path)
    assert len(searched(MadeUpRuns(tmp_path), LR).trials) == 9


@pytest.mark.parametrize("content", [b"", b"[]", b'{"bytes": "x", "sha256": 1}', b'{"bytes": -5, "sha256": ""}'])
def test_a_damaged_mark_is_named(tmp_path, journal, content):
    journal.with_name("study.journal.mark").write_bytes(content)
    with pytest.raises(UserError, match=r"study\.journal\.mark: "):
        searched(MadeUpRuns(tmp_path), LR)


LINES = [b"}", b"3", b"[]", b"{}", b"\xff", b'{"op_code": 99, "worker_id": "a"}', b'{"op_code": 4, "worker_id": "a"}',
         b'{"op_code": 0, "worker_id": "a", "study_name": 5}']  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_is_no_entry_is_told(tmp_path, journal, line):
    with journal.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(UserError, match=r"study\.journal: damaged study: [^\n]+$"):
        searched(MadeUpRuns(tmp_path), LR)


def test_a_disk_that_refuses_a_journal_is_one_line(tmp_path, monkeypatch):
    written = JournalFileBackend.append_logs
    calls = []

    def refused(self, logs):
        calls.append(logs)
        if len(calls) <= 8:
            return written(self, logs)
        try:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        finally:
            raise RuntimeError("Error: did not possess lock")  # as Optuna's lock does where it cannot be removed

    monkeypatch.setattr(JournalFileBackend, "append_logs", refused)
    with pytest.raises(UserError, match=r"^\S+study\.journal: cannot be written: the disk quota is used up [^\n]*$"):
        searched(MadeUpRuns(tmp_path), LR)
    monkeypatch.setattr(JournalFileBackend, "append_logs", written)
    assert len(counted(searched(MadeUpRuns(tmp_path), LR, n_trials=9).trials)) == 9
