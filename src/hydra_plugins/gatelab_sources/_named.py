"""One group of configurations found by name, wherever their files lie."""

from abc import abstractmethod
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

from gatelab.locations import conf_directory

__all__ = ["NamedSource", "add_source"]


def add_source(search_path: ConfigSearchPath, path: str) -> None:
    """Append a source to the search path of gatelab, after conf/ itself, and of no other application."""
    if any((entry.path or "").removeprefix("file://") == str(conf_directory()) for entry in search_path.get_path()):
        search_path.append(provider="gatelab", path=path)


class NamedSource(ConfigSource):
    """A group whose options are names of files.

    Attributes:
        group: the name of the group.
    """

    group: str

    @abstractmethod
    def options(self) -> dict[str, Path]:
        """Return option -> file."""

    def load_config(self, config_path: str) -> ConfigResult:
        """Read the file of an option."""
        file = self._file(config_path)
        if file is None:
            raise ConfigLoadError(f"{config_path}: no such {self.group}")
        with file.open(encoding="utf-8") as stream:
            header = ConfigSource._get_header_dict(stream.read(512))
        return ConfigResult(
            config=OmegaConf.load(file), path=f"{self.scheme()}://{file}", provider=self.provider, header=header
        )

    def available(self) -> bool:
        """Say that it is there."""
        return True

    def is_config(self, config_path: str) -> bool:
        """Say whether a path is that of an option."""
        return self._file(config_path) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the options."""
        if config_path == "":
            return [] if results_filter == ObjectType.CONFIG else [self.group]
        if config_path != self.group or results_filter == ObjectType.GROUP:
            return []
        return sorted(self.options())

    def _file(self, config_path: str) -> Path | None:
        group, _, option = config_path.removesuffix(".yaml").partition("/")
        return self.options().get(option) if group == self.group else None
