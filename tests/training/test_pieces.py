"""Truncated backpropagation and updates at every step, against loops written by hand around torch.nn.LSTM."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from gatelab.errors import UserError
from gatelab.layers.network import Network
from gatelab.training import train_stack
from gatelab.training.pieces import Piece, Pieces, pieces_of
from gatelab.training.stack import initial_weights, network
from gatelab.training.stack_batches import StackData
from tests.training.examples import COPYING, checkpoint, configuration

RATE = 0.5
PLAIN = {"_target_": "torch.optim.SGD", "lr": RATE}
TEXT = "the cat sat on the mat and the rat sat on the cat; " * 12


def text(folder):
    path = folder / "text.txt"
    path.write_text(TEXT)
    return {"name": "characters", "path": str(path), "length": 9, "vocabulary": 18}


class ByHand:
    """An LSTM of PyTorch with the first weights of a run, and plain gradient descent."""

    def __init__(self, run):
        found = network(run)
        found.load_state_dict({name: weight[0] for name, weight in initial_weights([run], found).items()})
        self.lstm, self.readout = modules(found)
        # two biases are one: of these only the first learns
        frozen = self.lstm.bias_hh_l0
        self.learnt = [one for one in (*self.lstm.parameters(), *self.readout.parameters()) if one is not frozen]

    def step(self, inputs, targets, state, divisor, counted=slice(None)):
        outputs, after = self.lstm(inputs, state)
        logits = self.readout(outputs)[counted]
        loss = cross_entropy(logits.flatten(0, 1), targets[counted].flatten(), reduction="sum") / divisor
        for weight, slope in zip(self.learnt, torch.autograd.grad(loss, self.learnt), strict=True):
            weight.data -= RATE * slope
        return tuple(one.detach() for one in after)

    def check(self, tmp_path, run):
        train_stack([run])
        found = network(run)
        found.load_state_dict(checkpoint(tmp_path, run.identity, "last.pt")["weights"])
        lstm, readout = modules(found)
        for own, name in ((lstm, "weight_ih_l0"), (lstm, "weight_hh_l0"), (readout, "weight"), (readout, "bias")):
            mine = getattr(self.lstm if own is lstm else self.readout, name)
            torch.testing.assert_close(getattr(own, name), mine, rtol=1e-4, atol=1e-6)


def modules(found: Network) -> tuple[nn.LSTM, nn.Linear]:
    lstm = found.rnn.to_torch()
    assert isinstance(lstm, nn.LSTM)
    return lstm, found.readout


def tensors(batch):
    return torch.from_numpy(batch.inputs), torch.from_numpy(batch.targets)


def sections(**training):
    return {"optimizer": PLAIN, "training": {"clip_norm": None, "max_steps": 9, "validate_every": 4, **training}}


@pytest.mark.parametrize("seed", [0, 1])
def test_truncated_is_a_loop_with_detach(tmp_path, seed):
    run = configuration(tmp_path, task=COPYING, seed=seed, **sections(truncate=4))
    steps = run.task.training_batch(seed, 0, 6).inputs.shape[0]
    starts = range(0, steps, 4)
    assert steps % 4, "the last piece is to be shorter"
    hand, state, taken = ByHand(run), None, 0
    for number in range(9):
        inputs, targets = tensors(run.task.training_batch(seed, number, 6))
        state = None
        for start in starts:
            if taken < 9:
                piece = slice(start, start + 4)
                state = hand.step(inputs[piece], targets[piece], state, divisor=targets.numel() / len(starts))
                taken += 1
    hand.check(tmp_path, run)


def test_a_text_is_read_in_streams_and_the_state_goes_on(tmp_path):
    run = configuration(tmp_path, task=text(tmp_path), **sections(truncate=7, batch_size=5))
    whole = run.task.training_set()
    assert whole is not None
    valid = whole.loss_weights.T.ravel() > 0
    symbols, following = (torch.from_numpy(part.T.ravel()[valid]) for part in (whole.inputs.argmax(-1), whole.targets))
    width = len(symbols) // 5
    inputs = nn.functional.one_hot(symbols[: width * 5].view(5, width).T, 18).float()
    targets = following[: width * 5].view(5, width).T
    hand, state = ByHand(run), None
    assert width // 7 > 9
    for number in range(9):
        piece = slice(7 * number, 7 * number + 7)
        state = hand.step(inputs[piece], targets[piece], state, divisor=35)
    hand.check(tmp_path, run)


@pytest.mark.parametrize("back", [None, 3])
def test_an_update_at_every_step(tmp_path, back):
    """The state with which the window begins is the one that the window before has found there."""
    run = configuration(tmp_path, task=COPYING, **sections(truncate=back, update="step", max_steps=7))
    hand, inside = ByHand(run), None
    inputs, targets = tensors(run.task.training_batch(0, 0, 6))
    assert len(inputs) == 7
    for t in range(7):
        start = 0 if back is None else max(0, t + 1 - back)
        window = slice(start, t + 1)
        before = inside
        if back is not None and t + 1 >= back:
            with torch.no_grad():
                _, inside = hand.lstm(inputs[start : start + 1], before)
        hand.step(inputs[window], targets[window], before, divisor=6, counted=slice(-1, None))
    hand.check(tmp_path, run)


def test_pieces_of_sequences_and_of_every_step(tmp_path):
    task = configuration(tmp_path, task=COPYING).task
    steps = task.training_batch(0, 0, 2).inputs.shape[0]
    pieces = Pieces(task, 4, 2, every=False)
    assert pieces.number == -(-steps // 4)
    assert pieces.of(1) == Piece(batch=0, start=4, stop=7, counted=4, kept=3)
    assert pieces.of(pieces.number) == Piece(batch=1, start=0, stop=4, counted=0, kept=4)
    every = Pieces(task, 4, 2, every=True)
    assert every.of(2) == Piece(batch=0, start=0, stop=3, counted=2, kept=0)
    assert every.of(3) == Piece(batch=0, start=0, stop=4, counted=3, kept=1)
    assert every.of(5) == Piece(batch=0, start=2, stop=6, counted=5, kept=1)
    assert every.of(steps) == Piece(batch=1, start=0, stop=1, counted=0, kept=0)


@pytest.mark.parametrize("every", [False, True])
def test_every_prediction_counts_once(tmp_path, every):
    run = configuration(tmp_path, task=COPYING, **sections(truncate=4, update="step" if every else "sequence"))
    data, pieces = StackData([run], network(run)), pieces_of(run)
    assert pieces is not None
    whole = run.task.training_batch(0, 0, 6)
    counted = np.zeros_like(whole.loss_weights)
    for step in range(pieces.number):
        batch, piece = data.batch(step), pieces.of(step)
        counted[piece.start : piece.start + batch.loss_weights.shape[1]] += batch.loss_weights[0].numpy()
        assert batch.lengths.max() == piece.stop - piece.start
    assert np.array_equal(counted, whole.loss_weights)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"training": {"truncate": 3}}, r"training\.truncate=3: task 'adding' has one prediction"),
        ({"training": {"update": "step"}}, r"training\.update=step: task 'adding' has one prediction.*be sequence"),
        (
            {"task": COPYING, "training": {"truncate": 3}, "model": {"bidirectional": True}},
            r"training\.truncate=3: model\.bidirectional=true",
        ),
        ({"task": COPYING, "training": {"truncate": 0}}, r"training.*truncate"),
    ],
)
def test_where_pieces_mean_nothing_they_are_refused(tmp_path, words, said):
    with pytest.raises(UserError, match=said):
        configuration(tmp_path, **words)


def test_a_text_needs_an_end_and_enough_of_it(tmp_path):
    task = text(tmp_path)
    with pytest.raises(UserError, match=r"training\.update=step: task 'characters' is one text.*training\.truncate"):
        configuration(tmp_path, task=task, training={"update": "step"})
    run = configuration(tmp_path, task=task, training={"truncate": 500})
    with pytest.raises(UserError, match=r"training\.truncate=500: must be at most \d+, the steps of each of training"):
        StackData([run], network(run))
