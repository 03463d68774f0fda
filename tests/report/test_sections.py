"""The sections of the page: each from a small made-up store, with values worked out by hand."""

import math
import warnings

import numpy as np
import pytest

from gatelab.evidence.analysis import analyse
from gatelab.evidence.collected import read_evidence
from gatelab.evidence.question import Question
from gatelab.report.drawing.styles import looks
from gatelab.report.runs_table import runs_table
from gatelab.report.sections.across import across
from gatelab.report.sections.budget_curves import budget, budget_curves
from gatelab.report.sections.everything_else import leftovers, without_score
from gatelab.report.sections.fairness import fairness_table
from gatelab.report.sections.forest import forest
from gatelab.report.sections.headline import headline_table
from gatelab.report.sections.ladder import ladder, rung, rungs
from gatelab.report.sections.learning_curves import curves, median_curve, speed_table, thinned
from gatelab.report.sections.mechanism import mechanism, mechanism_table, time_scale
from gatelab.report.sections.methods import methods
from gatelab.report.sections.parts import Absent, Code, Figures, Section
from gatelab.report.sections.power_note import power, power_table
from gatelab.report.sections.references import bibtex
from gatelab.report.sections.wording import file_names, listed, rounded, signed
from gatelab.store import Store
from tests.report.made import LSTM, add, fail, paired


def analysed(store, baseline="lstm", **question):
    return analyse(read_evidence(store, Question(baseline=baseline, **question), store.results()))


def drawn(section):
    """Return the figures of a section by name."""
    return {figure.name: figure for block in section.blocks if isinstance(block, Figures) for figure in block.figures}


def seen(analysis):
    return dict(looks(analysis.evidence.labels))


def test_the_headline_by_hand(tmp_path):
    store = Store(tmp_path)
    for seed, (ours, theirs) in enumerate([(0.50, 0.60), (0.52, 0.66), (0.54, 0.60)]):
        add(store, seed=seed, test=ours, seconds=2.0, steps=100)
        add(store, label="gru", seed=seed, test=theirs, seconds=3.0, steps=100, parameters=99)
    add(store, label="gru", seed=3, failed=True, seconds=1.0)  # of 40 steps
    lstm, gru = headline_table(analysed(store, diverged="separate")).rows
    assert (lstm["variant"], lstm["runs"], lstm["gain"]) == ("lstm", 3, None)
    assert lstm["mean"] == pytest.approx(0.52, abs=1e-12)
    assert (gru["runs"], gru["diverged"], gru["pairs"], gru["parameters"]) == (4, 1, 3, 99)
    assert gru["median"] == pytest.approx(0.60, abs=1e-12)
    assert gru["gain"] == pytest.approx((0.10 + 0.14 + 0.06) / 3, abs=1e-12)
    # three pairs of one sign: 2 / 2**3
    assert (gru["p"], gru["p_holm"], gru["decided"]) == (0.25, 0.25, False)
    assert gru["better"] == 1.0
    assert gru["step_milliseconds"] == pytest.approx((30 + 30 + 30 + 25) / 4, abs=1e-9)
    assert gru["seconds"] == 10.0
    assert "4 (1 diverged)" in headline_table(analysed(store)).text()


def test_a_diverged_run_scores_like_the_worst_of_its_task(tmp_path):
    store = Store(tmp_path)
    add(store, seed=0, test=0.3, chance=0.4)
    add(store, label="gru", seed=0, test=0.8, chance=0.4)
    add(store, label="gru", seed=1, failed=True, chance=0.4)
    rows = headline_table(analysed(store)).rows
    assert rows[1]["mean"] == pytest.approx((0.8 + 0.3) / 2, abs=1e-12)


def test_the_forest_has_a_panel_for_each_task(tmp_path):
    store = paired(tmp_path, {"gru": [0.1 + 0.01 * seed for seed in range(6)], "cifg": [0.0] * 6})
    add(store, task="copying", label="gru")
    analysis = analysed(store)
    section = forest(analysis, seen(analysis))
    assert isinstance(section, Section)
    assert list(drawn(section)) == ["gains-adding"]
    svg = drawn(section)["gains-adding"].svg
    assert {f'class="{name}"' in svg for name in ("v1", "v2")} == {True}
    assert 'class="v0"' not in svg


def test_nothing_to_compare_has_no_forest(tmp_path):
    store = paired(tmp_path, {"gru": [0.1]})
    assert isinstance(forest(analysed(store, baseline=None), {}), Absent)
    assert isinstance(power(analysed(store, baseline=None), {}), Absent)


def test_curves_over_steps_and_over_seconds_know_their_runs(tmp_path):
    store = paired(tmp_path, {"gru": [0.1, 0.2, 0.3]})
    add(store, label="gru", seed=3, failed=True, curve={10: 0.2, 30: 0.3})
    analysis = analysed(store)
    section = curves(analysis, seen(analysis))
    assert isinstance(section, Section)
    figures = drawn(section)
    assert [(figure.name, figure.view) for figure in figures.values()] == [
        ("curves-adding-steps", "steps"),
        ("curves-adding-seconds", "seconds"),
    ]
    for figure in figures.values():
        assert {f'data-run="{run.number}"' in figure.svg for run in analysis.evidence.runs} == {True}


def test_how_fast_it_is_learnt(tmp_path):
    store = Store(tmp_path)
    add(store, seed=0, test=0.6, curve={10: 0.1, 20: 0.6, 30: 0.6}, steps=30)
    add(store, label="gru", seed=0, curve={10: 0.5, 20: 0.7, 30: 0.9}, steps=30)
    add(store, label="gru", seed=1, curve={10: 0.1, 20: 0.2, 30: 0.3}, steps=30)
    lstm, gru = speed_table(analysed(store)).rows
    # trapezoids over 20 steps: (10 * 0.35 + 10 * 0.6) / 20
    assert lstm["height"] == pytest.approx(0.475, abs=1e-12)
    assert (lstm["threshold"], lstm["median"], lstm["never"]) == (0.6, 20.0, 0)
    assert (gru["never"], gru["runs"]) == (1, 2)


def test_heights_are_compared_over_the_same_steps(tmp_path):
    store = Store(tmp_path)
    add(store, seed=0, curve={10: 0.0, 20: 1.0}, steps=20)
    add(store, label="gru", seed=0, curve={10: 0.0, 20: 0.0, 30: 0.0, 40: 0.5, 50: 0.5}, steps=50)
    lstm, gru = speed_table(analysed(store)).rows
    # solved at step 20 and ended there: (10 * 0.5 + 30 * 1.0) / 40, and not 0.5
    assert lstm["height"] == pytest.approx(0.875, abs=1e-12)
    assert gru["height"] == pytest.approx((10 * 0.25 + 10 * 0.5) / 40, abs=1e-12)


def test_a_run_that_has_ended_stays_in_the_median(tmp_path):
    store = Store(tmp_path)
    add(store, seed=0, curve={10: 0.2, 20: 1.0}, steps=20)
    add(store, seed=1, curve={10: 0.2, 20: 0.4, 30: 1.0}, steps=30)
    add(store, seed=2, curve={10: 0.2, 20: 0.2, 30: 0.2, 40: 0.2}, steps=40)
    steps, (low, middle, high) = median_curve(analysed(store).evidence.runs)
    assert steps.tolist() == [10, 20, 30, 40]
    assert middle.tolist() == [0.2, 0.4, 1.0, 1.0]
    assert low == pytest.approx([0.2, 0.3, 0.6, 0.6], abs=1e-12)
    assert high == pytest.approx([0.2, 0.7, 1.0, 1.0], abs=1e-12)


def test_a_diverged_run_leaves_the_median(tmp_path):
    store = Store(tmp_path)
    add(store, seed=0, failed=True, curve={10: 0.9, 30: 0.9})
    add(store, seed=1, failed=True, curve={10: 0.9, 30: 0.9})
    add(store, seed=2, curve={10: 0.1, 30: 0.2, 60: 0.3})
    steps, (_, middle, _) = median_curve(analysed(store).evidence.runs)
    assert (steps.tolist(), middle.tolist()) == ([10, 30], [0.9, 0.9])


def test_no_median_where_most_runs_have_diverged_at_once(tmp_path):
    store = Store(tmp_path)
    for seed in range(2):
        add(store, seed=seed, failed=True, curve={10: math.nan})
    steps, quartiles = median_curve(analysed(store).evidence.runs)
    assert (steps.size, quartiles.shape) == (0, (3, 0))


def test_thin_curves_keep_their_ends():
    assert thinned(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert thinned(101, 3).tolist() == [0, 50, 100]
    assert thinned(1, 3).tolist() == [0]


def test_gates_are_averaged_over_runs_with_their_roles(tmp_path):
    store = paired(tmp_path, {"gru": [0.1, 0.2]})
    analysis = analysed(store)
    first = mechanism_table(analysis).rows[0]
    assert {key: first[key] for key in ("variant", "gate", "role", "mean", "shut", "open", "runs")} == {
        "variant": "lstm",
        "gate": "f",
        "role": "retain",
        "mean": 0.75,
        "shut": 0.125,
        "open": 0.5,
        "runs": 2,
    }
    # the rates of the made-up histories: 0.5, 0.1 and 0.02 nats a step
    assert [first[key] for key in ("time_scale_fast", "time_scale", "time_scale_slow")] == pytest.approx(
        [2.0, 10.0, 50.0], abs=1e-12
    )
    assert r"| 10 \[2, 50] |" in mechanism_table(analysis).markdown()
    assert list(drawn(mechanism(analysis, seen(analysis)))) == ["gates-adding", "time-scales-adding"]


def test_the_time_scale_of_a_gate():
    assert time_scale(-math.log(0.9)) == pytest.approx(9.49, abs=0.005)
    assert (time_scale(0.0), time_scale(-1.0)) == (math.inf, math.inf)
    assert math.isnan(time_scale(math.nan))


def test_unfairness_is_listed(tmp_path):
    store = Store(tmp_path)
    for seed in range(3):
        add(store, seed=seed, parameters=100, settings={"training.max_steps": 100, "optimizer.lr": 0.1})
    for rate in (0.1, 0.2):
        add(store, label="gru", parameters=103, settings={"training.max_steps": 90, "optimizer.lr": rate})
    rows = {row["check"]: (row["held"], row["detail"]) for row in fairness_table(analysed(store)).rows}
    assert rows["parameters, within 2 %"] == (False, "100 (lstm) to 103 (gru)")
    assert rows["seeds"] == (False, "0 to 2: lstm; 0: gru")
    assert rows["settings tried"] == (False, "1 setting: lstm; 2 settings: gru")
    assert rows["path of computation"] == (True, "loop")


def test_what_agrees_on_all_tasks_is_one_row(tmp_path):
    store = Store(tmp_path)
    for task in ("a", "b"):
        add(store, task=task, parameters=100)
        add(store, task=task, label="gru", parameters=100 if task == "a" else 200)
    rows = [(row["check"], row["held"], row["tasks"]) for row in fairness_table(analysed(store)).rows]
    assert ("seeds", True, "all tasks") in rows
    assert ("parameters, within 2 %", True, "a") in rows
    assert ("parameters, within 2 %", False, "b") in rows


def test_the_power_note(tmp_path):
    gains = [0.1, -0.1, 0.3, 0.1]
    (row,) = power_table(analysed(paired(tmp_path, {"gru": gains}))).rows
    assert row["spread"] == pytest.approx(float(np.std(gains, ddof=1)), abs=1e-12)
    assert (row["pairs"], row["smallest_p"], row["verdict"]) == (4, 0.125, "undecided: too few seeds")
    assert row["gain"] == pytest.approx(0.1, abs=1e-12)
    assert row["needed"] > 4


def test_everything_without_a_score_is_listed(tmp_path):
    store = Store(tmp_path)
    add(store)
    diverged = add(store, label="gru", failed=True)
    failed = fail(store, label="cifg", seed=3, reason="no memory")
    store.record("e" * 16, {"seed": 0})
    analysis = analysed(store)
    assert [(row["identity"], row["status"], row["why"]) for row in without_score(analysis).rows] == [
        (diverged, "diverged", "a number stopped being finite at step 40"),
        (failed, "failed", "no memory"),
    ]
    section = leftovers(analysis, [Absent("Nothing", "of nothing")], runs_table(analysis.evidence.selection))
    assert any(isinstance(block, Code) and block.text == "e" * 16 for block in section.blocks)
    assert "Nothing: of nothing." in section.blocks[-1].lines


def edited(gate, text):
    return {**LSTM, "equations": {**LSTM["equations"], gate: text}}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("sigmoid(linear(x, h))", "sees x and the state"),
        ("sigmoid(linear(x) + diag(c))", "sees x and the state"),
        ("sigmoid(linear(h))", "does not see x"),
        ("sigmoid(linear(x))", "does not see the state"),
        ("1 - f", "has no weights of its own"),
        ("sigmoid(bias())", "constant for each unit"),
        ("1", "none"),
    ],
)
def test_the_rungs_of_a_ladder(text, expected):
    assert rung(edited("o", text), "o") == expected


def test_an_ablation_is_compared_with_what_it_is_an_ablation_of(tmp_path):
    store = Store(tmp_path)
    constant, blind = "lstm o=sigmoid(bias())", "lstm o=sigmoid(linear(x))"
    for seed in range(8):
        add(store, seed=seed, test=0.5 + 0.01 * seed)
        add(store, label="gru", seed=seed, test=0.6)
        for label, text, gain in ((constant, "sigmoid(bias())", -0.2), (blind, "sigmoid(linear(x))", -0.1)):
            variant = edited("o", text)
            add(store, label=label, seed=seed, test=0.5 + 0.01 * seed + gain - 0.001 * seed, variant=variant)
    analysis = analysed(store, baseline="gru")
    assert [(each.base, each.gate, each.label, each.step) for each in rungs(analysis)] == [
        ("lstm", "o", blind, "does not see the state"),
        ("lstm", "o", constant, "constant for each unit"),
    ]
    section = ladder(analysis, {})
    assert isinstance(section, Section)
    rows = section.blocks[0].table.rows
    assert rows[0]["gain"] == pytest.approx(-0.1 - 0.0035, abs=1e-12)
    # two comparisons of 8 pairs of one sign each
    assert [row["p_holm"] for row in rows] == [2 * 2 / 2**8] * 2


def test_what_was_not_held_equal_stands_above_a_ladder(tmp_path):
    store = Store(tmp_path)
    blind = "lstm o=sigmoid(linear(x))"
    for seed in range(8):
        add(store, seed=seed, test=0.5 + 0.01 * seed, settings={"training.max_steps": 1000})
        more = {"variant": edited("o", "sigmoid(linear(x))"), "settings": {"training.max_steps": 9000}}
        add(store, label=blind, seed=seed, test=0.8 + 0.01 * seed, **more)
        add(store, label="gru", seed=seed, test=0.6, settings={"training.max_steps": 1000})
    flag, table = ladder(analysed(store, baseline="gru"), {}).blocks
    assert flag.kind == "flag" and "training.max_steps 9000" in flag.lines[0]
    assert [(row["verdict"], row["decided"]) for row in table.table.rows] == [("undecided: unequal settings", False)]


def test_no_ladder_without_ablations(tmp_path):
    assert isinstance(ladder(analysed(paired(tmp_path, {"gru": [0.1]})), {}), Absent)


def test_across_needs_two_tasks_and_ranks_need_five(tmp_path):
    store = Store(tmp_path)
    for number, task in enumerate("abcde"):
        add(store, task=task, test=0.5)
        add(store, task=task, label="gru", test=0.6 + 0.01 * number)
        analysis = analysed(store)
        section = across(analysis, seen(analysis))
        if number == 0:
            assert isinstance(section, Absent)
        else:
            assert ("ranks" in drawn(section)) == (number == 4)


def test_best_of_n_needs_trials(tmp_path):
    store = Store(tmp_path)
    analysis = analysed(paired(tmp_path / "none", {"gru": [0.1]}))
    assert isinstance(budget(analysis, seen(analysis)), Absent)
    for number in range(4):
        add(store, test=0.1 * number, settings={"optimizer.lr": float(number)})
        add(store, label="gru", test=0.2 * number, settings={"optimizer.lr": float(number)})
    analysis = analysed(store)
    (lstm, gru) = budget_curves(analysis, "adding").values()
    assert lstm.biased[0] == pytest.approx(0.15, abs=1e-12)
    # the best of two drawn from 0, 1, 2, 3 without replacement: (1 + 2 + 3 + 2 + 3 + 3) / 6
    assert gru.unbiased[1] == pytest.approx(0.2 * 14 / 6, abs=1e-12)
    assert list(drawn(budget(analysis, seen(analysis)))) == ["budget-adding"]


def test_methods_cite_what_is_on_the_page_and_nothing_else(tmp_path):
    store = paired(tmp_path, {"gru": [0.1] * 6})
    analysis = analysed(store)
    shown = curves(analysis, seen(analysis))
    assert isinstance(shown, Section)
    section = methods(analysis, [shown])
    text, references = (block.text for block in section.blocks if isinstance(block, Code))
    assert "6 seeds each (12 runs)" in text
    assert "Holm's correction" in text
    assert "0.031 before correction" in text
    for key in ("holm1979", "kaplan1958", "huber1964", "wilson1927"):
        assert key in text
        assert f"{{{key}," in references
    for key in ("welch1947", "akiba2019", "demsar2006"):
        assert key not in text + references
    assert bibtex(["holm1979", "holm1979"]).count("@article{holm1979,") == 1


def test_fifty_six_variants_look_different():
    shown = looks([f"v{number}" for number in range(56)])
    assert len({(look.colour, look.marker) for look in shown.values()}) == 56
    assert shown["v0"].colour == "#000000"
    assert [look.hook for look in list(shown.values())[:2]] == ["v0", "v1"]


def test_words():
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert file_names(["adding length=10", "adding/length=10", "../x"]) == {
        "adding length=10": "adding-length-10",
        "adding/length=10": "adding-length-10-2",
        "../x": "x",
    }
    assert rounded("optimizer.lr=0.1 optimizer.momentum=null") == "optimizer.lr=0.1"
    assert (signed(0.12), signed(-0.03), signed(math.nan)) == ("+0.120", "−0.0300", "–")
    assert (
        rounded("model.hidden_size=32 optimizer.lr=0.09714312672192474") == "model.hidden_size=32 optimizer.lr=0.0971"
    )


def test_letters_that_the_font_lacks_do_no_harm(tmp_path):
    store = Store(tmp_path)
    add(store, label="門 $x^2$ \\alpha", task="任务")
    analysis = analysed(store, baseline=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        section = curves(analysis, seen(analysis))
    assert "門 $x^2$ \\alpha" in next(iter(drawn(section).values())).svg
