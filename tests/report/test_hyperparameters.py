"""Searches: what mattered, where the best lies, the best tenth, and commands that train it again."""

import math
import shlex

import numpy as np
import pytest

from gatelab.configuration import composed
from gatelab.evidence.analysis import analyse
from gatelab.evidence.collected import read_evidence
from gatelab.evidence.importance import FEWEST_FOR_TENTH, FEWEST_TRIALS, importances
from gatelab.evidence.question import Question
from gatelab.evidence.train_command import overrides, train_command
from gatelab.report.drawing.styles import looks
from gatelab.report.sections.best_tenth import best_tenth, best_tenth_table
from gatelab.report.sections.hyperparameters import edges, hyperparameters
from gatelab.report.sections.parts import Absent, Code, Figures, Section, Tabular
from gatelab.store import Store
from tests.report.made import add, paired
from tests.store.examples import example


def analysed(store, baseline="lstm"):
    return analyse(read_evidence(store, Question(baseline=baseline), store.results()))


UP = {"higher_is_better": True}


def grid(trials=60):
    """Return trials whose score depends on one key alone."""
    values = [{"optimizer.lr": 10 ** (-number % 8 / 2 - 1), "task.noise": number % 5} for number in range(trials)]
    return values, [-abs(trial["optimizer.lr"] - 1e-3) for trial in values]


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_what_decides_the_score_matters_most(higher_is_better):
    values, scores = grid()
    scores = scores if higher_is_better else [-score for score in scores]
    found = importances(values, scores, higher_is_better=higher_is_better)
    assert found[0].key == "optimizer.lr"
    assert found[0].ped_anova > 0.8
    assert found[0].fanova > 0.9
    assert sum(each.fanova for each in found) == pytest.approx(1.0, abs=1e-6)
    assert found == importances(values, scores, higher_is_better=higher_is_better)


def test_a_share_stands_beside_what_nothing_would_get():
    values, scores = grid()
    of_nothing = {(each.ped_anova_of_nothing, each.fanova_of_nothing) for each in importances(values, scores, **UP)}
    ((ped, fanova),) = of_nothing
    assert 0 < ped < 1
    # one key decides everything, and the others cannot get much of the whole range
    assert 0 <= fanova < 0.1


def test_the_best_tenth_needs_five_trials():
    values, scores = grid(FEWEST_FOR_TENTH - 1)
    found = importances(values, scores, **UP)
    assert {math.isnan(each.ped_anova) and math.isnan(each.ped_anova_of_nothing) for each in found} == {True}
    assert found[0].key == "optimizer.lr"


def test_four_settings_that_do_nothing_are_told_as_nothing():
    rng = np.random.default_rng(0)
    values = [{key: float(rng.random()) for key in "abcd"} for _ in range(50)]
    found = importances(values, rng.random(50).tolist(), **UP)
    # the largest of four is hardly ever far above the largest of eight copies
    assert max(each.fanova for each in found) < 3 * found[0].fanova_of_nothing


def test_importance_is_not_told_of_few_or_equal_trials():
    values, scores = grid()
    few = FEWEST_TRIALS - 1
    assert importances(values[:few], scores[:few], higher_is_better=True) == []
    assert importances(values, [0.5] * len(values), higher_is_better=True) == []
    assert importances([{"a": 1}] * 30, [float(number) for number in range(30)], higher_is_better=True) == []
    assert importances([], [], higher_is_better=True) == []


def searched(folder, best):
    """Write a search over learning rates where validation is best at ``best``, and test shows the opposite."""
    store = Store(folder)
    rates = [10 ** (-4 + number / 10) for number in range(31)]
    for label in ("lstm", "gru"):
        for number, rate in enumerate(rates):
            validation = 1 - abs(number - best) / 40
            add(store, label=label, validation=validation, test=1 - validation, settings={"optimizer.lr": rate})
    return store


def test_the_best_tenth_is_chosen_by_validation(tmp_path):
    analysis = analysed(searched(tmp_path, best=15))
    # 31 settings: the best 3 by validation are numbers 15, 14 and 16
    scores = [run.scored[1] for run in best_tenth(analysis, "adding", "lstm")]
    assert scores == pytest.approx([0.0, 1 / 40, 1 / 40], abs=1e-12)
    lstm, gru = best_tenth_table(analysis, ["adding"]).rows
    assert (lstm["settings"], lstm["runs"], lstm["p"]) == (31, 3, None)
    assert lstm["median"] == pytest.approx(1 / 40, abs=1e-12)
    assert (gru["p"], gru["different"]) == (1.0, False)


@pytest.mark.parametrize("best, side", [(0, "low"), (30, "high")])
def test_a_best_value_on_the_edge_is_flagged(tmp_path, best, side):
    flags = edges(analysed(searched(tmp_path, best)))
    assert len(flags) == 2
    assert f"lies at the {side} edge of what was tried (0.0001 to 0.1)" in flags[0]
    assert flags[0].startswith("lstm on adding: the best optimizer.lr = ")


def test_a_best_value_inside_is_not_flagged(tmp_path):
    assert edges(analysed(searched(tmp_path, best=15))) == []


def test_the_section_of_a_search(tmp_path):
    analysis = analysed(searched(tmp_path, best=15))
    section = hyperparameters(analysis, dict(looks(analysis.evidence.labels)))
    assert isinstance(section, Section)
    figures = [figure.name for block in section.blocks if isinstance(block, Figures) for figure in block.figures]
    tables = [block.name for block in section.blocks if isinstance(block, Tabular)]
    assert figures == ["marginal-adding-0", "best-tenth-adding"]
    assert tables == ["importance", "best-tenth", "best-settings"]


def test_without_a_search_there_is_no_section(tmp_path):
    analysis = analysed(paired(tmp_path, {"gru": [0.1]}))
    assert isinstance(hyperparameters(analysis, {}), Absent)


@pytest.mark.parametrize(
    "words",
    [
        ["variant=lstm", "task=adding"],
        ["variant=gru", "task=copying", "task.length=10", "model.hidden_size=16", "optimizer.lr=3e-3"],
        ["variant=peephole", "variant.equations.i='1 - f'", "task=digits", "training.clip_norm=null"],
        ["variant=lstm", "opening=chrono", "opening.max_time=50", "schedule=cosine", "schedule.final=0.1"],
        ["variant=lstm", "optimizer=sgd", "optimizer.momentum=0.5", "optimizer.nesterov=false"],
        ["variant=janet", "optimizer.betas=[0.8,0.99]", "task=digits", "model.dropout=0.1", "model.num_layers=2"],
        ["variant=mgu", "model.match=parameters", "model.match_to=lstm", "model.hidden_size=16"],
    ],
)
def test_the_command_of_a_run_trains_that_run(words):
    asked = composed([*words, "seed=3"])
    again = composed([*overrides(asked.mapping()), "seed=3"])
    assert again.identity == asked.identity


def test_a_command_names_its_seeds():
    configuration = composed(["variant=lstm", "task=digits", "seed=3"]).mapping()
    assert shlex.split(train_command(configuration)) == ["python", "scripts/train.py", "variant=lstm", "seed=3"]
    many = shlex.split(train_command(configuration, [4, 3, 5]))
    assert (many[2], many[-1]) == ("-m", "seed=range(3,6)")
    assert train_command(configuration, [1, 7]).endswith("seed=1,7")


@pytest.mark.parametrize(
    "edit",
    [
        ("output", "c"),
        ("roles", {"retain": "i", "write": "i", "expose": "o"}),
        ("roles", {"retain": "f"}),
    ],
)
def test_the_command_of_a_version_that_is_no_longer_that_of_the_file(edit):
    key, value = edit
    asked = composed(["variant=lstm", "task=adding", "seed=3"]).mapping()
    version = {**asked, "variant": {**asked["variant"], key: value}}
    again = composed([*overrides(version), "seed=3"]).mapping()
    assert again["variant"][key] == value


def test_a_final_comparison_has_fresh_seeds_for_all_and_its_own_store(tmp_path):
    store = Store(tmp_path / "my runs")
    base = composed(["variant=lstm", "task=adding", "seed=0"]).mapping()
    for label in ("lstm", "gru"):
        for rate in (0.1, 0.2) if label == "gru" else (0.1,):
            for seed in range(3):
                identity = f"{len(list(store.runs_dir.iterdir())) if store.runs_dir.exists() else 0:016x}"
                settings = {"task.name": "adding", "optimizer.lr": rate}
                result = example(label=label, seed=seed, identity=identity, settings=settings, test_score=0.5)
                store.record(identity, {**base, "seed": seed}).finish(result)
    analysis = analysed(store)
    (code,) = [
        block for block in hyperparameters(analysis, dict(looks(["lstm", "gru"]))).blocks if isinstance(block, Code)
    ]
    assert code.title == f"Train the best 2 settings of {store.runs_dir} with 10 fresh seeds"
    commands = [shlex.split(line) for line in code.text.splitlines() if not line.startswith("#")]
    assert len(commands) == 2
    for words in commands:
        assert "seed=range(3,13)" in words
        assert f'runs_dir="{store.runs_dir}"' in words


def test_the_command_of_a_variant_without_equations():
    mapping = composed(["variant=mlstm", "task=adding", "logger=none"]).mapping()
    assert overrides(mapping)[0] == "variant=mlstm"
    assert not [word for word in overrides(mapping) if "equations" in word]
    assert composed([*overrides(mapping), "logger=none"]).mapping()["variant"] == mapping["variant"]
