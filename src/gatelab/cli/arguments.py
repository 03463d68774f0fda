"""The arguments of the doors that are not Hydra's: key=value, each key once."""

from collections.abc import Collection, Sequence

from gatelab.errors import UserError, suggest

__all__ = ["keyed"]


def keyed(arguments: Sequence[str], known: Collection[str]) -> dict[str, str]:
    """Return key -> value of ``key=value`` arguments.

    Raises:
        UserError: an argument of another form, an unknown key, or a key given twice.
    """
    given: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise UserError(f"'{argument}' is not of the form key=value; keys are {', '.join(known)}")
        if key not in known:
            raise UserError(f"unknown key '{key}'{suggest(key, known)} in '{argument}'; keys are {', '.join(known)}")
        if key in given:
            raise UserError(f"'{key}' is given twice: '{given[key]}' and '{value}'")
        given[key] = value
    return given
