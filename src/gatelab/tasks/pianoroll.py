"""Piano rolls from a JSON file of chorales, local or fetched once, and checked before it is trusted."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError
from gatelab.tasks.task import Batch

# datasets takes seconds to import; tasks must be listed without it.
if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

__all__ = ["LOWEST_NOTE", "NOTES", "PUBLIC_SHA256", "PUBLIC_URL", "Splits", "load_chorales", "load_splits"]

PUBLIC_URL = (
    "https://raw.githubusercontent.com/czhuang/JSB-Chorales-dataset/"
    "9a7f733ddb4ed91f48da64ac7f0f621c34aadd4d/jsb-chorales-quarter.json"
)
PUBLIC_SHA256 = "2db9329f1881a1d3f49703ec556bf1d6f84b4f6c1d702c156536e93cf31e1c91"
PUBLIC_SIZE = "0.4 MB"

LOWEST_NOTE, NOTES = 21, 88  # the keys of a piano, A0 … C8, as MIDI notes 21 … 108
SPLITS = ("train", "valid", "test")

SILENT_SECONDS = 4.0
"""How long a connection may stay silent. A silent one is tried twice, so that giving up takes twice as long."""
FETCH_SECONDS = 120.0
"""How long a connection that does answer may take."""


class Splits(NamedTuple):
    """The three parts of the data, each as one batch."""

    training: Batch
    validation: Batch
    test: Batch


@lru_cache(maxsize=2)
def load_splits(path: str | None, sha256: str) -> Splits:
    """Return all chorales as piano rolls, padded to the longest of each split."""
    chorales = load_chorales(path, sha256)
    return Splits(*(_batch(chorales[split]) for split in SPLITS))


def load_chorales(path: str | None, sha256: str) -> DatasetDict:
    """Return the chorales as Hugging Face datasets ``train``, ``valid`` and ``test``: a row holds ``frames`` of notes.

    Raises :class:`UserError` in one line if the file is missing, cannot be fetched, has another hash, or does not
    hold chorales.
    """
    file = _locate(path)
    named = f"task.path={file}" if path is not None else str(file)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{named}: cannot be read ({error.strerror})") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        advice = "" if path is not None else "; delete the file to fetch it again"
        raise UserError(f"{named}: its sha256 is {found}, but task.sha256={sha256} is expected{advice}")
    return _parse(content, named)


def _locate(path: str | None) -> Path:
    """Return the local file, fetching it into the cache of datasets if no path is given."""
    if path is not None:
        file = Path(path).expanduser()
        if not file.is_file():
            raise UserError(f"task.path={path}: no such file; null fetches it ({PUBLIC_SIZE}) from {PUBLIC_URL}")
        return file

    import aiohttp
    import datasets

    bounds = aiohttp.ClientTimeout(total=FETCH_SECONDS, connect=SILENT_SECONDS, sock_read=SILENT_SECONDS)
    # use_etag=False: the commit in the address pins the content, so what is in the cache is found without network.
    # Options go under the protocol's name, the form in which datasets hands them to fsspec.
    how = datasets.DownloadConfig(
        use_etag=False,
        disable_tqdm=True,
        storage_options={PUBLIC_URL.split(":")[0]: {"client_kwargs": {"timeout": bounds}}},
    )
    try:
        return Path(datasets.DownloadManager(download_config=how).download(PUBLIC_URL))
    except (OSError, aiohttp.ClientError) as error:
        # fsspec calls every failure "file not found" and keeps what happened as the cause
        reason = error.__cause__ or error
        words = " ".join(str(reason).split()) or type(reason).__name__
        raise UserError(
            f"task=chorales: cannot fetch {PUBLIC_URL} ({PUBLIC_SIZE}): {words}; "
            "fetch it elsewhere and give task.path=FILE"
        ) from error


def _parse(content: bytes, named: str) -> DatasetDict:
    from datasets import Dataset, DatasetDict, Features, List, Value

    try:
        splits = json.loads(content)
    except ValueError as error:
        raise UserError(f"{named}: not a complete JSON file ({error})") from error
    if not isinstance(splits, dict) or (missing := [split for split in SPLITS if split not in splits]):
        absent = "train" if not isinstance(splits, dict) else missing[0]
        raise UserError(f"{named}: no split '{absent}'; needed: {', '.join(SPLITS)}")
    for split in SPLITS:
        _check_chorales(splits[split], f"{named}, {split}")
    features = Features({"frames": List(List(Value("uint8")))})
    return DatasetDict({split: Dataset.from_dict({"frames": splits[split]}, features=features) for split in SPLITS})


def _check_chorales(chorales: Any, named: str) -> None:
    """Refuse everything that is not chorales of frames of notes; chorales and frames are counted from 1."""
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
                if type(note) is not int or not LOWEST_NOTE <= note < LOWEST_NOTE + NOTES:
                    raise UserError(
                        f"{where}: note {note!r:.40} is not a MIDI note of a piano, "
                        f"{LOWEST_NOTE} to {LOWEST_NOTE + NOTES - 1}"
                    )


def _batch(chorales: Dataset) -> Batch:
    """Return the chorales of a split: inputs are all frames but the last, targets all but the first."""
    rolls = [_roll(frames) for frames in chorales["frames"]]
    lengths = np.array([len(roll) - 1 for roll in rolls], np.int64)
    inputs = np.zeros((lengths.max(), len(rolls), NOTES), np.float32)
    targets = np.zeros_like(inputs)
    for index, (roll, length) in enumerate(zip(rolls, lengths, strict=True)):
        inputs[:length, index] = roll[:-1]
        targets[:length, index] = roll[1:]
    weights = (np.arange(lengths.max())[:, None] < lengths).astype(np.float32)
    return Batch(inputs, lengths, targets, weights, weights.copy())


def _roll(frames: list[list[int]]) -> NDArray[np.float32]:
    """Return (frames, 88) zeros and ones."""
    roll = np.zeros((len(frames), NOTES), np.float32)
    for time, notes in enumerate(frames):
        roll[time, np.array(notes, np.int64) - LOWEST_NOTE] = 1
    return roll
