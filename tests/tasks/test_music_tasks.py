"""Piano rolls from MATLAB files: frames and successors, pieces, what is refused; the numbers of the real files."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

from gatelab.errors import UserError
from gatelab.tasks.music.polyphony import MuseData, Nottingham, PianoMidi
from tests.tasks.local_data import file_hash, rolls, save_rolls

REAL_FILES = os.environ.get("GATELAB_PIANO_ROLLS")
TINY = rolls()


@pytest.fixture
def nottingham(tmp_path):
    """Write piano rolls to a file; return the task that reads it."""

    def write(parts, **fields):
        return Nottingham(**file_hash("nottingham", path=save_rolls(tmp_path / "tunes.mat", parts)), **fields)

    return write


def test_targets_are_the_next_frame(nottingham):
    task = nottingham(TINY)
    for split, batch in zip(TINY, (task.training(), task.validation(), task.test()), strict=True):
        assert len(batch.lengths) == len(TINY[split])
        for index, roll in enumerate(TINY[split]):
            steps = len(roll) - 1
            assert batch.lengths[index] == steps
            np.testing.assert_array_equal(batch.inputs[:steps, index], roll[:-1])
            np.testing.assert_array_equal(batch.targets[:steps, index], roll[1:])
            np.testing.assert_array_equal(batch.loss_weights[:, index], np.arange(len(batch.inputs)) < steps)


@pytest.mark.parametrize("longest", [1, 3, 4, 100])
def test_pieces_predict_every_training_frame_as_before(nottingham, longest):
    whole, pieces = nottingham(TINY), nottingham(TINY, longest=longest)
    training = pieces.training()
    assert len(training.inputs) == min(longest, 8)

    def predictions(batch):
        chosen = batch.loss_weights > 0
        return sorted(zip(map(bytes, batch.inputs[chosen]), map(bytes, batch.targets[chosen]), strict=True))

    assert predictions(training) == predictions(whole.training())
    np.testing.assert_array_equal(pieces.test().inputs, whole.test().inputs)
    np.testing.assert_array_equal(pieces.validation().inputs, whole.validation().inputs)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no such file; null fetches it \(1 MB\) from https://.*/MuseData\.mat$"):
        MuseData(path=str(tmp_path / "none.mat")).test()


def test_a_file_with_another_hash_is_refused(tmp_path):
    path = save_rolls(tmp_path / "tunes.mat", TINY)
    with pytest.raises(UserError, match=r"its sha256 is .* but task\.sha256=d154f7ca.* is expected$"):
        Nottingham(path=path).test()


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"train": TINY["train"], "test": TINY["test"]}, "no cell array 'validdata'; needed: traindata, validdata, te"),
        (
            {**TINY, "test": [np.zeros((3, 87))]},
            "testdata, tune 1: must be at least 2 frames of 88 notes, not of shape",
        ),
        ({**TINY, "test": [TINY["test"][0], np.zeros((1, 88))]}, "testdata, tune 2: must be at least 2 frames"),
        ({**TINY, "train": [np.full((2, 88), 2)]}, "traindata, tune 1: must hold zeros and ones alone"),
    ],
)
def test_other_arrays_are_refused(nottingham, parts, expected):
    with pytest.raises(UserError) as refused:
        nottingham(parts).test()
    assert expected in str(refused.value)


def test_a_file_that_is_not_matlab_is_refused(tmp_path):
    file = tmp_path / "tunes.mat"
    file.write_bytes(b"nothing of the kind, however long it may be" * 9)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(UserError, match=r"^task\.path=.*: not a MATLAB 5 file") as refused:
        PianoMidi(path=str(file), sha256=sha256).test()
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(not REAL_FILES, reason="GATELAB_PIANO_ROLLS names no folder of the MATLAB files")
@pytest.mark.parametrize(
    ("kind", "file", "tunes", "frames"),
    [
        (MuseData, "MuseData.mat", [524, 135, 124], [245202, 82755, 64339]),
        (Nottingham, "Nottingham.mat", [694, 173, 170], [176561, 45513, 44463]),
        (PianoMidi, "Piano_midi.mat", [87, 12, 25], [75911, 8540, 19036]),
    ],
)
def test_sizes_and_chance_of_the_real_file(kind, file, tunes, frames):
    path = Path(str(REAL_FILES)) / file
    splits = kind(path=str(path)).splits()
    assert [len(part.lengths) for part in splits] == tunes
    assert [int((part.lengths + 1).sum()) for part in splits] == frames
    # counted from the file itself: each note as often as it sounds in training, half a count each way
    arrays = scipy.io.loadmat(str(path))
    training, test = (np.concatenate([roll[1:] for roll in arrays[f"{split}data"][0]]) for split in ("train", "test"))
    frequency = (training.sum(0, dtype=float) + 0.5) / (len(training) + 1)
    cost = -(test * np.log(frequency) + (1 - test.astype(float)) * np.log(1 - frequency)).sum(1).mean()
    assert cost == pytest.approx(kind.chance, abs=0.005)
    logits = torch.from_numpy(np.log(frequency / (1 - frequency)))
    scores = kind().scores(logits.expand(len(test), 88), torch.from_numpy(test))
    assert float(scores.mean()) == pytest.approx(cost, rel=1e-9)
