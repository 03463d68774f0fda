"""Your own music: a folder of MIDI files as piano rolls on a grid; which notes sound in the next step of it.

    ticks     0                 480               960           480 ticks are a quarter note
    notes     60 ───────────────┐ 62 ─────┐
              64 ───────────────────────────────┐
    sixteenth 60 64  60 64  60 64  60 64  62 64  62 64  64  64   (grid: a step is a sixteenth)

A note begins at the step nearest to its first tick and ends at the one nearest to its last, after at least one step;
tempo plays no part. If a key is struck again before its end, the first end is that of the first stroke, and the key
sounds as long as one of them does. Notes that never end, drums (channel 10) and notes outside a piano are left out.
Pieces are in parts by their files' names or folders (train, valid, test), otherwise at random; equal pieces are in one
part. Loss and score are those of the chorales.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gatelab.errors import UserError, one_line
from gatelab.randomness import generator
from gatelab.reading import Limits, read_bytes
from gatelab.tasks.music.pianoroll import LOWEST_NOTE, NOTES, batch_of_rolls, in_pieces
from gatelab.tasks.music.polyphony import PianoRolls
from gatelab.tasks.sources.byte_arrays import Splits
from gatelab.tasks.sources.fetch import Sha256, check_content
from gatelab.tasks.sources.own_folder import PARTS, files_below, parts_of_files, systematic
from gatelab.tasks.sources.usual_names import FileState, state_of

__all__ = ["GRIDS", "Midi"]

GRIDS = {
    "quarter": 1,
    "eighth": 2,
    "eighth_triplet": 3,
    "sixteenth": 4,
    "sixteenth_triplet": 6,
    "thirty_second": 8,
}
"""The name of a step -> steps of a quarter note."""

Grid = Literal["quarter", "eighth", "eighth_triplet", "sixteenth", "sixteenth_triplet", "thirty_second"]
Share = Annotated[float, Field(gt=0, lt=1)]

_ENDINGS = (".mid", ".midi")
_FILE = Limits(size=2**24)
_MOST_BYTES = 2**29
_MOST_STEPS = 2**17  # of a piece: nine hours of sixteenths


class Midi(PianoRolls):
    """The MIDI files of a folder."""

    name: Literal["midi"] = "midi"
    path: str | None = None
    """A folder, looked through with all folders below it."""
    sha256: Sha256 | None = None
    """Hash of all files and their names; null computes it."""
    grid: Grid = "sixteenth"
    """A step of the roll."""
    longest: int | None = Field(default=None, ge=1)
    """Training pieces are cut to at most so many predicted steps; null leaves them whole."""
    validation_share: Share = 0.15
    test_share: Share = 0.15
    data_seed: int = Field(default=0, ge=0)
    """Decides which pieces are in which part, where their files do not say it."""

    source: ClassVar[str] = "your own MIDI files; form of Boulanger-Lewandowski, Bengio & Vincent 2012"

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> Self:
        if self.validation_share + self.test_share >= 1:
            shares = f"validation_share={self.validation_share:g} and test_share={self.test_share:g}"
            raise ValueError(f"{shares}: must sum to less than 1")
        return self

    def splits(self) -> Splits:
        pieces = self._pieces()
        check_content("path", self.path, self.sha256, pieces.sha256)
        return _splits(self, state_of(self.path))

    def pinned(self) -> Self:
        if self.path is None or self.sha256 is not None:
            return self
        return self.model_copy(update={"sha256": self._pieces().sha256})

    def remarks(self) -> Iterator[str]:
        for note in self._pieces().notes:
            yield f"task 'midi': {note}"

    @property
    def chance(self) -> float:
        """Measured on the files; without them, that of guessing every note."""
        return NOTES * float(np.log(2)) if self.path is None else _frequency_cost(self.splits())

    def _pieces(self) -> _Pieces:
        if self.path is None:
            raise UserError("task.path=null: must name a folder of MIDI files")
        return _read(self.path, self.grid, state_of(self.path))


class _Pieces(NamedTuple):
    rolls: tuple[NDArray[np.uint8], ...]
    parts: tuple[int, ...] | None
    sha256: str
    notes: tuple[str, ...]


@lru_cache(maxsize=2)
def _read(path: str, grid: str, state: FileState) -> _Pieces:  # noqa: ARG001 - files that change are read anew
    folder, named = Path(path).expanduser(), f"task.path={one_line(path, 200)}"
    if not folder.is_dir():
        raise UserError(f"{named}: no such folder; it must hold MIDI files")
    files = files_below(folder, named, _ENDINGS, _MOST_BYTES)
    parts = parts_of_files(files, folder, named)
    digest, rolls, kept = hashlib.sha256(), [], []
    outside = short = 0
    for place, file in enumerate(files):
        name = file.relative_to(folder).as_posix()
        content = read_bytes(file, f"{named}, {one_line(name)}", limits=_FILE)
        digest.update(f"{len(name)}:{name}".encode() + hashlib.sha256(content).digest())
        roll, left_out = _roll(content, GRIDS[grid], f"{named}, {one_line(name)}")
        outside += left_out
        if len(roll) < 2:
            short += 1
            continue
        rolls.append(roll)
        kept.append(place)
    notes = [f"{len(rolls):,} pieces of {named}, on a grid of {grid} notes"]
    notes += [f"{short:,} files with fewer than 2 steps are left out"] if short else []
    notes += [f"{outside:,} notes outside the keys of a piano are left out"] if outside else []
    chosen = None if parts is None else tuple(parts[place] for place in kept)
    return _Pieces(tuple(rolls), chosen, digest.hexdigest(), tuple(notes))


def _roll(content: bytes, steps: int, named: str) -> tuple[NDArray[np.uint8], int]:
    """Return (steps, 88) zeros and ones, and how many notes are outside."""
    try:
        import symusic
    except ImportError:
        raise UserError("task=midi: needs `pip install 'gatelab[midi]'`, which brings symusic") from None
    try:
        score: Any = symusic.Score.from_midi(content)  # its classes are made of C++
    except (RuntimeError, ValueError, MemoryError) as error:
        raise UserError(f"{named}: is no complete MIDI file ({one_line(error, 100)})") from None
    quarter = score.ticks_per_quarter
    if quarter < 1:
        raise UserError(f"{named}: has no ticks of a quarter note, but of a second; such files are not read")
    notes = [track.notes.numpy() for track in score.tracks if not track.is_drum and len(track.notes)]
    if not notes:
        return np.zeros((0, NOTES), np.uint8), 0
    start, duration, pitch = (np.concatenate([one[key] for one in notes]) for key in ("time", "duration", "pitch"))
    first = _nearest(start.astype(np.int64) * steps, quarter)
    stop = np.maximum(_nearest((start.astype(np.int64) + duration) * steps, quarter), first + 1)
    key = pitch.astype(np.int64) - LOWEST_NOTE
    inside = (key >= 0) & (key < NOTES)
    if int(stop.max()) > _MOST_STEPS:
        raise UserError(f"{named}: is {int(stop.max()):,} steps long; at most {_MOST_STEPS:,}")
    roll = np.zeros((int(stop.max()), NOTES), np.uint8)
    for one, begins, ends in zip(key[inside], first[inside], stop[inside], strict=True):
        roll[begins:ends, one] = 1
    return roll, int((~inside).sum())


def _nearest(ticks: NDArray[np.int64], quarter: int) -> NDArray[np.int64]:
    """Return the nearest step; of two as near the later one."""
    return (2 * ticks + quarter) // (2 * quarter)


@lru_cache(maxsize=2)
def _splits(task: Midi, state: FileState) -> Splits:  # noqa: ARG001
    pieces = task._pieces()
    parts = np.array(pieces.parts) if pieces.parts is not None else _drawn(pieces.rolls, task)
    rolls = [[roll for roll, own in zip(pieces.rolls, parts, strict=True) if own == part] for part in range(len(PARTS))]
    for part, own in zip(PARTS, rolls, strict=True):
        if not own:
            raise UserError(f"task.path={task.path}: no piece for {part}, of {len(pieces.rolls)}; each part needs one")
    if task.longest is not None:
        rolls[0] = in_pieces(rolls[0], task.longest)
    return Splits(*map(batch_of_rolls, rolls))


def _drawn(rolls: Sequence[NDArray[np.uint8]], task: Midi) -> NDArray[np.int64]:
    """Return the part of each piece, the same for equal ones."""
    known: dict[bytes, int] = {}
    groups = np.array([known.setdefault(roll.tobytes(), place) for place, roll in enumerate(rolls)], np.int64)
    firsts = np.unique(groups)
    parts = np.zeros(len(rolls), np.int64)
    test = systematic(firsts, task.test_share, generator(task.data_seed, "split", 0))
    rest = np.setdiff1d(firsts, test)
    share = task.validation_share / (1 - task.test_share)
    parts[test] = 2
    parts[systematic(rest, share, generator(task.data_seed, "split", 1))] = 1
    return parts[groups]


def _frequency_cost(splits: Splits) -> float:
    """Return the cost of a test frame in nats when each note is as probable as it is frequent in training.

    Half a frame with the note and half a frame without are added, so that no note costs infinity.
    """
    training, test = (
        part.targets[part.loss_weights.astype(bool)].astype(float) for part in (splits.training, splits.test)
    )
    frequency = (training.sum(0) + 0.5) / (len(training) + 1)
    sounds = test.mean(0)
    return float(-(sounds * np.log(frequency) + (1 - sounds) * np.log(1 - frequency)).sum())
