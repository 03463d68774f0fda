"""A study outlives its process: resumed by name, kills made good, other questions refused."""

import os
import subprocess
import sys

import optuna
import pytest
from optuna.trial import TrialState

from gatelab.errors import UserError
from tests.sweeps.search.made_up import LR, Killed, MadeUpRuns, searched

STORAGES = {"journal": None, "sqlite": "sqlite:///{}/studies.db", "a journal elsewhere": "{}/else/where.journal"}


def completed(study):
    return [(trial.params, trial.value) for trial in study.trials if trial.state == TrialState.COMPLETE]


@pytest.mark.parametrize("kind", STORAGES)
def test_the_number_of_trials_counts_those_that_are_there(tmp_path, capsys, kind):
    storage = STORAGES[kind] and STORAGES[kind].format(tmp_path)
    whole = searched(MadeUpRuns(tmp_path / "whole"), LR, n_trials=7)
    for wanted, trained in ((4, 4), (7, 3), (7, 0), (2, 0)):
        runs = MadeUpRuns(tmp_path)
        study = searched(runs, LR, n_trials=wanted, storage=storage)
        assert len(runs.trained) == trained
    assert completed(study) == completed(whole)
    assert "study study: 7 of 2 trials are there\n" in capsys.readouterr().out


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid", "gp", "qmc", "nsgaii"])
@pytest.mark.parametrize("kill_at", [0, 1, 2])
def test_a_search_that_was_killed_asks_what_it_would_have_asked(tmp_path, sampler, kill_at):
    space = ["optimizer.lr=range(0.25,2.25,0.25)" if sampler == "grid" else LR, "variant=lstm,gru"]
    options = {"n_startup_trials": 2} if sampler in ("tpe", "gp") else {}
    whole = searched(MadeUpRuns(tmp_path / "whole"), *space, sampler=sampler, options=options, n_trials=8)
    killed = MadeUpRuns(tmp_path / "killed", kill_at=kill_at)
    with pytest.raises(Killed):
        searched(killed, *space, sampler=sampler, options=options, n_trials=8)
    runs = MadeUpRuns(tmp_path / "killed")
    study = searched(runs, *space, sampler=sampler, options=options, n_trials=8)
    left = [trial for trial in study.trials if trial.state == TrialState.FAIL]
    assert len(left) == (3 if kill_at < 2 else 2)
    assert len(study.trials) == 8 + len(left)
    assert [trial.params for trial in left] == [params for params, _ in completed(study)[kill_at * 3 :][: len(left)]]
    assert completed(study) == completed(whole)
    assert [*killed.trained, *runs.trained] == [
        [f"optimizer.lr={params['optimizer.lr']!r}", f"variant={params['variant']}"] for params, _ in completed(whole)
    ]


def test_a_kill_between_the_two_things_told_of_a_killed_trial(tmp_path, monkeypatch):
    with pytest.raises(Killed):
        searched(MadeUpRuns(tmp_path, kill_at=1), LR)

    def die(*arguments, **options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("optuna.Study.tell", die)
        with pytest.raises(Killed):
            searched(MadeUpRuns(tmp_path), LR)
    study = searched(MadeUpRuns(tmp_path), LR)
    assert [trial.state.name for trial in study.trials].count("FAIL") == 3
    assert completed(study) == completed(searched(MadeUpRuns(tmp_path / "whole"), LR))


def test_a_kill_in_the_middle_of_asking(tmp_path, monkeypatch):
    asked: list[None] = []

    whole = optuna.Study.ask

    def ask(self, distributions):
        asked.append(None)
        if len(asked) == 5:
            raise Killed
        return whole(self, distributions)

    with monkeypatch.context() as patch:
        patch.setattr("optuna.Study.ask", ask)
        with pytest.raises(Killed):
            searched(MadeUpRuns(tmp_path), LR)
    study = searched(MadeUpRuns(tmp_path), LR)
    assert len(study.trials) == 7
    assert completed(study) == completed(searched(MadeUpRuns(tmp_path / "whole"), LR))


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.sweeps.search.made_up import LR, MadeUpRuns, nearness, searched

def fate(words):
    if len(runs.batches) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return nearness(words)

runs = MadeUpRuns(Path(sys.argv[1]), fate)
searched(runs, LR)
"""


def test_a_process_that_is_killed_loses_its_claim(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, env=environment)
    assert ended.returncode == -9
    runs = MadeUpRuns(tmp_path)
    assert completed(searched(runs, LR)) == completed(searched(MadeUpRuns(tmp_path / "whole"), LR))
    assert len(runs.trained) == 3


def test_a_half_written_line_and_a_lock_are_put_right(tmp_path):
    searched(MadeUpRuns(tmp_path), LR, n_trials=4)
    path = tmp_path / "studies" / "study.journal"
    path.write_bytes(path.read_bytes() + b'{"op_code":4,"wor')
    (tmp_path / "studies" / "study.journal.lock").symlink_to(path)
    study = searched(MadeUpRuns(tmp_path), LR)
    assert completed(study) == completed(searched(MadeUpRuns(tmp_path / "whole"), LR))


@pytest.mark.parametrize("content", [b"not a journal\n{}\n", b'{"op_code": 77}\n{}\n', b"\xff\xfe\n\n"])
def test_a_damaged_journal_is_told(tmp_path, content):
    path = tmp_path / "studies" / "study.journal"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        searched(MadeUpRuns(tmp_path), LR)
    assert str(refused.value).startswith(f"{path}: damaged study: ")
    assert path.read_bytes() == content


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "a.db").write_text("not a database " * 100)
    with pytest.raises(UserError) as refused:
        searched(MadeUpRuns(tmp_path), LR, storage=f"sqlite:///{tmp_path}/a.db")
    assert str(refused.value).startswith(f"hydra.sweeper.storage=sqlite:///{tmp_path}/a.db: cannot be opened: ")


OTHERS = {
    "values": ([LR.replace("1e-4", "1e-3")], {}, "the study of this name searches other values of optimizer.lr"),
    "axes": ([LR, "variant=lstm,gru"], {}, "the study of this name searches other values of variant"),
    "direction": ([LR], {"direction": "maximize"}, "the study of this name has the direction minimize, not maximize"),
    "seeds": ([LR], {"seeds": 2}, "the study of this name has the number of seeds 1, not 2"),
    "runs": ([LR, "task=copying"], {}, "the study of this name was begun with '', which means other runs"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_question_needs_another_name(tmp_path, name):
    words, options, problem = OTHERS[name]
    searched(MadeUpRuns(tmp_path), LR)
    runs = MadeUpRuns(tmp_path)
    with pytest.raises(UserError) as refused:
        searched(runs, *words, **options)
    assert str(refused.value) == f"hydra.sweeper.study_name=study: {problem}; another search needs another name"
    assert runs.batches == []
    assert len(searched(MadeUpRuns(tmp_path), LR).trials) == 6


def test_the_name_in_the_settings_comes_first(tmp_path):
    assert searched(MadeUpRuns(tmp_path), LR, study_name="mine").study_name == "mine"
    assert (tmp_path / "studies" / "mine.journal").exists()
