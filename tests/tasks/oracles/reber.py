"""Oracles of the Reber grammars: a parser of their strings, written as a table of what may follow what."""

import numpy as np

SURE = 60.0  # a logit
SYMBOLS = "BTPSXVE"
INNER = {  # state of the inner string: symbol, next state
    "begin": {"B": "0"},
    "0": {"T": "1", "P": "2"},
    "1": {"S": "1", "X": "3"},
    "2": {"T": "2", "V": "4"},
    "3": {"X": "2", "S": "end"},
    "4": {"P": "3", "V": "end"},
    "end": {"E": "return"},
}


def legal_after(symbols, continual=False):
    """Yield the set of legal next symbols after each symbol of a string, or of strings in a row; refuse all others."""
    outer, state, legal = None, "start", {"B"}
    for symbol in symbols:
        assert symbol in legal, f"{symbol} in {''.join(symbols)}"
        if state == "start":
            state, legal = "open", {"T", "P"}
        elif state == "open":
            outer, state, legal = symbol, "begin", {"B"}
        elif state == "return":
            state, legal = "close", {"E"}
        elif state == "close":
            state, legal = "start", {"B"} if continual else set()
        else:
            state = INNER[state][symbol]
            legal = {outer} if state == "return" else set(INNER[state])
        yield legal


def letters(batch, sequence):
    return [SYMBOLS[symbol] for symbol in batch.inputs[: batch.lengths[sequence], sequence].argmax(-1)]


def reber(continual):
    def oracle(task, batch):
        outputs = np.full(batch.inputs.shape, -SURE, np.float32)
        for sequence in range(len(batch.lengths)):
            for step, legal in enumerate(legal_after(letters(batch, sequence), continual)):
                outputs[step, sequence, [SYMBOLS.index(symbol) for symbol in legal]] = SURE
        return outputs

    return oracle


ORACLES = {"continual_reber": reber(continual=True), "embedded_reber": reber(continual=False)}
