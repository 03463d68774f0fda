"""Word language modelling: which word comes next.

    input    the cat sat   <eos> the   dog
    target   cat sat <eos> the   dog   sat

Words are separated by spaces; every line that holds a word ends with <eos>. Training, validation and test are
each cut to pieces of ``length`` words, every word but the first of a part is a target once, and a piece starts without
memory of the previous one. Class 0 stands for unknown words, those written <unk> included; the others are the
``vocabulary - 1`` most frequent words of training, <eos> among them. Loss and score are in nats per word, since a
perplexity is not a mean over words: exp of the score is the perplexity. Perfect is 0.

    wikitext2   the public splits of WikiText-2, in its tokenised form, where rare words are written <unk> already:
                2.1 million training words, 33,278 different ones. Source: Merity, Xiong, Bradbury & Socher 2017,
                "Pointer Sentinel Mixture Models"
    words       the first 90 %, the next 5 % and the last 5 % of the words of any text file; or the three files of a
                folder, such as ptb.train.txt, ptb.valid.txt and ptb.test.txt of the Penn Treebank

Guessing one of all words costs ln(vocabulary), which is chance without a local copy; with ``path`` chance is the cost
of predicting the frequencies of training.
"""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gatelab.errors import UserError
from gatelab.tasks.losses import Measure, cross_entropy
from gatelab.tasks.sources.byte_arrays import PackedTask, Splits, cut
from gatelab.tasks.sources.fetch import PublicDataset, Sha256, check_content, load_public, read_own_file
from gatelab.tasks.sources.usual_names import FileState, nearest_file, state_of
from gatelab.tasks.task import Batch
from gatelab.tasks.text.own_text import hash_of_text, read_text_parts
from gatelab.tasks.text.vocabulary import frequency_cost, ranked, unknown_shares

__all__ = ["WikiText2", "Words"]

_WIKITEXT2 = PublicDataset("Salesforce/wikitext", "wikitext-2-v1", "b08601e04326c79dfdd32d625aee71d232d685c3", "7 MB")
_TOKENS = ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens")
_UNKNOWN, _END = "<unk>", "<eos>"


class _WordTask(PackedTask):
    """Next-word prediction: inputs (time, batch) and targets (time, batch), classes of words.

    Reading the data raises :class:`UserError` in one line if they are not there, cannot be fetched, have another hash,
    or hold no text.
    """

    path: str | None = None
    sha256: Sha256 | None = None
    """Hash of the text; null is enough for the public one, and is computed of a local copy."""
    length: int = Field(default=70, ge=1)
    """Words that are predicted in a piece."""
    vocabulary: int = Field(default=10_000, ge=2)
    """Classes, the one for unknown words included."""

    reads_tokens: ClassVar[bool] = True
    contiguous: ClassVar[bool] = True
    readout: ClassVar[Literal["last", "every"]] = "every"
    loss: ClassVar[Measure] = cross_entropy
    score: ClassVar[Measure] = cross_entropy
    score_name: ClassVar[str] = "nats per word"
    higher_is_better: ClassVar[bool] = False
    perfect: ClassVar[float] = 0.0

    @property
    def input_size(self) -> int:
        return self.vocabulary

    @property
    def output_size(self) -> int:
        return self.vocabulary

    @property
    def chance(self) -> float:
        if self.path is None:
            return math.log(self.vocabulary)
        return frequency_cost(self.splits(), self.vocabulary)

    @property
    def chance_meaning(self) -> str:
        return "guessing a word" if self.path is None else "predicting each word as often as it occurs in training"

    def pinned(self) -> Self:
        if self.path is None or self.sha256 is not None:
            return self
        return self.model_copy(update={"sha256": self._hash(self.path)})

    @abstractmethod
    def _hash(self, path: str) -> str:
        """Return the hash of a local copy."""

    def remarks(self) -> Iterator[str]:
        yield from unknown_shares(self.splits(), self.vocabulary, "words")

    def unpack(self, packed: Batch) -> Batch:
        weights = packed.loss_weights.astype(np.float32)
        inputs, targets = packed.inputs.astype(np.int64), packed.targets.astype(np.int64)
        return Batch(inputs, packed.lengths, targets, weights, weights.copy())


class WikiText2(_WordTask):
    """Good articles of the English Wikipedia; ``path`` names a folder with splits train, validation and test, or
    with wiki.train.tokens, wiki.valid.tokens and wiki.test.tokens.
    """

    name: Literal["wikitext2"] = "wikitext2"
    vocabulary: int = Field(default=33_278, ge=2)

    source: ClassVar[str] = "Merity, Xiong, Bradbury & Socher 2017"

    def splits(self) -> Splits:
        return _wikitext2(self.path, self.pinned().sha256, self.vocabulary, self.length)

    def _hash(self, path: str) -> str:
        return _articles(path, state_of(path))[1]


class Words(_WordTask):
    """The words of any UTF-8 text file, or of a folder with a file for each part, which ``path`` names."""

    name: Literal["words"] = "words"

    source: ClassVar[str] = "any text; form of Mikolov et al. 2010, 'Recurrent neural network based language model'"

    def splits(self) -> Splits:
        return _words(self.path, self.pinned().sha256, self.vocabulary, self.length)

    def _hash(self, path: str) -> str:
        return hash_of_text(path)


@lru_cache(maxsize=2)
def _articles(path: str | None, state: FileState) -> tuple[list[list[str]], str]:  # noqa: ARG001 - of the cache
    """Return the lines of training, validation and test, and their hash: the same from files and from Hugging Face."""
    names = dict(zip(("train", "validation", "test"), _TOKENS, strict=True))
    folder, named = None if path is None else Path(path).expanduser(), f"task.path={path}"
    files = {split: nearest_file(folder, [name], named) for split, name in names.items()} if folder is not None else {}
    if files.get("train") is None:
        columns = load_public(_WIKITEXT2, path, dict.fromkeys(names, ("text",)), f"nor is there {_TOKENS[0]}")
        texts = [list(column[:]) for (column,) in columns.values()]
    else:
        texts = [_lines(named, names[split], file) for split, file in files.items()]
    content = hashlib.sha256()
    for lines in texts:
        content.update(f"{len(lines)}\n".encode() + "\n".join(lines).encode())
    return texts, content.hexdigest()


def _lines(named: str, name: str, file: Path | None) -> list[str]:
    if file is None:
        raise UserError(f"{named}: no {name}")
    text = read_own_file("path", str(file), None, "the tokens of WikiText-2")
    try:
        # an empty line is no space and no end of a line there
        return [line if line.strip() else "" for line in text.decode("utf-8").splitlines(keepends=True)]
    except UnicodeDecodeError as error:
        raise UserError(f"{named}: {name} is not text in UTF-8 (byte {error.start})") from error


@lru_cache(maxsize=2)
def _wikitext2(path: str | None, sha256: str | None, vocabulary: int, length: int) -> Splits:
    texts, found = _articles(path, state_of(path))
    check_content("path", path, sha256, found)
    named = _WIKITEXT2.identifier if path is None else f"task.path={path}"
    return _splits([_words_of(lines) for lines in texts], vocabulary, length, named)


@lru_cache(maxsize=2)
def _words(path: str | None, sha256: str | None, vocabulary: int, length: int) -> Splits:
    parts = [_words_of(text.split("\n")) for text in read_text_parts(path, sha256)]
    if len(parts) == 1:
        (words,) = parts
        first, second = len(words) * 90 // 100, len(words) * 95 // 100
        parts = [words[:first], words[first:second], words[second:]]
    return _splits(parts, vocabulary, length, f"task.path={path}")


def _words_of(lines: Iterable[str]) -> list[str]:
    return [word for line in lines if (found := line.split()) for word in (*found, _END)]


def _splits(parts: list[list[str]], vocabulary: int, length: int, named: str) -> Splits:
    if min(map(len, parts)) < 2:
        raise UserError(f"{named}: its {sum(map(len, parts))} words are too few; each part needs at least 2")
    counts = Counter(parts[0])
    counts.pop(_UNKNOWN, None)
    classes = {word: index for index, word in enumerate(ranked(counts, vocabulary - 1), 1)}
    return Splits(*(cut(_numbers(part, classes), length) for part in parts))


def _numbers(words: list[str], classes: dict[str, int]) -> NDArray[np.int32]:
    return np.fromiter((classes.get(word, 0) for word in words), np.int32, len(words))
