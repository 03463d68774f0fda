"""The answer in words: never more than the corrected tests say."""

import pytest

from gatelab.evidence.analysis import analyse
from gatelab.evidence.collected import read_evidence
from gatelab.evidence.question import Question
from gatelab.report.sections.verdict import verdict
from gatelab.store import Store
from tests.report.made import add, paired


def answer(store, **question):
    question = {"baseline": "lstm", **question}
    return verdict(analyse(read_evidence(store, Question(**question), store.results())), "python scripts/compare.py")


def test_better_worse_and_neither(tmp_path):
    better, worse = [0.1 + 0.001 * seed for seed in range(8)], [-0.1 - 0.001 * seed for seed in range(8)]
    store = paired(tmp_path, {"gru": better, "cifg": worse, "janet": [0.1, -0.1] * 4})
    # 8 pairs of one sign: p = 2 / 2**8 = 0.0078, and 0.023 among three
    told = answer(store)
    assert told.title == "cifg, gru and janet against lstm on adding"
    assert dict(told.answers) == {
        "cifg": "worse than lstm on adding.",
        "gru": "better than lstm on adding.",
        "janet": "no difference found on adding.",
    }
    assert [(label, answers[0].kind) for label, answers in told.rows] == [
        ("cifg", "worse"),
        ("gru", "better"),
        ("janet", "no difference found"),
    ]
    assert told.flags == ()
    assert told.notes[0] == (
        "8 paired seeds, sign-flip tests, corrected by Holm over 3 comparisons (3 variants against lstm on adding), "
        "two-sided, α = 0.05."
    )


def test_five_seeds_decide_nothing_however_large_the_gain(tmp_path):
    told = answer(paired(tmp_path, {"gru": [0.3] * 5}))
    assert dict(told.answers) == {"gru": "no difference found on adding."}
    assert told.rows[0][1][0].remark == "could not be decided"
    (flag,) = told.flags
    assert flag.startswith("5 paired seeds cannot reach p < 0.05, whatever the runs say")
    assert flag.endswith("At least 6 seeds are needed.")


def test_a_family_of_the_page_asks_for_more_seeds_than_one_of_a_task(tmp_path):
    store = paired(tmp_path, {"gru": [0.3 + 0.01 * seed for seed in range(6)]})
    for seed in range(6):
        add(store, task="copying", seed=seed, test=0.1)
        add(store, task="copying", seed=seed, test=0.2 + 0.01 * seed, label="gru")
    # 2 / 2**6 = 0.031 alone, 0.063 for the first of two
    assert dict(answer(store).answers) == {"gru": "no difference found on adding and copying."}
    assert dict(answer(store, family="task").answers) == {"gru": "better than lstm on adding and copying."}


def test_a_gain_too_small_to_matter_is_told_so(tmp_path):
    # chance 0.1, perfect 1.0: a hundredth of the way is 0.009
    store = paired(tmp_path, {"gru": [0.004, 0.005, 0.006] * 3})
    assert dict(answer(store).answers) == {"gru": "better than lstm, by less than matters on adding."}
    assert dict(answer(store, small=0.001).answers) == {"gru": "better than lstm on adding."}


def test_a_lower_error_is_better(tmp_path):
    store = Store(tmp_path)
    for seed in range(8):
        add(store, seed=seed, test=0.5, higher_is_better=False, chance=1.0, perfect=0.0)
        add(store, label="gru", seed=seed, test=0.2 + 0.01 * seed, higher_is_better=False, chance=1.0, perfect=0.0)
    told = answer(store)
    assert dict(told.answers) == {"gru": "better than lstm on adding."}
    assert told.rows[0][1][0].gain == "+0.265"


def test_a_variant_that_diverges_is_not_made_better_by_it(tmp_path):
    store = Store(tmp_path)
    for seed in range(8):
        add(store, seed=seed, test=0.5 + 0.01 * seed)
        add(store, label="gru", seed=seed, test=0.8, failed=seed >= 4)
    worst = answer(store)
    assert dict(worst.answers) == {"gru": "no difference found on adding."}
    assert "12 finished, 4 diverged; a diverged run scores like the worst run" in worst.notes[1]
    separate = answer(store, diverged="separate")
    assert dict(separate.answers) == {"gru": "no difference found on adding."}
    assert "left out of every number but the counts" in separate.notes[1]
    assert separate.flags[0].startswith("4 paired seeds cannot reach")


def test_no_seed_in_common(tmp_path):
    store = Store(tmp_path)
    add(store, seed=0)
    add(store, label="gru", seed=1)
    told = answer(store)
    assert dict(told.answers) == {"gru": "not compared on adding."}
    assert told.rows[0][1][0].remark == "no seed in common"


def test_without_a_baseline_nothing_is_said(tmp_path):
    store = Store(tmp_path)
    add(store)
    told = answer(store, baseline=None)
    assert (told.title, told.answers, told.rows) == ("1 variant on adding", (), ())
    assert told.notes[0].startswith("No baseline was named")


@pytest.mark.parametrize("count, shown", [(3, "a, b and c"), (5, "5 tasks")])
def test_many_tasks_are_counted(tmp_path, count, shown):
    store = Store(tmp_path)
    for task in "abcde"[:count]:
        add(store, task=task)
        add(store, task=task, label="gru")
    assert shown in dict(answer(store).answers)["gru"]


def test_provenance_comes_from_the_runs(tmp_path):
    strip = dict(answer(paired(tmp_path, {"gru": [0.1, 0.2]})).provenance)
    assert strip["newest run"] == "2026-01-02T00:00:00+00:00"
    assert strip["code"] == "c" * 12
    assert strip["torch"] == "2.13.0"
    assert strip["made by"] == "python scripts/compare.py"
