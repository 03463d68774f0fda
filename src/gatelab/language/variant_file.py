"""What a file of a variant may say: its keys, the names in it, and the roles of its gates."""

import keyword
from collections.abc import Collection, Mapping
from typing import Any

from gatelab.errors import UserError, one_line, suggest
from gatelab.language.word_table import RESERVED, ROLES

__all__ = ["COMPUTED", "KEYS", "checked_roles", "equation_texts", "state_names"]

KEYS = ("name", "source", "notes", "state", "equations", "output", "roles", "module")
"""Keys of a file; ``module`` names a foreign variant."""

COMPUTED = ("state", "equations", "order", "output", "module")
"""What of a variant decides the operations of a step; ``order`` is that of the equations. The rest names things."""


def state_names(value: Any, where: str) -> list[str]:
    """Return the states that a file lists, each a name and once."""
    if not isinstance(value, list | tuple) or not value:
        raise UserError(f"{where}={one_line(value)} must be a list of names, such as [h, c]")
    seen = set()
    for name in value:
        _check_name(name, where)
        if name in seen:
            raise UserError(f"{where}: '{name}' is listed twice")
        seen.add(name)
    return list(value)


def _check_name(name: Any, where: str) -> None:
    if not isinstance(name, str) or not name.isidentifier() or not name.isascii() or name.startswith("_"):
        raise UserError(f"{where}: '{one_line(name)}' is not a name (letters, digits and underscores, a letter first)")
    if name in RESERVED or keyword.iskeyword(name):
        raise UserError(f"{where}: '{name}' is a name of the language; choose another")


def equation_texts(value: Any, where: str) -> dict[str, str]:
    """Return name -> right-hand side of the equations of a file, as text that is not parsed yet."""
    if not isinstance(value, Mapping) or not value:
        raise UserError(f"{where}: equations={one_line(value)} must be a mapping from names to right-hand sides")
    texts = {}
    for name, text in value.items():
        _check_name(name, f"{where}: equations")
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            raise UserError(
                f"{where}, equation {name}: {one_line(text)} must be a right-hand side such as tanh(linear(x, h))"
            )
        texts[name] = str(text)
    return texts


def checked_roles(
    value: Any, texts: Collection[str], alive: set[str], where: str, noun: str = "equation"
) -> dict[str, str]:
    """Return role -> equation of a file; roles of equations that are not alive are left out."""
    if not isinstance(value, Mapping):
        raise UserError(
            f"{where}: roles={one_line(value)} must be a mapping such as {{retain: f, write: i, expose: o}}"
        )
    for role, equation in value.items():
        if role not in ROLES:
            raise UserError(f"{where}: unknown role '{role}'{suggest(str(role), ROLES)}; allowed: {', '.join(ROLES)}")
        if not isinstance(equation, str) or equation not in texts:
            raise UserError(f"{where}: role {role}={one_line(equation)} is no {noun}{suggest(str(equation), texts)}; "
                            f"{noun}s: {', '.join(texts)}")  # fmt: skip
    return {role: equation for role, equation in value.items() if equation in alive}
