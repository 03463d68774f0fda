"""What was drawn, against what should be: counts against shares, strings as text, outputs against targets."""

from collections import Counter

import numpy as np
import torch

from tests.tasks.oracles import formal

STANDARD_ERRORS = 5


def score(task, batch, outputs):
    """Return the mean score of a batch."""
    scores = task.scores(torch.from_numpy(outputs), torch.from_numpy(batch.targets)).numpy()
    return float((batch.score_weights * scores).sum(dtype=float) / batch.score_weights.sum(dtype=float))


def assert_drawn_with(drawn, shares):
    """Assert that each thing was drawn as often as its share, and nothing else."""
    counts = Counter(drawn)
    assert set(counts) <= set(shares)
    for thing, share in shares.items():
        standard_error = np.sqrt(len(drawn) * share * (1 - share))
        assert abs(counts[thing] - len(drawn) * share) <= STANDARD_ERRORS * standard_error, thing


def read_back(alphabet, batch):
    """Return the strings of a batch without their questions."""
    return [text.rstrip("?") for text in formal.texts(batch, alphabet)]
