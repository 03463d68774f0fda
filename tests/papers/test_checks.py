"""What each check says of runs that are made up, against verdicts reasoned out by hand."""

import math

import pytest

from gatelab.errors import UserError
from gatelab.papers import CHECKS, read_trials
from gatelab.papers.checks.tested import SignificantlyWorse
from gatelab.papers.claims import PaperClaims
from gatelab.papers.measures import measured
from gatelab.papers.trials import RunGroup
from gatelab.validation import check
from tests.papers.made_up import store_of, trials_of


def verdict(trials, name, **arguments):
    return check(CHECKS[name], arguments, name).verdict(trials)


@pytest.mark.parametrize(
    ("scores", "fraction", "word"),
    [
        ([1.0, 1.0, 0.95, 0.9], 1.0, "reproduced"),
        ([1.0, 1.0, 1.0, 0.5], 0.75, "reproduced"),
        ([1.0, 1.0, 1.0, None], 0.75, "reproduced"),
        ([1.0, 1.0, 1.0, None], 1.0, "partly"),
        ([1.0, 0.5, 0.5, 0.5], 0.5, "partly"),
        ([0.5, 0.5], 0.5, "not reproduced"),
        ([None, None], 0.5, "not reproduced"),
        ([], 0.5, "not comparable"),
    ],
)
def test_fraction_solved_at_least(tmp_path, scores, fraction, word):
    trials = trials_of(tmp_path, {"lstm": scores, "gru": [1.0]})
    found = verdict(trials, "fraction_solved_at_least", variant="lstm", fraction=fraction)
    assert found.word == word
    if scores:
        assert f"of {len(scores)} runs" in found.why
    else:
        assert found.why == "no run of lstm"


def test_a_claim_counts_runs_that_reach_a_score_of_its_own(tmp_path):
    trials = trials_of(tmp_path, {"lstm": [1.0, 0.5, 0.5, 0.1, None]})
    asked = {"variant": "lstm", "fraction": 0.6}
    found = verdict(trials, "fraction_solved_at_least", score=0.5, **asked)
    assert (found.word, found.why) == ("reproduced", "3 of 5 runs reached 0.5, 60 % [23, 88]")
    assert verdict(trials, "fraction_solved_at_least", **asked).word == "partly"


@pytest.mark.parametrize(
    ("scores", "fraction", "word"),
    [
        ([0.1] * 8, 0.0, "reproduced"),
        # none of seven: with a share of 0.2 that comes about in 0.8^7 = 21 % of cases
        ([0.1] * 7, 0.0, "not comparable"),
        ([0.1, 1.0] * 20, 0.5, "reproduced"),
        ([0.1, 1.0], 0.5, "not comparable"),
        ([0.1, 1.0], 0.0, "partly"),
        ([1.0, 1.0], 0.5, "not reproduced"),
        ([], 0.5, "not comparable"),
    ],
)
def test_fraction_solved_at_most(tmp_path, scores, fraction, word):
    trials = trials_of(tmp_path, {"elman": scores, "lstm": [1.0]})
    assert verdict(trials, "fraction_solved_at_most", variant="elman", fraction=fraction).word == word


@pytest.mark.parametrize(
    ("ours", "others", "word"),
    [
        ([1.0, 1.0], [0.0, 0.0], "reproduced"),
        ([1.0, 0.0], [0.0, None], "reproduced"),
        ([1.0, 1.0], [1.0, 0.0], "partly"),
        ([0.0, 0.0, 1.0], [0.0, 0.0, 0.0], "partly"),
        ([0.0, 0.0], [0.0, 0.0], "not reproduced"),
        ([1.0, 0.0], [1.0, 1.0], "not reproduced"),
        ([1.0], [], "not comparable"),
    ],
)
def test_solves_and_other_does_not(tmp_path, ours, others, word):
    trials = trials_of(tmp_path, {"lstm": ours, "gru": others})
    found = verdict(trials, "solves_and_other_does_not", variant="lstm", other="gru", at_least=0.5)
    assert found.word == word


SPREAD = [0.5, 0.51, 0.52, 0.53, 0.54, 0.55, 0.56, 0.57]


@pytest.mark.parametrize(
    ("gain", "seeds", "worse", "better", "same"),
    [
        # eight pairs of one sign: p = 2 / 2^8, by hand
        (-0.1, 8, "reproduced", "not reproduced", "not reproduced"),
        (0.1, 8, "not reproduced", "reproduced", "not reproduced"),
        # four pairs cannot get below 2 / 2^4
        (-0.1, 4, "partly", "not reproduced", "not comparable"),
        (-0.1, 1, "not comparable", "not comparable", "not comparable"),
    ],
)
def test_a_paired_difference(tmp_path, gain, seeds, worse, better, same):
    scores = {"lstm": SPREAD[:seeds], "gru": [score + gain for score in SPREAD[:seeds]]}
    trials = trials_of(tmp_path, scores)
    arguments = {"variant": "gru", "than": "lstm", "on": "score"}
    assert verdict(trials, "significantly_worse", **arguments).word == worse
    assert verdict(trials, "significantly_better", **arguments).word == better
    assert verdict(trials, "not_significantly_different", **arguments).word == same


def test_a_difference_by_welch(tmp_path):
    # equal spreads of 0.0245 (n = 8), means 0.003 apart: t is about 0.24, far from 2
    near = [score - 0.003 for score in reversed(SPREAD)]
    trials = trials_of(tmp_path, {"lstm": SPREAD, "gru": near, "elman": [score - 0.3 for score in SPREAD]})
    arguments = {"than": "lstm", "test": "welch"}
    # eight on each side find 1.5 standard deviations with a chance of 0.8, and not one
    same = {"variant": "gru", **arguments}
    assert verdict(trials, "not_significantly_different", **same, effect=1.6).word == "reproduced"
    found = verdict(trials, "not_significantly_different", **same)
    assert found.word == "not comparable"
    assert found.why.endswith("and 1 would matter, which takes 17 runs of each")
    assert verdict(trials, "significantly_worse", variant="gru", **arguments).word == "partly"
    assert verdict(trials, "significantly_worse", variant="elman", **arguments).word == "reproduced"


def test_constant_columns_say_nothing_to_welch(tmp_path):
    trials = trials_of(tmp_path, {"lstm": [1.0, 1.0], "gru": [0.0, 0.0]})
    arguments = {"variant": "gru", "than": "lstm", "test": "welch"}
    assert verdict(trials, "significantly_worse", **arguments).word == "not comparable"


def test_a_diverged_run_is_no_better_than_the_worst(tmp_path):
    # with the diverged runs left out nothing would remain; as the worst of the task (0.5) all eight pairs are worse
    higher = [score + 0.1 for score in SPREAD]
    trials = trials_of(tmp_path, {"lstm": higher, "gru": [None] * 8, "elman": [0.5] * 8})
    found = verdict(trials, "significantly_worse", variant="gru", than="lstm")
    assert found.word == "reproduced"


def test_a_correction_can_take_a_verdict_away(tmp_path):
    trials = trials_of(tmp_path, {"lstm": SPREAD, "gru": [score - 0.1 for score in SPREAD]})
    test = check(SignificantlyWorse, {"variant": "gru", "than": "lstm"}, "")
    found = test.significance(trials)
    assert found is not None
    assert found.p == 2 / 2**8
    assert test.verdict(trials, 0.049).word == "reproduced"
    assert test.verdict(trials, 0.051).word == "partly"


def test_the_best_by_validation(tmp_path):
    trials = trials_of(tmp_path, {"lstm": [0.1, 0.9, None, 0.8, 0.2]})
    chosen = trials.of(RunGroup("lstm", best=0.4))
    assert [trial.result.seed for trial in chosen] == [1, 3]
    found = verdict(trials, "fraction_solved_at_least", variant="lstm", fraction=0.5, best=0.4)
    assert (found.word, found.why) == ("reproduced", "1 of 2 runs solved it, 50 % [9, 91]")


def test_settings_pick_out_runs(tmp_path):
    store_of(tmp_path, {"lstm": [1.0]}, settings={"optimizer.lr": 0.1})
    trials = read_trials(store_of(tmp_path, {"lstm": [0.0]}, settings={"optimizer.lr": 0.5}), None, 0.9)
    arguments = {"variant": "lstm", "fraction": 1.0}
    at = {rate: {"optimizer.lr": rate} for rate in (0.1, 0.5)}
    assert verdict(trials, "fraction_solved_at_least", **arguments, where=at[0.1]).word == "reproduced"
    assert verdict(trials, "fraction_solved_at_least", **arguments, where=at[0.5]).word == "not reproduced"
    assert verdict(trials, "fraction_solved_at_least", **arguments).word == "partly"


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.55, 0.65, "reproduced"), (0.65, 1.0, "partly"), (0.0, 0.55, "partly"), (0.9, 1.0, "not reproduced")],
)
def test_measure_between(tmp_path, low, high, word):
    # mean 0.6, standard deviation 0.1, n = 3: Student's half width is 4.3027 * 0.1 / sqrt(3) = 0.248
    trials = trials_of(tmp_path, {"lstm": [0.5, 0.6, 0.7]})
    found = verdict(trials, "measure_between", variant="lstm", measure="mean_score", low=low, high=high)
    assert found.word == word


def test_open_ends(tmp_path):
    trials = trials_of(tmp_path, {"lstm": [0.5, 0.6, 0.7]})
    arguments = {"variant": "lstm", "measure": "mean_score"}
    assert "at least 0.5" in verdict(trials, "measure_between", **arguments, low=0.5).why
    assert "at most 0.7" in verdict(trials, "measure_between", **arguments, high=0.7).why


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (3.0, math.inf, "reproduced"),
        (1.0, 3.0, "reproduced"),
        (7.0, math.inf, "partly"),
        (-math.inf, 0.5, "not reproduced"),
        (0.5, 2.0, "not reproduced"),
    ],
)
def test_ratio_between(tmp_path, low, high, word):
    # (0.8 + 1.0) / 2 over (0.1 + 0.5) / 2
    trials = trials_of(tmp_path, {"a": [0.8, 1.0], "b": [0.1, 0.5]})
    found = verdict(trials, "ratio_between", variant="a", than="b", measure="mean_score", low=low, high=high)
    assert found.word == word
    assert "0.9 of a (2 of 2 runs) over 0.3 of b (2 of 2 runs) = 3" in found.why


def test_a_ratio_below_one_that_is_not_as_small_as_claimed(tmp_path):
    trials = trials_of(tmp_path, {"a": [0.4], "b": [0.8]})
    assert verdict(trials, "ratio_between", variant="a", than="b", measure="mean_score", high=0.25).word == "partly"


def test_a_ratio_of_measures_that_are_missing_or_zero(tmp_path):
    trials = trials_of(tmp_path, {"a": [1.0], "b": [0.0]}, solved=0.9)
    solve = {"measure": "sequences_to_solve", "low": 1.0}
    found = verdict(trials, "ratio_between", variant="a", than="b", **solve)
    assert (found.word, found.why) == ("not comparable", "no run of b has a sequences_to_solve")
    assert verdict(trials, "ratio_between", variant="a", than="c", **solve).word == "not comparable"
    assert verdict(trials, "ratio_between", variant="a", than="b", measure="mean_score").word == "not comparable"


@pytest.mark.parametrize(
    ("order", "word"),
    [(["a", "b", "c"], "reproduced"), (["b", "a", "c"], "partly"), (["c", "b", "a"], "not reproduced")],
)
def test_in_order(tmp_path, order, word):
    trials = trials_of(tmp_path, {"a": [0.9], "b": [0.8], "c": [0.1]})
    assert verdict(trials, "in_order", variants=order).word == word
    assert verdict(trials, "in_order", variants=[*order, "d"]).word == "not comparable"


def test_the_measures(tmp_path):
    trials = trials_of(tmp_path, {"lstm": [1.0, 0.95, 0.25, None]}, solved=0.9, parameters=77)
    group = trials.of(RunGroup("lstm"))
    solved = measured("percent_solved", group)
    # Wilson's interval of 2 of 4
    assert (solved.value, round(solved.low, 1), round(solved.high, 1)) == (50, 15.0, 85.0)
    # both had the score at step 20, of four sequences each
    assert (measured("sequences_to_solve", group).value, measured("sequences_to_solve", group).runs) == (80, 2)
    assert math.isclose(measured("mean_score", group).value, 2.2 / 3)
    assert measured("best_score", group).value == 1.0
    # 0.125 of each of the three that finished
    assert (measured("mean_loss", group).value, measured("mean_loss", group).runs) == (0.125, 3)
    assert measured("parameters", group).value == 77
    assert math.isnan(measured("mean_score", []).value)


def test_lower_may_be_better(tmp_path):
    trials = trials_of(tmp_path, {"lstm": [0.1, 0.3]}, solved=0.2, higher_is_better=False)
    assert [trial.solved for trial in trials.trials] == [True, False]
    assert measured("best_score", trials.of(RunGroup("lstm"))).value == 0.1


CLAIM = {"says": "a", "evidence": "V", "source": "b", "check": {"in_order": {"variants": ["a", "b"]}}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"evidence": "Q"}, "evidence=Q"),
        ({"source": ""}, "source="),
        ({"check": {"in_ordr": {}}}, "unknown check 'in_ordr' (did you mean 'in_order'?)"),
        ({"check": {"in_order": {"variant": "a"}}}, "unknown key 'in_order.variant' (did you mean 'variants'?)"),
        ({"check": {"in_order": {"variants": ["a"]}}}, "in_order.variants"),
        ({"check": "in_order"}, "must be one check with its arguments"),
        ({"check": None}, "check, or else not_comparable, must be given"),
        ({"not_comparable": "why"}, "check, or else not_comparable, must be given"),
        ({"claim": "c"}, "unknown key 'claims.yaml.claims.0.claim'"),
    ],
)
def test_a_wrong_claim_is_told_in_one_line(change, told):
    with pytest.raises(UserError) as error:
        check(PaperClaims, {"solved": 1.0, "claims": [{**CLAIM, **change}]}, "claims.yaml")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_right_claim_is_taken():
    assert len(check(PaperClaims, {"solved": 1, "claims": [CLAIM]}, "claims.yaml").claims) == 1


def test_groups_that_differ_in_settings_alone(tmp_path):
    store_of(tmp_path, {"lstm": [0.9, 0.95, 0.92, 0.93]}, settings={"opening.name": "chrono"})
    trials = trials_of(tmp_path, {"lstm": [0.1, 0.15, 0.12, 0.11]}, settings={"opening.name": "one"})
    chrono, one = {"opening.name": "chrono"}, {"opening.name": "one"}
    arguments = {"variant": "lstm", "where": chrono, "than": "lstm", "than_where": one, "test": "welch"}
    found = verdict(trials, "significantly_better", **arguments)
    assert found.word == "reproduced"
    assert "lstm opening.name=chrono 0.925 against lstm opening.name=one 0.12" in found.why
    both = {"variant": "lstm", "where": chrono, "other": "lstm", "other_where": one, "at_least": 0.5}
    assert verdict(trials, "solves_and_other_does_not", **both).word == "reproduced"


def test_a_star_is_every_variant(tmp_path):
    trials = trials_of(tmp_path, {"lstm": [0.5, 0.6], "gru": [0.9]})
    assert len(trials.of(RunGroup("*"))) == 3
    assert measured("best_score", trials.of(RunGroup("*"))).value == 0.9
    assert str(RunGroup("*", best=0.1)) == "all (best 10% by validation)"


def searched(folder, score):
    """Forty runs whose score is a function of two settings, of which the second has no part in it."""
    for seed in range(40):
        rate, noise = (seed * 0.618034) % 1, (seed * 0.754878) % 1
        settings = {"optimizer.lr": rate, "training.input_noise": noise}
        # one run of each label, so that each has the settings of its own
        trials = trials_of(folder, {"lstm": [score(rate)]}, settings=settings)
    return trials


def test_importance_of_a_setting_that_decides_everything(tmp_path):
    trials = searched(tmp_path, lambda rate: rate)
    found = verdict(trials, "importance_between", variant="lstm", setting="optimizer.lr", low=0.9)
    assert found.word == "reproduced"
    assert found.why.startswith("fANOVA over 40 trials: optimizer.lr ")
    low = verdict(trials, "importance_between", variant="lstm", setting="training.input_noise", high=0.1)
    assert low.word == "reproduced"
    # so little cannot be told from nothing
    tiny = verdict(trials, "importance_between", variant="lstm", setting="training.input_noise", high=1e-6)
    assert tiny.word == "not comparable"
    assert (
        verdict(trials, "importance_between", variant="lstm", setting="optimizer.lr", high=0.1).word == "not reproduced"
    )


def test_importance_needs_trials_and_a_setting_that_varies(tmp_path):
    trials = trials_of(tmp_path, {"lstm": [0.1, 0.2]})
    found = verdict(trials, "importance_between", variant="lstm", setting="optimizer.lr", low=0.9)
    assert found.word == "not comparable"
    assert "needs 20 trials" in found.why


@pytest.mark.parametrize(
    ("setting", "score", "word"),
    [
        ("optimizer.lr", lambda rate: rate, "not reproduced"),
        ("optimizer.lr", lambda rate: -rate, "reproduced"),
        ("training.input_noise", lambda rate: rate, "reproduced"),
    ],
)
def test_does_not_help(tmp_path, setting, score, word):
    assert verdict(searched(tmp_path, score), "does_not_help", variant="lstm", setting=setting).word == word


def test_a_smaller_error_is_help(tmp_path):
    for seed in range(20):
        settings = {"optimizer.lr": float(seed)}
        trials = trials_of(tmp_path, {"lstm": [1 / (1 + seed)]}, settings=settings, higher_is_better=False)
    found = verdict(trials, "does_not_help", variant="lstm", setting="optimizer.lr")
    assert found.word == "not reproduced"
    assert "= +1.00 (one-sided p that it helps = 0)" in found.why


def test_a_correlation_needs_trials_and_numbers(tmp_path):
    few = trials_of(tmp_path / "few", {"lstm": [0.1, 0.2]})
    assert "needs 20 trials" in verdict(few, "does_not_help", variant="lstm", setting="optimizer.lr").why
    for seed in range(20):
        words = trials_of(tmp_path / "words", {"lstm": [float(seed)]}, settings={"opening.name": f"kind{seed}"})
    assert verdict(words, "does_not_help", variant="lstm", setting="opening.name").word == "not comparable"
    assert verdict(words, "does_not_help", variant="lstm", setting="optimizer.lr").word == "not comparable"


def test_no_help_is_shown_only_by_trials_that_would_find_it(tmp_path):
    trials = searched(tmp_path, lambda rate: -rate)
    arguments = {"variant": "lstm", "setting": "optimizer.lr"}
    assert verdict(trials, "does_not_help", **arguments, effect=0.3).word == "not comparable"
    assert "would find a rho of 0.4" in verdict(trials, "does_not_help", **arguments).why


def test_a_stranger_changes_no_test(tmp_path):
    words = []
    for folder, more in (("alone", {}), ("beside", {"elman": [-1e6, 0.5]})):
        scores = {"lstm": SPREAD, "gru": [*[score - 0.01 for score in SPREAD[:7]], None], **more}
        trials = trials_of(tmp_path / folder, scores)
        words.append(verdict(trials, "significantly_worse", variant="gru", than="lstm").why)
    assert words[0] == words[1]
