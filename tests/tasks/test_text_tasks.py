"""Texts: pieces, alphabets and vocabularies, splits by position, chance by counting, and what is refused."""

import hashlib
import math
import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from gatelab.errors import UserError
from gatelab.tasks import task_from_mapping
from gatelab.tasks.sources.byte_arrays import cut
from gatelab.tasks.text.characters import Characters, Text8, TinyShakespeare
from gatelab.tasks.text.imdb import ImdbBytes
from gatelab.tasks.text.words import WikiText2, Words
from tests.tasks.local_data import file_hash, save_text, save_texts, with_hash

SHAKESPEARE = os.environ.get("GATELAB_TINY_SHAKESPEARE")


def refusal(action):
    """Return the one line with which an action is refused."""
    with pytest.raises(UserError) as refused:
        action()
    line = str(refused.value)
    assert "\n" not in line
    return line


def read_back(batch, symbols):
    """Return what is read and what is to be predicted, piece after piece, as strings or lists of words."""
    if batch.inputs.ndim == 3:
        batch = batch._replace(inputs=batch.inputs.argmax(-1))
    pieces = [
        (batch.inputs[:length, index], batch.targets[:length, index]) for index, length in enumerate(batch.lengths)
    ]
    return [([symbols[one] for one in read], [symbols[one] for one in asked]) for read, asked in pieces]


@pytest.mark.parametrize(("size", "length"), [(2, 5), (6, 5), (7, 5), (11, 5), (12, 1), (30, 7)])
def test_pieces_predict_every_symbol_but_the_first_once(size, length):
    text = list(range(100, 100 + size))
    batch = cut(np.array(text, np.uint8), length)
    read, asked = [], []
    for index, steps in enumerate(batch.lengths):
        assert batch.loss_weights[:, index].tolist() == [True] * steps + [False] * (len(batch.inputs) - steps)
        assert not batch.inputs[steps:, index].any()
        read += batch.inputs[:steps, index].tolist()
        asked += batch.targets[:steps, index].tolist()
    assert read == text[:-1]
    assert asked == text[1:]
    assert batch.lengths[:-1].tolist() == [length] * (len(batch.lengths) - 1)


def test_shakespeare_is_split_by_position(tmp_path):
    text = "".join(TinyShakespeare.alphabet[index % 65] for index in range(401))
    task = TinyShakespeare(**file_hash("tiny_shakespeare", path=save_text(tmp_path / "input.txt", text)), length=9)
    parts = [text[:360], text[360:380], text[380:]]  # 401 · 0.9 = 360.9 and 401 · 0.95 = 380.95, rounded down
    for part, batch in zip(parts, (task.training(), task.validation(), task.test()), strict=True):
        pieces = read_back(batch, TinyShakespeare.alphabet)
        assert "".join("".join(read) for read, _ in pieces) == part[:-1]
        assert "".join("".join(asked) for _, asked in pieces) == part[1:]
        assert batch.inputs.sum() == batch.loss_weights.sum() == len(part) - 1


def test_a_character_outside_a_fixed_alphabet_is_refused(tmp_path):
    for text, shown in (("ab" * 200 + "ä", "'ä'"), ("ab" * 200 + "\t", r"'\t'")):
        path = save_text(tmp_path / "input.txt", text)
        task = TinyShakespeare(**file_hash("tiny_shakespeare", path=path))
        assert refusal(task.test) == f"task.path={path}: character 401, {shown}, is not one of its 65"


def test_text8_takes_its_parts_from_the_beginning_zipped_or_not(tmp_path):
    text = "the quick brown fox jumps over the lazy dog and then it sleeps"
    sizes = {"training_size": 30, "validation_size": 10, "test_size": 12}
    with zipfile.ZipFile(tmp_path / "text8.zip", "w") as archive:
        archive.writestr("text8", text)
    for path in (str(tmp_path / "text8.zip"), save_text(tmp_path / "text8", text)):
        task = Text8(**file_hash("text8", path=path), length=8, **sizes)
        for part, batch in zip(
            (text[:30], text[30:40], text[40:52]), (task.training(), task.validation(), task.test()), strict=True
        ):
            pieces = read_back(batch, Text8.alphabet)
            assert part[0] + "".join("".join(asked) for _, asked in pieces) == part
    line = refusal(Text8(**file_hash("text8", path=path)).test)
    assert line.endswith("test_size=5000000 must sum to at most 62, the characters of the text")


def test_rare_characters_of_any_text_are_one_class(tmp_path):
    # in the first 90: a 50 times, ç 30, b 10 (as late as possible in its order); x only afterwards
    text = "a" * 50 + "ç" * 30 + "b" * 10 + "açbxa" + "xaçba"
    path = save_text(tmp_path / "text", text)
    task = Characters(**with_hash("characters", path=path), length=90, vocabulary=3)
    assert task.test().targets[:, 0].tolist() == [1, 2, 0, 1]  # after x: a ç b a
    assert task.validation().inputs[:, 0].argmax(-1).tolist() == [1, 2, 0, 0]
    assert task.validation().inputs.shape[-1] == task.input_size == task.output_size == 3


def test_chance_of_any_text_is_what_frequencies_cost(tmp_path):
    text = ("aab" * 40)[:90] + "abbab" + "bbaba"
    path = save_text(tmp_path / "text", text)
    task = Characters(**with_hash("characters", path=path), vocabulary=4)
    counts = Counter(text[1:90])
    probability = {one: (counts[one] + 0.5) / (89 + 0.5 * 4) for one in "ab"}
    expected = -np.mean([math.log2(probability[one]) for one in text[96:]])
    assert task.chance == pytest.approx(expected, rel=1e-12)
    targets = torch.from_numpy(task.test().targets)
    classes = {"a": 1, "b": 2}
    logits = torch.full((4,), math.log(0.5 / 91), dtype=torch.float64)
    for one, number in classes.items():
        logits[number] = math.log(probability[one])
    scores = task.scores(logits.expand(*targets.shape, 4), targets)
    assert float(scores.mean()) == pytest.approx(expected, rel=1e-12)


def test_bits_and_nats():
    for task, per in ((TinyShakespeare(), 1 / math.log(2)), (Words(), 1.0)):
        outputs, targets = torch.zeros(3, 2, 16), torch.zeros(3, 2, dtype=torch.int64)
        torch.testing.assert_close(task.losses(outputs, targets), torch.full((3, 2), math.log(16)))
        torch.testing.assert_close(task.scores(outputs, targets), torch.full((3, 2), math.log(16) * per))


def test_words_and_ends_of_lines(tmp_path):
    lines = ["the cat sat", "", "  ", "the dog <unk> sat"] * 8
    path = save_text(tmp_path / "text", "\n".join(lines))
    # 72 words: 64 for training, 4, 4
    words = ["the", "cat", "sat", "<eos>", "the", "dog", "<unk>", "sat", "<eos>"] * 8
    task = Words(**with_hash("words", path=path), length=5, vocabulary=6)
    # by frequency in training, then by the alphabet; <unk> is class 0 wherever it stands
    symbols = ["<unk>", "the", "<eos>", "sat", "cat", "dog"]
    counts = Counter(words[:64])
    assert [counts[one] for one in symbols[1:]] == [15, 14, 14, 7, 7]
    for part, batch in zip(
        (words[:64], words[64:68], words[68:]), (task.training(), task.validation(), task.test()), strict=True
    ):
        pieces = read_back(batch, symbols)
        assert [one for read, _ in pieces for one in read] == part[:-1]
        assert [one for _, asked in pieces for one in asked] == part[1:]


def test_wikitext_has_its_own_splits_and_the_vocabulary_of_training(tmp_path):
    parts = {"train": ["a b a\n", "", "a c\n"], "validation": ["c b new\n"], "test": ["a a\n", "b\n"]}
    path = save_texts(tmp_path / "wiki", {split: {"text": lines} for split, lines in parts.items()})
    task = WikiText2(**with_hash("wikitext2", path=path), vocabulary=4)
    symbols = ["<unk>", "a", "<eos>", "b"]  # c is as frequent as b, and sorts after it
    assert read_back(task.validation(), symbols) == [(["<unk>", "b", "<unk>"], ["b", "<unk>", "<eos>"])]
    assert read_back(task.test(), symbols) == [(["a", "a", "<eos>", "b"], ["a", "<eos>", "b", "<eos>"])]
    training = np.array([0, 2, 2, 1]) + 0.5  # of the six words after the first: b a <eos> a c <eos>
    training[0] += 1
    expected = -np.log(training / training.sum())[[1, 2, 3, 2]].mean()
    assert task.chance == pytest.approx(expected, rel=1e-12)


def test_the_vocabulary_of_training_knows_nothing_of_the_test(tmp_path):
    one, other = (
        save_text(tmp_path / name, "ab" * 450 + ending * 100) for name, ending in (("one", "a"), ("other", "c"))
    )
    tasks = [Characters(**with_hash("characters", path=path)) for path in (one, other)]
    np.testing.assert_array_equal(tasks[0].training().inputs, tasks[1].training().inputs)


def test_reviews_are_bytes(local):
    task = ImdbBytes(**local("imdb_bytes"))
    training, validation, test = task.training(), task.validation(), task.test()
    assert [len(batch.lengths) for batch in (training, validation, test)] == [19, 5, 6]
    assert training.inputs.max() > 127  # é is two bytes
    assert test.lengths.tolist() == [min(10, len(text.encode())) for text in reviews(local, "test")]
    for index, text in enumerate(reviews(local, "test")):
        assert bytes(test.inputs[: test.lengths[index], index].astype(np.uint8)) == text.encode()[:10]
    seen = [
        bytes(batch.inputs[:length, index].astype(np.uint8))
        for batch in (training, validation)
        for index, length in enumerate(batch.lengths)
    ]
    assert sorted(seen) == sorted(text.encode()[:10] for text in reviews(local, "train"))


def reviews(local, split):
    import datasets

    return datasets.load_from_disk(local("imdb_bytes")["path"])[split]["text"][:]


def test_wrong_reviews_are_refused(tmp_path, local):
    path = save_texts(
        tmp_path / "labels", {split: {"text": ["a", "b"], "label": [0, 2]} for split in ("train", "test")}
    )
    assert refusal(ImdbBytes(path=path).test) == (
        f"task.path={path}, train: labels must be 0 or 1, and there must be some"
    )
    line = refusal(ImdbBytes(**{**local("imdb_bytes"), "validation_size": 24}).test)
    assert line == "task.validation_size=24: must be less than 24, those for training"


def test_an_empty_review_is_one_byte_of_nothing(tmp_path):
    parts = {split: {"text": ["", "ab", f"c{split}"], "label": [0, 1, 0]} for split in ("train", "test")}
    task = ImdbBytes(**with_hash("imdb_bytes", path=save_texts(tmp_path / "empty", parts), validation_size=1))
    assert task.test().lengths.tolist() == [1, 2, 5]
    assert task.test().inputs[:, 0].tolist() == [0] * 5


@pytest.mark.parametrize("kind", [Characters, Words])
def test_a_text_of_ones_own_is_named_by_the_hash_of_what_it_holds(tmp_path, kind):
    name = kind().name
    files = "a text file, or a folder with ptb.train.txt, ptb.valid.txt, ptb.test.txt or "
    assert refusal(kind().test).startswith(f"task.path=null: must name {files}")
    assert refusal(kind(path="none.txt").test).startswith(f"task.path=none.txt: no such file; it must name {files}")
    path = save_text(tmp_path / "text", "ab " * 100)
    found = hashlib.sha256(b"ab " * 100).hexdigest()
    assert kind(path=path).pinned() == kind(path=path, sha256=found)
    assert refusal(kind(path=path, sha256="0" * 64).test) == (
        f"task.path={path}: the sha256 of its content is {found}, but task.sha256={'0' * 64} is expected"
    )
    assert kind(path=path, sha256="0" * 64).pinned().sha256 == "0" * 64  # what is given is never replaced
    assert task_from_mapping({"name": name, "path": path, "sha256": found}).test().lengths.sum() > 0


PARTS = {"train": "a b c d " * 9, "valid": "a b c e " * 3, "test": "a b f g " * 2}


@pytest.mark.parametrize("form", ["ptb.{}.txt", "simple-examples/data/ptb.{}.txt", "wiki.{}.tokens", "{}.txt"])
def test_three_files_of_a_folder_are_the_three_parts(tmp_path, form):
    for part, text in PARTS.items():
        (tmp_path / form.format(part)).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / form.format(part)).write_text(text)
    task = Words(path=str(tmp_path), length=4, vocabulary=100).pinned()
    # of a line of words every one is a target but the first, and <eos> is another
    assert [int(part.loss_weights.sum()) for part in task.splits()] == [36, 12, 8]
    letters = Characters(path=str(tmp_path), length=4).pinned()
    assert [int(part.loss_weights.sum()) for part in letters.splits()] == [71, 23, 15]
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in PARTS.values()]
    assert task.sha256 == letters.sha256 == hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    (tmp_path / form.format("valid")).unlink()
    name = Path(form.format("valid")).name
    assert refusal(Words(path=str(tmp_path), length=5).test).endswith(f"and no {name}")


def test_a_folder_without_texts_is_told_what_was_looked_for(tmp_path):
    assert refusal(Words(path=str(tmp_path)).test).startswith(
        f"task.path={tmp_path}: has none of ptb.train.txt, ptb.char.train.txt, wiki.train.tokens, train.txt; must be a "
    )


def test_wikitext_from_its_own_files_is_that_of_hugging_face(tmp_path):
    lines = {
        "train": [" = A title = \n", "", " the cat sat \n"],
        "validation": [" the cat \n", ""],
        "test": [" a b \n"],
    }
    saved = save_texts(tmp_path / "saved", {split: {"text": text} for split, text in lines.items()})
    for split, text in lines.items():
        file = tmp_path / "wikitext-2" / f"wiki.{split.replace('validation', 'valid')}.tokens"
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(line or " \n" for line in text))
    first, second = (WikiText2(path=path, length=3).pinned() for path in (saved, str(tmp_path)))
    assert first.sha256 == second.sha256 is not None
    np.testing.assert_array_equal(first.training().inputs, second.training().inputs)
    (tmp_path / "wikitext-2" / "wiki.test.tokens").unlink()
    assert refusal(WikiText2(path=str(tmp_path), length=2).pinned) == f"task.path={tmp_path}: no wiki.test.tokens"


def test_how_much_is_unknown_is_told(tmp_path):
    for part, text in {"train": "aaab\n", "valid": "abcd\n", "test": "aaaa\n"}.items():
        (tmp_path / f"{part}.txt").write_text(text)
    # of training a, b and the end of the line are known; the first character is no target
    task = Characters(path=str(tmp_path), vocabulary=4)
    assert list(task.remarks()) == [
        "task.vocabulary=4: unknown are 0 % of the characters of training, 50 % of validation and 0 % of test; all of "
        "them are one class"
    ]
    assert not list(Characters(path=save_text(tmp_path / "all", "ab" * 200), vocabulary=3).remarks())


def test_characters_may_have_more_classes_than_a_byte(tmp_path):
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 400))) * 3
    task = Characters(path=save_text(tmp_path / "text", text), vocabulary=500, length=7)
    assert task.input_size == 500
    assert task.training().targets.max() == 400
    assert not list(task.remarks())


@pytest.mark.parametrize(("kind", "unit"), [(Characters, "characters"), (Words, "words")])
def test_texts_that_are_too_short_or_no_text_are_refused(tmp_path, kind, unit):
    path = save_text(tmp_path / "text", "a b")
    fields = with_hash(kind().name, path=path)
    assert refusal(kind(**fields).test) == f"task.path={path}: its 3 {unit} are too few; each part needs at least 2"
    (tmp_path / "bytes").write_bytes(b"ab\xff" * 100)
    path = str(tmp_path / "bytes")
    assert refusal(kind(path=path).test) == f"task.path={path}: is not text in UTF-8 (byte 2)"


def test_a_packed_text_is_unpacked_batch_by_batch(local):
    for kind, name in ((TinyShakespeare, "tiny_shakespeare"), (WikiText2, "wikitext2"), (ImdbBytes, "imdb_bytes")):
        task = kind(**local(name))
        assert task.packed_training().inputs.dtype.itemsize <= 4
        batch = task.training_batch(0, 0, 4)
        assert batch.inputs.nbytes < task.training().inputs.nbytes


@pytest.mark.skipif(not SHAKESPEARE, reason="GATELAB_TINY_SHAKESPEARE names no input.txt of char-rnn")
def test_chance_of_the_real_shakespeare_is_what_frequencies_cost():
    task = TinyShakespeare(path=SHAKESPEARE)
    splits = task.splits()
    assert [int(part.lengths.sum()) + 1 for part in splits] == [1003854, 55770, 55770]
    with open(str(SHAKESPEARE), encoding="utf-8", newline="") as file:
        text = file.read()
    assert sorted(set(text)) == sorted(task.alphabet)
    counts = Counter(text[:1003854])
    cost = -np.mean([math.log2(counts[one] / 1003854) for one in text[-55769:]])
    assert cost == pytest.approx(task.chance, abs=0.005)
