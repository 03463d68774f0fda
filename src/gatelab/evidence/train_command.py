"""The command that trains a stored run: what differs from conf/, as overrides."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gatelab.errors import UserError
from gatelab.keys import default_of, has_default
from gatelab.language.library import variant_files
from gatelab.language.parsing import canonical_text
from gatelab.locations import command_line, conf_directory
from gatelab.permission import KEY
from gatelab.reading import read_yaml
from gatelab.store import settings

__all__ = ["override_value", "overrides", "train_command"]

_GROUPS = ("opening", "optimizer", "schedule", "task")
_NAME = {"optimizer": "_target_"}  # the key that says which file of the group it was; elsewhere name


def train_command(configuration: Mapping[str, Any], seeds: Sequence[int] = (), runs_dir: str | None = None) -> str:
    """Return the command that trains a frozen configuration, with its own seed or with several.

    ``runs_dir``: the store that it trains into; None for the one of conf/.
    """
    words = [*overrides(configuration), _seeds(seeds or [configuration["seed"]])]
    if runs_dir is not None and Path(runs_dir) != Path(str(default_of("runs_dir"))):
        words.append(f"runs_dir={override_value(runs_dir)}")
    flags = ["-m"] if len(seeds) > 1 else []
    return command_line("train", *flags, *words)


def overrides(configuration: Mapping[str, Any]) -> list[str]:
    """Return the overrides that give a configuration its science, the seed left out.

    A variant that is no file of conf/ needs ``--config-dir`` beside them.
    """
    defaults = {key: value for key, value in _file("train.yaml").items() if key in ("model", "training")}
    words = _variant(configuration["variant"])
    permissions: list[str] = []
    standard = _standard_groups()
    for group in _GROUPS:
        section = configuration.get(group)
        if section is None:  # of a version without it
            continue
        name, content = _option(group, section)
        if name != standard[group]:
            words.append(f"{group}={name}")
        if content is None:  # a class from outside: all its fields, since their defaults stand in its code
            words += _fields(group, section)
            package, colon, _ = name.partition(":")
            permissions += [package.partition(".")[0]] if colon else []  # an entry point is a permission itself
            continue
        defaults[group] = content
    flat = settings({**configuration, "variant": {}, "model": _matched(configuration.get("model", {}))})
    known = settings({**defaults, "variant": {}, "seed": 0})
    for key, value in flat.items():
        if key.partition(".")[0] in defaults and not key.endswith((".name", "._target_")):
            if key not in known:
                if not has_default(key, value):  # one that is filled in says nothing
                    words.append(f"+{key}={override_value(value)}")
            elif known[key] != value:
                words.append(f"{key}={override_value(value)}")
    permission = [f"{KEY}={','.join(dict.fromkeys(permissions))}"] if permissions else []
    return [*words, *permission]


def _fields(group: str, section: Mapping[str, Any]) -> list[str]:
    fields = {key: value for key, value in section.items() if key not in ("name", "code")}
    return [f"{group}.{key}={override_value(value)}" for key, value in fields.items()]


def _matched(model: Mapping[str, Any]) -> dict[str, Any]:
    # the hidden size that was found stands in the configuration: it is asked for as it is
    return {key: None if key == "match" else value for key, value in model.items()}


def _variant(variant: Mapping[str, Any]) -> list[str]:
    name = str(variant["name"])
    file = variant_files().get(name)
    original = _yaml(file).get("equations", {}) if file is not None else {}
    spelled = {key: _canonical(str(text)) for key, text in original.items()}
    equations = variant.get("equations") or {}  # a module of the package has none
    changed = {key: text for key, text in equations.items() if spelled.get(key, None if file else text) != text}
    gone = [key for key in spelled if key not in equations]
    return [
        f"variant={name}",
        *(f"{_new(key, spelled)}variant.equations.{key}={_quoted(text)}" for key, text in changed.items()),
        *(f"~variant.equations.{key}" for key in gone),
        *(_other_keys(variant, _yaml(file)) if file is not None else ()),
    ]


def _other_keys(variant: Mapping[str, Any], original: Mapping[str, Any]) -> list[str]:
    """Return the overrides of what is no equation: a file may have been edited since."""
    standard = {"output": next(iter(original.get("state") or ()), None), **original}
    words = [
        f"{_new(key, original)}variant.{key}={override_value(variant[key])}"
        for key in ("state", "output")
        if key in variant and variant[key] != standard.get(key)
    ]
    roles, before = variant.get("roles") or {}, original.get("roles") or {}
    words += [
        f"{_new(role, before)}variant.roles.{role}={gate}" for role, gate in roles.items() if before.get(role) != gate
    ]
    return [*words, *(f"~variant.roles.{role}" for role in before if role not in roles)]


def _new(key: str, known: Mapping[str, str]) -> str:
    return "" if key in known else "+"


def _canonical(text: str) -> str:
    try:
        return canonical_text(text)
    except UserError:
        return text


def _option(group: str, section: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """Return what chooses a section, and what it holds then; None for a class from outside, which is not imported."""
    key = _NAME.get(group, "name")
    folder = conf_directory() / group
    for file in sorted(folder.rglob("*.yaml")):
        content = _yaml(file)
        if content.get(key) == section[key] and (key != "name" or file.stem == section[key]):
            return file.stem, content
    return str(section[key]), None if "code" in section else {}


def _standard_groups() -> dict[str, str]:
    words: Iterable[Any] = _file("train.yaml").get("defaults", [])
    found = dict.fromkeys(_GROUPS, "")
    for word in words:
        if isinstance(word, Mapping):
            found |= {group: str(name) for group, name in word.items() if group in found}
    return found


def _file(name: str) -> dict[str, Any]:
    return _yaml(conf_directory() / name)


def _yaml(path: Path) -> dict[str, Any]:
    content = read_yaml(path)
    return content if isinstance(content, dict) else {}


def _seeds(seeds: Sequence[int]) -> str:
    ordered = sorted(set(seeds))
    if len(ordered) > 1 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"seed=range({ordered[0]},{ordered[-1] + 1})"
    return f"seed={','.join(map(str, ordered))}"


def override_value(value: Any) -> str:
    """Return a value as it stands in an override: a number, a text, true, false, null, or a list of such."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(override_value, value))}]"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    if re.fullmatch(r"[A-Za-z_][\w./-]*", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
