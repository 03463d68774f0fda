"""Brackets as a grammar draws them: its law against the grammar itself, run in plain words."""

from collections import Counter

import numpy as np
import pytest

import gatelab
from gatelab.randomness import generator
from gatelab.tasks.formal.bracket_grammar import BracketGrammar
from gatelab.tasks.formal.dyck import Dyck1, Dyck2
from tests.tasks.drawn import STANDARD_ERRORS, assert_drawn_with, read_back


def grown(random, around, most):
    """Run the grammar of brackets as the code of Suzgun et al. does, with all that it throws away."""
    chance = random.random() if around < most else 1
    if chance < 0.5:
        word = f"({grown(random, around + 2, most)})"
    elif chance < 0.75:
        word = grown(random, around, most) + grown(random, around, most)
    else:
        word = ""
    return word if len(word) <= most else ""


def test_two_brackets_are_drawn_with_the_golden_ratio():
    """The empty word e: by the third rule, from two empty ones or from two that are too long: 4e = 1 + e² + (1-e)²."""
    np.testing.assert_allclose(BracketGrammar(2).law[0], [(3 - 5**0.5) / 2, (5**0.5 - 1) / 2], rtol=1e-12)


@pytest.mark.parametrize("longest", [6, 7, 12])
def test_lengths_and_words_of_the_grammar_are_those_of_running_it(longest):
    random, size = np.random.default_rng(longest), 40_000
    run = [grown(random, 0, longest) for _ in range(size)]
    law = BracketGrammar(longest).law[0]
    assert law.sum() == pytest.approx(1, abs=1e-12)
    assert_drawn_with([len(word) // 2 for word in run], dict(enumerate(law)))
    run = [word for word in run if word]
    task = Dyck1(form="grammar", length=longest)
    drawn = read_back("()", task.training_batch(0, 0, size))
    counts = [Counter(words) for words in (run, drawn)]
    assert set(counts[1]) >= {word for word in counts[0] if len(word) <= 6}
    for word in {*counts[0], *counts[1]}:
        one, other = counts[0][word] / len(run), counts[1][word] / len(drawn)
        variance = max(one, other) * (1 / len(run) + 1 / len(drawn))
        assert abs(one - other) <= STANDARD_ERRORS * variance**0.5, word


def test_long_words_of_the_grammar_have_the_lengths_of_running_it():
    random = np.random.default_rng(0)
    run = [len(word) for word in (grown(random, 0, 40) for _ in range(20_000)) if len(word) > 20]
    task = Dyck2(form="grammar", length=20, test_length=40, test_size=3000)
    drawn = task.of_test().draw_lengths(np.random.default_rng(1), 20_000)
    assert (set(run), set(drawn.tolist())) == (set(range(22, 41, 2)),) * 2
    standard_error = np.std(run) * (1 / len(run) + 1 / len(drawn)) ** 0.5
    assert abs(np.mean(run) - drawn.mean()) <= STANDARD_ERRORS * standard_error
    opening = task.of_test().training_batch(0, 0, 4000).inputs[..., :2].sum((0, 1))
    assert abs(opening[0] - opening[1]) <= STANDARD_ERRORS * opening.sum() ** 0.5


def test_words_of_the_grammar_differ_within_each_set_and_between_sets():
    task = Dyck1(form="grammar", length=16, training_size=300, validation_size=200, test_size=250)
    parts = [read_back("()", batch) for batch in (task.training_set(), task.validation(), task.test())]
    assert [len(set(words)) for words in parts] == [300, 200, 250]
    assert not set(parts[0]) & {*parts[1], *parts[2]}
    assert list(task.remarks()) == []
    random = generator(0, "training")
    drawn = [word for _ in range(60) for word in read_back("()", task.draw(random, 300))]
    assert parts[0] == list(dict.fromkeys(drawn))[:300]


def test_a_grammar_with_too_few_words_says_so():
    """There are 1 + 2 + 5 words of at most six brackets of one kind."""
    task = Dyck1(form="grammar", length=6, training_size=8, validation_size=1, test_size=9)
    assert len(set(read_back("()", task.training_set()))) == 8
    repeated = 9 - len(set(read_back("()", task.test())))
    assert repeated >= 1
    assert list(task.remarks()) == [
        "1 of 1 sequences of validation are in training too: few others exist",
        "9 of 9 sequences of test are in training too: few others exist",
        f"{repeated} of 9 sequences of test repeat others of it: few others exist",
    ]
    of_words = Dyck1(form="grammar", length=4, training_size=5, validation_size=1, test_length=16, test_size=3)
    assert len(set(read_back("()", of_words.training_set()))) == 3
    assert next(of_words.remarks()) == "2 of 5 sequences of training repeat others of it: few others exist"
    assert list(Dyck1(form="grammar", length=6, validation_size=8, test_size=8).remarks()) == []


def test_a_batch_of_one_length_has_a_length_of_the_grammar():
    task = Dyck1(form="grammar", length=6, batches="one_length")
    lengths = [set(task.training_batch(0, step, 4).lengths.tolist()) for step in range(1500)]
    assert {len(each) for each in lengths} == {1}
    law = BracketGrammar(6).law[0, 1:]
    shares = {2 * half: share for half, share in enumerate(law / law.sum(), 1)}
    assert_drawn_with([each.pop() for each in lengths], shares)


def test_the_grammar_takes_no_depth():
    with pytest.raises(gatelab.UserError) as refused:
        gatelab.train("task=dyck_1", "task.form=grammar", "task.depth=3")
    assert str(refused.value) == "task: form=grammar draws words of any depth: depth=3 must be null"


@pytest.mark.parametrize("kind", [Dyck1, Dyck2])
def test_chance_of_the_grammar_is_counted_on_the_words_of_the_test(kind):
    """The commonest set for each bracket that is read; of two kinds about as many words have either open."""
    sizes = {"form": "grammar", "length": 10, "test_length": 20, "test_size": 1500}
    task, by_word = kind(**sizes), kind(scored="string", **sizes)
    batch = task.test()
    shares: dict[tuple[int, bytes], float] = {}
    for read, legal, weight in zip(
        batch.inputs.argmax(-1).ravel(), batch.targets.reshape(-1, task.output_size), batch.score_weights.ravel(),
        strict=True,
    ):  # fmt: skip
        shares[int(read), legal.tobytes()] = shares.get((int(read), legal.tobytes()), 0) + float(weight)
    best = sum(max(share for (other, _), share in shares.items() if other == read) for read in {r for r, _ in shares})
    assert task.chance == pytest.approx(best / 1500, abs=1e-6 if kind is Dyck1 else 0.01)
    short = by_word.model_copy(update={"test_length": None})
    words = read_back("()" if kind is Dyck1 else "([)]", short.test())
    flat = [not any(pair in word for pair in ("((", "([", "[(", "[[")) for word in words]
    assert 0 < short.chance == np.mean(flat)
