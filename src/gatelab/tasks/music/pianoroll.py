"""Piano rolls from public files, local or fetched once, and checked before use."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError
from gatelab.reading import Limits, parse_json
from gatelab.tasks.sources.byte_arrays import Splits, pad
from gatelab.tasks.sources.fetch import PublicFile, read_file
from gatelab.tasks.task import Batch

# datasets takes seconds to import; tasks must be listed without it.
if TYPE_CHECKING:
    from collections.abc import Callable

    from datasets import DatasetDict

__all__ = [
    "LOWEST_NOTE",
    "NOTES",
    "PUBLIC_SHA256",
    "PUBLIC_URL",
    "batch_of_rolls",
    "in_pieces",
    "load_chorales",
    "load_matlab_splits",
    "load_splits",
]

PUBLIC_URL = (
    "https://raw.githubusercontent.com/czhuang/JSB-Chorales-dataset/"
    "9a7f733ddb4ed91f48da64ac7f0f621c34aadd4d/jsb-chorales-quarter.json"
)
PUBLIC_SHA256 = "2db9329f1881a1d3f49703ec556bf1d6f84b4f6c1d702c156536e93cf31e1c91"
PUBLIC_SIZE = "0.4 MB"

Arranged: TypeAlias = "Callable[[dict[str, list[NDArray[np.uint8]]]], dict[str, list[NDArray[np.uint8]]]]"
"""From the parts of a file, name -> piano rolls, to those that are used."""

LOWEST_NOTE, NOTES = 21, 88  # the keys of a piano, A0 … C8, as MIDI notes 21 … 108
SPLITS = ("train", "valid", "test")


@lru_cache(maxsize=2)
def load_splits(path: str | None, sha256: str, arranged: Arranged | None = None) -> Splits:
    """Return all chorales as packed piano rolls, padded to the longest of each split.

    ``arranged`` makes the parts anew: from part -> rolls to the same.
    """
    chorales = load_chorales(path, sha256)
    rolls = {split: [_roll(frames) for frames in chorales[split]["frames"]] for split in SPLITS}
    if arranged is not None:
        rolls = arranged(rolls)
    return Splits(*(batch_of_rolls(rolls[split]) for split in SPLITS))


def load_chorales(path: str | None, sha256: str) -> DatasetDict:
    """Return the chorales as Hugging Face datasets ``train``, ``valid`` and ``test``: a row holds ``frames`` of notes.

    Raises :class:`UserError` in one line if the file is missing, cannot be fetched, has another hash, or does not
    hold chorales.
    """
    content = read_file(PublicFile("chorales", PUBLIC_URL, PUBLIC_SIZE), path, sha256)
    return _parse(content, PUBLIC_URL if path is None else f"task.path={path}")


@lru_cache(maxsize=2)
def load_matlab_splits(
    public: PublicFile, path: str | None, sha256: str, longest: int | None, arranged: Arranged | None = None
) -> Splits:
    """Return the tunes of a MATLAB 5 file as packed piano rolls, padded to the longest of each split.

    The file holds cell arrays ``traindata``, ``validdata`` and ``testdata`` of piano rolls (frames, 88) of zeros and
    ones. Training tunes are cut to pieces of at most ``longest`` predicted frames, None leaves them whole.

    Raises :class:`UserError` in one line if the file is missing, cannot be fetched, has another hash, or does not
    hold such piano rolls.
    """
    named = public.url if path is None else f"task.path={path}"
    rolls = _parse_matlab(read_file(public, path, sha256), named)
    if arranged is not None:
        rolls = arranged(rolls)
    if longest is not None:
        rolls["train"] = in_pieces(rolls["train"], longest)
    return Splits(*(batch_of_rolls(rolls[split]) for split in SPLITS))


def _parse_matlab(content: bytes, named: str) -> dict[str, list[NDArray[np.uint8]]]:
    from scipy.io import loadmat

    # The exception for another kind of file depends on how far the reader gets. (It never unpickles.)
    try:
        arrays = loadmat(io.BytesIO(content))
    except Exception as error:
        raise UserError(f"{named}: not a MATLAB 5 file ({' '.join(str(error).split())[:100]})") from error
    rolls: dict[str, list[NDArray[np.uint8]]] = {}
    for split in SPLITS:
        cells = arrays.get(f"{split}data")
        if cells is None or cells.dtype != object or not cells.size:
            raise UserError(f"{named}: no cell array '{split}data'; needed: traindata, validdata, testdata")
        for number, roll in enumerate(cells.ravel(), 1):
            where = f"{named}, {split}data, tune {number}"
            if roll.ndim != 2 or roll.shape[1] != NOTES or len(roll) < 2:
                raise UserError(f"{where}: must be at least 2 frames of {NOTES} notes, not of shape {roll.shape}")
            if not np.isin(roll, (0, 1)).all():
                raise UserError(f"{where}: must hold zeros and ones alone")
        rolls[split] = [roll.astype(np.uint8) for roll in cells.ravel()]
    return rolls


_LIMITS = Limits(size=2**28, values=2**25)  # all of Bach's chorales are 300 kB


def _parse(content: bytes, named: str) -> DatasetDict:
    from datasets import Dataset, DatasetDict, Features, List, Value

    splits = parse_json(content, named, limits=_LIMITS)
    if not isinstance(splits, dict) or (missing := [split for split in SPLITS if split not in splits]):
        absent = "train" if not isinstance(splits, dict) else missing[0]
        raise UserError(f"{named}: no split '{absent}'; needed: {', '.join(SPLITS)}")
    for split in SPLITS:
        _check_chorales(splits[split], f"{named}, {split}")
    features = Features({"frames": List(List(Value("uint8")))})
    return DatasetDict(
        {split: Dataset.from_dict({"frames": _whole(splits[split])}, features=features) for split in SPLITS}
    )


def _check_chorales(chorales: Any, named: str) -> None:
    """Refuse content that is not chorales of frames of notes; chorales and frames are counted from 1."""
    if not isinstance(chorales, list) or not chorales:
        raise UserError(f"{named}: must be a list of chorales")
    for number, chorale in enumerate(chorales, 1):
        if not isinstance(chorale, list) or len(chorale) < 2:
            raise UserError(f"{named}, chorale {number}: must be a list of at least 2 frames")
        for time, frame in enumerate(chorale, 1):
            where = f"{named}, chorale {number}, frame {time}"
            if not isinstance(frame, list):
                raise UserError(f"{where}: must be a list of notes, not {frame!r:.40}")
            for note in frame:
                if not _is_whole(note) or not LOWEST_NOTE <= note < LOWEST_NOTE + NOTES:
                    raise UserError(
                        f"{where}: note {note!r:.40} is not a MIDI note of a piano, "
                        f"{LOWEST_NOTE} to {LOWEST_NOTE + NOTES - 1}"
                    )


def _is_whole(note: Any) -> bool:
    # the file of sixteenths has one note in nine written 67.0
    return type(note) is int or (type(note) is float and note.is_integer())


def _whole(chorales: list[list[list[float]]]) -> list[list[list[int]]]:
    return [[[int(note) for note in frame] for frame in chorale] for chorale in chorales]


def in_pieces(rolls: list[NDArray[np.uint8]], longest: int) -> list[NDArray[np.uint8]]:
    """Return rolls cut to pieces of at most ``longest`` predicted frames; every frame is predicted as before."""
    # a piece ends with the frame with which the next one begins
    return [roll[start : start + longest + 1] for roll in rolls for start in range(0, len(roll) - 1, longest)]


def batch_of_rolls(rolls: list[NDArray[np.uint8]]) -> Batch:
    """Return the piano rolls of a split, packed: inputs are all frames but the last, targets all but the first."""
    inputs, lengths, mask = pad([roll[:-1] for roll in rolls])
    targets, _, _ = pad([roll[1:] for roll in rolls])
    weights: NDArray[Any] = mask
    return Batch(inputs, lengths, targets, weights, weights)


def _roll(frames: list[list[int]]) -> NDArray[np.uint8]:
    """Return (frames, 88) zeros and ones."""
    roll = np.zeros((len(frames), NOTES), np.uint8)
    for time, notes in enumerate(frames):
        roll[time, np.array(notes, np.int64) - LOWEST_NOTE] = 1
    return roll
