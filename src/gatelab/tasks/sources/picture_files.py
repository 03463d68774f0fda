"""Pictures and their classes from Hugging Face, or from a local folder under the usual names of MNIST and CIFAR-10."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError
from gatelab.reading import open_regular
from gatelab.reading.arrays import read_npz
from gatelab.tasks.sources.fetch import PublicDataset, check_content, load_public
from gatelab.tasks.sources.usual_names import FileState, nearest_file, state_of

__all__ = ["CIFAR10", "MNIST", "PictureSet", "Pictures", "hash_of_pictures", "load_pictures"]

Raw = tuple[Any, NDArray[Any]]
"""Pictures, one after the other, and their classes."""

_CLASSES = 10
_MOST_BYTES = 2**29  # that a packed file may unpack to: MNIST, even in eight bytes a pixel


class Pictures(NamedTuple):
    """One part of a set of pictures."""

    pixels: NDArray[np.uint8]
    """(height · width, pictures, channels), row by row."""
    classes: NDArray[np.int64]
    """(pictures,)"""


class PictureSet(NamedTuple):
    """The shape and the public source of a set of pictures."""

    public: PublicDataset
    shape: tuple[int, ...]
    """Of one picture: (height, width), or (height, width, channels)."""
    originals: Callable[[Path, str], list[Raw] | None]
    """Reads training and test of a local folder under their usual names; None if they are not there."""
    names: str
    """The usual names, for errors."""


def load_pictures(pictures: PictureSet, path: str | None, sha256: str | None) -> tuple[Pictures, Pictures]:
    """Return the training and the test part.

    ``path`` is a folder that has the files under their usual names (``PictureSet.names``), itself or below it, or one
    that ``load_public`` reads, with columns image (or img) and label. Raises :class:`UserError` in one line if the data
    are missing, cannot be fetched, have another hash than one that is given, or are not such pictures.
    """
    training, test, found = _loaded(pictures, path, state_of(path))
    check_content("path", path, sha256, found)
    return training, test


def hash_of_pictures(pictures: PictureSet, path: str) -> str:
    """Return the hash of all pixels and classes of a local copy. Raises as :func:`load_pictures`."""
    return _loaded(pictures, path, state_of(path))[2]


# Reading decodes 60,000 pictures, which takes seconds; the two sets together are 240 MB. The state of the files makes a
# folder that has changed one that has not been read.
@lru_cache(maxsize=2)
def _loaded(
    pictures: PictureSet,
    path: str | None,
    state: FileState,  # noqa: ARG001 - of the cache
) -> tuple[Pictures, Pictures, str]:
    named = pictures.public.identifier if path is None else f"task.path={path}"
    raw = None if path is None else pictures.originals(Path(path).expanduser(), named)
    training, test = (
        _checked(*part, pictures.shape, f"{named}, {split}")
        for part, split in zip(raw or _columns(pictures, path), ("train", "test"), strict=True)
    )
    content = hashlib.sha256()
    for array in (*training, *test):
        content.update(str(array.shape).encode() + array.tobytes())
    return training, test, content.hexdigest()


def _columns(pictures: PictureSet, path: str | None) -> list[Raw]:
    columns = ("image|img", "label")
    looked_for = "" if path is None else f"nor are there {pictures.names}"
    found = load_public(pictures.public, path, {"train": columns, "test": columns}, looked_for)
    return [
        ([np.asarray(picture) for picture in found[split][0]], np.asarray(found[split][1][:]))
        for split in ("train", "test")
    ]


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


def _mnist(folder: Path, named: str) -> list[Raw] | None:
    """Read LeCun's four files, or Keras's mnist.npz, which ``folder`` may also be itself."""
    archive = folder if folder.is_file() and folder.suffix == ".npz" else None
    if folder.is_dir() and _idx_file(folder, "train-images-idx3-ubyte", named) is not None:
        return [
            (
                list(_idx(folder, f"{part}-images-idx3-ubyte", 3, named)),
                _idx(folder, f"{part}-labels-idx1-ubyte", 1, named),
            )
            for part in ("train", "t10k")
        ]
    if folder.is_dir():
        archive = nearest_file(folder, ["mnist.npz"], named)
    return None if archive is None else _npz(archive, named)


def _idx_file(folder: Path, name: str, named: str) -> Path | None:
    # with a dot before idx, as they are often unpacked; below a folder MNIST, as torchvision has them
    names = [name, name.replace("-idx", ".idx")]
    return nearest_file(folder, [*names, *(f"{one}.gz" for one in names)], named, within="MNIST")


def _idx(folder: Path, name: str, dimensions: int, named: str) -> NDArray[np.uint8]:
    """Return the bytes of one file in LeCun's IDX format: 0, 0, 8 for bytes, the dimensions, their sizes, the data."""
    file = _idx_file(folder, name, named)
    if file is None:
        raise UserError(f"{named}: no {name}, nor with a dot before idx, nor its .gz")
    try:
        content = _whole(file) if file.suffix != ".gz" else _unzipped(file)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{named}: {file.name} cannot be read") from error
    if len(content) > _MOST_BYTES:
        raise UserError(f"{named}: {file.name} unpacks to more than {_MOST_BYTES >> 20} MB")
    start = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:start], ">u4")
    if content[:4] != bytes([0, 0, 8, dimensions]) or len(content) - start != np.prod(shape, dtype=np.int64):
        raise UserError(f"{named}: {file.name} is not a complete IDX file of bytes in {dimensions} dimensions")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _unzipped(file: Path) -> bytes:
    with open_regular(file) as opened, gzip.GzipFile(fileobj=opened) as unpacked:
        return unpacked.read(_MOST_BYTES + 1)


def _npz(file: Path, named: str) -> list[Raw]:
    arrays = read_npz(file, f"{named}: {file.name}", _MOST_BYTES)
    if {f"{kind}_{part}" for kind in "xy" for part in ("train", "test")} - set(arrays):
        raise UserError(f"{named}: {file.name} must be an archive of NumPy with x_train, y_train, x_test and y_test")
    return [(list(arrays[f"x_{part}"]), arrays[f"y_{part}"]) for part in ("train", "test")]


def _cifar10(folder: Path, named: str) -> list[Raw] | None:
    """Read the binary version of CIFAR-10; the version for Python is pickles, which are not read."""
    if not folder.is_dir():
        return None
    names = [f"data_batch_{number}.bin" for number in range(1, 6)]
    files = [nearest_file(folder, [name], named) for name in (*names, "test_batch.bin")]
    if files[0] is None:
        if nearest_file(folder, ["data_batch_1"], named) is not None:
            raise UserError(
                f"{named}: data_batch_1 is a pickle, which is not read; "
                "the binary version has the same pictures (cifar-10-binary.tar.gz)"
            )
        return None
    for name, file in zip((*names, "test_batch.bin"), files, strict=True):
        if file is None:
            raise UserError(f"{named}: no {name}")
    *training, test = (_rows(file, named) for file in files if file is not None)
    return [_pictures_of_rows(np.concatenate(training)), _pictures_of_rows(test)]


def _rows(file: Path, named: str) -> NDArray[np.uint8]:
    """Return (pictures, 3073): a class, then 1024 bytes of red, green and blue each."""
    try:
        content = np.frombuffer(_whole(file), np.uint8)
    except OSError as error:
        raise UserError(f"{named}: {file.name} cannot be read") from error
    if not content.size or content.size % 3073:
        raise UserError(f"{named}: {file.name} is not a complete file of pictures: 3073 bytes each")
    return content.reshape(-1, 3073)


def _pictures_of_rows(rows: NDArray[np.uint8]) -> Raw:
    return list(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), rows[:, 0]


def _whole(file: Path) -> bytes:
    with open_regular(file) as opened:
        return opened.readall()


MNIST = PictureSet(
    PublicDataset("ylecun/mnist", "mnist", "77f3279092a1c1579b2250db8eafed0ad422088c", "18 MB"),
    (28, 28),
    _mnist,
    "train-images-idx3-ubyte (or train-images.idx3-ubyte, or .gz) and mnist.npz",
)
CIFAR10 = PictureSet(
    PublicDataset("uoft-cs/cifar10", "plain_text", "0b2714987fa478483af9968de7c934580d0bb9a2", "144 MB"),
    (32, 32, 3),
    _cifar10,
    "data_batch_1.bin to data_batch_5.bin and test_batch.bin",
)
