"""The answer in words: never more than the corrected tests say."""

import pytest

from gatelab.evidence.analysis import analyse
from gatelab.evidence.collected import read_evidence
from gatelab.evidence.question import Question, asked
from gatelab.report.sections.headline import tests_table as table_of_tests
from gatelab.report.sections.verdict import verdict
from gatelab.store import Store
from tests.report.made import add, fail, paired


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
        "cifg": "worse than lstm in typical runs on adding.",
        "gru": "better than lstm in typical runs on adding.",
        "janet": "no difference found on adding (failed runs: 4 of 8, of lstm 5 of 8).",
    }
    assert [(label, answers[0].kind) for label, answers in told.rows] == [
        ("cifg", "worse"),
        ("gru", "better"),
        ("janet", "no difference found"),
    ]
    assert told.flags == ()
    assert told.tested[0] == (
        "8 paired seeds, sign flips of bounded differences, corrected by Holm over 3 comparisons (3 variants against"
        " lstm on adding), two-sided, α = 0.05."
    )
    assert "not of means" in told.tested[1]
    assert told.tested[2].endswith(
        "8 runs without a failure cannot exclude that up to 37 % of runs fail (95 %); no verdict speaks of those."
    )


def test_five_seeds_decide_nothing_however_large_the_gain(tmp_path):
    told = answer(paired(tmp_path, {"gru": [0.3] * 5}))
    assert dict(told.answers) == {"gru": "undecided: too few seeds on adding."}
    assert told.rows[0][1][0].words == "undecided: too few seeds"
    assert told.flags == (
        "gru: undecided, which is not equal. 5 paired seeds cannot reach p < 0.05: the smallest p possible is 0.062."
        " From 6 seeds on it can be reached.",
    )


def test_a_family_of_the_page_asks_for_more_seeds_than_one_of_a_task(tmp_path):
    store = paired(tmp_path, {"gru": [0.3 + 0.01 * seed for seed in range(6)]})
    for seed in range(6):
        add(store, task="copying", seed=seed, test=0.1)
        add(store, task="copying", seed=seed, test=0.2 + 0.01 * seed, label="gru")
    # 2 / 2**6 = 0.031 alone, 0.063 for the first of two
    assert dict(answer(store).answers) == {"gru": "undecided: too few seeds on adding and copying."}
    told = answer(store, family="task")
    assert dict(told.answers) == {"gru": "better than lstm in typical runs on adding and copying."}
    # 1 - 0.95^2
    assert "Tasks are corrected each by itself: by chance alone, some verdict is wrong on up to 10 %" in told.tested[0]


def test_a_gain_too_small_to_matter_is_told_so(tmp_path):
    # chance 0.1, perfect 1.0: a hundredth of the way is 0.009
    store = paired(tmp_path, {"gru": [0.004, 0.005, 0.006] * 3})
    assert dict(answer(store).answers) == {"gru": "better than lstm in typical runs, by less than matters on adding."}
    assert dict(answer(store, small=0.001).answers) == {"gru": "better than lstm in typical runs on adding."}


def test_a_lower_error_is_better(tmp_path):
    store = Store(tmp_path)
    for seed in range(8):
        add(store, seed=seed, test=0.5, higher_is_better=False, chance=1.0, perfect=0.0)
        add(store, label="gru", seed=seed, test=0.2 + 0.01 * seed, higher_is_better=False, chance=1.0, perfect=0.0)
    told = answer(store)
    assert dict(told.answers) == {"gru": "better than lstm in typical runs on adding."}
    assert told.rows[0][1][0].gain == "+0.265"


def test_a_variant_that_diverges_is_not_made_better_by_it(tmp_path):
    store = Store(tmp_path)
    for seed in range(8):
        add(store, seed=seed, test=0.5 + 0.01 * seed)
        add(store, label="gru", seed=seed, test=0.8, failed=seed >= 4)
    worst = answer(store)
    assert dict(worst.answers) == {"gru": "no difference found on adding (failed runs: 4 of 8, of lstm 5 of 8)."}
    assert "12 finished, 4 diverged; a diverged run scores like the worst run of the two" in worst.notes[0]
    separate = answer(store, diverged="separate")
    assert dict(separate.answers)["gru"].startswith("undecided: too few seeds on adding (failed runs: 4 of 8")
    assert "left out of every number but the counts" in separate.notes[0]
    assert "4 paired seeds cannot reach" in separate.flags[0]


def test_no_seed_in_common(tmp_path):
    store = Store(tmp_path)
    add(store, seed=0)
    add(store, label="gru", seed=1)
    told = answer(store)
    assert dict(told.answers) == {"gru": "not compared on adding."}
    assert told.rows[0][1][0].remark == "no seed in common"
    assert (told.tested, told.flags) == ((), ())


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


def runs(store, label, scores, **more):
    for seed, score in enumerate(scores):
        add(store, label=label, seed=seed, test=0.0 if score is None else score, failed=score is None, **more)


SPREAD = [0.8 + 0.003 * ((7 * seed) % 12) for seed in range(12)]
ERRORS = {"higher_is_better": False, "chance": 1.0, "perfect": 0.0}


def test_a_stranger_changes_no_comparison(tmp_path):
    wins = [score - 0.1 - 0.001 * seed for seed, score in enumerate(SPREAD)]
    told = []
    for stranger in (False, True):
        store = Store(tmp_path / str(stranger))
        runs(store, "lstm", SPREAD, **ERRORS)
        runs(store, "gru", [*wins[:11], None], **ERRORS)
        if stranger:  # one run of a third variant blew up without diverging
            runs(store, "cifg", [*SPREAD[:11], 1e6], **ERRORS)
        analysis = analyse(read_evidence(store, Question("lstm"), store.results()))
        one = analysis.comparisons["adding", "gru"]
        told.append((one.pairs, one.typical, one.gain, one.test, one.means, one.ranks))
        assert dict(verdict(analysis, "").answers)["gru"] == (
            "better than lstm in typical runs on adding (failed runs: 12 of 12, of lstm 12 of 12)."
        )
    assert told[0] == told[1]


def test_a_ceiling_leaves_few_pairs_to_decide(tmp_path):
    # ten pairs, six of them equal at 1.0, and the other four are won: p = 2 / 2^4 at best
    store = Store(tmp_path)
    runs(store, "lstm", [1.0] * 6 + [0.8, 0.81, 0.82, 0.83])
    runs(store, "gru", [1.0] * 10)
    told = answer(store)
    assert dict(told.answers) == {"gru": "undecided: too few seeds on adding."}
    assert told.flags == (
        "gru: undecided, which is not equal. 10 paired seeds, of which 6 are equal, cannot reach p < 0.05: the"
        " smallest p possible is 0.12. From 15 seeds on at this share of ties it can be reached.",
    )


def test_pairs_that_are_all_equal_decide_nothing(tmp_path):
    store = Store(tmp_path)
    runs(store, "lstm", [1.0] * 10)
    runs(store, "gru", [1.0] * 10)
    told = answer(store)
    assert dict(told.answers) == {"gru": "undecided: all pairs equal on adding."}
    assert told.flags == ("gru: all 10 pairs are equal, so that nothing can be told from them.",)


def test_what_differs_in_few_runs_alone_is_not_told_of_typical_ones(tmp_path):
    store = Store(tmp_path)
    runs(store, "lstm", [1.0] * 12 + [0.8 + 0.001 * seed for seed in range(8)])
    runs(store, "gru", [1.0] * 20)
    assert dict(answer(store).answers) == {
        "gru": "better than lstm in the runs that differ (12 of 20 are equal) on adding."
    }


def test_a_later_step_of_holm_decides_what_a_first_could_not(tmp_path):
    # cifg has ten pairs and p = 0.002; gru has six and p = 0.031, which the second step does not double
    store = Store(tmp_path)
    runs(store, "lstm", SPREAD[:10])
    runs(store, "cifg", [score + 0.1 for score in SPREAD[:10]])
    runs(store, "gru", [score + 0.1 for score in SPREAD[:6]])
    assert dict(answer(store).answers) == dict.fromkeys(("cifg", "gru"), "better than lstm in typical runs on adding.")
    less = Store(tmp_path / "less")
    runs(less, "lstm", SPREAD[:10])
    runs(less, "cifg", [score + 0.1 * (-1) ** seed for seed, score in enumerate(SPREAD[:10])])
    runs(less, "gru", [score + 0.1 for score in SPREAD[:6]])
    told = answer(less)
    assert dict(told.answers)["gru"] == "undecided: too few seeds on adding."
    assert (
        "cannot reach p < 0.05 among 2 comparisons, the others as they are: the smallest p possible is 0.062"
        in (told.flags[0])
    )


def test_rare_failures_stand_beside_the_verdict(tmp_path):
    # nineteen of twenty gru runs are better, one fails: typical runs are better, and the mean is not
    store = Store(tmp_path)
    runs(store, "lstm", [0.9 + 0.001 * seed for seed in range(20)], chance=0.0, perfect=1.0)
    runs(store, "gru", [0.95 + 0.001 * seed for seed in range(19)] + [-0.05], chance=0.0, perfect=1.0)
    told = answer(store)
    assert dict(told.answers) == {
        "gru": "better than lstm in typical runs on adding (failed runs: 1 of 20, of lstm 0 of 20)."
    }
    assert told.rows[0][1][0].remark == "1 of 20 failed, 0 of 20 of lstm"
    assert told.tested[2].startswith(
        "Failed (diverged, or nearer to chance than to perfect): gru 1 of 20 runs. 20 runs"
    )
    comparison = analyse(read_evidence(store, Question("lstm"), store.results())).comparisons["adding", "gru"]
    assert (comparison.p < 0.001, comparison.p_means > 0.05) == (True, True)
    assert comparison.typical.low > 0 > comparison.gain.low


def test_a_few_large_differences_among_many_small_ones_are_not_typical(tmp_path):
    store = Store(tmp_path)
    runs(store, "lstm", [0.8 + 0.0001 * seed for seed in range(20)])
    runs(store, "gru", [0.8 + 0.0001 * seed + (0.05 if seed % 2 else -0.01) for seed in range(20)])
    assert dict(answer(store).answers) == {"gru": "undecided: different, but not in typical runs on adding."}


def test_a_cell_has_the_gain_and_its_strength(tmp_path):
    gains = [0.1 + 0.002 * seed for seed in range(8)]
    told = answer(paired(tmp_path, {"gru": gains, "cifg": [0.1, -0.1] * 3 + [0.0] * 2}))
    (_, (cifg,)), (_, (gru,)) = told.rows
    # the exact interval of a median of eight pairs reaches from the least to the largest
    assert (gru.gain, gru.interval) == ("+0.107", "[+0.10, +0.11]")
    # 2 / 2**8, twice
    assert gru.strength.replace("\N{NO-BREAK SPACE}", " ") == "8 of 8 seeds better, p = 0.016"
    assert (cifg.kind, cifg.gain) == ("no difference found", "0")
    assert cifg.strength.startswith("3 of 8 seeds better, 2 equal, p")


def test_unequal_numbers_of_seeds_are_told_once(tmp_path):
    store = Store(tmp_path)
    for label in ("lstm", "gru", "cifg"):
        for seed in range(4):
            for rate in (0.1, 0.2):
                if seed < 3 or rate < 0.2:
                    add(store, label=label, seed=seed, settings={"optimizer.lr": rate})
    found = [note for note in answer(store).notes if note.startswith("Settings of")]
    assert found == ["Settings of lstm, cifg and gru on adding have 3 to 4 seeds."]


def test_who_diverges_in_four_runs_of_ten_is_not_better_in_typical_ones(tmp_path):
    # the six that finish win; a diverged one is put at the median of all, above most of the baseline's, by the test
    store = Store(tmp_path)
    runs(store, "lstm", SPREAD[:10], chance=0.0)
    runs(store, "gru", [score + 0.1 for score in SPREAD[:6]] + [None] * 4, chance=0.0)
    comparison = analyse(read_evidence(store, Question("lstm"), store.results())).comparisons["adding", "gru"]
    assert (comparison.significant, comparison.typical.estimate > 0) == (True, True)
    assert dict(answer(store).answers) == {
        "gru": "undecided: different, but not in typical runs on adding (failed runs: 4 of 10, of lstm 0 of 10)."
    }


def test_half_of_the_pairs_equal_are_not_typical_runs(tmp_path):
    store = Store(tmp_path)
    runs(store, "lstm", [1.0] * 6 + [0.8 + 0.01 * seed for seed in range(6)])
    runs(store, "gru", [1.0] * 12)
    assert dict(answer(store).answers) == {
        "gru": "better than lstm in the runs that differ (6 of 12 are equal) on adding."
    }


def test_who_fails_in_half_of_its_runs_is_told_where_nothing_is_decided(tmp_path):
    for failing in (5, 6):
        other = Store(tmp_path / str(failing))
        runs(other, "lstm", [0.9 + 0.001 * seed for seed in range(10)])
        runs(other, "gru", [0.1] * failing + [0.95] * (10 - failing))
        kind = {5: "no difference found", 6: "undecided: different, but not in typical runs"}[failing]
        words = f"{kind} on adding (failed runs: {failing} of 10, of lstm 0 of 10)."
        assert dict(answer(other).answers) == {"gru": words}


def test_runs_that_are_not_compared_may_have_failed_and_without_chance_nobody_knows(tmp_path):
    store = Store(tmp_path / "searched")
    for label in ("lstm", "gru"):
        for rate in (0.1, 1.0):
            diverging = [None] * 10 if rate == 1.0 else SPREAD[:10]
            runs(store, label, diverging, settings={"optimizer.lr": rate})
    assert answer(store).tested[2].startswith("None of the runs that are compared failed. 10 runs")
    unknown = Store(tmp_path / "unknown")
    for label in ("lstm", "gru"):
        runs(unknown, label, SPREAD[:10], chance=float("nan"))
    assert "on adding only runs that diverged count as failed, for chance is not known" in answer(unknown).tested[2]


def test_common_seeds_without_two_scores_are_not_called_absent(tmp_path):
    store = Store(tmp_path)
    runs(store, "lstm", [None] * 8)
    runs(store, "gru", SPREAD[:8])
    runs(store, "cifg", [None] * 8)
    told = answer(store, diverged="separate")
    assert [answers[0].remark for _, answers in told.rows] == ["no common seed with two scores"] * 2


def test_a_difference_of_rounding_is_none(tmp_path):
    store = Store(tmp_path)
    runs(store, "lstm", [0.9] * 10)
    runs(store, "gru", [0.9 + 2e-16] * 10)
    assert dict(answer(store).answers) == {"gru": "undecided: all pairs equal on adding."}


def test_pairs_that_are_not_there_are_a_dash(tmp_path):
    store = Store(tmp_path)
    add(store, seed=0)
    add(store, label="gru", seed=1)
    table = table_of_tests(analyse(read_evidence(store, Question("lstm"), store.results())))
    assert table.cells()[1] == [["adding", "gru", *["–"] * 8]]


def test_a_key_that_is_named_twice_counts_once():
    question = asked("lstm", ["task", "task"], ["optimizer.lr", "optimizer.lr"], 0.01, "worst", "page")
    assert (question.by, question.apart) == (("task",), ("optimizer.lr",))


def test_runs_that_are_left_out_are_told_in_the_verdict(tmp_path):
    store = Store(tmp_path)
    runs(store, "lstm", SPREAD[:12])
    runs(store, "gru", [score + 0.1 for score in SPREAD[:8]] + [None] * 4)
    assert dict(answer(store, diverged="separate").answers) == {
        "gru": "better than lstm in typical runs where both finish on adding (failed runs: 4 of 12, of lstm 0 of 12)."
    }


def test_who_could_not_be_trained_is_named(tmp_path):
    store = Store(tmp_path)
    runs(store, "lstm", SPREAD[:3])
    for seed in range(3):
        fail(store, label="gru", seed=seed)
    assert answer(store).notes[0] == "3 runs: 3 finished, 0 diverged, 3 could not be trained (3 of gru)."
