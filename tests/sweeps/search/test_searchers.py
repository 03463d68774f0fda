"""Which running trials of a study were left behind, where several processes search it; no clock of theirs is asked."""

import dataclasses

import optuna
import pytest

from gatelab.store import LEASE
from gatelab.store.lease.owner import this_process
from gatelab.sweeps.search.searchers import Several, owner_of

HERE = this_process()
AWAY = dataclasses.replace(HERE, host="elsewhere", pid=7)
ENDED = dataclasses.replace(HERE, started="1")


@pytest.fixture
def study():
    return optuna.create_study(storage=optuna.storages.InMemoryStorage())


def several(owner=HERE, clock=lambda: 0.0):
    return Several(None, clock, owner)


def left(onlooker, study):
    return [trial.number for trial in onlooker.left_behind(study)]


def test_a_process_of_this_machine_is_asked_whether_it_lives(study):
    for owner in (HERE, ENDED):
        several(owner).mark([study.ask()])
    assert left(several(), study) == [1]


def test_a_trial_without_owner_was_left_in_the_middle_of_asking(study):
    study.ask()
    assert left(several(), study) == [0]


def test_another_machine_is_waited_for_as_long_as_it_is_heard_of(study):
    now = [1000.0]
    trial, onlooker = study.ask(), several(clock=lambda: now[0])
    several(AWAY).mark([trial])
    assert left(onlooker, study) == []
    now[0] += LEASE
    assert left(onlooker, study) == []
    trial.set_user_attr("beat", 1)
    now[0] += 1
    assert left(onlooker, study) == []
    now[0] += LEASE + 1
    assert left(onlooker, study) == [0]
    # one that has not looked before waits as long
    assert left(several(clock=lambda: 1e9), study) == []


def test_the_owner_is_named(study):
    several(AWAY).mark([study.ask()])
    study.ask()
    named, unnamed = study.get_trials()
    assert owner_of(named) == f"process 7 on elsewhere since {AWAY.since}"
    assert owner_of(unnamed) == "another process"
