"""The error class for users, suggestions of the nearest known name, and text shortened to one line."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

__all__ = ["LostProcessError", "SharedError", "UserError", "hidden", "kind_and_words", "one_line", "suggest"]

_LONGEST = 600
_PASSWORD = re.compile(r"//([^\s/:@]*):\S*@")
_IN_QUERY = re.compile(r"([?&]password=)[^\s&]*")
_LONGEST_NAME = 200  # that is compared with others, which takes time
_COMPARED = 5  # names that share many letters with one


class UserError(Exception):
    """An error that the user can correct.

        >>> try:
        ...     gatelab.variant("cfig")
        ... except gatelab.UserError as error:
        ...     print(error)
        unknown variant 'cfig' (did you mean 'cifg'?); ...

    The message is one line that names the thing, its value and what is allowed. (An error in an equation adds
    the equation and a caret below that line.) Commands print it on stderr and exit with status 2.

    Messages quote files and names: control characters are escaped, and lines longer than 600 characters are cut in
    the middle, and passwords of URLs are hidden.
    """

    def __init__(self, message: object) -> None:
        lines = hidden(str(message)).split("\n")
        equation = len(lines) == 3 and set(lines[2].strip()) == {"^"}
        super().__init__("\n".join(map(_shown, lines)) if equation else one_line(message, _LONGEST))


class SharedError(UserError):
    """A UserError of all runs of a stack, such as a path that cannot run them."""


class LostProcessError(UserError):
    """A process that takes part in training a run has ended; another try may come to its end."""


def hidden(text: str) -> str:
    """Return a text in which ``***`` stands for the passwords of URLs: ``postgresql://user:***@host/name``."""
    if "//" not in text and "password" not in text:
        return text
    return _IN_QUERY.sub(r"\1***", _PASSWORD.sub(r"//\1:***@", text))


def one_line(text: object, longest: int = 80) -> str:
    """Return a text on one line: line breaks as spaces, control characters as escapes, the middle left out if long.

    Anything but text is written as in YAML: ``null``, ``true``, ``[a, b]``, ``{a: 1}``.
    """
    line = _spelled(text)
    if len(line) > 8 * longest:  # before anything is done with megabytes
        line = line[: 4 * longest] + line[-4 * longest :]
    line = hidden(line)
    line = " ".join(part for part in line.splitlines() if part) if not line.isprintable() else line
    return _cut(_visible(line.strip()), longest)


def kind_and_words(error: BaseException) -> str:
    """Return an error of other code on one line: ``ValueError: message``."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'cifg'?)"`` for the nearest of the known names, or an empty string.

    Capitals do not count. Of names that share as many letters, the one with the fewest slips is nearest: ``gur`` is
    ``gru`` with two letters exchanged. What was written is never suggested.
    """
    if len(name) > _LONGEST_NAME:
        return ""
    by_lower = {str(one).lower(): str(one) for one in known if str(one) != name}
    close = get_close_matches(name.lower(), by_lower, n=_COMPARED, cutoff=0.6)
    nearest = min(close, key=lambda one: _slips(name.lower(), one), default=None)
    return f" (did you mean '{by_lower[nearest]}'?)" if nearest is not None else ""


def _slips(one: str, other: str) -> int:
    """Return how many letters are changed, added, left out, or exchanged with the next between two names."""
    before, row = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, letter in enumerate(one):
        earlier, before, row = before, row, [i + 1]
        for j, wanted in enumerate(other):
            row.append(min(before[j + 1] + 1, row[j] + 1, before[j] + (letter != wanted)))
            if i and j and (letter, one[i - 1]) == (other[j - 1], wanted):
                row[-1] = min(row[-1], earlier[j - 1] + 1)
    return row[-1]


def _spelled(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_spelled(key)}: {_spelled(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_spelled, value))}]"
    return str(value)


def _shown(line: str) -> str:
    # an equation and its caret keep their spaces
    return _visible(line)[:_LONGEST]


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _cut(line: str, longest: int) -> str:
    if len(line) <= longest:
        return line
    end = longest // 3
    return f"{line[: longest - end - 1]}…{line[-end:]}"
