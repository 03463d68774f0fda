"""config.yaml: the resolved configuration of a run, written once before its first step."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gatelab.errors import UserError
from gatelab.reading import NoSuchFileError, read_yaml

__all__ = ["read_configuration", "section_of", "write_text"]

# The C version is about ten times faster, and absent where PyYAML was built without libyaml.
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def write_text(configuration: Mapping[str, Any]) -> str:
    """Return a configuration (nested mappings, lists and plain values) as YAML, keys in the order given."""
    text: str = yaml.dump(_plain(configuration), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def read_configuration(path: Path) -> dict[str, Any]:
    """Return the configuration in a config.yaml. Raises UserError, naming the file, if it is absent or damaged."""
    try:
        configuration = read_yaml(path, dumped=True)
    except NoSuchFileError:
        raise
    except UserError as error:
        raise UserError(f"{path}: damaged configuration: {str(error).removeprefix(f'{path}: ')}") from None
    if not isinstance(configuration, dict):
        raise UserError(f"{path}: damaged configuration: a mapping was expected")
    return configuration


def section_of(text: str, name: str) -> str:
    """Return the lines of one section of a configuration; empty if it has none of this name."""
    found = re.search(rf"^{name}:.*(?:\n .*)*", text, re.MULTILINE)
    return found[0] if found else ""


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
