"""Forms of tasks that are those of the original code, and splits of music without what training has shown."""

from itertools import product

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import gatelab
from gatelab.tasks import TASKS
from gatelab.tasks.checking import QUESTIONS
from gatelab.tasks.formal.regular import Parity
from gatelab.tasks.formal.transduction import BinaryAddition, MissingDuplicate, OddsFirst, ReverseString
from gatelab.tasks.memory.copying import CopyingS4, CopyingTcn
from gatelab.tasks.memory.selective_copying import SelectiveCopying
from gatelab.tasks.music.chorales import Chorales
from gatelab.tasks.music.tunes import by_tune, exact, top_line, tunes, without_known
from tests.tasks.drawn import STANDARD_ERRORS, assert_drawn_with, read_back, score
from tests.tasks.oracles import ORACLES, formal

FORMS = {"binary_addition": "code", "missing_duplicate": "code", "dyck_1": "grammar", "dyck_2": "grammar"}
"""The form of the code of each task that is checked by the questions to every task."""


def test_places_of_mad_are_those_of_its_code():
    """A blank goes before any token: gaps of 1 + Binomial(223, 1/16), and the last token stands at the end."""
    task = SelectiveCopying(form="mad")
    places = task.places(np.random.default_rng(0), 4000)
    assert (np.diff(places, axis=0) > 0).all() and (places[-1] == task.field - 1).all()
    gaps = np.diff(places, axis=0)
    deviation = np.sqrt(223 / 16 * 15 / 16)
    assert abs(gaps.mean() - (1 + 223 / 16)) < 5 * deviation / gaps.size**0.5
    assert abs(gaps.std() - deviation) < 0.05
    assert (task.output_size, SelectiveCopying().output_size) == (16, 14)
    assert (task.draw(np.random.default_rng(1), 3).inputs.argmax(-1) < 14).sum(0).tolist() == [16, 16, 16]


def test_all_steps_of_the_tcn_are_judged_as_its_code_prints_them():
    """92.7 % at T = 100: 110 blanks of 120 steps, and an eighth of ten tokens."""
    task = CopyingTcn(judged="all", validation_size=50)
    batch = task.validation()
    outputs = torch.zeros(*batch.targets.shape, task.output_size)
    outputs[..., task.symbols] = 1
    outputs[-10:, :, 0] = 2
    scores = task.scores(outputs, torch.from_numpy(batch.targets)).numpy()
    found = (batch.score_weights * scores).sum() / batch.score_weights.sum()
    assert task.chance == (110 + 10 / 8) / 120
    assert abs(found - task.chance) < 0.02
    assert CopyingTcn().chance == 1 / 8


def roll(*notes):
    """A roll of single notes, with another below the first."""
    made = np.zeros((len(notes), 88), np.uint8)
    made[np.arange(len(notes)), notes] = 1
    made[0, 3] = 1
    return made


def test_lines_of_one_tune_differ_in_a_fifth_of_their_frames_or_less():
    lines = [[40, 42, 44, 45, 47], [40, 42, 44, 45, 48], [40, 42, 44, 45], [60, 61, 62, 63, 64], [44, 45, 47, 40, 42]]
    assert tunes([np.array(line) for line in lines]) == [[0, 1, 2], [3], [4]]


def test_a_split_by_tune_keeps_all_pieces_and_parts_no_tune():
    rolls = {
        "train": [roll(*range(40 + 9 * tune, 48 + 9 * tune)) for tune in (0, 1, 2, 3, 0, 1)],
        "valid": [roll(*range(40, 48)), roll(*range(49, 57))],
        "test": [roll(*range(40, 48)), roll(*range(30, 38))],
    }
    found = by_tune(rolls)
    where = {part: {exact(piece) for piece in pieces} for part, pieces in found.items()}
    assert sorted(exact(piece) for part in found.values() for piece in part) == sorted(
        exact(piece) for part in rolls.values() for piece in part
    )
    assert not where["train"] & where["valid"] and not where["train"] & where["test"]
    assert not where["valid"] & where["test"]
    assert all(found.values())


def test_what_training_has_shown_is_left_out():
    same, other = roll(40, 41, 42), roll(50, 51, 52)
    rolls = {"train": [same], "valid": [other, same], "test": [same, other]}
    found = without_known(rolls, exact)
    assert [len(found[part]) for part in ("train", "valid", "test")] == [1, 1, 1]
    lower = same.copy()
    lower[1, 2] = 1  # another setting of the same line
    assert top_line(lower).tolist() == top_line(same).tolist()
    assert not without_known({**rolls, "test": [lower]}, lambda one: top_line(one).tobytes())["test"]
    assert without_known({**rolls, "test": [lower]}, exact)["test"]


def test_chorales_are_split_by_tune(tiny_chorales):
    task = Chorales(path=tiny_chorales.path, sha256=tiny_chorales.sha256, split="unknown")
    assert len(task.test().lengths) == len(tiny_chorales.test().lengths)
    assert (tiny_chorales.chance, task.chance) == (11.09, 11.08)


def test_each_symbol_counts_the_same_as_in_the_code_of_mad():
    """Answering one of three symbols always is right for a third of them, however often each is asked for."""
    task = SelectiveCopying(length=9, tokens=4, symbols=3, judged="symbols", form="mad")
    batch = task.draw(np.random.default_rng(0), 200)
    asked = batch.score_weights > 0
    outputs = torch.zeros(*batch.targets.shape, task.output_size)
    outputs[..., 1] = 1
    found = (batch.score_weights * task.scores(outputs, torch.from_numpy(batch.targets)).numpy()).sum()
    assert abs(found / batch.score_weights.sum() - 1 / 3) < 1e-6
    assert abs(batch.score_weights.sum() - 3) < 1e-5
    np.testing.assert_array_equal(asked, batch.loss_weights > 0)
    assert np.unique(batch.loss_weights).tolist() == [0, 1]


def test_outputs_of_the_code_of_s4_are_all_of_its_numbers():
    assert (CopyingS4(outputs="all").output_size, CopyingS4().output_size) == (10, 8)


def test_a_batch_of_one_length_is_that_of_the_code_of_the_hierarchy():
    """Training batches have one length each, all lengths occur, shapes stay; held-out parts have mixed lengths."""
    task = ReverseString(length=6, min_length=2, batches="one_length", validation_size=200)
    batches = [task.training_batch(0, step, 5) for step in range(60)]
    lengths = [set((batch.lengths // 2).tolist()) for batch in batches]
    assert all(len(each) == 1 for each in lengths)
    assert set.union(*lengths) == {2, 3, 4, 5, 6}
    assert {batch.inputs.shape for batch in batches} == {(12, 5, 3)}
    assert set((task.validation().lengths // 2).tolist()) == {2, 3, 4, 5, 6}
    mixed = ReverseString(length=6, min_length=2)
    assert len(set(mixed.training_batch(0, 0, 50).lengths.tolist())) > 1


def test_one_length_a_batch_cannot_be_drawn_from_a_fixed_set():
    line = "batches=one_length draws new strings: training_size=8 must be null"
    with pytest.raises(ValidationError, match=line):
        Parity(batches="one_length", training_size=8)


@pytest.mark.parametrize("length", [1, 2, 5, 6])
def test_the_code_begins_with_the_second_symbol(length):
    task = OddsFirst(length=length, min_length=length, symbols=7, form="code")
    batch = task.training_batch(0, 0, 20)
    for sequence in range(20):
        read = batch.inputs[:length, sequence].argmax(-1)
        answer = batch.targets[length : 2 * length, sequence]
        assert answer.tolist() == [*read[1::2], *read[::2]]


@pytest.mark.parametrize("name", sorted(FORMS))
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_form_keeps_the_promises_of_a_task(name, question):
    sizes = {"length": 60, "min_length": 50, "validation_size": 12, "test_size": 9}
    assert list(QUESTIONS[question](TASKS[name].model_validate({**sizes, "form": FORMS[name]}), 3)) == []


@pytest.mark.parametrize("part", ["training", "validation", "test"])
@pytest.mark.parametrize("name", sorted(FORMS))
def test_a_form_is_solved_by_its_oracle(name, part):
    sizes = {"length": 21, "min_length": 1, "validation_size": 150, "test_size": 150, "test_length": 50}
    task = TASKS[name].model_validate({**sizes, "form": FORMS[name]})
    batch = task.training_batch(0, 0, 150) if part == "training" else getattr(task, part)()
    assert score(task, batch, ORACLES[name](task, batch)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", sorted(FORMS))
def test_a_form_is_trained_by_its_name(name, tmp_path):
    small = ["model.hidden_size=4", "training.max_steps=2", "training.validate_every=1", "training.batch_size=5"]
    sizes = [f"task.form={FORMS[name]}", "task.length=8", "task.validation_size=6", "task.test_size=6"]
    where = {"runs_dir": str(tmp_path), "logger": "none", "device": "cpu"}
    run = gatelab.train("variant=lstm", f"task={name}", *sizes, *small, where)
    assert run.result.status == "finished"
    assert run.configuration["task"]["form"] == FORMS[name]


def test_sums_of_the_code_have_numbers_above_0_around_a_plus_anywhere():
    """Each place of the plus is as likely, and then each pair of numbers that have so many digits and are not 0."""
    shares = {}
    for digits in range(1, 5):
        numbers = [["".join(bits) for bits in product("01", repeat=n) if "1" in bits] for n in (digits, 5 - digits)]
        for first, second in product(*numbers):
            shares[f"{first}+{second}"] = 1 / 4 / len(numbers[0]) / len(numbers[1])
    task = BinaryAddition(form="code", length=6, min_length=6)
    assert_drawn_with(read_back("01+", task.training_batch(0, 0, 20_000)), shares)


def test_short_strings_of_the_code_are_one_number():
    task = BinaryAddition(form="code", length=3, min_length=1)
    shares = {"0": 1 / 3, "00": 1 / 9, "10": 1 / 9, "01": 1 / 9, "1+1": 1 / 3}
    batch = task.training_batch(0, 0, 9000)
    texts = read_back("01+", batch)
    assert_drawn_with(texts, shares)
    answers = {"0": "02", "00": "020", "10": "120", "01": "012", "1+1": "0120"}
    for sequence, text in enumerate(texts):
        found = batch.targets[len(text) : 2 * len(text) + 1, sequence]
        assert "".join(map(str, found)) == answers[text]


def test_all_answers_of_the_code_are_learned_and_those_up_to_the_mark_judged():
    """18 + 6 = 24 has five digits and a mark; a string of nine symbols has ten answers."""
    task = BinaryAddition(form="code", length=12, min_length=1)
    batch = task.training_batch(3, 0, 400)
    for sequence, text in enumerate(read_back("01+", batch)):
        total = sum(int(number[::-1], 2) for number in text.split("+"))
        loss, judged = np.zeros((2, 12 + 13), np.float32)
        loss[len(text) : 2 * len(text) + 1] = 1 / (len(text) + 1)
        steps = len(f"{total:b}") + 1
        judged[len(text) : len(text) + steps] = 1 / steps
        np.testing.assert_allclose(batch.loss_weights[:, sequence], loss, rtol=1e-6)
        np.testing.assert_allclose(batch.score_weights[:, sequence], judged, rtol=1e-6)
        assert batch.lengths[sequence] == 2 * len(text) + 1
    assert formal.added_and_marked("01001+011") == "0001120000"


def test_chance_of_a_marked_sum_is_the_best_constant_answer_of_the_test():
    task = BinaryAddition(form="code", length=10, min_length=1, test_length=25, test_size=300)
    batch = task.test()
    outputs = np.zeros((*batch.targets.shape, 3), np.float32)
    of_each = [score(task, batch, outputs + np.eye(3, dtype=np.float32)[answer]) for answer in range(3)]
    assert task.chance == pytest.approx(max(of_each), abs=1e-6)
    assert of_each.index(max(of_each)) == 1  # about a half, and the highest digit always


def test_a_blank_follows_doubled_strings_of_odd_lengths():
    """All doubled strings of five symbols, with one bit hidden: as likely each, with its blank."""
    shares: dict[str, float] = {}
    for bits, place in product(product("01", repeat=2), range(4)):
        doubled = [*bits, *bits, "."]
        doubled[place] = "_"
        text = "".join(doubled)
        shares[text] = shares.get(text, 0) + 1 / 16
    task = MissingDuplicate(form="code", length=5, min_length=5)
    assert (task.input_size, MissingDuplicate().input_size) == (5, 4)
    assert_drawn_with(read_back("01_.", task.training_batch(0, 0, 8000)), shares)


def test_missing_bits_of_the_code_have_every_length_and_a_sure_first_one():
    task = MissingDuplicate(form="code", length=4)
    batch = task.training_batch(0, 0, 8000)
    texts = read_back("01_.", batch)
    assert_drawn_with(list(map(len, texts)), dict.fromkeys((1, 2, 3, 4), 1 / 4))
    assert {(text, int(answer)) for text, answer in zip(texts, batch.targets, strict=True) if len(text) == 1} == {
        ("1", 1)
    }
    assert task.chance == (1 + 3 / 2) / 4
    assert abs(batch.targets.mean() - task.chance) < STANDARD_ERRORS * 0.5 / 8000**0.5
    assert MissingDuplicate(form="code", length=4, min_length=2).chance == 1 / 2
