"""The arguments of the commands that are not Hydra's: key=value, each key once, read into one typed model a command."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from gatelab.errors import UserError, suggest
from gatelab.validation import check

__all__ = ["Names", "Request", "Switch", "keyed", "requested", "whole"]


class Request(BaseModel):
    """What a command is asked for; each field is a key. A subclass gives names, types and defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_Model = TypeVar("_Model", bound=Request)


def requested(model_class: type[_Model], arguments: Sequence[str], where: str = "") -> _Model:
    """Return what ``key=value`` arguments ask for; ``where`` is what stands before a key, as ``sweep`` in sweep.count.

    Raises:
        UserError: an argument of another form, an unknown key, a key given twice, a value that is not allowed.
    """
    return check(model_class, keyed(arguments, model_class.model_fields, f"{where}." if where else ""), where)


def keyed(arguments: Sequence[str], known: Collection[str], above: str = "") -> dict[str, str]:
    """Return key -> value of ``key=value`` arguments; ``above`` is what errors put before a key.

    Raises:
        UserError: an argument of another form, an unknown key, or a key given twice.
    """
    given: dict[str, str] = {}
    allowed = ", ".join(f"{above}{key}" for key in known)
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise UserError(f"'{above}{argument}' is not of the form key=value; keys are {allowed}")
        if key not in known:
            near = suggest(f"{above}{key}", [f"{above}{one}" for one in known])
            raise UserError(f"unknown key '{above}{key}'{near} in '{above}{argument}'; keys are {allowed}")
        if key in given:
            raise UserError(f"'{above}{key}' is given twice: '{given[key]}' and '{value}'")
        given[key] = value
    return given


def whole(least: int) -> BeforeValidator:
    """Return the check of a whole number of at least so much, for a field: ``Annotated[int, whole(1)]``."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
            raise ValueError(f"must be an integer of at least {least}")
        return int(text)

    return BeforeValidator(read)


def _switch(text: str) -> bool:
    # pydantic alone would take yes, on and 1 as well
    if text not in ("true", "false"):
        raise ValueError(f"must be true or false{suggest(text, ['true', 'false'])}")
    return text == "true"


Switch = Annotated[bool, BeforeValidator(_switch)]
"""``true`` or ``false``."""

_split: Callable[[str], tuple[str, ...]] = lambda text: tuple(filter(None, text.split(",")))  # noqa: E731
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""Names with commas between them."""
