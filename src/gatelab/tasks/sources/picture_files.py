"""Pictures and their classes from Hugging Face, a local folder, or the four original files of MNIST."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError
from gatelab.reading import open_regular
from gatelab.tasks.sources.fetch import PublicDataset, check_content, load_public

__all__ = ["CIFAR10", "MNIST", "PictureSet", "Pictures", "load_pictures"]


class Pictures(NamedTuple):
    """One part of a set of pictures."""

    pixels: NDArray[np.uint8]
    """(height · width, pictures, channels), row by row."""
    classes: NDArray[np.int64]
    """(pictures,)"""


class PictureSet(NamedTuple):
    """What a set of pictures must look like, and where it is at home."""

    public: PublicDataset
    shape: tuple[int, ...]
    """Of one picture: (height, width), or (height, width, channels)."""


MNIST = PictureSet(
    PublicDataset("smnist", "ylecun/mnist", "mnist", "77f3279092a1c1579b2250db8eafed0ad422088c", "18 MB"), (28, 28)
)
CIFAR10 = PictureSet(
    PublicDataset("scifar10", "uoft-cs/cifar10", "plain_text", "0b2714987fa478483af9968de7c934580d0bb9a2", "144 MB"),
    (32, 32, 3),
)

_CLASSES = 10


# Reading decodes 60,000 pictures, which takes seconds; the two sets together are 240 MB.
@lru_cache(maxsize=2)
def load_pictures(pictures: PictureSet, path: str | None, sha256: str | None) -> tuple[Pictures, Pictures]:
    """Return the training and the test part.

    ``path`` is a folder of the four original files (train-images-idx3-ubyte and so on, also as .gz), or one that
    ``load_public`` reads, with columns image (or img) and label. Raises :class:`UserError` in one line if the data are
    missing, cannot be fetched, have another hash or none is given for a local copy, or are not such pictures.
    """
    named = pictures.public.identifier if path is None else f"task.path={path}"
    original = None if path is None else Path(path).expanduser() / "train-images-idx3-ubyte"
    if original is not None and (original.is_file() or original.with_suffix(".gz").is_file()):
        raw = [_original(original.parent, part, named) for part in ("train", "t10k")]
    else:
        columns = ("image|img", "label")
        found = load_public(pictures.public, path, {"train": columns, "test": columns})
        raw = [
            ([np.asarray(picture) for picture in found[split][0]], np.asarray(found[split][1][:]))
            for split in ("train", "test")
        ]
    training, test = (
        _checked(*part, pictures.shape, f"{named}, {split}") for part, split in zip(raw, ("train", "test"), strict=True)
    )
    content = hashlib.sha256()
    for array in (*training, *test):
        content.update(str(array.shape).encode() + array.tobytes())
    check_content("path", path, sha256, content.hexdigest())
    return training, test


def _checked(
    pictures: list[NDArray[np.uint8]], classes: NDArray[np.integer], shape: tuple[int, ...], named: str
) -> Pictures:
    if not len(pictures) or len(pictures) != len(classes):
        raise UserError(f"{named}: {len(pictures)} pictures and {len(classes)} classes; must be as many, and some")
    for number, picture in enumerate(pictures, 1):
        if picture.shape != shape or picture.dtype.kind not in "iu" or picture.min() < 0 or picture.max() > 255:
            raise UserError(
                f"{named}, picture {number}: must be integers 0 … 255 of shape {shape}, "
                f"not {picture.dtype} of shape {picture.shape}"
            )
    if classes.dtype.kind not in "iu" or classes.min() < 0 or classes.max() >= _CLASSES:
        raise UserError(f"{named}: classes must be integers 0 … {_CLASSES - 1}")
    pixels = np.stack(pictures).astype(np.uint8).reshape(len(pictures), shape[0] * shape[1], -1)
    return Pictures(pixels.swapaxes(0, 1), classes.astype(np.int64))


def _original(folder: Path, part: str, named: str) -> tuple[list[NDArray[np.uint8]], NDArray[np.uint8]]:
    pixels = _idx(folder / f"{part}-images-idx3-ubyte", 3, named)
    return list(pixels), _idx(folder / f"{part}-labels-idx1-ubyte", 1, named)


def _whole(file: Path) -> bytes:
    with open_regular(file) as opened:
        return opened.readall()


def _idx(file: Path, dimensions: int, named: str) -> NDArray[np.uint8]:
    """Return the bytes of one file in LeCun's IDX format: 0, 0, 8 for bytes, the dimensions, their sizes, the data."""
    try:
        content = _whole(file) if file.is_file() else gzip.decompress(_whole(Path(f"{file}.gz")))
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{named}: {file.name} cannot be read, nor its .gz") from error
    start = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:start], ">u4")
    if content[:4] != bytes([0, 0, 8, dimensions]) or len(content) - start != np.prod(shape, dtype=np.int64):
        raise UserError(f"{named}: {file.name} is not a complete IDX file of bytes in {dimensions} dimensions")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
