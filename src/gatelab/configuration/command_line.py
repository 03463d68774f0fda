"""The arguments of the command line, checked and rewritten for Hydra."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType
from hydra.errors import HydraException

from gatelab.configuration.overrides import check_words, quote_equations
from gatelab.errors import UserError, suggest
from gatelab.locations import conf_directory

__all__ = ["added_directories", "arranged"]

# Hydra's own flags, all but --experimental-rerun, which loads a pickle, and --config-name and --config-path, which
# replace conf/train.yaml.
_SWITCHES = (
    "-m", "--multirun", "-r", "--run", "-h", "--help", "--hydra-help", "--version", "--resolve", "-sc",
    "--shell-completion",
)  # fmt: skip
_SHORT = {
    "-cd": "--config-dir", "-c": "--cfg", "-p": "--package", "-i": "--info",
}  # fmt: skip
_CHOICES = {
    "--cfg": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
}
_ALLOWED = "-m, --cfg job, --info defaults, --config-dir FOLDER, --help"


def arranged(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the flags first, because Hydra accepts none after an override, and equations quoted.

    Raises:
        UserError: an unknown flag, a flag without its value, a word that is neither flag nor ``key=value``, or as
            :func:`gatelab.configuration.overrides.check_words`.
    """
    flags: list[str] = []
    overrides: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("-"):
            overrides.append(_checked(word))
        elif word in _SWITCHES:
            flags.append(word)
        else:
            flags.append(_valued(word, waiting))
    quoted = quote_equations(overrides)
    check_words(quoted)
    return [*flags, *(_with_their_choice(quoted) if {"-m", "--multirun"} & set(flags) else quoted)]


def _with_their_choice(overrides: Sequence[str]) -> list[str]:
    """Apply ``task.length=10`` after the task of each point, if ``task=adding,copying`` is swept.

    Hydra applies fixed overrides to a configuration without the swept choices, and finds no such key there. As a
    choice of one value it is applied with the other choices.
    """
    parser = OverridesParser.create()
    try:
        parsed = [parser.parse_override(override) for override in overrides]
    except HydraException:
        return list(overrides)  # Hydra's error is better
    swept = {
        one.key_or_group for one in parsed if one.is_sweep_override() and (conf_directory() / one.key_or_group).is_dir()
    }
    deferred = []
    for override, one in zip(overrides, parsed, strict=True):
        key, equals, value = override.partition("=")
        below = one.key_or_group.partition(".")[0] in swept and "." in one.key_or_group
        waits = below and equals and not one.is_sweep_override() and one.type == OverrideType.CHANGE
        deferred.append(f"{key}=choice({value})" if waits and not value.startswith(("[", "{")) else override)
    return deferred


def added_directories(arguments: Sequence[str]) -> tuple[Path, ...]:
    """Return the folders that ``--config-dir`` adds to conf/."""
    found = []
    for position, argument in enumerate(arguments):
        if argument.startswith("--config-dir="):
            found.append(argument.split("=", 1)[1])
        elif argument in ("--config-dir", "-cd") and position + 1 < len(arguments):
            found.append(arguments[position + 1])
    for folder in found:
        if not Path(folder).is_dir():
            raise UserError(f"--config-dir={folder}: no such folder")
    return tuple(map(Path, found))


def _checked(override: str) -> str:
    if "=" not in override and not override.startswith("~"):
        raise UserError(f"{override}: must be key=value")
    key, _, value = override.lstrip("+").partition("=")
    if value.startswith("[") and key != "logger" and (conf_directory() / key).is_dir():
        raise UserError(f"{override}: must be one {key}; several make a sweep: -m {key}={value.strip('[]')}")
    return override


def _valued(flag: str, waiting: list[str]) -> str:
    """Return ``--flag=value``; the value may be the next of the remaining words, and is then removed from them."""
    written, given, value = flag.partition("=")
    name = _SHORT.get(written, written)
    if name not in _SHORT.values():
        known = [*_SWITCHES, *_SHORT.values()]
        raise UserError(f"unknown flag '{written}'{suggest(written, known)}; allowed: {_ALLOWED}, and key=value")
    choices = _CHOICES.get(name)
    if not given:
        if name == "--info" and (not waiting or waiting[0] not in _CHOICES[name]):
            value = "all"
        elif waiting:
            value = waiting.pop(0)
    if not value or (choices and value not in choices):
        raise UserError(f"{name}={value}: must be {'one of ' + ', '.join(choices) if choices else 'given a value'}")
    return f"{name}={value}"
