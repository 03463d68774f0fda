"""Formal languages and algorithms: lengths, strings and chance against definitions and counts of their own."""

from itertools import product

import numpy as np
import pytest
import torch

from gatelab.errors import UserError
from gatelab.tasks import TASKS, task_from_mapping
from gatelab.tasks.formal.anbn import Anbn
from gatelab.tasks.formal.dyck import Dyck1, Dyck2
from gatelab.tasks.formal.regular import CycleNavigation, EvenPairs, ModularArithmetic, Parity
from gatelab.tasks.formal.tomita import Tomita
from gatelab.tasks.formal.transduction import BinaryAddition, BucketSort, MissingDuplicate, ReverseString
from tests.tasks.oracles import ORACLES, formal

STANDARD_ERRORS = 5
EXACT = 1e-12
OF_STRINGS = sorted(name for name, kind in TASKS.items() if "min_length" in kind.model_fields)


def score(task, batch, outputs):
    scores = task.scores(torch.from_numpy(outputs), torch.from_numpy(batch.targets)).numpy()
    return float((batch.score_weights * scores).sum(dtype=float) / batch.score_weights.sum(dtype=float))


def assert_uniform(drawn, choices):
    """Assert that each choice was drawn about equally often, and nothing else."""
    values, counts = np.unique(drawn, return_counts=True)
    np.testing.assert_array_equal(values, choices)
    share = 1 / len(choices)
    standard_error = np.sqrt(len(drawn) * share * (1 - share))
    assert (np.abs(counts - len(drawn) * share) <= STANDARD_ERRORS * standard_error).all()


def string_lengths(task, batch):
    """Return the lengths of strings without their questions."""
    questions = {"last": 1}.get(task.readout, 0)
    if task.readout == "every" and not task.name.startswith("dyck"):
        questions = batch.inputs[..., -1].sum(0).astype(int)
    return batch.lengths - questions


@pytest.mark.parametrize("name", OF_STRINGS)
def test_lengths_are_uniform_and_those_of_the_test_are_longer(name):
    task = TASKS[name].model_validate({"length": 12, "min_length": 3, "test_length": 17, "test_size": 4000})
    of_any = {"majority": 1, "modular_arithmetic": 1, "missing_duplicate": 0, "dyck_1": 0, "dyck_2": 0}
    allowed = [n for n in range(3, 18) if n % 2 == of_any.get(name, n % 2)]
    assert_uniform(string_lengths(task, task.training_batch(0, 0, 4000)), [n for n in allowed if n <= 12])
    assert_uniform(string_lengths(task, task.test()), [n for n in allowed if n > 12])


def test_a_test_no_longer_than_training_keeps_the_shortest_string():
    task = Parity(length=12, min_length=3, test_length=8)
    assert (task.of_test().min_length, task.of_test().length) == (3, 8)
    assert Parity(length=12, min_length=10, test_length=8).of_test().lengths.tolist() == [8]


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        ({"name": "parity", "length": 5, "min_length": 6}, "task.min_length=6: must be at most length=5"),
        ({"name": "parity", "length": 0}, "task.length=0: must be at least 1"),
        (
            {"name": "majority", "length": 6, "min_length": 6},
            "task.min_length=6: there is no odd length up to length=6",
        ),
        ({"name": "missing_duplicate", "length": 1}, "task.min_length=1: there is no even length up to length=1"),
        (
            {"name": "missing_duplicate", "length": 7, "min_length": 7},
            "task.min_length=7: there is no even length up to length=7",
        ),
        (
            {"name": "missing_duplicate", "length": 8, "test_length": 9},
            "task: test_length=9: as min_length: there is no even length up to length=9",
        ),
        ({"name": "binary_addition", "min_length": 2}, "task.min_length=2: must be at least 3"),
        ({"name": "binary_addition", "form": "code", "min_length": 0}, "task.min_length=0: must be at least 1"),
        (
            {"name": "majority", "length": 7, "test_length": 8},
            "task: test_length=8: as min_length: there is no odd length up to length=8",
        ),
        ({"name": "tomita", "grammar": 8}, "task.grammar=8: must be at most 7"),
        (
            {"name": "tomita", "grammar": 2, "length": 5, "min_length": 5},
            "task.grammar=2: no length from min_length=5 to length=5 has both strings that belong and others",
        ),
        ({"name": "dyck_1", "depth": 1}, "task.depth=1: must be at least 2"),
        (
            {"name": "anbn", "largest": 20},
            "task: largest=20, validation_largest=20 and test_largest=100 must rise",
        ),
        (
            {"name": "anbn", "training_size": 9},
            "task: training_size=9 must be at least largest=10, the number of strings",
        ),
    ],
)
def test_what_cannot_be_is_told_in_one_line(mapping, line):
    with pytest.raises(UserError) as refused:
        task_from_mapping(mapping)
    assert str(refused.value) == line


def test_a_string_ends_with_a_question_and_then_silence():
    batch = Parity(length=6, min_length=2).training_batch(0, 0, 50)
    assert set(batch.lengths) == {3, 4, 5, 6, 7}
    for sequence, length in enumerate(batch.lengths):
        inputs = batch.inputs[:, sequence]
        assert (inputs[: length - 1, :2].sum(1) == 1).all()
        assert not inputs[: length - 1, 2].any()
        np.testing.assert_array_equal(inputs[length - 1], [0, 0, 1])
        assert not inputs[length:].any()


@pytest.mark.parametrize("name", ["reverse_string", "duplicate_string", "binary_addition", "dyck_1", "dyck_2"])
def test_every_sequence_counts_the_same_whatever_its_length(name):
    batch = TASKS[name](length=20).training_batch(0, 0, 40)
    np.testing.assert_allclose(batch.loss_weights.sum(0), 1, rtol=1e-6)
    np.testing.assert_array_equal(batch.loss_weights, batch.score_weights)


def test_questions_are_as_many_as_answers():
    batch = ReverseString(length=5, symbols=3).training_batch(0, 0, 30)
    asked = batch.inputs[..., -1].astype(bool)
    np.testing.assert_array_equal(asked, batch.loss_weights > 0)
    for sequence in range(30):
        read = batch.inputs[:, sequence, :-1]
        string = read[read.sum(-1) > 0].argmax(-1)
        np.testing.assert_array_equal(batch.targets[asked[:, sequence], sequence], string[::-1])


def test_more_symbols_than_two_are_reversed_and_sorted():
    for name, answer in (("reverse_string", lambda text: text[::-1]), ("bucket_sort", lambda text: sorted(text))):
        task = TASKS[name](length=9, symbols=7)
        batch = task.test()
        assert score(task, batch, formal.of_string("0123456", answer)(task, batch)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("length", [4, 10])
def test_any_place_of_either_copy_is_hidden(length):
    batch = MissingDuplicate(length=length, min_length=length).training_batch(0, 0, 4000)
    assert_uniform(batch.inputs[..., 2].argmax(0), np.arange(length))


def test_the_plus_stands_anywhere_between_two_digits():
    batch = BinaryAddition(length=8, min_length=8).training_batch(0, 0, 4000)
    assert_uniform(batch.inputs[..., 2].argmax(0), np.arange(1, 7))


# Chance, counted over all strings of each length.


def best_constant(answers):
    return max(answers.count(answer) for answer in set(answers)) / len(answers)


def test_chance_of_even_pairs():
    each = [best_constant([formal.unequal_neighbours(s) % 2 for s in product("01", repeat=n)]) for n in range(1, 8)]
    assert EvenPairs(length=7).chance == pytest.approx(np.mean(each), abs=EXACT)
    assert EvenPairs(length=7, min_length=2).chance == 0.5


def test_chance_of_cycle_navigation():
    each = [best_constant([sum(s) % 5 for s in product((-1, 0, 1), repeat=n)]) for n in range(2, 9)]
    assert CycleNavigation(length=8, min_length=2).chance == pytest.approx(np.mean(each), abs=EXACT)


def test_chance_of_modular_arithmetic():
    each = []
    for digits in (1, 2, 3):
        turns = [part for _ in range(digits) for part in ("01234", "+-x")][:-1]
        each.append(best_constant([formal.value("".join(s)) for s in product(*turns)]))
    assert ModularArithmetic(length=6).chance == pytest.approx(np.mean(each), abs=EXACT)


def test_chance_of_bucket_sort():
    each = []
    for length in (2, 3, 4, 5):
        answers = [sorted(s) for s in product(range(3), repeat=length)]
        each.append(np.mean([best_constant([a[place] for a in answers]) for place in range(length)]))
    assert BucketSort(length=5, min_length=2, symbols=3).chance == pytest.approx(np.mean(each), abs=EXACT)


def test_chance_of_binary_addition():
    each = []
    for length in range(3, 9):
        shares = []
        for plus in range(1, length - 1):
            pairs = product(product("01", repeat=plus), product("01", repeat=length - 1 - plus))
            sums = [formal.added("".join(a) + "+" + "".join(b)) for a, b in pairs]
            shares.append(np.mean([text.count("0") / len(text) for text in sums]))
        each.append(np.mean(shares))
    assert BinaryAddition(length=8).chance == pytest.approx(np.mean(each), abs=EXACT)


# Tomita's grammars.


def belongs(text, grammar):
    return formal.in_tomita(text, Tomita.model_construct(grammar=grammar))


@pytest.mark.parametrize("grammar", range(1, 8))
def test_tomita_draws_uniformly_from_both_classes(grammar):
    length = 6
    strings = ["".join(bits) for bits in product("01", repeat=length)]
    batch = Tomita(grammar=grammar, length=length, min_length=length).training_batch(0, 0, 20_000)
    drawn = np.array([text[:-1] for text in formal.texts(batch, "01")])
    assert abs(batch.targets.mean() - 0.5) < STANDARD_ERRORS * 0.5 / np.sqrt(20_000)
    for member in (False, True):
        assert_uniform(drawn[batch.targets == member], [s for s in strings if belongs(s, grammar) == member])


@pytest.mark.parametrize("grammar", range(1, 8))
def test_tomita_has_every_length_at_which_strings_can_go_either_way(grammar):
    task = Tomita(grammar=grammar, length=9)
    classes = {n: {belongs("".join(bits), grammar) for bits in product("01", repeat=n)} for n in range(1, 10)}
    assert task.lengths.tolist() == [n for n, found in classes.items() if len(found) == 2]
    longer = Tomita(grammar=grammar, length=9, test_length=700).of_test()
    assert score(longer, longer.validation(), ORACLES["tomita"](longer, longer.validation())) == 1


# Balanced brackets.


def words(length, kinds, depth=None):
    """Return all balanced words, by trying every string."""
    brackets = [(kind, opens) for opens in (True, False) for kind in range(kinds)]
    found = []
    for word in product(brackets, repeat=length):
        stack, deepest, balanced = [], 0, True
        for kind, opens in word:
            if opens:
                stack.append(kind)
                deepest = max(deepest, len(stack))
            elif not stack or stack.pop() != kind:
                balanced = False
                break
        if balanced and not stack and (depth is None or deepest <= depth):
            found.append(word)
    return found


def legal_sets(word, kinds, depth):
    stack, sets = [], []
    for kind, opens in word:
        if opens:
            stack.append(kind)
        else:
            stack.pop()
        opening = depth is None or len(stack) < depth
        sets.append((opening, stack[-1] if stack else None))
    return sets


@pytest.mark.parametrize("depth", [None, 2, 3])
@pytest.mark.parametrize("kinds", [1, 2])
def test_words_are_uniform_among_the_balanced_ones(kinds, depth):
    task = {1: Dyck1, 2: Dyck2}[kinds](length=6, min_length=6, depth=depth)
    read = task.training_batch(0, 0, 8000).inputs.argmax(-1)
    drawn = np.array(["".join(map(str, word)) for word in read.T])
    expected = ["".join(str(kind + (0 if opens else kinds)) for kind, opens in word) for word in words(6, kinds, depth)]
    assert_uniform(drawn, sorted(expected))


@pytest.mark.parametrize("depth", [None, 2, 3])
@pytest.mark.parametrize("kinds", [1, 2])
def test_chance_of_brackets_is_that_of_the_best_set_for_each_bracket_read(kinds, depth):
    weights: dict[tuple, dict[tuple, float]] = {}
    words_right = []
    lengths = (2, 4, 6)
    for length in lengths:
        every = words(length, kinds, depth)
        for word in every:
            for bracket, answer in zip(word, legal_sets(word, kinds, depth), strict=True):
                share = weights.setdefault(bracket, {})
                share[answer] = share.get(answer, 0) + 1 / (length * len(every) * len(lengths))
        # right from the bracket alone: after an opening one it may close, after a closing one none may
        alone = [
            all(answer == (True, kind if opens else None) for (kind, opens), answer in zip(word, sets, strict=True))
            for word in every
            for sets in [legal_sets(word, kinds, depth)]
        ]
        words_right.append(np.mean(alone))
    task = {1: Dyck1, 2: Dyck2}[kinds]
    chance = sum(max(share.values()) for share in weights.values())
    assert task(length=6, depth=depth).chance == pytest.approx(chance, abs=EXACT)
    assert task(length=6, depth=depth, scored="string").chance == pytest.approx(np.mean(words_right), abs=EXACT)


@pytest.mark.parametrize("depth", [None, 2, 4])
def test_long_words_are_balanced_and_as_shallow_as_told(depth):
    task = Dyck2(length=30, test_length=1500, depth=depth, test_size=10)
    batch = task.test()
    assert score(task, batch, ORACLES["dyck_2"](task, batch)) == pytest.approx(1, abs=1e-6)
    rises = np.where(batch.inputs[..., :2].any(-1), 1, np.where(batch.inputs.any(-1), -1, 0)).cumsum(0)
    assert (rises[-1] == 0).all()
    assert (rises >= 0).all()
    assert depth is None or rises.max() == depth


# Counting languages.


def test_anbn_gives_each_part_its_own_strings():
    task = Anbn(largest=4, validation_largest=7, test_largest=12, training_size=9)
    numbers = {part: (getattr(task, part)().lengths - 1) // 2 for part in ("training", "validation", "test")}
    assert numbers["training"].tolist() == [1, 2, 3, 4, 1, 2, 3, 4, 1]
    assert numbers["validation"].tolist() == [5, 6, 7]
    assert numbers["test"].tolist() == [8, 9, 10, 11, 12]


def test_anbn_is_the_picture_of_its_docstring():
    validation = Anbn(largest=1, validation_largest=2).validation()
    assert formal.texts(validation, "Sab") == ["Saabb"]
    sets = [
        "".join(symbol for symbol, legal in zip("abT", row, strict=True) if legal) for row in validation.targets[:, 0]
    ]
    assert sets == ["a", "ab", "ab", "b", "T"]


@pytest.mark.parametrize("name", ["anbn", "anbncn", "dyck_1"])
def test_one_wrong_set_spoils_its_string_and_no_other(name):
    by_string, by_step = (TASKS[name](scored=scored) for scored in ("string", "step"))
    batch = by_string.validation()
    outputs = ORACLES[name](by_string, batch)
    assert score(by_string, batch, outputs) == 1
    size = len(batch.lengths)
    for sequence, step in ((0, 0), (1, int(batch.lengths[1]) - 1), (2, 1)):
        wrong = outputs.copy()
        wrong[step, sequence, 0] *= -1
        assert score(by_string, batch, wrong) == pytest.approx(1 - 1 / size, abs=1e-6)
        lost = 1 / (size * batch.lengths[sequence])
        assert score(by_step, by_step.validation(), wrong) == pytest.approx(1 - lost, abs=1e-6)


@pytest.mark.parametrize("name", ["anbn", "anbncn"])
def test_counting_without_memory_is_chance(name):
    by_step, by_string = (TASKS[name](scored=scored) for scored in ("step", "string"))
    batch = by_step.validation()
    # the commonest set for each symbol that is read
    sets, read = batch.targets.reshape(-1, by_step.output_size), batch.inputs.reshape(-1, by_step.input_size)
    outputs = np.full_like(batch.targets, -60)
    for symbol in np.eye(by_step.input_size, dtype=np.float32):
        values, counts = np.unique(sets[(read == symbol).all(-1)], axis=0, return_counts=True)
        outputs[(batch.inputs == symbol).all(-1)] = 120 * values[counts.argmax()] - 60
    assert score(by_step, batch, outputs) == pytest.approx(by_step.chance, abs=1e-6)
    assert score(by_string, by_string.validation(), outputs) == by_string.chance == 0
