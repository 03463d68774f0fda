"""docs/keys.md and the keys in conf/train.yaml, both generated from the fields of ``gatelab.keys``."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from gatelab.errors import UserError
from gatelab.keys import (
    ARGUMENTS,
    HASHED,
    MODELS,
    TOP,
    CommandKeys,
    Key,
    LauncherKeys,
    RunKeys,
    SweeperKeys,
    defaults_of,
    keys_of,
)
from gatelab.layers.openings import OPENINGS
from gatelab.locations import conf_directory
from gatelab.tasks import TASKS

__all__ = ["keys_page", "train_file"]

_COLUMN = 26  # where comments begin in conf/train.yaml
_BEGIN = "# Keys, written by `make catalogue` from the fields of src/gatelab/keys: edit those.\n"
_END = "# End of the keys.\n"
_COMPUTED = "\n# What follows changes how a run is computed, never its numbers beyond rounding.\n"
_INTRODUCTION = """\
# The keys

Written by `python scripts/catalogue.py pages=docs` from the fields of `src/gatelab/keys`; do not edit.

Runs that differ in a key with *stack* may train as one stack. A key with *identity* can change the numbers of a run,
and its value is part of the identity. (At its neutral value, if it has one, a key counts as absent.) The *kind* is
the check of the fairness table for a difference. A dash means no.
"""
_TASKS = """\
## `task`

Each task is a file of conf/task/ with these keys. All of them are part of the identity except `path`, the path of a
data file. Runs of a stack have the same task.
"""
_LONGEST = 20  # of a text that is a default; hashes are longer
_OPENINGS = """\
## `opening`

Each opening is a file of conf/opening/ with these keys. Runs of a stack may have different openings.
"""


def keys_page() -> str:
    """Return the Markdown of docs/keys.md."""
    parts = [_INTRODUCTION, _section("At the top", "", {**_described(RunKeys), **_described(CommandKeys)})]
    for name, section in MODELS.items():
        rows = {key: (one.inherited(TOP[name]), default) for key, (one, default) in _described(section).items()}
        if name == "optimizer":
            rows |= {key: (known.key.inherited(TOP[name]), "torch's") for key, known in ARGUMENTS.items()}
        parts.append(_section(f"`{name}`", f"{name}.", rows))
    parts += [_OPENINGS, _kinds("opening", OPENINGS), _TASKS, _kinds("task", TASKS)]
    parts += [_options("hydra.launcher", LauncherKeys), _options("hydra.sweeper", SweeperKeys)]
    return "\n".join(parts)


def train_file(text: str) -> str:
    """Return the text of conf/train.yaml with updated keys.

    Raises:
        UserError: the lines around them are missing.
    """
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise UserError(f"conf/train.yaml: must have the lines '{_BEGIN.strip()}' and '{_END.strip()}'")
    shown = {name: key for name, key in TOP.items() if key.given and not (conf_directory() / name).is_dir()}
    science = [_entry(name, key) for name, key in shown.items() if key.science]
    others = [_entry(name, key) for name, key in shown.items() if not key.science]
    return "".join([before, begin, *science, _COMPUTED, *others, end, after])


def _described(section: type) -> dict[str, tuple[Key, str]]:
    defaults = defaults_of(section)
    return {name: (key, _default(name, defaults)) for name, key in keys_of(section).items()}


def _default(name: str, defaults: Mapping[str, Any]) -> str:
    if name not in defaults:
        return ""
    return "" if isinstance(defaults[name], BaseModel) else f"`{_spelled(defaults[name])}`"


def _section(title: str, above: str, rows: Mapping[str, tuple[Key, str]]) -> str:
    lines = [
        f"| `{above}{name}` | {default} | {key.says} | {_marks(key)} |"
        for name, (key, default) in rows.items()
        if key.given
    ]
    head = ["| key | default | meaning | stack | identity | kind |", "|---|---|---|---|---|---|"]
    return "\n".join([f"## {title}\n", *head, *lines, ""])


def _marks(key: Key) -> str:
    identity = "identity" if key.science else "–"
    if key.neutral is not HASHED:
        identity += f", but for `{_spelled(key.neutral)}`"
    return " | ".join(["stack" if key.stack else "–", identity, key.kind or "–"])


def _kinds(noun: str, kinds: Mapping[str, type[BaseModel]]) -> str:
    rows = [f"| `{name}` | {_fields(kind)} |" for name, kind in sorted(kinds.items())]
    return "\n".join([f"| {noun} | keys, with their defaults |", "|---|---|", *rows, ""])


def _fields(kind: type[BaseModel]) -> str:
    defaults = defaults_of(kind)
    names = (name for name in keys_of(kind) if name not in ("name", "source"))
    shown = {name: _spelled(value) for name, value in defaults.items()}
    return ", ".join(f"`{name}` {shown[name] if len(shown.get(name, '')) <= _LONGEST else '…'}" for name in names)


def _options(above: str, section: type[BaseModel]) -> str:
    return "\n".join([f"## `{above}`\n", "| key | default | meaning |", "|---|---|---|", *_rows(above, section), ""])


def _rows(above: str, section: type[BaseModel]) -> Iterable[str]:
    defaults = defaults_of(section)
    for name, key in keys_of(section).items():
        if isinstance(defaults.get(name), BaseModel):
            yield from _rows(f"{above}.{name}", type(defaults[name]))
        else:
            yield f"| `{above}.{name}` | {_default(name, defaults)} | {key.says} |"


def _entry(name: str, key: Key) -> str:
    """Return the lines of a key in conf/train.yaml; of a section, with those below it."""
    if name not in MODELS:
        value = {**defaults_of(RunKeys), **defaults_of(CommandKeys)}[name]
        return _line(f"{name}: {_spelled(value)}", key.says)
    defaults = defaults_of(MODELS[name])
    below = [_line(f"  {one}: {_spelled(defaults[one])}", known.says) for one, known in keys_of(MODELS[name]).items()]
    return "".join([f"{name}:\n", *below, "\n" if key.science else ""])


def _line(assignment: str, says: str) -> str:
    return f"{assignment.ljust(_COLUMN - 2)}  # {says}\n"


def _spelled(value: Any) -> str:
    """Return a value as YAML."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w/.-]*", value):
        return value
    return json.dumps(value)
