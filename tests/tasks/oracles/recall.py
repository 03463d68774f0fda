"""Oracles of recall and of state tracking."""

from itertools import permutations

import numpy as np

SURE = 60.0  # a logit


def even(permutation):
    pairs = [(a, b) for index, a in enumerate(permutation) for b in permutation[index + 1 :]]
    return sum(a > b for a, b in pairs) % 2 == 0


def cyclic(*cycles):
    """Return what the powers of a permutation made of cycles do to its points."""
    starts = np.cumsum((0, *cycles[:-1]))
    order = int(np.lcm.reduce(cycles))
    return [
        tuple(
            int(start + (point + power) % size)
            for start, size in zip(starts, cycles, strict=True)
            for point in range(size)
        )
        for power in range(order)
    ]


def elements(group):
    """Return the permutations of a group in lexicographic order, by what defines them."""
    fives = [tuple(4 + point for point in turn) for turn in cyclic(5)]
    return sorted(
        {
            "A4xZ5": [four + five for four in permutations(range(4)) if even(four) for five in fives],
            "A5": [five for five in permutations(range(5)) if even(five)],
            "S5": list(permutations(range(5))),
            "Z60": cyclic(3, 4, 5),
        }[group]
    )


def state_tracking(task, batch):
    """Move the points themselves."""
    members = elements(task.group)
    place = {member: index for index, member in enumerate(members)}
    outputs = np.zeros((*batch.inputs.shape, task.output_size), np.float32)
    for sequence in range(len(batch.lengths)):
        points = members[0]
        for step, token in enumerate(batch.inputs[:, sequence]):
            points = tuple(members[token][point] for point in points)
            outputs[step, sequence, place[points]] = SURE
    return outputs


def mqar(task, batch):
    """Answer every token with its last value, as far as pairs are shown."""
    told = task.pairs + (task.updates if task.name == "mqar_forgetting" else 0)
    outputs = np.zeros((*batch.inputs.shape, task.output_size), np.float32)
    for sequence in range(len(batch.lengths)):
        tokens = batch.inputs[:, sequence].tolist()
        value = dict(zip(tokens[: 2 * told : 2], tokens[1 : 2 * told : 2], strict=True))
        for step, token in enumerate(tokens):
            outputs[step, sequence, value.get(token, 0)] = SURE
    return outputs


ORACLES = {"mqar": mqar, "mqar_forgetting": mqar, "state_tracking": state_tracking}
