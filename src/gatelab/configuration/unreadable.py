"""What is wrong with an override that Hydra cannot read, for whoever wrote it."""

import re

from gatelab.errors import suggest

__all__ = ["unreadable"]

_PAIRS = {")": "(", "]": "[", "}": "{"}


def unreadable(override: str, words: str) -> str:
    """Return one line about an override that Hydra's parser has refused.

    Args:
        override: as it was written.
        words: what the parser says.
    """
    text = " ".join(words.split())
    if found := re.search(r"Unknown function '(\w+)' Available: ([\w,]+)", text):
        known = found[2].split(",")
        return f"{override}: unknown function '{found[1]}'{suggest(found[1], known)}; allowed: {', '.join(known)}"
    if found := re.search(r"while evaluating '(.*?)': (.*)", text):
        return f"{override}: {_of_call(found[1], found[2])}"
    if bracket := _open_bracket(override):
        return f"{override}: cannot be read: '{bracket}' is never closed"
    if re.match(r"[^=]+==", override):
        return f"{override}: cannot be read: one = stands between key and value"
    return f"{override}: cannot be read; put quotes around a value with special characters: 'key=\"value\"'"


def _of_call(call: str, reason: str) -> str:
    if re.search(r"\(.*\w\(", call) and re.search("mismatch type|Invalid arguments", reason):
        return "a call that gives values cannot stand beside other values"
    if "mismatch type" in reason:
        return f"{call} must be of numbers"
    if found := re.search(r"missing a required argument: '(\w+)'", reason):
        return f"{call} lacks its {found[1]}"
    if "empty choice" in reason:
        return f"{call} has no values"
    return f"{call}: {reason}"


def _open_bracket(text: str) -> str:
    """Return a bracket that no other closes; what stands in quotes does not count."""
    waiting: list[str] = []
    for letter in re.sub(r"'[^']*'|\"[^\"]*\"", "", text):
        if letter in _PAIRS.values():
            waiting.append(letter)
        elif waiting and _PAIRS.get(letter) == waiting[-1]:
            waiting.pop()
    return waiting[-1] if waiting else ""
