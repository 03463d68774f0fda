"""The arguments of the commands that are not Hydra's: key=value, each key once, read into one typed model a command."""

import re
import textwrap
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from gatelab.errors import UserError, suggest
from gatelab.validation import check

__all__ = ["Help", "Names", "Request", "Switch", "keyed", "options_help", "requested", "whole"]


class Request(BaseModel):
    """The arguments of a command; each field is a key. A subclass gives names, types and defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Help:
    """The ``--help`` text of a field: ``Annotated[str, Help(FOLDER="the store (default {default})")]``.

    Args:
        values: what a value is called -> what it means; ``{default}`` stands for the default of the field.
    """

    def __init__(self, **values: str) -> None:
        self.values = values


_WIDTH = 120
_Model = TypeVar("_Model", bound=Request)


def options_help(model_class: type[Request], prefix: str = "") -> str:
    """Return the lines of ``--help`` that list the keys of a command.

    ``prefix`` is what stands before each key, as ``sweep.`` in sweep.count.
    """
    rows = list(_rows(model_class, prefix))
    indent = 4 + 2 + max(len(option) for option, _ in rows)
    lines = []
    for option, text in rows:
        first, *others = textwrap.wrap(text, _WIDTH - indent, break_on_hyphens=False)
        lines += [f"    {option}".ljust(indent) + first, *(" " * indent + other for other in others)]
    return "\n".join(lines) + "\n"


def _rows(model_class: type[Request], prefix: str) -> Iterator[tuple[str, str]]:
    for key, field in model_class.model_fields.items():
        told = next((one for one in field.metadata if isinstance(one, Help)), Help())
        for number, (value, text) in enumerate(told.values.items()):
            before = f"{prefix}{key}="
            shown = str(field.default).lower() if isinstance(field.default, bool) else field.default
            yield (before if number == 0 else " " * len(before)) + value, text.format(default=shown)


def requested(model_class: type[_Model], arguments: Sequence[str], where: str = "") -> _Model:
    """Return the values of ``key=value`` arguments; ``where`` is the prefix of a key, such as ``sweep`` in sweep.count.

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
    # pydantic would also accept yes, on and 1
    if text not in ("true", "false"):
        raise ValueError(f"must be true or false{suggest(text, ['true', 'false'])}")
    return text == "true"


Switch = Annotated[bool, BeforeValidator(_switch)]
"""``true`` or ``false``."""

_split: Callable[[str], tuple[str, ...]] = lambda text: tuple(filter(None, text.split(",")))  # noqa: E731
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""Names with commas between them."""
