"""Tiny data of every kind that the tasks of real data read, written to a folder."""

import gzip
import re
from pathlib import Path

import datasets
import numpy as np
import pytest
import scipy.io
from PIL import Image

from gatelab.errors import UserError
from gatelab.tasks import TASKS

TRAINING, TEST = 24, 6


def with_hash(name: str, **fields: object) -> dict[str, object]:
    """Return the fields with the hash of what the path holds, as the task computes it."""
    found = TASKS[name].model_validate(fields).pinned()
    return {**fields, "sha256": found.model_dump()["sha256"]}


def file_hash(name: str, **fields: object) -> dict[str, object]:
    """The same for a task that knows the hash of its public file."""
    with pytest.raises(UserError) as refused:
        TASKS[name].model_validate(fields).test()
    found = re.search(r"its sha256 is ([0-9a-f]{64}), but", str(refused.value))
    assert found, str(refused.value)
    return {**fields, "sha256": found[1]}


def pictures(shape: tuple[int, ...], seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return random pictures (n, *shape) and classes (n,) for train and test."""
    random = np.random.default_rng(seed)
    return {
        split: (random.integers(0, 256, (size, *shape), np.uint8), np.arange(size) % 10)
        for split, size in (("train", TRAINING), ("test", TEST))
    }


def save_pictures(folder: Path, parts: dict[str, tuple[np.ndarray, np.ndarray]], column: str = "image") -> str:
    features = datasets.Features({column: datasets.Image(), "label": datasets.ClassLabel(num_classes=10)})
    rows = {
        split: datasets.Dataset.from_dict(
            {column: [Image.fromarray(picture) for picture in pixels], "label": classes}, features=features
        )
        for split, (pixels, classes) in parts.items()
    }
    datasets.DatasetDict(rows).save_to_disk(str(folder))
    return str(folder)


def save_idx(folder: Path, parts: dict[str, tuple[np.ndarray, np.ndarray]], form: str = "{part}-{kind}-ubyte") -> str:
    """Write the four original files, those of the test as .gz; ``form`` says where and under which names."""
    for part, (pixels, classes) in zip(("train", "t10k"), parts.values(), strict=True):
        for kind, array in (("images-idx3", pixels), ("labels-idx1", classes.astype(np.uint8))):
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            content = bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
            file = folder / form.format(part=part, kind=kind, what=kind.split("-")[0], idx=kind.split("-")[1])
            file.parent.mkdir(parents=True, exist_ok=True)
            if part == "train":
                file.write_bytes(content)
            else:
                file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(content))
    return str(folder)


def save_texts(folder: Path, parts: dict[str, dict[str, list]]) -> str:
    datasets.DatasetDict({split: datasets.Dataset.from_dict(rows) for split, rows in parts.items()}).save_to_disk(
        str(folder)
    )
    return str(folder)


def save_rolls(file: Path, parts: dict[str, list[np.ndarray]]) -> str:
    """Write piano rolls as cell arrays, (1, tunes), as the public files have them."""
    cells = {}
    for split, rolls in parts.items():
        cells[f"{split}data"] = np.empty((1, len(rolls)), object)
        for index, roll in enumerate(rolls):
            cells[f"{split}data"][0, index] = roll
    scipy.io.savemat(str(file), cells)
    return str(file)


def rolls(seed: int = 0) -> dict[str, list[np.ndarray]]:
    random = np.random.default_rng(seed)
    lengths = {"train": (5, 9, 2, 7, 6, 4, 8, 3), "valid": (4, 6), "test": (3, 5, 2)}
    return {
        split: [(random.random((length, 88)) < 0.05).astype(np.uint8) for length in each]
        for split, each in lengths.items()
    }


def random_text(alphabet: str, size: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list(alphabet), size))


def save_text(file: Path, text: str) -> str:
    file.write_bytes(text.encode())
    return str(file)


def mnist(name: str, folder: Path) -> dict[str, object]:
    path = save_pictures(folder / "digits", pictures((28, 28)))
    return with_hash(name, path=path, validation_size=5)


def cifar10(folder: Path) -> dict[str, object]:
    path = save_pictures(folder / "photographs", pictures((32, 32, 3)), "img")
    return with_hash("scifar10", path=path, validation_size=5)


def music(name: str, folder: Path) -> dict[str, object]:
    return file_hash(name, path=save_rolls(folder / "tunes.mat", rolls()))


def shakespeare(folder: Path) -> dict[str, object]:
    path = save_text(folder / "input.txt", random_text("To be, or not\n", 600))
    return file_hash("tiny_shakespeare", path=path, length=11)


def text8(folder: Path) -> dict[str, object]:
    path = save_text(folder / "text8", random_text("abc xyz", 300))
    sizes = {"training_size": 240, "validation_size": 30, "test_size": 30}
    return file_hash("text8", path=path, length=11, **sizes)


def characters(folder: Path) -> dict[str, object]:
    path = save_text(folder / "text", random_text("ab çd", 600))
    return with_hash("characters", path=path, length=11, vocabulary=5)


def random_words(size: int, seed: int) -> list[str]:
    return list(np.random.default_rng(seed).choice(["the", "cat", "dog", "sat", "<unk>"], size))


def wikitext2(folder: Path) -> dict[str, object]:
    parts = {
        split: {"text": [" ".join(random_words(9, seed + line)) + "\n" for line in range(lines)]}
        for split, lines, seed in (("train", 20, 0), ("validation", 4, 100), ("test", 3, 200))
    }
    return with_hash("wikitext2", path=save_texts(folder / "wiki", parts), length=7, vocabulary=6)


def words(folder: Path) -> dict[str, object]:
    path = save_text(folder / "words", "\n".join(" ".join(random_words(9, seed)) for seed in range(40)))
    return with_hash("words", path=path, length=7, vocabulary=5)


def imdb(folder: Path) -> dict[str, object]:
    parts = {
        split: {"text": [random_text("ab é!", 3 + index % 9, seed + index) for index in range(size)],
                "label": [index % 2 for index in range(size)]}
        for split, size, seed in (("train", TRAINING, 0), ("test", TEST, 100))
    }  # fmt: skip
    path = save_texts(folder / "reviews", parts)
    return with_hash("imdb_bytes", path=path, length=10, validation_size=5)


def series(folder: Path) -> dict[str, object]:
    random = np.random.default_rng(0)
    lines = ["id,t,a,b,label"]
    for number in range(40):
        for t in range(3 + number % 4):
            a, b = random.normal(size=2)
            lines.append(f"s{number},{t},{a:.3f},{b:.3f},{'xyz'[number % 3]}")
    return with_hash("series", path=save_text(folder / "series.csv", "\n".join(lines)))


def own_bytes(folder: Path) -> dict[str, object]:
    (folder / "mine.bin").write_bytes(np.random.default_rng(0).integers(0, 256, 900, np.uint8).tobytes())
    return with_hash("bytes", path=str(folder / "mine.bin"), length=11)


def midi(folder: Path) -> dict[str, object]:
    for number in range(20):
        notes = [(60 + number % 7, 0, 480), (64, 240 * (1 + number % 3), 480 * (2 + number))]
        save_midi(folder / f"{number:02d}.mid", notes)
    return with_hash("midi", path=str(folder), grid="quarter")


def save_midi(file: Path, notes: list[tuple[int, int, int]], quarter: int = 480, channel: int = 0) -> None:
    """Write a MIDI file of one track: keys with their first and last tick, byte by byte as the standard says."""
    events = sorted([(start, 1, key, 64) for key, start, _ in notes] + [(stop, 0, key, 0) for key, _, stop in notes])
    track, before = b"", 0
    for tick, on, key, velocity in events:
        track += _variable(tick - before) + bytes([(0x90 if on else 0x80) | channel, key, velocity])
        before = tick
    track += b"\x00\xff\x2f\x00"
    header = b"MThd" + (6).to_bytes(4, "big") + b"\x00\x00\x00\x01" + quarter.to_bytes(2, "big")
    file.write_bytes(header + b"MTrk" + len(track).to_bytes(4, "big") + track)


def _variable(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(0x80 | (number & 0x7F))
    return bytes(reversed(digits))


LOCAL = {
    "bytes": own_bytes,
    "characters": characters,
    "imdb_bytes": imdb,
    "midi": midi,
    "musedata": lambda folder: music("musedata", folder),
    "nottingham": lambda folder: music("nottingham", folder),
    "piano_midi": lambda folder: music("piano_midi", folder),
    "pmnist": lambda folder: mnist("pmnist", folder),
    "scifar10": cifar10,
    "series": series,
    "smnist": lambda folder: mnist("smnist", folder),
    "text8": text8,
    "tiny_shakespeare": shakespeare,
    "wikitext2": wikitext2,
    "words": words,
}
"""What writes tiny data for a task to a folder and returns the task's fields, by its name."""
