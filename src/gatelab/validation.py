"""Checks a mapping against a pydantic model; errors are one line that names the key."""

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gatelab.errors import UserError, suggest

__all__ = ["check"]

Model = TypeVar("Model", bound=BaseModel)

_LONGEST_VALUE = 80

_RULES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda limit: f"must be at least {_shown(limit['ge'])}",
    "greater_than": lambda limit: f"must be greater than {_shown(limit['gt'])}",
    "less_than_equal": lambda limit: f"must be at most {_shown(limit['le'])}",
    "less_than": lambda limit: f"must be less than {_shown(limit['lt'])}",
    "multiple_of": lambda limit: f"must be a multiple of {limit['multiple_of']}",
    "string_pattern_mismatch": lambda limit: f"must match {limit['pattern']}",
    "string_too_short": lambda limit: f"must have at least {limit['min_length']} characters",
    "finite_number": lambda limit: "must be a finite number",
    "int_type": lambda limit: "must be an integer",
    "int_parsing": lambda limit: "must be an integer",
    "int_from_float": lambda limit: "must be an integer",
    "float_type": lambda limit: "must be a number",
    "float_parsing": lambda limit: "must be a number",
    "bool_type": lambda limit: "must be true or false",
    "bool_parsing": lambda limit: "must be true or false",
    "string_type": lambda limit: "must be text",
    "list_type": lambda limit: "must be a list",
    "tuple_type": lambda limit: "must be a list",
    "dict_type": lambda limit: "must be a mapping",
    "model_type": lambda limit: "must be a mapping",
    "none_required": lambda limit: "must be null",
}


def check(model_class: type[Model], mapping: Mapping[str, object], where: str) -> Model:
    """Return the instance of a model that a mapping describes.

    ``where`` is the path of the mapping in the user's configuration, such as ``"task"``; an empty string means
    its top. Raises :class:`UserError` with one line that names each wrong key with its value and what is allowed:
    ``task.length=-3: must be at least 2``.
    """
    if not isinstance(mapping, Mapping):
        raise UserError(f"{where or 'configuration'}={_shown(mapping)}: must be a mapping")
    try:
        return model_class.model_validate(dict(mapping))
    except ValidationError as error:
        sentences = dict.fromkeys(_sentence(model_class, detail, where) for detail in error.errors())
    raise UserError("; ".join(sentences))


def _sentence(model_class: type[BaseModel], detail: ErrorDetails, where: str) -> str:
    """Turn an error of pydantic into a message for the user."""
    location, kind = detail["loc"], detail["type"]
    limits = detail.get("ctx", {})
    key = _join(where, location)
    if kind in ("extra_forbidden", "invalid_key"):
        return _unknown_key(key, str(location[-1]), _fields(model_class, location[:-1]))
    if kind == "missing":
        return f"key '{key}' is missing"
    if kind == "value_error":
        rule = str(limits["error"])
    elif kind in ("literal_error", "enum"):
        near = suggest(str(detail["input"]), _quoted_names(str(limits["expected"])))
        rule = f"must be {limits['expected']}{near}"
    elif kind in _RULES:
        rule = _RULES[kind](limits)
    else:
        rule = detail["msg"].replace("\n", " ")
    # A rule on several fields names them; the whole mapping would only repeat the user's input.
    if isinstance(detail["input"], Mapping | BaseModel) and kind == "value_error":
        return f"{key}: {rule}" if key else rule
    return f"{key}={_shown(detail['input'])}: {rule}"


def _unknown_key(key: str, name: str, allowed: tuple[str, ...]) -> str:
    listing = f"; allowed: {', '.join(allowed)}" if allowed else ""
    return f"unknown key '{key}'{suggest(name, allowed)}{listing}"


def _join(where: str, location: tuple[int | str, ...]) -> str:
    return ".".join([where, *map(str, location)] if where else map(str, location))


def _shown(value: object) -> str:
    """Write a value as in YAML, shortened to fit on the line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    # pydantic turns the limits of a number into floats: 10.0 reads as 10
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    text = " ".join((f"{value:.0f}" if whole else str(value)).split())
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _quoted_names(expected: str) -> list[str]:
    """Return the names in pydantic's ``"'a', 'b' or 'c'"``."""
    return expected.split("'")[1::2]


def _fields(model_class: type[BaseModel], location: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the keys allowed at a place inside a model, or nothing where the place is not a single model."""
    inner: type[BaseModel] = model_class
    for name in location:
        field = inner.model_fields.get(str(name))
        models = _models(field.annotation) if field else []
        if len(models) != 1:
            return ()
        inner = models[0]
    return tuple(field.alias or name for name, field in inner.model_fields.items())


def _models(annotation: Any) -> list[type[BaseModel]]:
    if get_origin(annotation) in (Union, UnionType):
        return [model for part in get_args(annotation) for model in _models(part)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
