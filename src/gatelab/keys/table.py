"""Lists derived from the keys of all sections: which are science, which may differ in a stack, how tables show them.

A dotted key is one such as ``training.patience``, or ``seed``.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel

from gatelab.keys.key import HASHED, Key, defaults_of, keys_of
from gatelab.keys.run import CommandKeys, RunKeys
from gatelab.keys.sections import ARGUMENTS

__all__ = [
    "GIVEN_BY_COMMAND",
    "KEYS",
    "MODELS",
    "NOT_SCIENCE",
    "REMARKS",
    "REQUIRED",
    "SCIENCE",
    "SHARED",
    "STACKABLE",
    "TOLD",
    "TOP",
    "check_remarks",
    "default_of",
    "kind_of",
    "known_keys",
    "value_of",
]

TOP: Mapping[str, Key] = {**keys_of(RunKeys), **keys_of(CommandKeys)}
"""The keys at the top of a configuration."""
KEYS = tuple(TOP)
MODELS: Mapping[str, type[BaseModel]] = {
    name: kind
    for name, kind in get_type_hints(RunKeys).items()
    if isinstance(kind, type) and issubclass(kind, BaseModel)
}
"""The sections whose keys are known here: all but variant, opening and task."""
REMARKS = ("path", "source", "notes", "fitted")
"""Keys of a variant, an opening or a task, also from outside, that are not science: place, origin and notes, and what
was fitted on the data, which follows from the other keys."""
_REMARKED = ("variant", "opening", "task")


@cache
def check_remarks(section: type) -> None:
    """Raise a TypeError for a key of a task or an opening that is not science and has a name outside ``REMARKS``.

    The store decides by the name, because it does not know the class.
    """
    for name, key in keys_of(section).items():
        if not key.science and name not in REMARKS:
            raise TypeError(f"{section.__name__}.{name}: a key that is not science must be one of {', '.join(REMARKS)}")


@cache
def known_keys() -> Mapping[str, Key]:
    """Return every dotted key of the sections with its properties, in the order of the sections."""
    found: dict[str, Key] = {}
    for name, top in TOP.items():
        if name not in MODELS:
            found[name] = top
            continue
        below = dict(keys_of(MODELS[name]))
        if name == "optimizer":
            below |= {argument: known.key for argument, known in ARGUMENTS.items()}
        found |= {f"{name}.{key}": one.inherited(top) for key, one in below.items()}
    return found


def _names(wanted: str, *, value: bool) -> tuple[str, ...]:
    """Return the keys with a property; a section that has the property stands for all its keys."""
    whole = tuple(name for name, key in TOP.items() if getattr(key, wanted) is value)
    single = (name for name, key in known_keys().items() if getattr(key, wanted) is value)
    return (*whole, *(name for name in single if name.partition(".")[0] not in whole))


STACKABLE = _names("stack", value=True)
"""Keys in which the runs of one stack may differ. A difference in any other key splits stacks."""
NOT_SCIENCE = (
    *_names("science", value=False),
    *(f"{section}.{remark}" for section in _REMARKED for remark in REMARKS),
    "hydra",
    "sweep",  # of a version that stored the plan of its runs
)
"""Keys that are left out of the identity, each with everything below it. All other keys are science."""
SCIENCE = tuple(name for name, key in keys_of(RunKeys).items() if key.science)
"""The sections, and single keys, that contain science."""
SHARED = tuple(name for name, key in keys_of(RunKeys).items() if not key.science and key.given)
"""Not science, but the same for all runs of a stack, which are computed together."""
GIVEN_BY_COMMAND = tuple(name for name, key in TOP.items() if not key.in_files)
"""Keys that no file of a user may set: the store, the loggers and the output."""
TOLD = tuple(sorted(f"{name}.name" if name in _REMARKED else name for name, key in known_keys().items() if key.told))
"""Settings that the page shows for every run, in alphabetical order."""
REQUIRED = tuple(name for name, key in keys_of(RunKeys).items() if key.science and key.neutral is HASHED)
"""Keys that every stored configuration has; a configuration without another key is older, and means its default."""


def kind_of(dotted: str) -> str | None:
    """Return the kind of a setting, such as ``"stopping"``; all keys of a task are of the kind ``"data"``."""
    key = known_keys().get(dotted) or TOP.get(dotted.partition(".")[0])
    return None if key is None else key.kind


@cache
def default_of(dotted: str) -> Any:
    """Return the default of a key of the sections, at the top or below; None if it has none."""
    section, _, name = dotted.partition(".")
    if not name:
        return {**defaults_of(RunKeys), **defaults_of(CommandKeys)}.get(section)
    return defaults_of(MODELS[section]).get(name) if section in MODELS else None


def has_default(dotted: str, value: Any) -> bool:
    """Return whether a key of the sections has its default."""
    section, _, name = dotted.partition(".")
    defaults = defaults_of(MODELS[section]) if section in MODELS else {}
    return (
        name in defaults
        and bool(defaults[name] == value)
        and isinstance(value, bool) == isinstance(defaults[name], bool)
    )


def value_of(settings: Mapping[str, Any], dotted: str) -> Any:
    """Return a run's value for a key; if none is stored, the key's neutral value, or null."""
    if dotted in settings:
        return settings[dotted]
    key = known_keys().get(dotted)
    return None if key is None or key.neutral is HASHED else key.neutral
