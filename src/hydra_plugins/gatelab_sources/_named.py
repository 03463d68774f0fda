"""Groups of configurations whose options are found by name and read as data, in any folder."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

from gatelab.locations import conf_directory

if TYPE_CHECKING:
    from gatelab.configuration import Folders

__all__ = ["NamedSource", "add_source"]


def add_source(search_path: ConfigSearchPath, path: str) -> None:
    """Append a source to the search path of gatelab, after conf/ itself, and of no other application."""
    if any((entry.path or "").removeprefix("file://") == str(conf_directory()) for entry in search_path.get_path()):
        search_path.append(provider="gatelab", path=path)


class NamedSource(ConfigSource):
    """Groups whose options are those of :class:`gatelab.configuration.Folders`.

    Hydra gets only values from here: the group, never the file, decides their place.
    """

    def folders(self) -> "Folders":
        """Return the place of the options."""
        from gatelab.configuration import added_folders

        return added_folders()

    @abstractmethod
    def groups(self) -> tuple[str, ...]:
        """Return the names of the groups."""

    def load_config(self, config_path: str) -> ConfigResult:
        """Read the file of an option."""
        group, name = _parts(config_path)
        found = self.folders().option(group, name) if group in self.groups() else None
        if found is None:
            raise ConfigLoadError(f"{config_path}: no such {group}")
        place, content = found
        package = place if place == "_global_" else f"_global_.{place}"
        return ConfigResult(
            config=OmegaConf.create(content),
            path=f"{self.scheme()}://{config_path}",
            provider=self.provider,
            header={"package": package},
        )

    def available(self) -> bool:
        """Return True."""
        return True

    def is_config(self, config_path: str) -> bool:
        """Return whether a path is that of an option."""
        group, name = _parts(config_path)
        return group in self.groups() and self.folders().has(group, name)

    def is_group(self, config_path: str) -> bool:
        """Return whether a path is that of a group, or of a folder in one."""
        if config_path == "" or config_path in self.groups():
            return True
        group, name = _parts(config_path)
        return group in self.groups() and any(option.startswith(f"{name}/") for option in self.folders().options(group))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the options."""
        if config_path == "":
            return [] if results_filter == ObjectType.CONFIG else [*self.groups()]
        if config_path not in self.groups() or results_filter == ObjectType.GROUP:
            return []
        return self.folders().names(config_path)


def _parts(config_path: str) -> tuple[str, str]:
    group, _, name = config_path.removesuffix(".yaml").partition("/")
    return group, name
