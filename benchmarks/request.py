"""The arguments of a benchmark, read into its request: a dataclass whose defaults say of which kind each is."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

from gatelab.cli.arguments import keyed
from gatelab.errors import UserError

__all__ = ["request_of"]

Asked = TypeVar("Asked")


def request_of(kind: type[Asked], arguments: Sequence[str]) -> Asked:
    """Return a request from words ``key=value``.

    Raises:
        UserError: an unknown key, or a value that is no number where a number is asked for.
    """
    defaults: dict[str, Any] = {one.name: one.default for one in fields(kind)}  # type: ignore[arg-type]
    found: dict[str, Any] = {}
    for key, value in keyed(arguments, defaults).items():
        try:
            found[key] = type(defaults[key])(value)
        except ValueError:
            raise UserError(f"{key}={value}: must be a number, such as {defaults[key]}") from None
    return kind(**found)
