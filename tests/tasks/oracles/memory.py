"""Oracles of the tasks that ask for a long memory."""

import numpy as np

SURE = 60.0  # a logit


def adding(task, batch):
    return (batch.inputs[..., 0] * batch.inputs[..., 1]).sum(0)[:, None]


def copying(task, batch):
    answers = np.full(batch.inputs.shape[:2], task.symbols)
    answers[-task.tokens :] = batch.inputs[: task.tokens].argmax(-1)
    return SURE * np.eye(task.output_size, dtype=np.float32)[answers]


ORACLES = {"adding": adding, "copying": copying}
