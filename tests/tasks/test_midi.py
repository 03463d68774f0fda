"""Your own MIDI files: rolls by hand, rules of the grid, parts and refusals."""

from typing import Any

import numpy as np
import pytest
import symusic

from gatelab.errors import UserError
from gatelab.tasks.music.midi_files import GRIDS, Midi
from gatelab.tasks.text.byte_text import Bytes
from tests.tasks.local_data import save_midi


def frames(task: Midi, part: str = "training", piece: int = 0) -> list[list[int]]:
    """Return the MIDI notes of each step of a piece, the first one included."""
    batch = getattr(task, part)()
    length = batch.lengths[piece]
    rolls = [batch.inputs[0, piece], *batch.targets[:length, piece]]
    return [(21 + np.flatnonzero(roll)).tolist() for roll in rolls]


def pieces(folder, notes, **options):
    for part in ("train", "valid", "test"):
        save_midi(folder / f"{part}.mid", notes, **options)
    return str(folder)


def test_a_note_sounds_from_its_nearest_step_to_its_nearest_end(tmp_path):
    path = pieces(tmp_path, [(60, 0, 480), (62, 490, 700), (64, 0, 840), (65, 700, 710)])
    # sixteenths of 120 ticks: 490 is nearest to step 4, 700 to 6, 840 is the end of step 6; 65 has at least one step
    assert frames(Midi(path=path)) == [[60, 64]] * 4 + [[62, 64], [62, 64], [64, 65]]
    # quarters: 490 and 700 are both nearest to 1, and 62 has at least one step; 840 is nearest to 2
    assert frames(Midi(path=path, grid="quarter")) == [[60, 64], [62, 64, 65]]


def test_a_key_struck_again_before_its_end_sounds_until_its_last_end(tmp_path):
    path = pieces(tmp_path, [(60, 0, 480), (60, 240, 720), (72, 0, 960)])
    assert frames(Midi(path=path, grid="eighth")) == [[60, 72]] * 3 + [[72]]


def test_the_tempo_plays_no_part(tmp_path):
    score: Any = symusic.Score(480)
    score.tempos.append(symusic.Tempo(0, 120))
    score.tempos.append(symusic.Tempo(480, 240))
    track: Any = symusic.Track()
    track.notes.append(symusic.Note(0, 480, 60, 64))
    track.notes.append(symusic.Note(480, 480, 62, 64))
    score.tracks.append(track)
    for part in ("train", "valid", "test"):
        score.dump_midi(str(tmp_path / f"{part}.mid"))
    assert frames(Midi(path=str(tmp_path), grid="eighth")) == [[60], [60], [62], [62]]


def test_every_grid_has_its_steps(tmp_path):
    path = pieces(tmp_path, [(60, 0, 960)])
    assert {name: len(frames(Midi(path=path, grid=name))) for name in GRIDS} == {n: 2 * s for n, s in GRIDS.items()}


def test_drums_and_notes_outside_a_piano_are_left_out(tmp_path):
    path = pieces(tmp_path, [(60, 0, 960), (10, 0, 960)])
    task = Midi(path=path, grid="quarter")
    assert frames(task) == [[60], [60]]
    assert any("3 notes outside" in line for line in task.remarks())
    for part in ("train", "valid", "test"):
        save_midi(tmp_path / f"{part}.mid", [(60, 0, 960)], channel=9)
    with pytest.raises(UserError, match=r"no piece for training, of 0; each part needs one$"):
        Midi(path=path).training()


def test_equal_pieces_are_in_one_part_and_a_changed_file_is_told(tmp_path):
    for number in range(40):
        save_midi(tmp_path / f"{number}.mid", [(40 + number % 20, 0, 960), (70, 0, 1920)])
    task = Midi(path=str(tmp_path), grid="quarter").pinned()
    lowest = [{frames(task, part, n)[0][0] for n in range(getattr(task, part)().lengths.size)}
              for part in ("training", "validation", "test")]  # fmt: skip
    assert [len(found) for found in lowest] == [14, 3, 3]
    assert len(set.union(*lowest)) == 20
    save_midi(tmp_path / "0.mid", [(40, 0, 480), (70, 0, 1920)])
    with pytest.raises(UserError, match="the sha256 of its content is"):
        task.training()


def test_chance_is_the_frequency_of_each_note(tmp_path):
    path = pieces(tmp_path, [(60, 0, 2400), (62, 480, 1440)])
    # predicted steps 2 … 5: 60 in all of 4, 62 in 2 of 4, the other 86 never
    p, q, rest = 4.5 / 5, 2.5 / 5, 0.5 / 5
    expected = -np.log(p) - np.log(q) - 86 * np.log(1 - rest)
    assert Midi(path=path, grid="quarter").chance == pytest.approx(expected)


@pytest.mark.parametrize(
    "content", [b"", b"junk" * 100, b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x01\xe0MTrk\xff\xff\xff\xff", b"MThd"]
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "mine.mid").write_bytes(content)
    with pytest.raises(UserError, match=r"^task\.path=\S+, mine\.mid: is no complete MIDI file") as refused:
        Midi(path=str(tmp_path)).pinned()
    assert "\n" not in str(refused.value)


def test_a_piece_of_a_hundred_years_is_refused(tmp_path):
    save_midi(tmp_path / "mine.mid", [(60, 0, 2**27)], quarter=1)
    with pytest.raises(UserError, match=r"steps long; at most 131,072$"):
        Midi(path=str(tmp_path)).pinned()


def test_bytes_of_any_file(tmp_path):
    content = bytes(range(256)) * 5
    (tmp_path / "mine.bin").write_bytes(content)
    task = Bytes(path=str(tmp_path / "mine.bin"), length=50).pinned()
    training = task.training()
    assert training.inputs[:, 0].tolist() == list(range(50))
    assert training.targets[:, 0].tolist() == list(range(1, 51))
    assert int(task.test().score_weights.sum()) == 1280 - 1280 * 95 // 100 - 1
    # each of the last 63 bytes is 4 times among the 1,151 targets of training, and half a count is added to each of 256
    assert task.chance == pytest.approx(np.log2((1151 + 128) / 4.5))
