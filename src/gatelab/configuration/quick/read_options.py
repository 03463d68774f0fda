"""Configurations in which the option of a group is another, made without Hydra where that changes one section alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import OmegaConf

from gatelab.configuration.quick.values import LeaveItToHydraError, put, with_environment

__all__ = ["OptionFiles"]


class OptionFiles:
    """The configuration of a sweep, as Hydra has composed it, with other options in it.

    Hydra composes a list of files, each of which may choose others and write anywhere. Here a file must choose none and
    stand in the section of its group, and the section that Hydra has composed must be what its file says, with the
    values of the command line.

    Args:
        loader: Hydra's own.
        composed: nested plain values, interpolations as they are.
        options: of the groups, as Hydra chose them.
        values: that the command line gives keys of the whole sweep. Those of no group are part of the result, so they
            must not depend on what comes before them.

    Raises:
        LeaveItToHydraError: they do.
    """

    def __init__(
        self, loader: ConfigLoader, composed: Mapping[str, Any], options: Mapping[str, str], values: Sequence[Override]
    ) -> None:
        self._sources = loader.get_sources()
        self._composed = composed
        self._options = options
        self._values: dict[str, list[Override]] = {}
        for value in values:
            self._values.setdefault(value.key_or_group.partition(".")[0], []).append(value)
        self._sections: dict[tuple[str, str], dict[str, Any]] = {}
        self._alone: set[str] = set()
        self._base = dict(composed)
        for name, given in self._values.items():
            if name in options:
                self._base[name] = self._usual(name)
            elif any(value.type != OverrideType.CHANGE for value in given):
                raise LeaveItToHydraError

    def content(self, choices: Mapping[str, str]) -> dict[str, Any]:
        """Return the configuration with some options, and without the values of keys below groups.

        A section is one object in all configurations that have it.

        Raises:
            LeaveItToHydraError: a file is not there, or does not stand for itself.
        """
        content = dict(self._base)
        for group, name in choices.items():
            if name != self._options.get(group):
                self._usual(group)
                content[group] = self._section(group, name)
        return content

    def _usual(self, group: str) -> dict[str, Any]:
        """Return the section of a group with the option of the whole sweep, if its file is all that it is made of."""
        option = self._options.get(group)
        if not isinstance(option, str) or group not in self._composed:  # several loggers are a list
            raise LeaveItToHydraError
        usual = self._section(group, option)
        if group not in self._alone:
            made = put({group: usual}, self._values.get(group, ()))[group]
            if repr(made) != repr(self._composed[group]):
                raise LeaveItToHydraError
            self._alone.add(group)
        return usual

    def _section(self, group: str, name: str) -> dict[str, Any]:
        if (group, name) not in self._sections:
            self._sections[group, name] = self._read(group, name)
        return self._sections[group, name]

    def _read(self, group: str, name: str) -> dict[str, Any]:
        """Return what a file says of its group."""
        found = [source for source in self._sources if source.is_config(f"{group}/{name}")]
        if len(found) != 1:  # Hydra's error is better; of two, one may be a schema
            raise LeaveItToHydraError
        result = found[0].load_config(f"{group}/{name}")
        section: Any = with_environment(OmegaConf.to_container(result.config, resolve=False))
        place = result.header.get("package")
        if (place is None and "/" in name) or place not in (None, group, f"_global_.{group}"):
            raise LeaveItToHydraError
        if not isinstance(section, dict) or "defaults" in section:
            raise LeaveItToHydraError
        return section
