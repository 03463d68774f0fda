"""A file of a group (variant, task, opening, …) read as data: its place is fixed, and its keys are checked.

Hydra gets only values from such a file: no header that moves it elsewhere, no defaults list (except in an experiment),
only our interpolations, only keys of its section.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from gatelab.configuration.interpolations import check_interpolations
from gatelab.configuration.outside_options import PARENTS, plain_defaults
from gatelab.errors import UserError, one_line, suggest
from gatelab.keys import MODELS, LoggerSection, OptimizerSection
from gatelab.language.edits import FACTORS
from gatelab.language.variant_file import KEYS
from gatelab.layers.openings import OPENINGS
from gatelab.locations import command_line
from gatelab.outside import Named, outside_class
from gatelab.permission import allowed
from gatelab.reading import parse_yaml, read_text
from gatelab.tasks import TASKS

__all__ = ["SECTIONS", "check_keys", "check_section", "read_mapping", "read_option"]

_HEADER = re.compile(r"#\s*@\s*(\S*)\s*(.*)")
_KINDS: dict[str, Mapping[str, type[Named]]] = {"task": TASKS, "opening": OPENINGS}
SECTIONS = ("variant", *_KINDS, *MODELS)
"""The sections of a configuration that are mappings."""


def read_option(group: str, name: str, file: Path, where: str) -> tuple[str, dict[str, Any]]:
    """Return the place of an option's file in the configuration, and its content, checked.

    Args:
        group: a folder of conf/.
        name: of the option.
        where: the name of the file in errors.

    Raises:
        UserError: in one line that names the file and the problem.
    """
    places = [group, "_group_", *(f"logger.{kind}" for kind in LoggerSection.model_fields if group == "logger")]
    place, content = read_mapping(file, where, places)
    if place.startswith("logger."):  # as in conf/: a file of one kind of logger
        check_section("logger", {place.removeprefix("logger."): content}, where)
        return place, content
    check_section(group, content, where)
    if group == "variant" and content.get("name") != Path(name).name:
        raise UserError(
            f"{where}: name={one_line(content.get('name'))} must be '{Path(name).name}', as the file is called"
        )
    kind = _KINDS.get(group, {}).get(content["name"]) if group in _KINDS else None
    # keys that the file leaves out can be given on the command line, and are named in errors
    return group, content if kind is None else {**content, **_left_out(kind, content)}


def _left_out(kind: type[Named], content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in plain_defaults(kind).items() if key not in content}


def read_mapping(file: Path, where: str, places: Collection[str]) -> tuple[str, dict[str, Any]]:
    """Return the place in the header of a file, which must be an allowed one, and the content of the file.

    Without a header it is the first of the places.
    """
    text = read_text(file, where)
    place = _place(text, where, places)
    content = parse_yaml(text, where)
    if not isinstance(content, dict):
        if content is not None or not text.strip():
            raise UserError(f"{where}: must hold keys and their values")
        content = {}
    for key, value in content.items():
        check_interpolations({key: value}, f"{where}, {one_line(key)}")
    return place, content


def check_section(section: str, content: Any, where: str, above: str = "") -> None:
    """Raise a UserError for a key that a section of a configuration lacks; values are checked after composition.

    Args:
        above: the prefix of the key in errors: ``"task."``.
    """
    if not isinstance(content, Mapping):
        raise UserError(f"{where}: {above.rstrip('.') or section}={one_line(content)} must be a mapping")
    if section == "optimizer":
        _check_optimizer(content, where, above)
        return
    if section == "logger":
        check_keys(content, LoggerSection.model_fields, where, above)
        for kind, options in content.items():
            if options is not None:
                check_keys(options, _fields_of_logger(kind), where, f"{above}{kind}.")
        return
    check_keys(content, _keys(section, content, where, above), where, above)


def check_keys(content: Any, allowed: Iterable[str], where: str, above: str) -> None:
    """Raise a UserError for the first key of a mapping that is not allowed."""
    known = list(allowed)
    if not isinstance(content, Mapping):
        raise UserError(f"{where}: {above.rstrip('.')}={one_line(content)} must be a mapping")
    for key in content:
        if key not in known:
            near = suggest(key, known)
            raise UserError(
                f"{where}: unknown key '{above}{one_line(key)}'{near}; allowed: {', '.join(known) or 'none'}"
            )


def _keys(section: str, content: Mapping[str, Any], where: str, above: str) -> Iterable[str]:
    if section == "variant":
        return (*KEYS, *FACTORS)
    if section in MODELS:
        return MODELS[section].model_fields
    kinds = _KINDS[section]
    name = content.get("name")
    if name is None and above:  # an experiment adds to the section of the task that it chooses
        fields = dict.fromkeys(field for kind in kinds.values() for field in kind.model_fields)
        # a class from outside may be chosen; its fields are checked with the values
        return {**fields, **dict.fromkeys(content)} if allowed() else fields
    if isinstance(name, str) and name not in kinds:
        found = outside_class(name, section, PARENTS[section], f"{where}: {above}name")
        if found is not None:
            return found.model_fields
    if not isinstance(name, str) or name not in kinds:
        near = suggest(str(name), kinds)
        known = ", ".join(kinds) if len(kinds) < 10 else f"`{command_line('catalogue')}` lists all"
        what = f"the name of one of gatelab's {section}s"
        if name is None:
            raise UserError(f"{where}: key '{above}name' is missing, {what}: {known}")
        raise UserError(f"{where}: name={one_line(name)}: must be {what}{near}: {known}")
    return kinds[name].model_fields


def _check_optimizer(content: Mapping[str, Any], where: str, above: str) -> None:
    """Refuse values that cannot be arguments; the names are checked later, against the class."""
    target = next(field.alias for field in OptimizerSection.model_fields.values() if field.alias)
    for key, value in content.items():
        if key != target and (not key.isidentifier() or key.startswith("_")):
            raise UserError(
                f"{where}: unknown key '{above}{one_line(key)}'; an optimizer has {target}, lr and arguments"
            )
        if isinstance(value, Mapping):
            raise UserError(f"{where}: {above}{one_line(key)} must be a number, true, false, text or a list")


def _fields_of_logger(kind: str) -> Iterable[str]:
    # each is a section or null
    parts = get_args(LoggerSection.model_fields[kind].annotation)
    (section,) = (part for part in parts if isinstance(part, type) and issubclass(part, BaseModel))
    fields: Mapping[str, Any] = section.model_fields
    return fields


def _place(text: str, where: str, places: Collection[str]) -> str:
    """Read the header: the comments above the first other line."""
    found = next(iter(places))
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            break
        if header := _HEADER.match(line.strip()):
            if header[1] != "package" or header[2].strip() not in places:
                expected = " or ".join(f"'# @package {place}'" for place in places if place != "_group_")
                raise UserError(f"{where}: the header '{one_line(line.strip())}' is not allowed; it may be {expected}")
            found = header[2].strip()
    return next(iter(places)) if found == "_group_" else found
