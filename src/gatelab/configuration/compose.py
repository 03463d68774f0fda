"""Compose ``conf/`` with Hydra, and turn Hydra's errors into one-line messages."""

import difflib
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Sweep
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel

from gatelab.configuration.command_line import added_directories
from gatelab.configuration.folders import Folders, added_folders, using
from gatelab.configuration.hydra_loader import CONFIG, hydra_loader
from gatelab.configuration.outside_options import is_outside
from gatelab.configuration.overrides import check_words, groups, quote_equations
from gatelab.configuration.resolved import RunConfiguration, run_configuration
from gatelab.configuration.resolvers import register
from gatelab.configuration.unreadable import unreadable
from gatelab.errors import UserError, one_line, suggest
from gatelab.keys import LauncherKeys, SweeperKeys, keys_of
from gatelab.language.edits import FACTORS
from gatelab.language.word_table import ROLES
from gatelab.locations import command_line, conf_directory, experiments_directory
from gatelab.reading import parse_yaml

__all__ = ["check_single", "composed", "launcher_words", "ours", "plain", "translated"]

_SHOWN = 20  # options that an error lists
_OF_HYDRA: dict[str, type[BaseModel]] = {"launcher": LauncherKeys, "sweeper": SweeperKeys}  # whose keys a user may set

register()


def composed(overrides: Sequence[str] = ()) -> RunConfiguration:
    """Return the run that conf/train.yaml and some overrides describe: ``composed(["variant=cifg", "seed=3"])``.

    Raises:
        UserError: as :func:`run_configuration`.
    """
    words = quote_equations(overrides)
    check_words(words)
    with using(), translated(overrides), hydra_loader() as loader:
        configuration = loader.load_configuration(CONFIG, words, RunMode.RUN)
        check_single(configuration.hydra, words)
        return run_configuration(plain(configuration))


def check_single(
    hydra: Any, words: Sequence[str], advice: str = "which needs -m, or one value for each of its keys"
) -> None:
    """Raise a UserError for a sweep that Hydra would drop, because the command is no sweep or has another one.

    Args:
        hydra: Hydra's part of the composed configuration.
        words: the overrides; their keys have priority over the sweep.
        advice: the end of the sentence.
    """
    if not str(hydra.sweeper._target_).endswith("BasicSweeper"):
        raise UserError(f"hydra/sweeper: a search is asked for, {advice.split(', or')[0]}")
    given = {word.partition("=")[0].lstrip("+") for word in words}
    swept = [f"{key}={value}" for key, value in (hydra.sweeper.params or {}).items() if key not in given]
    if swept:
        raise UserError(f"{one_line(' '.join(swept), 160)}: the experiment brings a sweep, {advice}")


def launcher_words(hydra: Any, words: Sequence[str]) -> list[str]:
    """Return an experiment's keys of the launcher, each as an override.

    Args:
        hydra: Hydra's part of the composed configuration.
        words: the overrides; keys that they set are left out.
    """
    chosen = ConfigStore.instance().load(f"hydra/launcher/{hydra.runtime.choices['hydra/launcher']}.yaml").node
    usual = dict(_leaves(OmegaConf.to_container(chosen), "hydra.launcher"))
    given = {word.partition("=")[0].lstrip("+") for word in words}
    found = _leaves(OmegaConf.to_container(hydra.launcher), "hydra.launcher")
    return [f"{key}={one_line(value)}" for key, value in found if usual.get(key) != value and key not in given]


def _leaves(content: Any, key: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(content, dict):
        yield key, content
        return
    for name, inner in content.items():
        yield from _leaves(inner, f"{key}.{name}")


def plain(configuration: DictConfig) -> dict[str, Any]:
    """Return a composed configuration as nested plain values, interpolations resolved."""
    content: Any = OmegaConf.to_container(ours(configuration), resolve=True, throw_on_missing=True)
    return dict(content)


def ours(configuration: DictConfig) -> DictConfig:
    """Return a configuration without Hydra's part, which has values that only its launchers fill in."""
    keys = [str(key) for key in configuration]
    return (
        OmegaConf.masked_copy(configuration, [key for key in keys if key != "hydra"])
        if "hydra" in keys
        else configuration
    )


@contextmanager
def translated(overrides: Sequence[str] = ()) -> Iterator[None]:
    """Turn errors of Hydra and OmegaConf about a user's overrides and files into a UserError of one line."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        if found := _of_ours(error):
            raise found from None
        raise UserError(_sentence(error, overrides)) from error
    except yaml.MarkedYAMLError as error:
        raise UserError(_not_yaml(error)) from error
    except ValueError as error:
        # Hydra raises a bare ValueError for variant=3; a ValueError from elsewhere is a bug of ours
        *_, innermost = traceback.walk_tb(error.__traceback__)
        if not innermost[0].f_globals.get("__name__", "").startswith("hydra."):
            raise
        raise UserError(_not_a_name(overrides) or " ".join(str(error).split())) from error


def _of_ours(error: BaseException | None) -> UserError | None:
    """Return the UserError of one of our resolvers, which OmegaConf has wrapped into its own error."""
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__ or error.__context__
    return error


def _sentence(error: Exception, overrides: Sequence[str]) -> str:
    if isinstance(error, OverrideParseException):
        return unreadable(str(error.override), str(error))
    text = " ".join(f"{error} {error.__cause__ or ''}".split())
    if found := re.search(r"Key '([^']+)' (?:is not in struct|not in '\w+')(?: full_key: ([\w.]+))?", text):
        override = re.search(r"(?:Could not override|Error merging override) '?(~?\+?[\w.@/]+)", text)
        return _unknown_key(override[1].split("=")[0] if override else found[2] or found[1], overrides)
    if found := re.search(r"Could not override '([^']+)'\.? ?No match in the defaults list", text):
        return _unknown_key(found[1], overrides)
    if found := re.search(r"Could not find '([\w-]+(?:/[\w-]+)*/[^']*)' Available options in '[^']*': ", text):
        group, name = _group_and_name(found[1])
        return _unknown_option(group, name, text[found.end() :].split(" Config search")[0].split(), overrides)
    if found := re.search(r"Could not load '([\w-]+)/([^']*)'", text):
        return _unknown_option(found[1], found[2], [], overrides)
    if found := re.search(r"(?:Ambiguous value for argument|Sweep parameters) '(.*?)'(?: 1\. | requires)", text):
        several = "; several loggers are a list: logger=[wandb,csv]" if found[1].startswith("logger=") else ""
        return f"{found[1]}: several values make a sweep, which needs -m{several}"
    if found := re.search(r"BasicSweeper does not support sweep type : INTERVAL_SWEEP", text):
        return "an interval is searched; a search needs hydra/sweeper=optuna_search beside -m"
    if re.search(r"Unexpected type annotation: .*object_type=\w+Sweep", text):
        return _beside_values(overrides)
    if found := re.search(r"Multiple values for ([\w/]+)\. To override", text):
        return f"{found[1]} is chosen twice; a command has one"
    if found := re.search(r"An item is already at '([^']+)'", text):
        return f"+{found[1]}: the key is there already and needs no +"
    if found := re.search(r"Interpolation key '([^']+)' not found full_key: (\S+)", text):
        return f"{found[2]}: no key '{found[1]}' to take the value from"
    if found := re.search(r"Missing mandatory value: .* full_key: (\S+)", text):
        return f"{found[1]}=???: must be given a value"
    drop = r" ?(See https?://\S+ for details|Set the environment variable HYDRA_FULL_ERROR.*|Config search path:.*)"
    return re.sub(drop, "", text).strip()


def _beside_values(overrides: Sequence[str]) -> str:
    """Return what to say of a call such as range(3) that stands beside other values of a sweep."""
    calls = [one for one in overrides if "=" in one and "(" in one and not one.startswith("-")]
    parsed = OverridesParser.create().parse_overrides(calls)
    values = {one.input_line: one.value() for one in parsed}
    found = [
        line
        for line, value in values.items()
        if isinstance(value, ChoiceSweep) and any(isinstance(one, Sweep) for one in value.list)
    ]
    return f"{', '.join(map(str, found))}: a call that gives values cannot stand beside other values"


def _not_yaml(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"{mark.name}, line {mark.line + 1}: " if mark else ""
    return " ".join(f"{place}not YAML: {error.problem or error.context}".split())


def _not_a_name(overrides: Sequence[str]) -> str | None:
    """Return the first override that gives a group of conf/ a number or null instead of a name."""
    for override in overrides:
        group, _, values = override.partition("=")
        for value in values.split(",") if (conf_directory() / group).is_dir() else ():
            if not isinstance(parse_yaml(value, override), str | list):
                return _unknown_option(group, value, [], overrides)
    return None


def _group_and_name(path: str) -> tuple[str, str]:
    """Split ``variant/mine`` and also ``variant/folder/mine``, but ``hydra/launcher/mine`` after the second part."""
    parts = path.split("/")
    depth = 1 if parts[0] in groups() else len(parts) - 1
    return "/".join(parts[:depth]), "/".join(parts[depth:])


def _unknown_option(group: str, name: str, options: Sequence[str], overrides: Sequence[str]) -> str:
    files = (conf_directory() / group).rglob("*.yaml")
    directories = added_directories(overrides) or added_folders().directories  # of a point of a sweep
    added = Folders(directories).names(group) if group in groups() else []
    known = sorted({*options, *(file.stem for file in files), *added})
    # someone has written the path of a file
    stem = PurePath(name).stem
    near = f" (did you mean '{stem}'?)" if stem in known else suggest(name, known)
    experiments = [word for word in overrides if word.lstrip("+").startswith("experiment=")]
    typed = any(word.partition("=")[0].lstrip("+") == group for word in overrides)
    asking = "" if typed else "".join(f", asked for by {one}" for one in experiments)
    unknown = f"unknown {group} '{name}'{near}{asking}"
    if group == "experiment":
        papers = [option for option in known if (experiments_directory() / option / "experiment.yaml").exists()]
        own = [option for option in known if not any(option == one or option.startswith(f"{one}/") for one in papers)]
        listed = f"`{command_line('reproduce')}` lists the {len(papers)} of papers"
        return f"{unknown}; {listed}" + (f"; allowed too: {', '.join(own)}" if own else "")
    if len(known) > _SHOWN:
        where = [f"directories={','.join(map(str, directories))}"] if directories else []
        return f"{unknown}; `{command_line('catalogue', *where)}` lists all {len(known)}"
    return f"{unknown}; allowed: {', '.join(known)}"


def _unknown_key(key: str, overrides: Sequence[str]) -> str:
    key = key.lstrip("~+")
    if key in groups():  # of those in no defaults list
        chosen = next((word for word in overrides if word.startswith(f"{key}=")), f"{key}=NAME")
        return f"{chosen}: needs a + before it: +{chosen}"
    content = _composed_with_choices(overrides)
    known = _keys_of(content)
    section, _, leaf = key.rpartition(".")
    if (
        section.startswith("logger")
        and section not in known
        and (conf_directory() / f"{section}.yaml".replace(".", "/", 1)).exists()
    ):
        return f"unknown key '{key}': this run has no {section.replace('.', ' ')}; add {section.replace('.', '=')}"
    below = f"{section}." if section else ""
    siblings = sorted({name.removeprefix(below).split(".")[0] for name in known if name.startswith(below)} - {"hydra"})
    if not siblings:
        elsewhere = [name for name in known if not key.startswith(f"{name}.")]
        return f"unknown key '{key}'{suggest(key, elsewhere) or _nearest_leaf(leaf, elsewhere)}"
    nearest = difflib.get_close_matches(leaf, siblings, n=1, cutoff=0.6)
    near = f" (did you mean '{below}{nearest[0]}'?)" if nearest else _nearest_leaf(leaf, known)
    return f"unknown key '{key}'{near}; allowed{_place(section, content)}: {', '.join(siblings)}{_more(section)}"


def _place(section: str, content: Mapping[str, Any]) -> str:
    """Name a section, and which of its options it is: `` in opening (default)``."""
    top = content.get(section.partition(".")[0])
    option = top.get("name") if isinstance(top, Mapping) else None
    return (f" in {section}" if section else "") + (f" ({option})" if option else "")


def _more(section: str) -> str:
    """Say which keys a section takes that its file does not show."""
    if section == "variant":
        return f", {', '.join(FACTORS)}; +variant.output names the output where it is not h"
    if section == "variant.roles":
        return f"; a further one is added by +variant.roles.…: {', '.join(ROLES)}"
    return f"; a further one is added by +{section}.…" if section in ("variant.equations", "optimizer") else ""


def _composed_with_choices(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the default configuration with the options that were chosen, and what is known of Hydra's own part."""
    directories = added_directories(overrides) or added_folders().directories  # of a point of a sweep
    folders = Folders(directories)
    options = {group: {file.stem for file in (conf_directory() / group).rglob("*.yaml")} for group in groups()}
    split = {word: word.partition("=")[::2] for word in overrides}
    choices = [
        word
        for word, (group, name) in split.items()
        if (group in groups() and (name in options[group] or folders.has(group, name))) or is_outside(group, name)
    ]
    with using(directories), hydra_loader() as loader:
        content = plain(loader.load_configuration(CONFIG, choices, RunMode.RUN))
    ours = {name: dict.fromkeys(keys_of(section)) for name, section in _OF_HYDRA.items()}
    return {**content, "hydra": ours}


def _keys_of(content: Mapping[str, Any], above: str = "") -> list[str]:
    """Return every dotted key, sections included."""
    keys: list[str] = []
    for key, value in content.items():
        keys.append(f"{above}{key}")
        keys += _keys_of(value, f"{above}{key}.") if isinstance(value, Mapping) else []
    return keys


def _nearest_leaf(leaf: str, known: Sequence[str]) -> str:
    """Suggest the full key whose last part is nearest: ``model.hidden_size`` for ``hiden_size``."""
    leaves = {name.rpartition(".")[2]: name for name in known}
    nearest = difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.75)
    return f" (did you mean '{leaves[nearest[0]]}'?)" if nearest else ""
