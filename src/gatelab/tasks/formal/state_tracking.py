"""State tracking: multiply out a word over a finite group, step by step.

    input    p    q       r          permutations, as tokens
    target   p    p q     p q r      the product of all so far: first do p, then q, then r

Elements are uniform, so that every product is uniform too. The choice of the group matters: products in Z60 commute, in
A4xZ5 they do not, but it is solvable; A5 and S5 are not, and the paper holds that a fixed number of attention layers or
of its state-space layers tracks their products only up to some length, where one recurrent layer does at any. Without
memory the best answer is the current element: right at the first step, and at any other as often as a guess, 1/order;
perfect is 1.

Source: Merrill, Petty & Sabharwal 2024, "The Illusion of State in State-Space Models", whose official code
(github.com/jopetty/word-problem) draws words from Z60, A4xZ5 and A5, all of order 60, and multiplies from left to
right; S5, of order 120, has A5 as its half.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gatelab.tasks.chosen_loss import ClassTask
from gatelab.tasks.losses import Measure, accuracy
from gatelab.tasks.task import Batch, LengthTask

__all__ = ["GROUPS", "StateTracking", "product_table"]

GROUPS: dict[str, tuple[int, tuple[tuple[tuple[int, ...], ...], ...]]] = {
    "A4xZ5": (9, (((0, 1, 2),), ((1, 2, 3),), ((4, 5, 6, 7, 8),))),
    "A5": (5, (((0, 1, 2),), ((0, 1, 2, 3, 4),))),
    "S5": (5, (((0, 1),), ((0, 1, 2, 3, 4),))),
    "Z60": (12, (((0, 1, 2), (3, 4, 5, 6), (7, 8, 9, 10, 11)),)),
}
"""For each group the number of points that it permutes, and generators, each a product of disjoint cycles."""


class StateTracking(ClassTask, LengthTask):
    """The word problem of a group: inputs (time, batch) tokens, targets (time, batch) classes, both its elements.

    Element 0 is the identity.
    """

    reads_tokens: ClassVar[bool] = True

    name: Literal["state_tracking"] = "state_tracking"
    length: int = Field(default=20, ge=1)
    """Elements of a word."""
    group: Literal["A4xZ5", "A5", "S5", "Z60"] = Field(default="A5")
    """Which group."""

    readout: ClassVar[Literal["last", "every"]] = "every"
    score: ClassVar[Measure] = accuracy
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    chance_meaning: ClassVar[str] = "answering with the element that is read"
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = "Merrill, Petty & Sabharwal 2024, The Illusion of State in State-Space Models"

    @property
    def input_size(self) -> int:
        return len(product_table(self.group))

    @property
    def output_size(self) -> int:
        return len(product_table(self.group))

    @property
    def chance(self) -> float:
        return (1 + (self.length - 1) / self.output_size) / self.length

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw elements and multiply them."""
        table = product_table(self.group)
        inputs = random.integers(0, len(table), (self.length, batch_size))
        targets, product = np.empty_like(inputs), np.zeros(batch_size, np.int64)
        for step, element in enumerate(inputs):
            product = targets[step] = table[product, element]
        weights = np.ones((self.length, batch_size), np.float32)
        return Batch(inputs, np.full(batch_size, self.length, np.int64), targets, weights, weights.copy())


@lru_cache(maxsize=len(GROUPS))
def product_table(group: str) -> NDArray[np.int64]:
    """Return (order, order): which element it is to do first the one of the row, then the one of the column.

    The elements are all products of the generators, as permutations in lexicographic order.
    """
    points, generators = GROUPS[group]
    moves = [_permutation(points, cycles) for cycles in generators]
    identity = tuple(range(points))
    known, fresh = {identity}, [identity]
    while fresh:
        found = {tuple(move[image] for image in element) for element in fresh for move in moves}
        fresh = sorted(found - known)
        known |= found
    elements = sorted(known)
    place = {element: index for index, element in enumerate(elements)}
    table = [[place[tuple(then[image] for image in first)] for then in elements] for first in elements]
    return np.array(table)


def _permutation(points: int, cycles: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """Return the image of each point."""
    images = list(range(points))
    for cycle in cycles:
        for point, image in zip(cycle, cycle[1:] + cycle[:1], strict=True):
            images[point] = image
    return tuple(images)
