"""The properties of a key of a configuration, written at its field; everything else about keys is derived from them."""

from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel

__all__ = ["HASHED", "Key", "defaults_of", "is_neutral", "keys_of", "without_neutral"]

HASHED: Any = object()
"""Marks a key without neutral value: it is part of the identity at every value."""


@dataclass(frozen=True, slots=True)
class Key:
    """The properties of a key beside its type, limits and default: ``Annotated[float, Key("…", stack=True)]``.

    Attributes:
        says: the meaning of the key, in one line: the comment in conf/train.yaml and the text in docs/keys.md.
        stack: whether runs that differ in it may train as one stack.
        science: whether it can change the numbers of a run, and is therefore part of the identity.
        neutral: the value with which the key is left out of the identity and of stored files, as if it did not exist.
            A new key needs one, so that stored runs keep their identity. It must be the default of the field. A key
            that is not science is never part of the identity, and is left out of stored files alone.
        kind: the check of the fairness table for a difference in it: ``"data"``, ``"stopping"`` or none.
        told: whether the page shows it for every run, even where all runs have the same value.
        in_files: whether a user's file may set it; otherwise only the command line may.
        given: False for a derived value, which no user sets.
    """

    says: str = ""
    stack: bool = False
    science: bool = True
    neutral: Any = HASHED
    kind: str | None = None
    told: bool = False
    in_files: bool = True
    given: bool = True

    def inherited(self, section: "Key") -> "Key":
        """Return the properties of this key below a section, which inherits those of the section."""
        return replace(
            self,
            stack=self.stack or section.stack,
            science=self.science and section.science,
            kind=self.kind or section.kind,
            in_files=self.in_files and section.in_files,
        )


@cache
def keys_of(section: type) -> dict[str, Key]:
    """Return the properties of each key of a pydantic model or a dataclass, by its name in configurations.

    Raises:
        TypeError: a neutral value is not the default, so that a missing key would mean something else.
    """
    if is_dataclass(section):
        hints = get_type_hints(section, include_extras=True)
        found = {field.name: _key(getattr(hints[field.name], "__metadata__", ())) for field in fields(section)}
    else:
        assert issubclass(section, BaseModel)
        found = {field.alias or name: _key(field.metadata) for name, field in section.model_fields.items()}
    defaults = defaults_of(section)
    for name, key in found.items():
        if key.neutral is not HASHED and not (name in defaults and is_neutral(key, defaults[name])):
            raise TypeError(f"{section.__name__}.{name}: its neutral value must be its default")
    return found


@cache
def defaults_of(section: type) -> dict[str, Any]:
    """Return the default of each key that has one, by its name in configurations."""
    if is_dataclass(section):
        made = {field.name: (field.default, field.default_factory) for field in fields(section)}
        return {
            name: value if factory is MISSING else factory()
            for name, (value, factory) in made.items()
            if (value, factory) != (MISSING, MISSING)
        }
    assert issubclass(section, BaseModel)
    return {
        field.alias or name: field.get_default(call_default_factory=True)
        for name, field in section.model_fields.items()
        if not field.is_required()
    }


def without_neutral(section: type, content: dict[str, Any]) -> dict[str, Any]:
    """Return the plain values of a section without the keys that have their neutral value."""
    keys = keys_of(section)
    return {name: value for name, value in content.items() if name not in keys or not is_neutral(keys[name], value)}


def is_neutral(key: Key, value: Any) -> bool:
    """Return whether a value is the neutral one of a key; 0 and 0.0 are the same, 0 and false are not."""
    return bool(value == key.neutral) and isinstance(value, bool) == isinstance(key.neutral, bool)


def _key(metadata: Any) -> Key:
    return next((one for one in metadata if isinstance(one, Key)), Key())
