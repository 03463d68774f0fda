"""Recall and state tracking: groups against their axioms, keys, values and distances against the definition."""

from itertools import permutations

import numpy as np
import pytest
import torch

from gatelab.errors import UserError
from gatelab.tasks import task_from_mapping
from gatelab.tasks.formal.state_tracking import GROUPS, StateTracking, product_table
from gatelab.tasks.recall.associative_recall import Mqar, MqarForgetting, distinct
from tests.tasks.oracles import ORACLES

STANDARD_ERRORS = 5


def score(task, batch, outputs):
    scores = task.scores(torch.from_numpy(outputs), torch.from_numpy(batch.targets)).numpy()
    return float((batch.score_weights * scores).sum() / batch.score_weights.sum())


def assert_shares(counts, shares):
    draws, shares = np.sum(counts), np.asarray(shares)
    standard_errors = np.sqrt(draws * shares * (1 - shares))
    assert (np.abs(np.asarray(counts) - draws * shares) < STANDARD_ERRORS * standard_errors).all()


# Groups.


@pytest.mark.parametrize("group", GROUPS)
def test_a_table_is_that_of_a_group(group):
    table = product_table(group)
    order = {"A4xZ5": 60, "A5": 60, "S5": 120, "Z60": 60}[group]
    assert table.shape == (order, order)
    every = np.arange(order)
    np.testing.assert_array_equal(table[0], every)
    np.testing.assert_array_equal(table[:, 0], every)
    # (a b) c = a (b c), and every row and column has each element once
    np.testing.assert_array_equal(table[table], table[:, table])
    np.testing.assert_array_equal(np.sort(table, 0), np.tile(every[:, None], order))
    np.testing.assert_array_equal(np.sort(table, 1), np.tile(every, (order, 1)))


def derived_orders(table):
    """Return the orders of a group, of the subgroup of its commutators, of that of these, … until they stay."""
    inverse = (table == 0).argmax(1)
    members, orders = np.arange(len(table)), [len(table)]
    while True:
        a, b = np.meshgrid(members, members)
        found = np.unique(table[table[inverse[a], inverse[b]], table[a, b]])
        while len(closed := np.unique(table[np.ix_(found, found)])) > len(found):
            found = closed
        if len(found) == len(members):
            return orders
        members = found
        orders.append(len(found))


def test_only_the_groups_that_are_said_to_be_solvable_are():
    orders = {group: derived_orders(product_table(group)) for group in GROUPS}
    assert orders == {"A4xZ5": [60, 4, 1], "A5": [60], "S5": [120, 60], "Z60": [60, 1]}


@pytest.mark.parametrize("group", GROUPS)
def test_targets_are_the_products_of_the_permutations(group):
    task = StateTracking(group=group, length=12, test_size=50)
    assert task.input_size == task.output_size == len(product_table(group))
    batch = task.test()
    assert score(task, batch, ORACLES["state_tracking"](task, batch)) == 1
    np.testing.assert_array_equal(batch.targets[0], batch.inputs[0])


def test_the_element_that_is_read_is_right_as_often_as_chance_says():
    task = StateTracking(length=5, test_size=20_000)
    batch = task.test()
    answers = np.eye(60, dtype=np.float32)[batch.inputs]
    standard_error = np.sqrt(1 / 60 * 59 / 60 / (4 * 20_000))
    assert abs(score(task, batch, answers) - task.chance) < STANDARD_ERRORS * standard_error
    assert task.chance == pytest.approx((1 + 4 / 60) / 5)


# Associative recall.


def test_pairs_come_first_and_every_key_comes_once_more():
    task = Mqar(length=32, vocabulary=64, pairs=6, random_tokens=False)
    batch = task.training_batch(0, 0, 300)
    keys, values = batch.inputs[:12:2], batch.inputs[1:12:2]
    assert ((keys >= 1) & (keys < 32)).all()
    assert ((values >= 32) & (values < 64)).all()
    assert set(keys.ravel()) == set(range(1, 32))
    assert set(values.ravel()) == set(range(32, 64))
    rest, asked = batch.inputs[12:], batch.targets > 0
    assert not batch.targets[:12].any()
    assert not rest[1::2].any(), "queries stand at every other place"
    np.testing.assert_array_equal(rest > 0, asked[12:])
    for sequence in range(300):
        assert len(set(keys[:, sequence])) == len(set(values[:, sequence])) == 6
        queries = rest[rest[:, sequence] > 0, sequence]
        assert sorted(queries) == sorted(keys[:, sequence])
    np.testing.assert_array_equal(batch.loss_weights, asked)
    np.testing.assert_array_equal(batch.score_weights, asked)


def test_random_tokens_change_nothing_but_what_lies_between():
    task = Mqar(length=32, vocabulary=64, pairs=3)
    batch = task.training_batch(0, 0, 300)
    between = batch.inputs[6:][batch.targets[6:] == 0]
    assert set(between) == set(range(64))
    assert score(task, batch, ORACLES["mqar"](task, batch)) == 1


def test_the_default_is_the_smallest_of_the_paper():
    batch = Mqar().training_batch(0, 0, 32)
    assert batch.inputs.shape == (64, 32)
    assert (batch.score_weights.sum(0) == 4).all()
    assert batch.targets.max() < 8192


@pytest.mark.parametrize("power", [0.01, 1.0])
def test_places_of_queries_follow_the_power_law(power):
    task = Mqar(length=10, vocabulary=8, pairs=2, power=power, random_tokens=False)
    batch = task.training_batch(0, 0, 20_000)
    # the first key of a sequence is the one whose place was drawn first
    first, second = ((batch.inputs[4:] == batch.inputs[place]).argmax(0) // 2 for place in (0, 2))
    chances = np.arange(1, 4) ** (power - 1)
    chances /= chances.sum()
    orders = list(permutations(range(3), 2))
    shares = [chances[a] * chances[b] / (1 - chances[a]) for a, b in orders]
    assert_shares([np.sum((first == a) & (second == b)) for a, b in orders], shares)


@pytest.mark.parametrize(("choices", "count"), [(4, 2), (3, 3), (5, 1)])
def test_distinct_numbers_come_in_every_order_equally_often(choices, count):
    drawn = distinct(np.random.default_rng(0), choices, count, 20_000)
    orders = list(permutations(range(choices), count))
    counts = [(drawn == np.array(order)[:, None]).all(0).sum() for order in orders]
    assert sum(counts) == 20_000
    assert_shares(counts, [1 / len(orders)] * len(orders))


def test_updates_change_the_values_of_different_keys():
    task = MqarForgetting(length=40, vocabulary=12, pairs=4, updates=3, random_tokens=False)
    batch = task.training_batch(0, 0, 400)
    told, again = batch.inputs[:8], batch.inputs[8:14]
    for sequence in range(400):
        first = dict(zip(told[::2, sequence], told[1::2, sequence], strict=True))
        updates = dict(zip(again[::2, sequence], again[1::2, sequence], strict=True))
        assert len(first) == 4 and len(updates) == 3
        assert updates.keys() <= first.keys()
        assert all(6 <= value < 12 and value != first[key] for key, value in updates.items())
        asked = batch.targets[:, sequence] > 0
        answers = dict(zip(batch.inputs[asked, sequence], batch.targets[asked, sequence], strict=True))
        assert answers == {**first, **updates}
    # which pair is updated does not depend on its place
    updated = (told[::2, None] == again[::2]).any(1)
    assert (np.abs(updated.mean(1) - 3 / 4) < STANDARD_ERRORS * np.sqrt(3 / 4 * 1 / 4 / 400)).all()


@pytest.mark.parametrize("task", [Mqar(vocabulary=31), MqarForgetting(vocabulary=31)])
def test_every_value_is_asked_for_equally_often(task):
    assert task.chance == 1 / 16
    targets = task.training_batch(0, 0, 4000).targets
    # one query of each sequence, as the others are not independent of it
    first = targets[(targets > 0).argmax(0), np.arange(4000)]
    assert_shares(np.bincount(first - 15, minlength=16), [1 / 16] * 16)


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        ({"name": "mqar", "pairs": 17}, "task.pairs=17: must be at most 16, a quarter of length=64"),
        ({"name": "mqar", "length": 14}, "task.pairs=4: must be at most 3, a quarter of length=14"),
        ({"name": "mqar", "vocabulary": 8}, "task.pairs=4: must be at most 3, the keys of vocabulary=8"),
        ({"name": "mqar", "length": 63}, "task.length=63: must be a multiple of 2"),
        (
            {"name": "mqar", "test_length": 12},
            "task: test_length=12: as pairs: must be at most 3, a quarter of length=12",
        ),
        ({"name": "mqar_forgetting", "updates": 9}, "task.updates=9: must be at most pairs=8"),
        (
            {"name": "mqar_forgetting", "length": 34},
            "task.updates=4: 4 · pairs + 2 · updates = 40 must be at most length=34",
        ),
        (
            {"name": "state_tracking", "group": "A6"},
            "task.group=A6: must be 'A4xZ5', 'A5', 'S5' or 'Z60'",
        ),
    ],
)
def test_what_cannot_be_is_told_in_one_line(mapping, line):
    with pytest.raises(UserError) as refused:
        task_from_mapping(mapping)
    assert str(refused.value) == line
