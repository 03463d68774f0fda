"""Checks of the keys of a configuration that are in no section. Each refuses others with a UserError of one line."""

from typing import Any

from gatelab.errors import UserError, one_line

__all__ = ["choice", "text", "whole"]


def whole(value: Any, name: str, least: int, most: int) -> int:
    """Return a value that is an integer between two, both included."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"{name}={one_line(value)}: must be an integer of at least {least}")
    if value > most:
        raise UserError(f"{name}={one_line(value)}: must be at most {most}")
    return value


def text(value: Any, name: str) -> str:
    """Return a value that is a path."""
    if not isinstance(value, str) or not value:
        raise UserError(f"{name}={one_line(value)}: must be a path")
    return value


def choice(value: Any, name: str, allowed: tuple[Any, ...]) -> Any:
    """Return a value that is one of some names, or of true and false."""
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in allowed):
        shown = ", ".join(str(choice).lower() if isinstance(choice, bool) else choice for choice in allowed)
        raise UserError(f"{name}={one_line(value)}: must be one of {shown}")
    return value
