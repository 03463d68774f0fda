"""An experiment's file: the groups that it chooses, the keys that it sets, and an optional sweep.

    defaults: [override /task: adding, override /hydra/sweeper: optuna_search, /experiment/other, _self_]
    model: {hidden_size: 4}
    hydra: {sweeper: {params: {variant: "lstm,gru"}}}

Of Hydra's section it may set only the keys of a sweep, and nothing that names code, paths or a cluster's commands.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from gatelab.configuration.interpolations import check_interpolations
from gatelab.configuration.option_files import SECTIONS, check_keys, check_section, read_mapping
from gatelab.configuration.overrides import GLOBAL, check_word, groups, quote_equations
from gatelab.errors import UserError, one_line
from gatelab.keys import GIVEN_BY_COMMAND, KEYS, RayKeys, SubmititKeys, keys_of

__all__ = ["others", "read_experiment", "sweeps"]

_ENGINES = {"hydra/sweeper": "optuna_search", "hydra/launcher": "stacked"}
_NOT_IN_A_FILE = tuple(
    name for section in (SubmititKeys, RayKeys) for name, key in keys_of(section).items() if not key.in_files
)
"""Parameters (which can be any command) and address of a cluster: only on the command line."""
_PARAMS = "params"
_ANOTHER = "/experiment/"
_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*")
_WORD = re.compile(r"[\w .:/,=+-]*")


def read_experiment(file: Path, where: str) -> dict[str, Any]:
    """Return the content of an experiment's file, checked.

    Raises:
        UserError: in one line that names the file and the problem.
    """
    _, content = read_mapping(file, where, [GLOBAL])
    keys = [key for key in KEYS if key not in GIVEN_BY_COMMAND]
    check_keys(content, [*keys, "defaults", "hydra"], where, "")
    for entry in _list(content.get("defaults"), where):
        _check_entry(entry, where)
    for section, value in content.items():
        if section in SECTIONS:
            check_section(section, value, where, f"{section}.")
    _check_hydra(content.get("hydra"), where)
    return content


def sweeps(content: Mapping[str, Any]) -> bool:
    """Return whether an experiment has a sweep, or any other key of Hydra's section."""
    chosen = (key for entry in content.get("defaults") or [] if isinstance(entry, Mapping) for key in entry)
    return bool(content.get("hydra")) or any("/hydra/" in key for key in chosen)


def others(content: Mapping[str, Any]) -> list[str]:
    """Return the experiments on which an experiment builds."""
    entries = (entry for entry in content.get("defaults") or [] if isinstance(entry, str))
    return [entry.removeprefix(_ANOTHER) for entry in entries if entry.startswith(_ANOTHER)]


def _list(value: Any, where: str) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise UserError(f"{where}: defaults={one_line(value)} must be a list")
    return value or []


def _check_entry(entry: Any, where: str) -> None:
    """Allow our groups with names, other experiments, and the two engines."""
    if isinstance(entry, str):
        if entry == "_self_" or (entry.startswith(_ANOTHER) and _is_name(entry.removeprefix(_ANOTHER))):
            return
    elif isinstance(entry, Mapping) and len(entry) == 1:
        ((key, name),) = entry.items()
        group = key.removeprefix("override /") if key.startswith("override /") else ""
        if group in _ENGINES and name == _ENGINES[group]:
            return
        if (
            group in groups()
            and f"/{group}/" != _ANOTHER
            and (_is_name(name) or (group == "logger" and _are_names(name)))
        ):
            return
    engines = " and ".join(f"'override /{group}: {name}'" for group, name in _ENGINES.items())
    raise UserError(
        f"{where}: '{one_line(_spelled(entry))}' is not allowed in defaults; it may have _self_, /experiment/NAME, "
        f"'override /GROUP: NAME', {engines}"
    )


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def _are_names(names: Any) -> bool:
    return isinstance(names, list) and all(map(_is_name, names))


def _spelled(entry: Any) -> str:
    if isinstance(entry, Mapping):
        return ", ".join(f"{key}: {value}" for key, value in entry.items())
    return str(entry)


def _check_hydra(content: Any, where: str) -> None:
    if content is None:
        return
    allowed = _hydra_keys()
    _check_below(content, allowed, where, "hydra.")
    sweeper, launcher = content.get("sweeper") or {}, content.get("launcher") or {}
    for key, value in _leaves(launcher, "hydra.launcher."):
        # they are written into a cluster's script, one per line
        if not isinstance(value, int | float | None) and not (isinstance(value, str) and _WORD.fullmatch(value)):
            raise UserError(f"{where}: {key}={one_line(value)} must be a number or a plain word")
    params = sweeper.get(_PARAMS)
    if params is None:
        return
    if not isinstance(params, Mapping):
        raise UserError(f"{where}: hydra.sweeper.params={one_line(params)} must be a mapping from keys to values")
    parser = OverridesParser.create()
    for key, value in _leaves(params, ""):
        _check_param(key, value, parser, f"{where}, hydra.sweeper.params")


def _check_param(key: str, value: Any, parser: OverridesParser, where: str) -> None:
    name = key.lstrip("+").partition("/")[0].partition(".")[0]
    if key.startswith("~") or name not in KEYS or name in GIVEN_BY_COMMAND:
        allowed = ", ".join(one for one in KEYS if one not in GIVEN_BY_COMMAND)
        raise UserError(f"{where}: '{one_line(key)}' is not allowed; a key begins with one of {allowed}")
    word = f"{key}={'null' if value is None else value}"
    check_interpolations(word, f"{where}, {one_line(key)}")
    try:
        override = parser.parse_override(quote_equations([word])[0])
    except HydraException:
        raise UserError(
            f"{where}: {one_line(word)} cannot be read; put quotes around a value with special characters"
        ) from None
    try:
        check_word(override)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _leaves(content: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _check_below(content: Any, allowed: Mapping[str, Any], where: str, above: str) -> None:
    known: Collection[str] = allowed
    for key in content if isinstance(content, Mapping) else ():
        if key in _NOT_IN_A_FILE and key not in known:
            raise UserError(f"{where}: {above}{key} is for the command line only")
    check_keys(content, known, where, above)
    for key, value in content.items():
        inner = allowed[key]
        if inner and value is not None:
            _check_below(value, inner, where, f"{above}{key}.")


def _hydra_keys() -> dict[str, Any]:
    """Return the keys of a sweep, nested, as the plugins declare them; an empty mapping for a single value."""
    Plugins.instance()  # loads those that are installed
    store = ConfigStore.instance()
    found = {}
    for group, name in _ENGINES.items():
        node = store.load(f"{group}/{name}.yaml").node
        assert isinstance(node, DictConfig)
        found[group.removeprefix("hydra/")] = _declared(OmegaConf.to_container(node))
    return found


def _declared(node: Any) -> dict[str, Any]:
    if not isinstance(node, dict):
        return {}
    return {
        key: {} if key == _PARAMS else _declared(value)
        for key, value in node.items()
        if not key.startswith("_") and key not in _NOT_IN_A_FILE
    }
