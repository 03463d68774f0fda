"""Settings that follow from others: drawn for each seed, looked up for each variant."""

import math

import numpy as np
import pytest
from omegaconf import OmegaConf

from gatelab.configuration import composed
from gatelab.errors import UserError

SEEDS = range(400)


def drawn(words, key="value"):
    """Return the value that each seed gets."""
    tree = OmegaConf.create({"seed": 0, key: f"${{draw:{words}}}"})
    found = []
    for seed in SEEDS:
        tree.seed = seed
        found.append(tree[key])
    return found


def assert_uniform(numbers):
    """Numbers that should be uniform in 0 to 1, by Kolmogorov and Smirnov's distance (1.95 / √n is its 0.1 % point)."""
    ordered = np.sort(numbers)
    ranks = np.arange(1, len(ordered) + 1) / len(ordered)
    assert (
        max(np.abs(ordered - ranks).max(), np.abs(ordered - ranks + 1 / len(ordered)).max())
        < 1.95 / len(ordered) ** 0.5
    )


def test_uniform():
    assert_uniform([(value - 2) / 3 for value in drawn("uniform,2,5")])


def test_log_uniform():
    assert_uniform([math.log(value / 1e-6) / math.log(1e4) for value in drawn("log_uniform,1e-6,1e-2")])


def test_one_minus_log_uniform():
    assert_uniform([math.log((1 - value) / 0.01) / math.log(100) for value in drawn("one_minus_log_uniform,0.01,1.0")])


def test_integers_include_both_ends_equally():
    counts = np.bincount(drawn("integer,3,6"))
    assert counts[:3].tolist() == [0, 0, 0]
    assert (np.abs(counts[3:] - 100) < 5 * (400 * 0.25 * 0.75) ** 0.5).all()


def test_integers_on_a_logarithmic_scale():
    values = drawn("log_integer,1,3")
    # the share of 1 is log 2 / log 4, that of 2 log 1.5 / log 4, that of 3 log(4/3) / log 4
    shares = np.array([math.log(2), math.log(1.5), math.log(4 / 3)]) / math.log(4)
    assert (np.abs(np.bincount(values)[1:] - 400 * shares) < 5 * np.sqrt(400 * shares * (1 - shares))).all()
    assert {type(value) for value in values} == {int}


def test_choices_keep_their_kinds():
    assert set(drawn("choice,8,0.5,gru")) == {8, 0.5, "gru"}


def test_a_draw_follows_from_seed_and_key_alone():
    assert drawn("uniform,0,1") == drawn("uniform,0,1")
    assert abs(np.corrcoef(drawn("uniform,0,1"), drawn("uniform,0,1", "other"))[0, 1]) < 0.25


def test_every_variant_meets_the_same_settings_at_a_seed():
    words = ["optimizer.lr=${draw:log_uniform,1e-4,1e-1}", "model.hidden_size=${draw:log_integer,20,200}", "seed=7"]
    one, other = composed(["variant=lstm", *words]), composed(["variant=gru", *words])
    assert one.optimizer.lr == other.optimizer.lr
    assert one.model.hidden_size == other.model.hidden_size
    assert composed(["variant=lstm", *words[:2], "seed=8"]).optimizer.lr != one.optimizer.lr


def test_a_draw_apart_is_of_the_variant_too():
    word = "optimizer.lr=${draw_apart:log_uniform,1e-4,1e-1}"
    rates = [
        composed([f"variant={name}", word, f"seed={seed}"]).optimizer.lr for name in ("lstm", "gru") for seed in (1, 2)
    ]
    assert len(set(rates)) == 4
    assert rates[0] == composed(["variant=lstm", word, "seed=1", "model.hidden_size=3"]).optimizer.lr
    assert all(1e-4 <= rate <= 1e-1 for rate in rates)


def test_a_value_for_each_variant():
    words = "model.hidden_size=${by_variant:lstm,36,gru,46}"
    assert [composed([f"variant={name}", words]).model.hidden_size for name in ("lstm", "gru")] == [36, 46]


def test_a_number_for_the_opening_that_has_it():
    words = "+opening.max_time=${by_opening:chrono,750}"
    chrono = composed(["opening=chrono", words.removeprefix("+")]).opening
    assert chrono.model_dump()["max_time"] == 750
    assert composed(["opening=one", words]).identity == composed(["opening=one"]).identity


def test_a_number_for_the_tasks_that_have_it():
    words = "+task.length=${by_task:adding,30,parity,12}"
    tasks = [composed([f"task={name}", words.removeprefix("+")]).task.model_dump() for name in ("adding", "parity")]
    assert [task["length"] for task in tasks] == [30, 12]
    assert composed(["task=digits", words]).identity == composed(["task=digits"]).identity
    with pytest.raises(
        UserError, match=r"task\.length=\$\{by_task:ading,3\}: unknown task 'ading' \(did you mean 'adding'"
    ):
        composed(["task=adding", "task.length=${by_task:ading,3}"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("log_unifrm,1,2", r"unknown distribution 'log_unifrm' \(did you mean 'log_uniform'\?\); allowed: uniform"),
        ("uniform,2,1", "the first end must be below the second"),
        ("uniform,1", "needs two numbers, the lower and the upper end"),
        ("uniform,a,b", "needs two numbers"),
        ("integer,1,2.5", "needs two integers"),
        ("log_uniform,0,1", "a logarithmic scale needs a lower end above 0"),
        ("choice", "needs at least one value"),
    ],
)
def test_what_cannot_be_drawn(words, says):
    with pytest.raises(UserError, match=rf"optimizer\.lr=\$\{{draw:{words}\}}: {says}"):
        composed([f"optimizer.lr=${{draw:{words}}}"])


@pytest.mark.parametrize(
    ("pairs", "says"), [("gru,2", "has no value for variant=lstm; it has gru"), ("lstm", "needs pairs of a variant")]
)
def test_what_no_variant_has(pairs, says):
    with pytest.raises(UserError, match=rf"model\.hidden_size=\$\{{by_variant:{pairs}\}}: {says}"):
        composed([f"model.hidden_size=${{by_variant:{pairs}}}"])
