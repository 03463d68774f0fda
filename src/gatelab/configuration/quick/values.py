"""Values put into composed configurations, which are nested plain values, and found there."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import OmegaConf

__all__ = [
    "LeaveItToHydraError",
    "below",
    "copied",
    "interpolated_places",
    "is_leaf",
    "is_open",
    "put",
    "with_environment",
]

_LEAVES = (str, int, float, bool, type(None))
_OF_ENVIRONMENT = re.compile(r"\$\{wandb:[\w.-]+(,[\w.-]*)?\}")


class LeaveItToHydraError(Exception):
    """A point that is left to Hydra."""


def put(content: dict[str, Any], overrides: Sequence[Override]) -> dict[str, Any]:
    """Put values into a configuration, whose sections are copied first."""
    for override in overrides:
        *above, leaf = override.key_or_group.split(".")
        place = content
        for name in above:
            inner = place.get(name) if override.type == OverrideType.CHANGE else place.setdefault(name, {})
            if not isinstance(inner, dict):
                raise LeaveItToHydraError
            place[name] = dict(inner)
            place = place[name]
        if override.type == OverrideType.CHANGE and leaf not in place:
            raise LeaveItToHydraError
        if override.type == OverrideType.ADD and place.get(leaf) is not None:
            raise LeaveItToHydraError
        if not is_leaf(place.get(leaf)):
            raise LeaveItToHydraError
        place[leaf] = override.value()
    return content


def below(content: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Return a place in a configuration."""
    for name in path:
        content = content[name]
    return content


def copied(content: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Return a place in a configuration, which is copied on the way to it."""
    for name in path:
        content[name] = content = dict(content[name])
    return content


def is_leaf(value: Any) -> bool:
    """Return whether a value is a number, a text, true, false or null, or a list of these."""
    return isinstance(value, _LEAVES) or (isinstance(value, list) and all(isinstance(one, _LEAVES) for one in value))


def interpolated_places(content: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the places of the values that have to be resolved, or given."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from interpolated_places(value, (*above, key))
        elif isinstance(value, str | list) and is_open(value):
            yield (*above, key)


def is_open(value: Any) -> bool:
    """Return whether a value has to be resolved, or given."""
    if isinstance(value, str):
        return "${" in value or value == "???"
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(is_open, inner))


def with_environment(content: Any) -> Any:
    """Return a configuration with the values that come from the environment alone: they are those of every point."""
    if isinstance(content, dict):
        return {key: with_environment(value) for key, value in content.items()}
    if isinstance(content, str) and _OF_ENVIRONMENT.fullmatch(content):
        return OmegaConf.create({"value": content}).value
    return content
