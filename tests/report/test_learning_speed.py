"""Times to a threshold: who gives up waits, and nothing is learnt by reaching what one that has learnt nothing does."""

import math

import pytest

from gatelab.evidence.analysis import analyse
from gatelab.evidence.collected import read_evidence
from gatelab.evidence.question import Question
from gatelab.report.sections.learning_curves import speed_table
from gatelab.store import Store
from tests.report.made import add

LEARNS, NEVER = {500: 0.9, 1000: 0.95}, {50: 0.2, 100: 0.2}


def rows(store, baseline="lstm"):
    found = speed_table(analyse(read_evidence(store, Question(baseline), store.results()))).rows
    return {row["variant"]: row for row in found}


def ten(store, label, curve, steps, most=1000, **settings):
    for seed in range(10):
        last = list(curve.values())[-1]
        told = {"training.max_steps": most, **settings}
        add(store, label=label, seed=seed, test=last, curve=curve, steps=steps, best_step=steps, settings=told)


def test_runs_that_gave_up_wait_until_the_horizon(tmp_path):
    # five of ten stop by patience at step 100 and never learn, five learn at 500: half of them reach it by then
    store = Store(tmp_path)
    ten(store, "lstm", {1000: 0.9}, 1000)
    for seed in range(10):
        learns = seed >= 6
        curve, steps = (LEARNS, 1000) if learns else (NEVER, 100)
        settings = {"training.max_steps": 1000}
        last = max(curve.values())
        add(store, label="gru", seed=seed, test=last, curve=curve, steps=steps, best_step=steps, settings=settings)
    found = rows(store)
    assert (found["lstm"]["median"], found["lstm"]["never"]) == (1000, 0)
    # four of ten reach it: the median is not seen, where it was 500 among those left after step 100
    assert (found["gru"]["median"], found["gru"]["never"]) == (math.inf, 6)


def test_who_was_not_allowed_so_many_steps_is_not_followed_further(tmp_path):
    store = Store(tmp_path)
    ten(store, "lstm", {1000: 0.9}, 1000)
    for seed in range(4):
        settings = {"training.max_steps": 100}
        add(store, label="gru", seed=seed, test=0.2, curve=NEVER, steps=100, best_step=100, settings=settings)
    for seed in range(4, 6):
        settings = {"training.max_steps": 1000}
        add(store, label="gru", seed=seed, test=0.95, curve=LEARNS, steps=1000, best_step=1000, settings=settings)
    assert rows(store)["gru"]["median"] == 500


def test_who_stopped_at_its_aim_did_not_give_up(tmp_path):
    store = Store(tmp_path)
    ten(store, "lstm", {1000: 0.9}, 1000)
    ten(store, "gru", {50: 0.2, 100: 0.8}, 100, **{"training.stop_at": 0.8})
    # followed until step 100 alone, none of them reached 0.9: nothing is seen, and nobody waits until 1000
    assert rows(store)["gru"]["median"] == math.inf
    assert rows(store)["gru"]["never"] == 10


@pytest.mark.parametrize("higher", [True, False])
def test_a_baseline_that_learnt_nothing_sets_no_threshold(tmp_path, higher):
    store = Store(tmp_path)
    score = {"higher_is_better": higher, "chance": 0.1 if higher else 1.0, "perfect": 1.0 if higher else 0.0}
    near_chance, learnt = (0.2, 0.9) if higher else (0.9, 0.1)
    for seed in range(6):
        add(store, seed=seed, test=near_chance, curve={100: near_chance}, **score)
        add(store, label="gru", seed=seed, test=learnt, curve={50: near_chance, 100: learnt}, **score)
    found = rows(store)
    assert found["gru"]["threshold"] == pytest.approx(0.55 if higher else 0.5)
    assert (found["lstm"]["never"], found["gru"]["never"], found["gru"]["median"]) == (6, 0, 100)
