"""JSON, read as data."""

import json
import re
from pathlib import Path
from typing import Any

from gatelab.errors import UserError, one_line
from gatelab.reading.files import read_bytes, shown
from gatelab.reading.limits import Limits, RefusedError, decimal, integer

__all__ = ["parse_json", "read_json"]

# Most texts have none of these; a text that may have one is parsed number by number, or checked again.
_ODD_NUMBER = re.compile(r"[\d.]{20}|[eE][+-]?\d{3}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(path: Path | str, where: str | None = None, *, limits: Limits | None = None) -> Any:
    """Return the value in a JSON file.

    Raises:
        NoSuchFileError: there is none.
        UserError: it cannot be read, is no JSON or too large; a key is there twice, a number is NaN, infinite or too
            long.
    """
    where = shown(path, where)
    return parse_json(read_bytes(path, where, limits=limits), where, limits=limits)


def parse_json(content: bytes | str, where: str, *, limits: Limits | None = None) -> Any:
    """Return the value of a JSON text; see :func:`read_json`. ``where`` is the name of the text in errors."""
    limits = limits or Limits()
    text = _text(content, where) if isinstance(content, bytes) else content
    if len(text) > limits.size:
        raise UserError(f"{where}: too large: at most {limits.size} bytes")
    odd = _ODD_NUMBER.search(text) is not None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_mapping,
            parse_constant=_no_number,
            parse_int=integer if odd else None,
            parse_float=decimal if odd else None,
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, character {error.colno}"
        raise UserError(f"{where}: not a complete JSON file ({error.msg}, {place})") from None
    except RefusedError as error:
        raise UserError(f"{where}: {error}") from None
    except RecursionError:
        raise UserError(f"{where}: nested too deep; at most {limits.depth} levels") from None
    except ValueError as error:
        raise UserError(f"{where}: not a complete JSON file ({one_line(error)})") from None
    # an ordinary number of brackets needs no second check
    if text.count("[") + text.count("{") > limits.depth or _SURROGATE.search(text):
        _check(value, where, limits)
    return value


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{where}: not a complete JSON file (not UTF-8 text)") from None


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RefusedError(f"key '{one_line(twice)}' is there twice")
    return mapping


def _no_number(word: str) -> Any:
    raise RefusedError(f"{word} is no number in JSON")


def _check(value: Any, where: str, limits: Limits) -> None:
    level, depth, count = [value], 0, 0
    while level:
        depth, count = depth + 1, count + len(level)
        if depth > limits.depth + 1:
            raise UserError(f"{where}: nested too deep; at most {limits.depth} levels")
        if count > limits.values:
            raise UserError(f"{where}: too many values; at most {limits.values}")
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += [*one, *one.values()]
            elif isinstance(one, list):
                below += one
            elif isinstance(one, str) and not _is_text(one):
                raise UserError(f"{where}: '{one_line(one.encode(errors='replace').decode())}' is half a character")
        level = below


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
