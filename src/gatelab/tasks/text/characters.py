"""Character language modelling: which character comes next.

    input    T o   b e ,   o r   n o t   t o   b
    target   o   b e ,   o r   n o t   t o   b e

A text is split by position, and each part is cut to pieces of ``length`` characters, with every character but the
first of a part as a target once. A piece starts without memory of the previous one, so its first characters are harder
than for a network that carries its state through the text; a greater ``length`` makes this negligible.
The loss is in nats, the score in bits per character, over all characters of a part; perfect is 0.

    tiny_shakespeare   1,115,394 characters, 65 different ones: the first 90 %, the next 5 % and the last 5 %. Chance,
                       predicting each as often as it occurs in training, is 4.85. Source: Karpathy 2015, char-rnn
                       (whose own split is 95 : 5, without a test)
    text8              100 million letters and spaces: the first 90, the next 5 and the last 5 million. Chance,
                       guessing one of the 27, is 4.75. Source: Mahoney 2006; split of Mikolov et al. 2012, "Subword
                       Language Modeling with Neural Networks"
    characters         any text file: the first 90 %, the next 5 % and the last 5 %; or the three files of a folder
"""

from __future__ import annotations

import io
import math
import zipfile
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gatelab.errors import UserError
from gatelab.tasks.losses import Measure, cross_entropy
from gatelab.tasks.sources.byte_arrays import PackedTask, Splits, cut
from gatelab.tasks.sources.fetch import PublicFile, Sha256, read_file
from gatelab.tasks.task import Batch
from gatelab.tasks.text.own_text import hash_of_text, read_text_parts
from gatelab.tasks.text.vocabulary import frequency_cost, ranked, unknown_shares

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Characters", "Text8", "TinyShakespeare"]

_SHAKESPEARE = PublicFile(
    "tiny_shakespeare",
    "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/"
    "data/tinyshakespeare/input.txt",
    "1.1 MB",
)
_CODE_POINTS = 0x110000  # of Unicode
_TEXT8 = PublicFile("text8", "http://mattmahoney.net/dc/text8.zip", "31 MB")


class _CharacterTask(PackedTask):
    """Next-character prediction: inputs (time, batch, alphabet) one-hot, targets (time, batch) classes.

    Reading the data raises :class:`UserError` in one line if the file is not there, cannot be fetched, has another
    hash, or does not hold such a text.
    """

    path: str | None = None
    length: int = Field(default=200, ge=1)
    """Characters that are predicted in a piece."""

    contiguous: ClassVar[bool] = True
    readout: ClassVar[Literal["last", "every"]] = "every"
    loss: ClassVar[Measure] = cross_entropy
    score_name: ClassVar[str] = "bits per character"
    higher_is_better: ClassVar[bool] = False
    perfect: ClassVar[float] = 0.0

    @property
    @abstractmethod
    def input_size(self) -> int: ...

    @property
    def output_size(self) -> int:
        return self.input_size

    def unpack(self, packed: Batch) -> Batch:
        weights = packed.loss_weights.astype(np.float32)
        inputs = np.zeros((*packed.inputs.shape, self.input_size), np.float32)
        np.put_along_axis(inputs, packed.inputs[..., None].astype(np.int64), weights[..., None], axis=-1)
        return Batch(inputs, packed.lengths, packed.targets.astype(np.int64), weights, weights.copy())

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(outputs, targets) / math.log(2)


class TinyShakespeare(_CharacterTask):
    """A million characters of Shakespeare's plays."""

    name: Literal["tiny_shakespeare"] = "tiny_shakespeare"
    sha256: Sha256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
    """Hash of the file, checked before anything is read from it."""

    alphabet: ClassVar[str] = "\n !$&',-.3:;?" + ascii_uppercase + ascii_lowercase
    input_size: ClassVar[int] = 65
    # The frequencies of the first 90 % on the last 5 %; a test measures it again if the file is available.
    chance: ClassVar[float] = 4.85
    chance_meaning: ClassVar[str] = "predicting each character as often as it occurs in training"
    source: ClassVar[str] = "Karpathy 2015, char-rnn"

    def splits(self) -> Splits:
        return _shakespeare(self.path, self.sha256, self.length)


class Text8(_CharacterTask):
    """A hundred million letters and spaces of the English Wikipedia."""

    name: Literal["text8"] = "text8"
    sha256: Sha256 = "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"
    """Hash of text8.zip, or of the text alone if that is what ``path`` names."""
    training_size: int = Field(default=90_000_000, ge=2)
    validation_size: int = Field(default=5_000_000, ge=2)
    test_size: int = Field(default=5_000_000, ge=2)
    """Characters of each part, taken from the beginning of the text, one part after the other."""

    alphabet: ClassVar[str] = " " + ascii_lowercase
    input_size: ClassVar[int] = 27
    chance: ClassVar[float] = math.log2(27)
    chance_meaning: ClassVar[str] = "guessing one of 27 characters"
    source: ClassVar[str] = "Mahoney 2006; split of Mikolov et al. 2012"

    def splits(self) -> Splits:
        sizes = (self.training_size, self.validation_size, self.test_size)
        return _text8(self.path, self.sha256, sizes, self.length)


class Characters(_CharacterTask):
    """The characters of any UTF-8 text file, or of a folder with a file for each part, which ``path`` names.

    Class 0 stands for every character that is not in the alphabet: the ``vocabulary - 1`` most frequent characters of
    training, of two as frequent the one with the lower code point. A file with fewer leaves some classes unused.
    """

    name: Literal["characters"] = "characters"
    sha256: Sha256 | None = None
    """Hash of the file; null computes it."""
    vocabulary: int = Field(default=256, ge=2, le=_CODE_POINTS)
    """Classes, the one for unknown characters included. Inputs are one-hot: memory grows with it."""

    source: ClassVar[str] = "any text; form of Karpathy 2015, char-rnn"

    @property
    def input_size(self) -> int:
        return self.vocabulary

    @property
    def chance(self) -> float:
        """Measured on the file; without one, guessing among all classes."""
        if self.path is None:
            return math.log2(self.vocabulary)
        return frequency_cost(self.splits(), self.vocabulary) / math.log(2)

    @property
    def chance_meaning(self) -> str:
        return "guessing a character" if self.path is None else TinyShakespeare.chance_meaning

    def pinned(self) -> Self:
        if self.path is None or self.sha256 is not None:
            return self
        return self.model_copy(update={"sha256": hash_of_text(self.path)})

    def remarks(self) -> Iterator[str]:
        yield from unknown_shares(self.splits(), self.vocabulary, "characters")

    def splits(self) -> Splits:
        return _characters(self.path, self.pinned().sha256, self.vocabulary, self.length)


@lru_cache(maxsize=2)
def _shakespeare(path: str | None, sha256: str, length: int) -> Splits:
    named = "tiny_shakespeare" if path is None else f"task.path={path}"
    text = _decoded(read_file(_SHAKESPEARE, path, sha256), named)
    codes = _codes(text)
    return _splits(_classes(codes, TinyShakespeare.alphabet, named), _tenths(len(codes)), length, named)


@lru_cache(maxsize=1)
def _text8(path: str | None, sha256: str, sizes: tuple[int, int, int], length: int) -> Splits:
    named = "text8" if path is None else f"task.path={path}"
    content = read_file(_TEXT8, path, sha256)
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read(archive.namelist()[0])
    if sum(sizes) > len(content):
        raise UserError(
            f"task: training_size={sizes[0]}, validation_size={sizes[1]} and test_size={sizes[2]} must sum to at most "
            f"{len(content)}, the characters of the text"
        )
    classes = _classes(np.frombuffer(content, np.uint8)[: sum(sizes)], Text8.alphabet, named)
    return _splits(classes, np.cumsum(sizes[:2]).tolist(), length, named)


@lru_cache(maxsize=2)
def _characters(path: str | None, sha256: str | None, vocabulary: int, length: int) -> Splits:
    text, *others = read_text_parts(path, sha256)
    training = text if others else text[: _tenths(len(text))[0]]
    alphabet = ranked(Counter(training), vocabulary - 1)
    table = np.zeros(_CODE_POINTS, np.min_scalar_type(vocabulary - 1))
    table[[ord(character) for character in alphabet]] = np.arange(1, len(alphabet) + 1)
    codes = [_codes(part) for part in (text, *others)]
    ends = np.cumsum([len(part) for part in codes[:-1]]).tolist() if others else _tenths(len(text))
    return _splits(table[np.concatenate(codes)], ends, length, f"task.path={path}")


def _decoded(content: bytes, named: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{named}: is not text in UTF-8 (byte {error.start})") from error


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def _classes(codes: NDArray[np.unsignedinteger], alphabet: str, named: str) -> NDArray[np.uint8]:
    """Return the position of each character in an alphabet of ASCII; refuse any other character."""
    outside = len(alphabet)
    table = np.full(128, outside, np.uint8)
    table[[ord(character) for character in alphabet]] = np.arange(outside)
    classes = table[np.minimum(codes, 127)]
    if (strangers := np.flatnonzero(classes == outside)).size:
        first = int(strangers[0])
        raise UserError(f"{named}: character {first + 1}, {chr(codes[first])!r}, is not one of its {outside}")
    return classes


def _tenths(characters: int) -> list[int]:
    """Return where validation and test begin: after 90 % and 95 %."""
    return [characters * 90 // 100, characters * 95 // 100]


def _splits(classes: NDArray[np.unsignedinteger], ends: list[int], length: int, named: str) -> Splits:
    parts = np.split(classes, ends)
    if min(map(len, parts)) < 2:
        raise UserError(f"{named}: its {len(classes)} characters are too few; each part needs at least 2")
    return Splits(*(cut(part, length) for part in parts))
