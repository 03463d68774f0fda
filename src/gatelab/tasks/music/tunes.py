"""Which pieces are of one tune: splits grouped by tune, and parts without what training has shown.

Bach set many melodies several times, and public splits deal these settings to training and test as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gatelab.randomness import generator

__all__ = ["NEAR", "Rolls", "by_tune", "exact", "top_line", "tunes", "without_known"]

Rolls = Mapping[str, Sequence[NDArray[np.uint8]]]
"""Part (train, valid, test) -> piano rolls (frames, notes) of zeros and ones."""

NEAR = 0.2
"""Two top lines are of one tune if so many edits for each frame of the longer one, or fewer, make them equal."""


def top_line(roll: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the highest note of each frame, counted from the lowest key; -1 of silence."""
    highest = roll.shape[1] - 1 - roll[:, ::-1].argmax(1)
    return np.where(roll.any(1), highest, -1)


def exact(roll: NDArray[np.uint8]) -> bytes:
    """Return what is equal for rolls that are equal note for note."""
    return roll.tobytes()


def without_known(rolls: Rolls, like: Callable[[NDArray[np.uint8]], bytes]) -> dict[str, list[NDArray[np.uint8]]]:
    """Return the parts, validation and test without pieces that are like one of training."""
    known = {like(roll) for roll in rolls["train"]}
    return {
        part: [roll for roll in pieces if part == "train" or like(roll) not in known] for part, pieces in rolls.items()
    }


def by_tune(rolls: Rolls) -> dict[str, list[NDArray[np.uint8]]]:
    """Return the same pieces in parts of about the same sizes, all pieces of a tune in one of them."""
    pieces = [roll for part in rolls.values() for roll in part]
    sizes = {part: len(part_pieces) for part, part_pieces in rolls.items()}
    groups = tunes([top_line(roll) for roll in pieces])
    order = generator(0, "split").permutation(len(groups))
    found: dict[str, list[NDArray[np.uint8]]] = {part: [] for part in sizes}
    # the large groups first, while every part has room; equal ones in a random order
    for group in sorted(order, key=lambda group: -len(groups[group])):
        room = {part: (sizes[part] - len(found[part])) / sizes[part] for part in sizes}
        part = max(room, key=lambda part: room[part])
        found[part] += [pieces[place] for place in groups[group]]
    return found


def tunes(lines: Sequence[NDArray[np.int64]]) -> list[list[int]]:
    """Return the places of the lines of each tune; lines that are near a third one are of one tune too."""
    group = list(range(len(lines)))
    for place, line in enumerate(lines):
        others = lines[place + 1 :]
        if not others:
            continue
        near = _distances(line, others) <= NEAR * np.maximum(len(line), [len(other) for other in others])
        for other in near.nonzero()[0] + place + 1:
            one, two = group[place], group[other]
            group = [one if member == two else member for member in group]
    found: dict[int, list[int]] = {}
    for place, member in enumerate(group):
        found.setdefault(member, []).append(place)
    return list(found.values())


def _distances(line: NDArray[np.int64], others: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the edit distance of a line from each of several: notes put in, left out or replaced."""
    longest = max(map(len, others))
    padded = np.full((len(others), longest), -2)
    for place, other in enumerate(others):
        padded[place, : len(other)] = other
    steps = np.arange(longest + 1)
    row = np.tile(steps, (len(others), 1))
    for note in line:
        replaced = row[:, :-1] + (padded != note)
        row = np.concatenate([row[:, :1] + 1, np.minimum(replaced, row[:, 1:] + 1)], 1)
        # a note put in costs one more than the place before
        row = np.minimum.accumulate(row - steps, 1) + steps
    return row[np.arange(len(others)), [len(other) for other in others]]
