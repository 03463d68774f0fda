"""YAML, read as data: only the values of YAML's core schema, built from the parser's events within limits.

PyYAML's loaders compose the whole text before it can be checked. Here events are taken from its parser (libyaml's if
available) one by one: content that is too deep, too large or of another kind ends the reading.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gatelab.errors import UserError, one_line
from gatelab.reading.files import read_text, shown
from gatelab.reading.limits import Limits, RefusedError, decimal, integer

__all__ = ["parse_yaml", "read_yaml"]

_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG = "tag:yaml.org,2002:"
_NULL = {"", "~", "null", "Null", "NULL"}
_PLAIN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WORDS = {
    **{word: True for name in ("yes", "on") for word in (name, name.title(), name.upper())},
    **{word: False for name in ("no", "off") for word in (name, name.title(), name.upper())},
}
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([Tt ]\s*\d.*)?")
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)
_INTEGER = re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)")
_BEGINS_A_NUMBER = frozenset("+-.0123456789")
_SPECIAL = {
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **{f"{sign}.{word}": math.inf for sign in ("", "+") for word in ("inf", "Inf", "INF")},
    **{f"-.{word}": -math.inf for word in ("inf", "Inf", "INF")},
}
# Decimal numbers, also in forms that PyYAML reads as text: its exponents need a point and a sign, so 1e-3 is text.
_DUMPED = re.compile(r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?|\.[0-9][0-9_]*([eE][-+][0-9]+)?")
_TYPED = re.compile(r"[-+]?([0-9][0-9_]*\.?[0-9_]*([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?)")


def read_yaml(
    path: Path | str,
    where: str | None = None,
    *,
    dumped: bool = False,
    words: bool = False,
    limits: Limits | None = None,
) -> Any:
    """Return the value in a YAML file: mappings whose keys are text, lists, text, numbers, true, false and null.

    Args:
        where: the name of the file in errors; its path if not given.
        dumped: the file was written by ``yaml.dump``, for which 1e-3 is text and needs no quotes.
        words: yes, no, on and off are text.

    Raises:
        NoSuchFileError: there is none.
        UserError: it cannot be read, is no YAML or too large; a key is there twice or is no text; a value has a tag
            of its own or is a number too large.
    """
    where = shown(path, where)
    text = read_text(path, where, limits=limits)
    return parse_yaml(text, where, dumped=dumped, words=words, limits=limits)


def parse_yaml(
    text: str, where: str, *, dumped: bool = False, words: bool = False, limits: Limits | None = None
) -> Any:
    """Return the value of a YAML text; see :func:`read_yaml`. ``where`` is the name of the text in errors."""
    limits = limits or Limits()
    if len(text) > limits.size:
        raise UserError(f"{where}: too large: at most {limits.size} bytes")
    if len(_DIRECTIVE.findall(text)) > 1:  # which the parser compares with one another
        raise UserError(f"{where}: not YAML: directives (lines that begin with %) are not allowed")
    builder = _Builder(limits, dumped=dumped, words=words)
    try:
        return builder.document(_events(text))
    except RefusedError as error:
        raise UserError(f"{where}: not YAML: {error} (line {builder.line})") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" (line {mark.line + 1})" if mark else ""
        raise UserError(f"{where}: not YAML: {one_line(error.problem or error.context)}{line}") from None
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError, KeyError, IndexError) as error:
        # the parser lets errors of its own making through
        raise UserError(f"{where}: not YAML: {one_line(error, 120)}") from None


def _events(text: str) -> Iterator[Any]:
    parser = _Parser(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


@dataclass(slots=True)
class _Anchored:
    """A value with an anchor, and its cost when it is repeated."""

    value: Any
    values: int
    size: int
    depth: int


class _Builder:
    """One value out of a stream of events."""

    def __init__(self, limits: Limits, *, dumped: bool, words: bool) -> None:
        self.events: Iterator[Any] = iter(())
        self.number = _DUMPED if dumped else _TYPED
        self.truth = _PLAIN if words else _PLAIN | _WORDS
        self.dumped = dumped
        self.limits = limits
        self.line = 0
        self.values = 0
        self.size = 0
        self.deepest = 0
        self.anchors: dict[str, _Anchored] = {}

    def document(self, events: Iterator[Any]) -> Any:
        """Return the value of the only document; None if there is none."""
        self.events = events
        value, documents = None, 0
        for event in events:
            kind = type(event)
            if kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1 or event.version or event.tags:
                    self._at(event)
                    raise RefusedError("a second document" if documents > 1 else "a directive (%) is not allowed")
            elif kind not in (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentEndEvent):
                value = self._value(event, 0)
        return value

    def _value(self, event: Any, depth: int) -> Any:
        self._at(event)
        if type(event) is yaml.AliasEvent:
            return self._again(str(event.anchor), depth)
        if event.anchor is None:
            return self._new(event, depth)
        values, size, deepest, self.deepest = self.values, self.size, self.deepest, depth
        self.anchors.pop(event.anchor, None)  # a value must not contain itself
        value = self._new(event, depth)
        costs = self.values - values, self.size - size, self.deepest - depth
        self.anchors[event.anchor] = _Anchored(value, *costs)
        self.deepest = max(deepest, self.deepest)
        return value

    def _new(self, event: Any, depth: int) -> Any:
        self._count(1, len(event.value) if type(event) is yaml.ScalarEvent else 0)
        if type(event) is yaml.ScalarEvent:
            return self._scalar(event)
        if depth >= self.limits.depth:
            raise RefusedError(f"nested too deep; at most {self.limits.depth} levels")
        self.deepest = max(self.deepest, depth + 1)
        if type(event) is yaml.SequenceStartEvent:
            _check_tag(event, "seq")
            return list(self._items(depth + 1))
        _check_tag(event, "map")
        return self._mapping(depth + 1)

    def _items(self, depth: int) -> Iterator[Any]:
        for event in self.events:
            if type(event) is yaml.SequenceEndEvent:
                return
            yield self._value(event, depth)

    def _mapping(self, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for event in self.events:
            if type(event) is yaml.MappingEndEvent:
                break
            key = self._value(event, depth)
            if not isinstance(key, str):
                raise RefusedError(f"the key {one_line(_yaml_word(key))} must be text; put quotes around it")
            if key in mapping:
                raise RefusedError(f"key '{one_line(key)}' is there twice")
            mapping[key] = self._value(next(self.events), depth)
        return mapping

    def _again(self, anchor: str, depth: int) -> Any:
        known = self.anchors.get(anchor)
        if known is None:
            raise RefusedError(f"no value above is called &{one_line(anchor)}")
        self._count(known.values, known.size)
        if depth + known.depth > self.limits.depth:
            raise RefusedError(f"nested too deep; at most {self.limits.depth} levels")
        self.deepest = max(self.deepest, depth + known.depth)
        return _copied(known.value)

    def _count(self, values: int, size: int) -> None:
        self.values += values
        self.size += size
        if self.values > self.limits.values:
            raise RefusedError(f"too many values; at most {self.limits.values}, aliases put in")
        if self.size > self.limits.size:
            raise RefusedError(f"too large: at most {self.limits.size} characters, aliases put in")

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.tag is not None:
            return self._tagged(event, text)
        return self._plain(text) if event.implicit[0] else text

    def _plain(self, text: str) -> Any:
        if text in self.truth:
            return self.truth[text]
        if text in _NULL:
            return None
        if text[0] in _BEGINS_A_NUMBER:
            if _INTEGER.fullmatch(text):
                return _integer(text)
            if text in _SPECIAL:
                return _SPECIAL[text]
            if self.number.fullmatch(text):
                return decimal(text.replace("_", ""))
            if not self.dumped and _DATE.fullmatch(text):
                raise RefusedError(f"{one_line(text, 40)} is a date for some and text for others; put quotes around it")
        return text

    def _tagged(self, event: Any, text: str) -> Any:
        """Return the value of a scalar with a tag: ``!!int 5``."""
        kinds = {"str": str, "int": int, "float": float, "bool": bool, "null": type(None)}
        _check_tag(event, *kinds)
        kind = event.tag.removeprefix(_TAG)
        if kind in ("str", "!"):
            return text
        value = self._plain(text)
        if kind == "float" and type(value) is int:
            return float(value)
        if type(value) is not kinds[kind]:
            raise RefusedError(f"'{one_line(text)}' is no {kind}")
        return value

    def _at(self, event: Any) -> None:
        self.line = event.start_mark.line + 1


def _check_tag(event: Any, *allowed: str) -> None:
    if event.tag is not None and event.tag not in ("!", *(f"{_TAG}{name}" for name in allowed)):
        tag = event.tag.replace(_TAG, "!!", 1)
        raise RefusedError(
            f"the tag {one_line(tag)} is not allowed: a file holds only text, numbers, true, false, null"
        )


def _integer(text: str) -> int:
    sign, digits = ("-", text[1:]) if text[0] == "-" else ("", text.removeprefix("+"))
    digits = digits.replace("_", "")
    if digits.startswith("0b"):
        return integer(sign + digits[2:], 2)
    if digits.startswith("0x"):
        return integer(sign + digits[2:], 16)
    return integer(sign + digits, 8 if digits.startswith("0") and digits != "0" else 10)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _yaml_word(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "of several parts" if isinstance(value, list | dict) else str(value)
