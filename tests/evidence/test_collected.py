"""What is read of a store: which setting is reported, what is apart, what failed, where it all comes from."""

import pytest

from gatelab.errors import UserError
from gatelab.evidence.collected import read_evidence
from gatelab.evidence.question import Question
from gatelab.probes.records import Gate
from gatelab.store import Store
from tests.report.made import add, fail


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def read(store, **question):
    return read_evidence(store, Question(**question), store.results())


def test_tasks_and_variants_are_in_order_with_the_baseline_first(store):
    for label, task in (("gru", "b"), ("cifg", "a"), ("lstm", "b"), ("lstm", "a")):
        add(store, label=label, task=task)
    evidence = read(store, baseline="lstm")
    assert (evidence.tasks, evidence.labels) == (("a", "b"), ("lstm", "cifg", "gru"))
    assert evidence.cells() == [("a", "lstm"), ("a", "cifg"), ("b", "lstm"), ("b", "gru")]
    assert [run.number for run in evidence.runs] == [0, 1, 2, 3]


def rate(store, value, seeds, validation, test=0.5, **more):
    for seed in seeds:
        add(store, seed=seed, validation=validation, test=test, settings={"optimizer.lr": value}, **more)


def test_the_setting_is_chosen_by_validation_and_never_by_test(store):
    rate(store, 0.1, [0, 1], validation=0.6, test=0.9)
    rate(store, 0.01, [0, 1], validation=0.7, test=0.1)
    evidence = read(store)
    chosen = evidence.chosen("adding", "lstm")
    assert chosen.text == "optimizer.lr=0.01"
    assert chosen.values == {"optimizer.lr": 0.01}
    assert [run.scored for run in chosen.runs] == [(0, 0.1), (1, 0.1)]
    assert evidence.search


def test_a_lucky_trial_does_not_beat_a_comparison_over_many_seeds(store):
    rate(store, 0.1, [0], validation=0.9)
    rate(store, 0.01, [0, 1, 2], validation=0.7)
    assert read(store).chosen("adding", "lstm").text == "optimizer.lr=0.01"


def test_one_run_that_diverged_does_not_turn_the_choice_around(store):
    # chance is 0.1: (9 * 0.95 + 0.1) / 10 = 0.865 against 0.3
    rate(store, 0.1, range(9), validation=0.95)
    rate(store, 0.1, [9], validation=0.95, failed=True)
    rate(store, 0.01, range(10), validation=0.3)
    chosen = read(store).chosen("adding", "lstm")
    assert chosen.text == "optimizer.lr=0.1"
    assert chosen.validation == pytest.approx(0.865, abs=1e-12)
    # left out, it changes nothing
    separate = read(store, diverged="separate").chosen("adding", "lstm")
    assert (separate.text, separate.validation) == ("optimizer.lr=0.1", pytest.approx(0.95, abs=1e-12))


def test_a_setting_that_mostly_diverges_is_judged_by_that(store):
    rate(store, 0.1, range(2), validation=0.95)
    rate(store, 0.1, range(2, 10), validation=0.95, failed=True)
    rate(store, 0.01, range(10), validation=0.4)
    for policy in ("worst", "separate"):
        assert read(store, diverged=policy).chosen("adding", "lstm").text == "optimizer.lr=0.01"


def test_the_run_of_a_stranger_does_not_choose(store):
    errors = {"higher_is_better": False, "chance": 1.0, "perfect": 0.0}
    for seed in range(10):
        add(store, seed=seed, test=0.1, settings={"optimizer.lr": 0.1}, failed=seed == 9, **errors)
        add(store, seed=seed, test=0.5, settings={"optimizer.lr": 0.01}, **errors)
        add(store, seed=seed, test=1e6, settings={"optimizer.lr": 1.0}, **errors)
    assert read(store).chosen("adding", "lstm").text == "optimizer.lr=0.1"


def test_a_seed_less_does_not_turn_the_choice_around(store):
    rate(store, 0.1, range(10), validation=0.3)
    rate(store, 0.01, range(9), validation=0.9)
    assert read(store).chosen("adding", "lstm").text == "optimizer.lr=0.01"


def test_settings_are_ranked_over_the_seeds_that_they_share(store):
    # the tenth seed is a hard one for every setting, and 0.01 was not tried there
    rate(store, 0.1, range(9), validation=0.9)
    rate(store, 0.1, [9], validation=0.0)
    rate(store, 0.01, range(9), validation=0.85)
    assert read(store).chosen("adding", "lstm").text == "optimizer.lr=0.1"


def test_seeds_that_took_no_part_in_choosing_are_fresh(store):
    for place in range(5):
        rate(store, 0.1 + place, [0], validation=0.5 + 0.01 * place)
    rate(store, 4.1, range(1, 11), validation=0.4)
    chosen = read(store).chosen("adding", "lstm")
    assert (chosen.text, chosen.fresh) == ("optimizer.lr=4.1", frozenset(range(1, 11)))


def test_no_seed_is_fresh_where_all_of_them_chose(store):
    rate(store, 0.1, range(10), validation=0.5)
    rate(store, 0.2, range(10, 20), validation=0.6)
    assert read(store).chosen("adding", "lstm").fresh == frozenset()


def test_without_a_search_every_seed_is_fresh(store):
    rate(store, 0.1, range(3), validation=0.5)
    assert read(store).chosen("adding", "lstm").fresh == {0, 1, 2}


def test_a_setting_asked_for_makes_a_task_of_its_own(store):
    for size in (8, 16):
        add(store, settings={"model.hidden_size": size})
    assert read(store).tasks == ("adding",)
    evidence = read(store, by=("task", "model.hidden_size"))
    assert evidence.tasks == ("adding model.hidden_size=16", "adding model.hidden_size=8")
    assert not evidence.search


def test_openings_are_compared_as_variants(store):
    for seed in range(2):
        for name, most, score in (("one", None, 0.5), ("chrono", 150, 0.75)):
            settings = {"opening.name": name, "opening.max_time": most}
            add(store, seed=seed, test=score, settings=settings)
    assert read(store).chosen("adding", "lstm").text == "opening.max_time=150 opening=chrono"
    evidence = read(store, apart=("opening.name",), baseline="lstm opening=one")
    assert evidence.labels == ("lstm opening=one", "lstm opening=chrono")
    assert (evidence.searched, evidence.search) == ({"adding": ()}, False)
    assert [run.scored for run in evidence.chosen("adding", "lstm opening=one").runs] == [(0, 0.5), (1, 0.5)]


def test_gates_are_those_of_the_step_that_validation_chose(store):
    add(store, best_step=50)
    add(store, seed=1, best_step=60)  # not in the history
    first, second = read(store).runs
    assert first.gates == {"f": Gate(0.75, 0.125, 0.5, decay_10=0.02, decay_50=0.1, decay_90=0.5)}
    assert second.gates == {}
    assert first.curve.steps == (50, 100)


def test_runs_without_a_result_are_told_apart(store):
    add(store)
    failed = fail(store, label="gru", reason="no memory")
    fail(store, task="copying")
    store.record("e" * 16, {"seed": 0})
    evidence = read(store)
    assert [(run.identity, run.label, run.reason) for run in evidence.failed] == [(failed, "gru", "no memory")]
    assert evidence.unfinished == ("e" * 16,)


def test_where_the_results_come_from(store):
    for seed in range(3):
        add(store, seed=seed)
    (store.runs_dir / f"{0:016x}" / "provenance.json").write_text("damaged")
    known = read(store).provenance
    assert known.newest == "2026-01-03T00:00:00+00:00"
    assert known.commits == {"c" * 40: 2}
    assert known.versions["torch"] == {"2.13.0": 2}
    assert known.devices == {"cpu": 2}


@pytest.mark.parametrize(
    "question, message",
    [
        ({"by": ("task", "model.hiden_size")}, r"by=model.hiden_size: no such setting \(did you mean 'model.hidden"),
        ({"apart": ("model.hiden_size",)}, r"apart=model.hiden_size: no such setting \(did you mean 'model.hidden"),
        ({"apart": ("task.name",)}, r"apart=task.name: makes a comparison of its own already"),
        ({"apart": ("model.hidden_size",), "by": ("task", "model.hidden_size")}, r"apart=model.hidden_size: makes a"),
        ({"baseline": "gur"}, r"unknown baseline 'gur' \(did you mean 'gru'\?\); known are gru"),
    ],
)
def test_mistakes_are_one_line(store, question, message):
    add(store, label="gru", settings={"model.hidden_size": 8})
    with pytest.raises(UserError, match=rf"^{message}[^\n]*$"):
        read(store, **question)
