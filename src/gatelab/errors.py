"""The one kind of error that a user can cause, and the nearest known name to suggest."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["UserError", "suggest"]


class UserError(Exception):
    """Something the user wrote is wrong.

    The message is one line that names the thing, its value and what is allowed. (An error in an equation adds
    the equation and a caret below that line.) The doors print it on stderr and exit with status 2.
    """


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'cifg'?)"`` for the nearest of the known names, or an empty string."""
    nearest = get_close_matches(name, [str(candidate) for candidate in known], n=1, cutoff=0.6)
    return f" (did you mean '{nearest[0]}'?)" if nearest else ""
