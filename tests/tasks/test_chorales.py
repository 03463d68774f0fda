"""Chorales: frames and their successors, the mask, the cost of a frame; the numbers of the real file if it is there."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from gatelab.tasks.music.chorales import Chorales
from gatelab.tasks.music.pianoroll import load_chorales
from tests.tasks.examples import TINY_CHORALES

REAL_FILE = os.environ.get("GATELAB_CHORALES")


def notes(row):
    return [int(note) + 21 for note in np.flatnonzero(row)]


def test_targets_are_the_next_frame(tiny_chorales):
    parts = {"train": tiny_chorales.training(), "valid": tiny_chorales.validation(), "test": tiny_chorales.test()}
    for split, batch in parts.items():
        assert batch.inputs.shape == (max(map(len, TINY_CHORALES[split])) - 1, len(TINY_CHORALES[split]), 88)
        for index, chorale in enumerate(TINY_CHORALES[split]):
            steps = len(chorale) - 1
            assert batch.lengths[index] == steps
            assert [notes(row) for row in batch.inputs[:steps, index]] == chorale[:-1]
            assert [notes(row) for row in batch.targets[:steps, index]] == chorale[1:]
            np.testing.assert_array_equal(batch.loss_weights[:, index], np.arange(len(batch.inputs)) < steps)
            np.testing.assert_array_equal(batch.score_weights[:, index], batch.loss_weights[:, index])


def test_rows_of_the_data_are_chorales(tiny_chorales):
    chorales = load_chorales(tiny_chorales.path, tiny_chorales.sha256)
    assert {split: rows["frames"][:] for split, rows in chorales.items()} == TINY_CHORALES


def test_training_batches_are_as_long_as_the_longest_training_chorale(tiny_chorales):
    assert {len(tiny_chorales.training_batch(0, step, 1).inputs) for step in range(8)} == {4}


def test_a_frame_costs_the_sum_over_its_notes(tiny_chorales):
    probabilities = np.linspace(0.05, 0.95, 88)
    target = (np.arange(88) % 3 == 0).astype(np.float32)
    expected = -(target * np.log(probabilities) + (1 - target) * np.log(1 - probabilities)).sum()
    logits = torch.from_numpy(np.log(probabilities / (1 - probabilities)))
    losses = tiny_chorales.losses(logits.expand(2, 3, 88), torch.from_numpy(target).expand(2, 3, 88))
    np.testing.assert_allclose(losses.numpy(), np.full((2, 3), expected), rtol=1e-12)


def test_a_confident_answer_is_perfect_if_right_and_finite_if_wrong(tiny_chorales):
    batch = tiny_chorales.test()
    targets = torch.from_numpy(batch.targets)
    logits = 1000 * (2 * targets - 1)
    assert tiny_chorales.scores(logits, targets).max() == tiny_chorales.perfect
    np.testing.assert_array_equal(tiny_chorales.scores(-logits, targets).numpy(), np.full((6, 1), 88_000))


@pytest.mark.skipif(not REAL_FILE, reason="GATELAB_CHORALES names no jsb-chorales-quarter.json")
class TestRealFile:
    @pytest.fixture
    def chorales(self):
        return Chorales(path=REAL_FILE)

    def test_sizes(self, chorales):
        parts = [chorales.training(), chorales.validation(), chorales.test()]
        assert [len(part.lengths) for part in parts] == [229, 76, 77]
        assert [int((part.lengths + 1).sum()) for part in parts] == [13807, 4602, 4725]
        assert [len(part.inputs) for part in parts] == [128, 143, 159]
        frames = json.loads(Path(chorales.path).read_text(encoding="utf-8"))["train"][0]
        assert [notes(row) for row in parts[0].inputs[:2, 0]] == frames[:2]

    def test_chance_is_the_cost_of_the_note_frequencies(self, chorales):
        training, test = chorales.training(), chorales.test()
        sounded = training.targets[training.loss_weights > 0]
        # half a count each way, for a note of the test chorales that never sounds in training
        frequency = (sounded.sum(0) + 0.5) / (len(sounded) + 1)
        logits = torch.from_numpy(np.log(frequency / (1 - frequency))).expand(*test.targets.shape)
        scores = chorales.scores(logits, torch.from_numpy(test.targets)).numpy()
        mean = (scores * test.score_weights).sum() / test.score_weights.sum()
        assert mean == pytest.approx(chorales.chance, abs=0.005)
