"""Oracles of the tasks that ask for a long memory."""

import numpy as np

SURE = 60.0  # a logit


def sure_of(answers, classes):
    """Return logits that are sure of integer answers."""
    return SURE * np.eye(classes, dtype=np.float32)[answers]


def symbols_of(batch):
    return batch.inputs.argmax(-1)


def adding(task, batch):
    return (batch.inputs[..., 0] * batch.inputs[..., 1]).sum(0)[:, None]


def adding_hs97(task, batch):
    numbers, marks = np.moveaxis(batch.inputs, -1, 0)
    return np.float32(0.5) + (numbers * (marks == 1)).sum(0)[:, None] / np.float32(4)


def multiplication(task, batch):
    numbers, marks = np.moveaxis(batch.inputs, -1, 0)
    return np.where(marks == 1, numbers, np.float32(1)).prod(0)[:, None]


def copying(task, batch):
    answers = np.full(batch.inputs.shape[:2], task.symbols)
    answers[-task.tokens :] = symbols_of(batch)[: task.tokens]
    return sure_of(answers, task.output_size)


def copying_variable_lag(task, batch):
    symbols = symbols_of(batch)
    answers = np.full(symbols.shape, task.symbols)
    for sequence, delimiter in enumerate((symbols == task.symbols + 1).argmax(0)):
        answers[delimiter + 1 :, sequence][: task.tokens] = symbols[: task.tokens, sequence]
    return sure_of(answers, task.output_size)


def copying_tcn(task, batch):
    answers = np.full(batch.inputs.shape[:2], task.symbols)
    answers[-task.tokens :] = batch.inputs[: task.tokens, :, 0].astype(np.int64) - 1
    return sure_of(answers, task.output_size)


def copying_s4(task, batch):
    answers = np.zeros(batch.inputs.shape[:2], np.int64)
    answers[-task.tokens :] = symbols_of(batch)[: task.tokens]
    return sure_of(answers, task.output_size)


def selective_copying(task, batch):
    symbols = symbols_of(batch)
    answers = np.zeros(symbols.shape, np.int64)
    for sequence, column in enumerate(symbols.T):
        answers[-task.tokens :, sequence] = column[column < task.symbols]
    return sure_of(answers, task.output_size)


def noise_free_long_lag(task, batch):
    # what comes between cannot be foreseen; the first symbol is right at the end
    first = symbols_of(batch)[0]
    return sure_of(np.broadcast_to(first, batch.inputs.shape[:2]), task.output_size)


def two_sequence(of_first_class, of_second_class):
    def oracle(task, batch):
        first_class = batch.inputs[: task.informative, :, 0].sum(0) > 0
        return np.where(first_class, of_first_class, of_second_class).astype(np.float32)[:, None]

    return oracle


def temporal_order(task, batch):
    symbols = symbols_of(batch)
    spelt = ["".join("XY"[symbol - 4] for symbol in column if symbol in (4, 5)) for column in symbols.T]
    answers = [int(letters.replace("X", "0").replace("Y", "1"), 2) for letters in spelt]
    return sure_of(np.array(answers), task.output_size)


def repeat_previous(task, batch):
    return np.roll(SURE * batch.inputs, task.k - 1, 0)


def repeat_first(task, batch):
    return np.repeat(SURE * batch.inputs[:1], len(batch.inputs), 0)


def unknown_delay_recall(task, batch):
    stored = batch.inputs[..., -2:-1] == 1
    return (batch.inputs[..., :-2] * stored).sum(0)


ORACLES = {
    "adding": adding,
    "adding_hs97": adding_hs97,
    "adding_tcn": adding,
    "copying": copying,
    "copying_s4": copying_s4,
    "copying_tcn": copying_tcn,
    "copying_variable_lag": copying_variable_lag,
    "multiplication": multiplication,
    "noise_free_long_lag": noise_free_long_lag,
    "repeat_first": repeat_first,
    "repeat_previous": repeat_previous,
    "selective_copying": selective_copying,
    "temporal_order_2": temporal_order,
    "temporal_order_3": temporal_order,
    "two_sequence_a": two_sequence(1, 0),
    "two_sequence_b": two_sequence(1, 0),
    "two_sequence_c": two_sequence(0.2, 0.8),
    "unknown_delay_recall": unknown_delay_recall,
}
