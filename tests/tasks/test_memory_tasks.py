"""Tasks of long memory: lengths, places and answers are those of the papers, and chance is what forgetting gives."""

import itertools
import math

import numpy as np
import pytest
import torch

from gatelab.errors import UserError
from gatelab.randomness import generator
from gatelab.tasks import task_from_mapping
from gatelab.tasks.memory.adding import AddingTcn
from gatelab.tasks.memory.adding_1997 import AddingHs97, Multiplication
from gatelab.tasks.memory.long_lag import NoiseFreeLongLag
from gatelab.tasks.memory.repetition import RepeatFirst, RepeatPrevious
from gatelab.tasks.memory.temporal_order import TemporalOrder2, TemporalOrder3
from gatelab.tasks.memory.two_sequence import TwoSequenceA, TwoSequenceB, TwoSequenceC
from gatelab.tasks.memory.unknown_delay import UnknownDelayRecall

STANDARD_ERRORS = 5


def draw(task, size=4000):
    return task.draw(generator(0, "test"), size)


def mean_score(task, batch, outputs):
    scores = task.scores(torch.from_numpy(outputs), torch.from_numpy(batch.targets)).numpy().astype(float)
    return float((batch.score_weights * scores).sum() / batch.score_weights.sum())


def check_uniform(counts, expected=None):
    """Check counts against equal, or given, probabilities, each within some standard errors."""
    counts = np.asarray(counts, float)
    share = np.full(len(counts), 1 / len(counts)) if expected is None else np.asarray(expected)
    total = counts.sum()
    assert (np.abs(counts - total * share) <= STANDARD_ERRORS * np.sqrt(total * share * (1 - share)) + 1e-9).all()


def check_fraction(found, expected, size):
    assert abs(found - expected) <= STANDARD_ERRORS * math.sqrt(expected * (1 - expected) / size)


def best_constant(targets, reach):
    """Return the greatest fraction of targets that one number is closer to than ``reach``."""
    targets = np.sort(targets)
    return max(np.searchsorted(targets, targets + 2 * reach) - np.arange(len(targets))) / len(targets)


@pytest.mark.parametrize("length", [2, 3, 7])
def test_adding_tcn_marks_every_pair_of_steps_equally_often(length):
    marks = draw(AddingTcn(length=length)).inputs[..., 1]
    assert (marks.sum(0) == 2).all()
    assert set(np.unique(marks)) <= {0, 1}
    pairs = [tuple(np.flatnonzero(column)) for column in marks.T]
    check_uniform([pairs.count(pair) for pair in itertools.combinations(range(length), 2)])


MARKED_PAIRS = pytest.mark.parametrize("kind", [AddingHs97, Multiplication])


@MARKED_PAIRS
def test_marked_pairs_have_the_lengths_and_marks_of_1997(kind):
    task = kind(length=40)
    batch = draw(task, 20_000)
    marks = batch.inputs[..., 1]
    check_uniform(np.bincount(batch.lengths - 40, minlength=5))
    assert (marks[0] == -1).all()
    assert (marks[batch.lengths - 1, np.arange(20_000)] == -1).all()
    assert ((marks == -1).sum(0) == 2).all()
    assert not marks[20:][marks[20:] == 1].size
    # The first mark is one of ten pairs, the second one of the first 19 others; pair 0 hides its mark.
    probabilities = np.zeros(20)
    for first in range(10):
        others = [pair for pair in range(20) if pair != first][:19]
        for second in others:
            probabilities[[first, second]] += 1 / 190
    counts = (marks[:20] == 1).sum(1)
    for pair in range(1, 20):
        check_fraction(counts[pair] / 20_000, probabilities[pair], 20_000)
    alone = ((marks == 1).sum(0) == 1).mean()
    check_fraction(alone, probabilities[0], 20_000)
    assert task.one_number_alone == pytest.approx(probabilities[0], rel=1e-12)


@MARKED_PAIRS
def test_the_first_pair_counts_as_nothing_when_it_is_marked(kind):
    batch = draw(kind(length=20))
    numbers, marks = batch.inputs[..., 0], batch.inputs[..., 1]
    single = (marks == 1).sum(0) == 1
    number = (numbers * (marks == 1)).sum(0)[single]
    expected = {AddingHs97: 0.5 + number / 4, Multiplication: number}[kind]
    np.testing.assert_array_equal(batch.targets[single, 0], expected.astype(np.float32))


def test_numbers_of_1997_have_their_ranges():
    sums, products = draw(AddingHs97(length=20)), draw(Multiplication(length=20))
    assert -1 <= sums.inputs[..., 0].min() < -0.99
    assert 0.99 < sums.inputs[..., 0].max() <= 1
    assert products.inputs[..., 0].min() == 0
    assert 0.99 < products.inputs[..., 0].max() <= 1
    assert 0 <= sums.targets.min() < 0.1
    assert 0.9 < sums.targets.max() <= 1


@MARKED_PAIRS
def test_chance_of_marked_pairs_is_the_best_constant(kind):
    size = 100_000
    for length in (20, 100):
        targets = draw(kind(length=length), size).targets[:, 0].astype(float)
        # the best constant for a sample is a little better than that for all
        assert best_constant(targets, 0.04) == pytest.approx(kind(length=length).chance, abs=0.006)
        constant = {AddingHs97: 0.5, Multiplication: 0.04}[kind]
        check_fraction((np.abs(targets - constant) < 0.04).mean(), kind(length=length).chance, size)


def test_a_marked_pair_is_right_within_the_tolerance_of_the_paper():
    targets = torch.full((4, 1), 0.5)
    outputs = torch.tensor([[0.5], [0.539], [0.461], [0.541]])
    assert AddingHs97().scores(outputs, targets).tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize("kind", [TwoSequenceA, TwoSequenceB, TwoSequenceC])
def test_two_sequences_begin_with_their_class_and_go_on_with_noise(kind):
    batch = draw(kind(length=30, informative=3), 20_000)
    numbers = batch.inputs[..., 0].astype(float)
    first_class = batch.targets[:, 1] == {TwoSequenceC: np.float32(0.2)}.get(kind, 1)
    check_fraction(first_class.mean(), 0.5, 20_000)
    check_uniform(np.bincount(batch.lengths - 30, minlength=4))
    sign = np.where(first_class, 1, -1)
    told = numbers[:3] * sign
    if kind is TwoSequenceB:
        assert told.mean() == pytest.approx(1, abs=0.01)
        assert told.var() == pytest.approx(0.2, rel=0.03)
    else:
        assert (told == 1).all()
    rest = numbers[3:30]
    assert rest.mean() == pytest.approx(0, abs=0.005)
    assert rest.var() == pytest.approx(0.2, rel=0.01)
    assert abs((rest * sign).mean()) < 0.005


def test_only_the_targets_of_form_c_are_noisy_and_only_for_the_loss():
    quiet, noisy = draw(TwoSequenceA(), 20_000), draw(TwoSequenceC(), 20_000)
    np.testing.assert_array_equal(quiet.targets[:, 0], quiet.targets[:, 1])
    assert set(np.unique(quiet.targets)) == {0, 1}
    assert set(np.unique(noisy.targets[:, 1])) == {np.float32(0.2), np.float32(0.8)}
    noise = (noisy.targets[:, 0] - noisy.targets[:, 1]).astype(float)
    assert noise.mean() == pytest.approx(0, abs=0.015)
    assert noise.var() == pytest.approx(0.1, rel=0.05)
    losses = TwoSequenceC().losses(torch.from_numpy(noisy.targets[:, 1:]), torch.from_numpy(noisy.targets))
    assert losses.mean().item() == pytest.approx(0.1, rel=0.05)


def test_the_best_that_form_b_allows_is_the_sign_of_the_sum():
    for informative in (1, 3):
        task = TwoSequenceB(informative=informative)
        batch = draw(task, 50_000)
        outputs = (batch.inputs[:informative, :, 0].sum(0) > 0).astype(np.float32)[:, None]
        check_fraction(mean_score(task, batch, outputs), task.perfect, 50_000)
    assert TwoSequenceB(informative=1).perfect == pytest.approx(0.9873, abs=5e-5)  # Φ(2.236), from a table


ORDERS = [
    (TemporalOrder2, [(10, 20), (50, 60)]),
    (TemporalOrder3, [(10, 20), (33, 43), (66, 76)]),
]


@pytest.mark.parametrize(("kind", "windows"), ORDERS)
def test_relevant_symbols_lie_where_the_paper_says(kind, windows):
    batch = draw(kind(), 20_000)
    symbols = batch.inputs.argmax(-1)
    check_uniform(np.bincount(batch.lengths - 100, minlength=11))
    assert (symbols[0] == 6).all()
    assert (symbols[batch.lengths - 1, np.arange(20_000)] == 7).all()
    relevant = (symbols == 4) | (symbols == 5)
    assert (relevant.sum(0) == len(windows)).all()
    for first, last in windows:
        counts = relevant.sum(1)[first : last + 1]
        assert counts.sum() == 20_000
        check_uniform(counts)
    inside = (np.arange(len(symbols))[:, None] < batch.lengths) & ~relevant
    inside[0] = False
    inside[batch.lengths - 1, np.arange(20_000)] = False
    check_uniform(np.bincount(symbols[inside], minlength=4))
    check_uniform(np.bincount(batch.targets, minlength=kind().output_size))


def test_classes_follow_the_order():
    batch = draw(TemporalOrder2(length=10), 200)
    for column, answer in zip(batch.inputs.argmax(-1).T, batch.targets, strict=True):
        assert ["XX", "XY", "YX", "YY"][answer] == "".join("XY"[symbol - 4] for symbol in column if symbol in (4, 5))


@pytest.mark.parametrize(("kind", "windows"), ORDERS)
@pytest.mark.parametrize("length", [10, 11, 13, 37])
def test_relevant_symbols_never_meet_at_other_lengths(kind, windows, length):
    symbols = draw(kind(length=length), 500).inputs.argmax(-1)
    assert (((symbols == 4) | (symbols == 5)).sum(0) == len(windows)).all()
    assert (symbols == 7).any(0).all()


def test_the_first_symbol_returns_after_distractors_without_regularity():
    batch = draw(NoiseFreeLongLag(length=6, distractor_symbols=4), 20_000)
    symbols = np.concatenate([batch.inputs.argmax(-1), batch.targets[-1:]])
    np.testing.assert_array_equal(symbols[1:], batch.targets)
    np.testing.assert_array_equal(symbols[0], symbols[6])
    check_uniform(np.bincount(symbols[0] - 4, minlength=2))
    for step in range(1, 6):
        check_uniform(np.bincount(symbols[step], minlength=4))
    assert (batch.score_weights[:-1] == 0).all()
    assert (batch.score_weights[-1] == 1).all()
    assert (batch.loss_weights == 1).all()


def test_fixed_distractors_leave_two_sequences():
    batch = draw(NoiseFreeLongLag(length=5, distractor_symbols=4, distractors="fixed"), 100)
    whole = np.concatenate([batch.inputs.argmax(-1), batch.targets[-1:]]).T
    assert {tuple(map(int, row)) for row in whole} == {(4, 0, 1, 2, 3, 4), (5, 0, 1, 2, 3, 5)}
    longer = draw(NoiseFreeLongLag(length=5, distractor_symbols=3, distractors="fixed"), 1)
    assert longer.targets[:4, 0].tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize("length", [51, 103])
def test_cards_come_from_whole_packs(length):
    task = RepeatFirst(length=length)
    suits = draw(task, 300).inputs.argmax(-1)
    assert task.cards == length + 1
    counts = np.stack([np.bincount(column, minlength=4) for column in suits.T])
    # one card is left over
    assert set(np.unique(counts)) == {task.cards // 4, task.cards // 4 - 1}


def test_the_card_k_minus_one_steps_ago_is_asked():
    batch = draw(RepeatPrevious(length=10, k=3), 50)
    suits = batch.inputs.argmax(-1)
    np.testing.assert_array_equal(batch.targets[2:], suits[:-2])
    np.testing.assert_array_equal(batch.score_weights[:, 0], [0, 0, 1, 1, 1, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(batch.score_weights, batch.loss_weights)
    first = draw(RepeatFirst(length=4), 50)
    np.testing.assert_array_equal(first.targets, np.tile(first.inputs[0].argmax(-1), (4, 1)))
    np.testing.assert_array_equal(first.score_weights[:, 0], [0, 1, 1, 1])


@pytest.mark.parametrize("task", [RepeatPrevious(), RepeatFirst(), RepeatPrevious(length=103, k=32)])
def test_chance_of_cards_is_a_suit_that_is_not_shown(task):
    batch = draw(task, 20_000)
    shown = batch.inputs.argmax(-1)
    for shift in range(4):
        found = mean_score(task, batch, np.eye(4, dtype=np.float32)[(shown + shift) % 4])
        packs = task.cards // 52
        # of the 52n - 1 other cards, 13n have another suit, 13n - 1 the same
        expected = (13 * packs - (shift == 0)) / (52 * packs - 1)
        assert found == pytest.approx(expected, abs=0.004)
        assert expected <= task.chance + 1e-12


def test_recall_comes_after_a_uniform_number_of_distractors():
    batch = draw(UnknownDelayRecall(length=6, shortest=2, bits=3), 20_000)
    patterns, store, recall = batch.inputs[..., :3], batch.inputs[..., 3], batch.inputs[..., 4]
    check_uniform(np.bincount(batch.lengths - 4, minlength=5))
    np.testing.assert_array_equal(store.argmax(0), 0)
    np.testing.assert_array_equal(store.sum(0), 1)
    np.testing.assert_array_equal(recall.argmax(0), batch.lengths - 1)
    np.testing.assert_array_equal(recall.sum(0), 1)
    np.testing.assert_array_equal(batch.targets, patterns[0])
    before = np.arange(8)[:, None] < batch.lengths - 1
    assert set(np.unique(patterns[before])) == {-1, 1}
    assert not patterns[~before].any()


def test_longer_recalls_are_all_longer_than_those_of_training():
    task = UnknownDelayRecall(length=6, shortest=2, test_length=9, test_size=500)
    assert set(task.validation().lengths - 2) == {2, 3, 4, 5, 6}
    assert set(task.test().lengths - 2) == {7, 8, 9}
    assert set(UnknownDelayRecall(length=6, shortest=2, test_length=4).test().lengths - 2) == {2, 3, 4}


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        ({"name": "adding_hs97", "length": 19}, "task.length=19: must be at least 20"),
        ({"name": "two_sequence_a", "length": 5, "informative": 6}, "task: informative=6 must be at most length=5"),
        ({"name": "repeat_previous", "length": 5, "k": 6}, "task: k=6 must be at most length=5"),
        ({"name": "repeat_previous", "test_length": 3}, "task: test_length=3: k=4 must be at most length=3"),
        ({"name": "unknown_delay_recall", "length": 4}, "task: shortest=5 must be at most length=4"),
        ({"name": "temporal_order_2", "test_length": 5}, "test_length=5: as length: "),
        (
            {"name": "noise_free_long_lag", "distractors": "randm"},
            "task.distractors=randm: must be 'random' or 'fixed' (did you mean 'random'?)",
        ),
    ],
)
def test_what_cannot_be_is_told_in_one_line(mapping, line):
    with pytest.raises(UserError) as refused:
        task_from_mapping(mapping)
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)
