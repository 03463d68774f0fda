"""``variant=cifg`` stands for conf/variant/lstm/cifg.yaml. Hydra loads this file at every start: nothing heavy here."""

import sys
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from gatelab.locations import conf_directory

__all__ = ["VariantSource", "VariantsPath"]

_GROUP = "variant"


class VariantsPath(SearchPathPlugin):
    """Adds the source below to the search path of gatelab, and of no other application."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append it, so that it is looked at after conf/ itself."""
        if any((entry.path or "").removeprefix("file://") == str(conf_directory()) for entry in search_path.get_path()):
            search_path.append(provider="gatelab", path="gatelab://variants")


class VariantSource(ConfigSource):
    """The group ``variant`` with every file of conf/variant/ and of the user's folders, by its name."""

    @staticmethod
    def scheme() -> str:
        """Return what stands before :// in the search path."""
        return "gatelab"

    def load_config(self, config_path: str) -> ConfigResult:
        """Read one variant file."""
        file = self._file(config_path)
        if file is None:
            raise ConfigLoadError(f"{config_path}: no such variant")
        with file.open(encoding="utf-8") as stream:
            header = ConfigSource._get_header_dict(stream.read(512))
        return ConfigResult(
            config=OmegaConf.load(file), path=f"{self.scheme()}://{file}", provider=self.provider, header=header
        )

    def available(self) -> bool:
        """Say that it is there."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Say whether a path is that of the group."""
        return config_path in ("", _GROUP)

    def is_config(self, config_path: str) -> bool:
        """Say whether a path is that of a variant."""
        return self._file(config_path) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names in the group."""
        if config_path == "":
            return [] if results_filter == ObjectType.CONFIG else [_GROUP]
        if config_path != _GROUP or results_filter == ObjectType.GROUP:
            return []
        return sorted(self._files())

    def _file(self, config_path: str) -> Path | None:
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        return self._files().get(name) if group == _GROUP else None

    def _files(self) -> dict[str, Path]:
        from gatelab.configuration.arguments import added_directories
        from gatelab.equations.library import variant_files

        return variant_files(added_directories(sys.argv[1:]))
