"""config.yaml: the resolved configuration of a run, written once before its first step."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gatelab.errors import UserError

__all__ = ["read_configuration", "write_text"]

# The C versions are about ten times faster, and absent where PyYAML was built without libyaml. Both are the safe
# ones: nothing in a file is ever executed.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def write_text(configuration: Mapping[str, Any]) -> str:
    """Return a configuration (nested mappings, lists and plain values) as YAML, keys in the order given."""
    text: str = yaml.dump(_plain(configuration), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def read_configuration(path: Path) -> dict[str, Any]:
    """Return the configuration in a config.yaml. Raises UserError, naming the file, if it is absent or damaged."""
    try:
        configuration = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: damaged configuration: {' '.join(str(error).split())}") from error
    if not isinstance(configuration, dict):
        raise UserError(f"{path}: damaged configuration: a mapping was expected")
    return configuration


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
