"""What the transcriptions share: the logistic function, and a walk through time."""

import numpy as np


def sigma(u):
    return 1 / (1 + np.exp(-u))


def over_time(step, x, hidden, states=1):
    """Return the outputs of a step function (x_t, *states) -> (output, *states) that starts from zeros."""
    state = [np.zeros((x.shape[1], hidden)) for _ in range(states)]
    outputs = []
    for x_t in x:
        output, *state = step(x_t, *state)
        outputs.append(output)
    return np.stack(outputs)
