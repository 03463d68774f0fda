"""Reber grammars: every string is legal, its probability is that of the automaton, and forgetting cannot answer it."""

import itertools
import re
from collections import Counter

import numpy as np
import pytest
import torch

from gatelab.errors import UserError
from gatelab.randomness import generator
from gatelab.tasks import task_from_mapping
from gatelab.tasks.formal import reber
from gatelab.tasks.formal.reber import ContinualReber, EmbeddedReber
from tests.tasks.oracles import ORACLES
from tests.tasks.oracles.reber import SYMBOLS, legal_after, letters

STANDARD_ERRORS = 5

# The walks through the automaton written as their loops: what a string of the inner grammar looks like.
INNER = r"B(TS*X(XT*V(PX T*V)*(PS|V)|S)|P T*V(PX T*V)*(PS|V))E".replace(" ", "")


def draw(task, size=4000):
    return task.draw(generator(0, "test"), size)


def strings(task, batch):
    """Return whole strings: what is shown, and the last E that is only predicted."""
    return ["".join(letters(batch, sequence)) + "E" for sequence in range(len(batch.lengths))]


def mean_score(task, batch, outputs):
    scores = task.scores(torch.from_numpy(outputs), torch.from_numpy(batch.targets)).numpy()
    return float((batch.score_weights * scores).sum() / batch.score_weights.sum())


@pytest.mark.parametrize("task", [EmbeddedReber(), EmbeddedReber(length=12), EmbeddedReber(length=30, shortest=20)])
def test_strings_are_legal_and_of_the_lengths_allowed(task):
    batch = draw(task, 500)
    assert batch.inputs.shape == (task.length - 1, 500, 7)
    for string in strings(task, batch):
        assert task.shortest <= len(string) <= task.length
        assert re.fullmatch(f"B(T{INNER}T|P{INNER}P)E", string), string
        assert list(legal_after(string))[-1] == set()


def test_strings_have_the_probabilities_of_the_automaton_given_their_length():
    size = 40_000
    counts = Counter(strings(EmbeddedReber(length=11), draw(EmbeddedReber(length=11), size)))
    weights = {}
    for string in ("".join(("B", outer, *inner, outer, "E")) for outer in "TP" for inner in inner_strings(7)):
        # each symbol with another legal one beside it was one of two branches
        choices = [len(legal) for legal in legal_after(string)]
        weights[string] = 0.5 ** choices.count(2)
    total = sum(weights.values())
    assert set(counts) == set(weights)
    for string, weight in weights.items():
        expected = size * weight / total
        assert abs(counts[string] - expected) <= STANDARD_ERRORS * np.sqrt(expected)


def inner_strings(longest):
    """Return all strings of the inner grammar up to a length, found by trying all."""
    for length in range(5, longest + 1):
        for middle in itertools.product("TPSXV", repeat=length - 2):
            if re.fullmatch(INNER, f"B{''.join(middle)}E"):
                yield f"B{''.join(middle)}E"


def test_one_sequence_is_walked_as_many_are():
    numbers = np.random.default_rng(0).random((40, 50))

    class Given:
        """Gives the numbers of some columns."""

        def __init__(self, columns):
            self.columns = columns

        def random(self, shape):
            return numbers[:, self.columns]

    following, chances = reber._FOLLOWING, reber._first_branch(9, 40)
    symbols, states = reber._walk(Given(slice(None)), 50, following, chances)
    for column in range(50):
        alone = reber._walk(Given(slice(column, column + 1)), 1, following, chances)
        np.testing.assert_array_equal(alone[0][:, 0], symbols[:, column])
        np.testing.assert_array_equal(alone[1][:, 0], states[:, column])


def test_the_mean_length_of_a_string_is_twelve():
    # From the automaton: 6 symbols from state 0 to the end, 2 of the inner and 4 of the outer string.
    lengths = draw(EmbeddedReber(length=200), 20_000).lengths + 1.0
    assert abs(lengths.mean() - 12) <= STANDARD_ERRORS * lengths.std() / np.sqrt(20_000)


def test_targets_are_the_legal_sets():
    for task in (EmbeddedReber(), ContinualReber()):
        batch = draw(task, 100)
        for sequence in range(100):
            sets = list(legal_after(letters(batch, sequence), continual=task.name == "continual_reber"))
            rows = batch.targets[: batch.lengths[sequence], sequence]
            assert [{SYMBOLS[member] for member in np.flatnonzero(row)} for row in rows] == sets


def test_only_the_return_of_the_outer_symbol_is_judged():
    batch = draw(EmbeddedReber(), 200)
    assert (batch.score_weights.sum(0) == 1).all()
    np.testing.assert_array_equal(batch.score_weights.argmax(0), batch.lengths - 2)
    outer = batch.inputs[1].argmax(-1)
    answers = batch.targets[batch.lengths - 2, np.arange(200)]
    np.testing.assert_array_equal(answers, np.eye(7)[outer])


def test_a_stream_is_strings_in_a_row():
    batch = draw(ContinualReber(length=100), 50)
    for sequence in range(50):
        shown = "".join(letters(batch, sequence))
        assert len(shown) == 100
        assert len(list(legal_after(shown, continual=True))) == 100
        # an outer symbol is asked again at the end of each string
        assert shown.count("ETE") + shown.count("EPE") <= batch.score_weights[:, sequence].sum()


@pytest.mark.parametrize("name", ["embedded_reber", "continual_reber"])
def test_one_wrong_step_spoils_a_whole_sequence_if_all_are_judged(name):
    task = {"embedded_reber": EmbeddedReber, "continual_reber": ContinualReber}[name](judged="all")
    batch = draw(task, 300)
    np.testing.assert_array_equal(batch.score_weights.argmax(0), batch.lengths - 1)
    assert (batch.score_weights.sum(0) == 1).all()
    answers = ORACLES[name](task, batch)
    assert mean_score(task, batch, answers) == task.perfect == 1
    answers[3, ::2, 0] *= -1
    assert mean_score(task, batch, answers) == 0.5
    # what comes after the end does not count
    answers = ORACLES[name](task, batch)
    answers[np.arange(len(answers))[:, None] >= batch.lengths] = 60
    assert mean_score(task, batch, answers) == 1


def test_a_stretch_ends_at_the_first_error():
    task = ContinualReber(length=60, judged="stretch")
    batch = draw(task, 8)
    answers = ORACLES["continual_reber"](task, batch)
    assert mean_score(task, batch, answers) == task.perfect == 1
    # 15 steps are right in half of the streams, none in the others
    answers[15, ::2, 0] *= -1
    answers[0, 1::2, 0] *= -1
    assert mean_score(task, batch, answers) == pytest.approx(15 / 60 / 2)


def test_three_steps_of_a_stream_are_known_by_heart():
    task = ContinualReber(length=50, judged="stretch")
    batch = draw(task, 300)
    seen = batch.inputs.argmax(-1)
    outputs = np.full_like(batch.targets, -1)
    # after B come T and P, after these B
    outputs[seen == 0, 1:3] = 1
    outputs[(seen == 1) | (seen == 2), 0] = 1
    assert mean_score(task, batch, outputs) == pytest.approx(task.chance) == 3 / 50


@pytest.mark.parametrize("kind", [EmbeddedReber, ContinualReber])
def test_who_sees_the_present_symbol_alone_has_chance(kind):
    outer, whole = kind(), kind(judged="all")
    batch = draw(outer, 3000)
    # after E: always T; the best of two
    outputs = np.full_like(batch.targets, -1)
    outputs[..., SYMBOLS.index("T")] = 1
    found = mean_score(outer, batch, outputs)
    assert abs(found - outer.chance) <= STANDARD_ERRORS * 0.5 / np.sqrt(batch.score_weights.sum())
    # in every sequence some symbol has two legal sets after it, so that one answer to each symbol cannot be right
    whole_batch = draw(whole, 300)
    for sequence in range(300):
        shown = letters(whole_batch, sequence)
        sets = legal_after(shown, continual=kind is ContinualReber)
        answers = {(symbol, frozenset(legal)) for symbol, legal in zip(shown, sets, strict=True)}
        assert len(answers) > len(set(shown))
    assert whole.chance == 0


def test_longer_strings_are_all_longer_than_those_of_training():
    task = EmbeddedReber(length=12, test_length=15, test_size=400)
    assert task.validation().lengths.max() + 1 <= 12
    assert set(task.test().lengths + 1) == {13, 14, 15}
    assert EmbeddedReber(length=12, test_length=10).test().lengths.max() + 1 == 10


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        ({"name": "embedded_reber", "length": 8}, "task.length=8: must be at least 9"),
        ({"name": "embedded_reber", "shortest": 41}, "task: shortest=41 must be at most length=40"),
        (
            {"name": "embedded_reber", "shortest": 20, "test_length": 10},
            "task: test_length=10: shortest=20 must be at most length=10",
        ),
        ({"name": "continual_reber", "length": 49}, "task.length=49: must be at least 50"),
        ({"name": "continual_reber", "judged": "some"}, "task.judged=some: must be 'outer', 'all' or 'stretch'"),
        ({"name": "embedded_reber", "judged": "stretch"}, "task.judged=stretch: must be 'outer' or 'all'"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(mapping, line):
    with pytest.raises(UserError) as refused:
        task_from_mapping(mapping)
    assert str(refused.value) == line
