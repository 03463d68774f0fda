"""A section of options as a dataclass for Hydra's plugins: the same keys and defaults."""

from collections.abc import Mapping
from dataclasses import field, make_dataclass
from typing import Any

from pydantic import BaseModel

from gatelab.keys.key import defaults_of

__all__ = ["config_of"]


def config_of(section: type[BaseModel], **further: Any) -> type:
    """Return a dataclass with the defaults of a section and some further fields, for Hydra's ConfigStore.

    Every value may be of any kind: the section itself checks it, with our messages. Sections below it become
    dataclasses too, so that Hydra knows their keys; a mapping without keys accepts any.
    """
    return _declared(f"{section.__name__}Config", {**defaults_of(section), **further})


def _declared(name: str, defaults: Mapping[str, Any]) -> type:
    return make_dataclass(name, [_field(name, key, value) for key, value in defaults.items()])


def _field(above: str, key: str, value: Any) -> Any:
    if isinstance(value, BaseModel):
        value = defaults_of(type(value))
    if isinstance(value, Mapping) and value:
        inner = _declared(f"{above}_{key}", value)
        return key, inner, field(default_factory=inner)
    if isinstance(value, Mapping):
        return key, dict[str, Any], field(default_factory=dict)
    return key, Any, field(default=value)
