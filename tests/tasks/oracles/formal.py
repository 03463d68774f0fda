"""Oracles of formal languages and algorithms: every string is read back as text and solved one by one."""

import re
from itertools import pairwise

import numpy as np

SURE = 60.0  # a logit


def texts(batch, alphabet):
    """Return each sequence as text, up to its end, with "?" for the question."""
    symbols = batch.inputs.argmax(-1)
    return ["".join((alphabet + "?")[s] for s in symbols[:n, i]) for i, n in enumerate(batch.lengths)]


def of_class(alphabet, answer):
    def oracle(task, batch):
        classes = [int(answer(text.rstrip("?"), task)) for text in texts(batch, alphabet)]
        return SURE * np.eye(task.output_size, dtype=np.float32)[classes]

    return oracle


def of_string(alphabet, answer):
    def oracle(task, batch):
        outputs = np.zeros((*batch.inputs.shape[:2], task.output_size), np.float32)
        for sequence, text in enumerate(texts(batch, alphabet)):
            string = text.rstrip("?")
            written = answer(string)[: len(text) - len(string)]
            for place, symbol in enumerate(written):
                outputs[len(string) + place, sequence, int(symbol)] = SURE
        return outputs

    return oracle


def of_sets(alphabet, out, legal):
    """Answer from the text read so far with the characters of ``out`` that may come next."""

    def oracle(task, batch):
        outputs = np.full((*batch.inputs.shape[:2], task.output_size), -SURE, np.float32)
        for sequence, text in enumerate(texts(batch, alphabet)):
            for step in range(len(text)):
                for symbol in legal(text[: step + 1], task):
                    outputs[step, sequence, out.index(symbol)] = SURE
        return outputs

    return oracle


def unequal_neighbours(text):
    return sum(a != b for a, b in pairwise(text))


def value(expression):
    """Evaluate + and - of products, by splitting the text."""
    terms = re.findall(r"([+-]?)([0-4](?:x[0-4])*)", expression)
    products = [(-1 if sign == "-" else 1) * np.prod([int(digit) for digit in term.split("x")]) for sign, term in terms]
    return int(sum(products)) % 5


def added(text):
    first, second = text.split("+")
    total = int(first[::-1], 2) + int(second[::-1], 2)
    return format(total, f"0{max(len(first), len(second)) + 1}b")[::-1]


def added_and_marked(text):
    """As ``added`` for the form of the code, where a string of one or two bits is a number alone."""
    total = sum(int(number[::-1], 2) for number in text.split("+"))
    return f"{total:b}"[::-1].ljust(len(text) + 1, "$").replace("$", "2", 1).replace("$", "0")


def hidden(text):
    half = len(text) // 2
    place = text.index("_")
    return text[(place + half) % len(text)]


def hidden_before_blank(text):
    return text if text == "1" else hidden(text.rstrip("."))


def in_tomita(text, task):
    """Say whether a string belongs, from what the words of each grammar say."""
    zeros, ones = text.count("0"), text.count("1")
    return [
        zeros == 0,
        text == "10" * (len(text) // 2),
        not any(len(a) % 2 and len(b) % 2 for a, b in re.findall(r"(1+)(0+)", text)),
        "000" not in text,
        zeros % 2 == 0 and ones % 2 == 0,
        (zeros - ones) % 3 == 0,
        re.fullmatch("0*1*0*1*", text) is not None,
    ][task.grammar - 1]


def after_counting(letters):
    def legal(text, task):
        seen = [text.count(letter) for letter in letters]
        if text == "S":
            return "a"
        if text[-1] == "a":
            return "ab"
        # the first letter that has not come as often as a
        short = [letter for letter, number in zip(letters, seen, strict=True) if number < seen[0]]
        return short[0] if short else "T"

    return legal


def after_brackets(text, task):
    opening, closing = "(["[: task.kinds], ")]"
    stack = []
    for bracket in text:
        if bracket in opening:
            stack.append(bracket)
        else:
            assert closing[opening.index(stack.pop())] == bracket
    may_open = task.depth is None or len(stack) < task.depth
    may_close = closing[opening.index(stack[-1])] if stack else ""
    return (opening if may_open else "") + may_close


def of_form(**oracles):
    return lambda task, batch: oracles[task.form](task, batch)


ORACLES = {
    "anbn": of_sets("Sab", "abT", after_counting("ab")),
    "anbncn": of_sets("Sabc", "abcT", after_counting("abc")),
    "binary_addition": of_form(text=of_string("01+", added), code=of_string("01+", added_and_marked)),
    "bucket_sort": of_string("01234", lambda text: "".join(sorted(text))),
    "cycle_navigation": of_class("-=+", lambda text, task: (text.count("+") - text.count("-")) % 5),
    "duplicate_string": of_string("01", lambda text: text + text),
    "dyck_1": of_sets("()", "()", after_brackets),
    "dyck_2": of_sets("([)]", "([)]", after_brackets),
    "even_pairs": of_class("01", lambda text, task: unequal_neighbours(text) % 2),
    "majority": of_class("01", lambda text, task: text.count("1") > text.count("0")),
    "missing_duplicate": of_form(
        text=of_class("01_", lambda text, task: hidden(text)),
        code=of_class("01_.", lambda text, task: hidden_before_blank(text)),
    ),
    "modular_arithmetic": of_class("01234+-x", lambda text, task: value(text)),
    "odds_first": of_string("01", lambda text: text[::2] + text[1::2]),
    "parity": of_class("01", lambda text, task: text.count("1") % 2),
    "reverse_string": of_string("01", lambda text: text[::-1]),
    "tomita": of_class("01", in_tomita),
}
