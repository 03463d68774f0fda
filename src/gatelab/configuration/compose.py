"""conf/ composed by Hydra, and what Hydra objects to put into one line."""

import difflib
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gatelab.configuration.run import RunConfiguration, run_configuration
from gatelab.errors import UserError, suggest
from gatelab.locations import conf_directory

__all__ = ["added_directories", "composed", "plain", "quote_equations", "translated"]


def composed(overrides: Sequence[str] = ()) -> RunConfiguration:
    """Return the run that conf/train.yaml and some overrides describe: ``composed(["variant=cifg", "seed=3"])``.

    Raises:
        UserError: as :func:`run_configuration`.
    """
    GlobalHydra.instance().clear()
    with translated(overrides), initialize_config_dir(str(conf_directory()), version_base="1.3"):
        return run_configuration(plain(compose("train", overrides=quote_equations(overrides))))


def plain(configuration: DictConfig) -> dict[str, Any]:
    """Return a composed configuration as nested plain values, interpolations resolved."""
    # Hydra's own part has values that only its launchers fill in
    ours = OmegaConf.masked_copy(configuration, [str(key) for key in configuration if key != "hydra"])
    content: Any = OmegaConf.to_container(ours, resolve=True, throw_on_missing=True)
    return dict(content)


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


def quote_equations(overrides: Sequence[str]) -> list[str]:
    """Quote the right-hand sides among overrides, which Hydra's grammar would otherwise take for its own functions.

    ``variant.equations.f=sigmoid(linear(x, h)),1`` becomes ``variant.equations.f="sigmoid(linear(x, h))","1"``: commas
    outside parentheses still separate the points of a sweep. What is quoted already stays.
    """
    quoted = []
    for override in overrides:
        match = re.fullmatch(r"(\+{0,2}variant\.equations\.\w+)=(.*)", override, re.DOTALL)
        if match and not re.match(r"\s*(choice|range|glob|interval|shuffle|sort|tag|\[|'|\")", match[2]):
            parts = [part.strip().replace('"', r"\"") for part in _split(match[2])]
            override = f"{match[1]}=" + ",".join(f'"{part}"' for part in parts)
        quoted.append(override)
    return quoted


def _split(text: str) -> Iterator[str]:
    """Split at the commas outside parentheses."""
    depth, start = 0, 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            yield text[start:position]
            start = position + 1
    yield text[start:]


@contextmanager
def translated(overrides: Sequence[str] = ()) -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise about a user's overrides into a UserError of one line."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_sentence(error, overrides)) from error
    except ValueError as error:
        # Hydra raises a bare ValueError for variant=3; one that comes from elsewhere is ours and a bug
        *_, innermost = traceback.walk_tb(error.__traceback__)
        if not innermost[0].f_globals.get("__name__", "").startswith("hydra."):
            raise
        raise UserError(f"{' '.join(overrides)}: {error}") from error


def _sentence(error: Exception, overrides: Sequence[str]) -> str:
    text = " ".join(f"{error} {error.__cause__ or ''}".split())
    if found := re.search(r"Key '([^']+)' is not in struct(?: full_key: ([\w.]+))?", text):
        override = re.search(r"(?:Could not override|Error merging override) '?(~?\+?[\w.@/]+)", text)
        key = override[1].split("=")[0] if override else found[2] or found[1]
        known = _known_keys(overrides)
        near = suggest(key, known) or _nearest_leaf(key, known)
        section = key.rpartition(".")[0]
        below = f"{section}." if section else ""
        siblings = sorted({name.removeprefix(below).split(".")[0] for name in known if name.startswith(below)})
        allowed = f"; allowed in {section}: {', '.join(siblings)}" if section and siblings else ""
        top = "" if section else f"; allowed: {', '.join(siblings)}"
        return f"unknown key '{key}'{near}{allowed}{top}"
    if found := re.search(r"Could not find '([\w-]+(?:/[\w-]+)*)/([^']*)' Available options in '[^']*': (.*?)(?: Config search|$)", text):
        group, name, options = found[1], found[2], found[3].split()
        return f"unknown {group} '{name}'{suggest(name, options)}; allowed: {', '.join(options)}"
    if found := re.search(r"Could not override '([^']+)'\.? ?No match in the defaults list", text):
        known = _known_keys(overrides)
        key = found[1]
        return f"unknown key '{key}'{suggest(key, known) or _nearest_leaf(key, known)}"
    text = re.sub(r" ?(See https?://\S+ for details|Set the environment variable HYDRA_FULL_ERROR.*|Config search path:.*)", "", text)
    return text.strip()


def _known_keys(overrides: Sequence[str]) -> list[str]:
    """Return every dotted key, sections included, of the default configuration with the groups that were chosen."""
    options = {group.name: {file.stem for file in group.rglob("*.yaml")} for group in conf_directory().iterdir()}
    pairs = (override.split("=", 1) for override in overrides if "=" in override)
    choices = [f"{group}={option}" for group, option in pairs if option in options.get(group, ())]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_directory()), version_base="1.3"):
        content = plain(compose("train", overrides=choices))
    keys: list[str] = []

    def collect(mapping: dict[str, Any], above: str) -> None:
        for key, value in mapping.items():
            keys.append(f"{above}{key}")
            if isinstance(value, dict):
                collect(value, f"{above}{key}.")

    collect(content, "")
    return keys


def _nearest_leaf(key: str, known: Sequence[str]) -> str:
    """Suggest the full key whose last part is nearest: someone wrote ``hiden_size`` for ``model.hidden_size``."""
    leaf = key.rpartition(".")[2]
    leaves = {name.rpartition(".")[2]: name for name in known}
    nearest = difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.75)
    return f" (did you mean '{leaves[nearest[0]]}'?)" if nearest else ""
