"""``+experiment=weiss_2018/counting`` stands for experiments/weiss_2018/counting/experiment.yaml, and
``+experiment=weiss_2018/counting/quick`` for quick.yaml beside it.

Hydra loads this file at every start: nothing heavy here.
"""

from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from gatelab.locations import conf_directory, experiments_directory

__all__ = ["ExperimentSource", "ExperimentsPath"]

_GROUP = "experiment"
_FILE = "experiment.yaml"


class ExperimentsPath(SearchPathPlugin):
    """Adds the source below to the search path of gatelab, and of no other application."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append it, so that a user's own experiments come first."""
        if any((entry.path or "").removeprefix("file://") == str(conf_directory()) for entry in search_path.get_path()):
            search_path.append(provider="gatelab", path="gatelab-experiments://all")


class ExperimentSource(ConfigSource):
    """The group ``experiment`` with the folders of experiments/ and the profiles in them."""

    @staticmethod
    def scheme() -> str:
        """Return what stands before :// in the search path."""
        return "gatelab-experiments"

    def load_config(self, config_path: str) -> ConfigResult:
        """Read the file of an experiment or of one of its profiles."""
        file = self._options().get(_option(config_path))
        if file is None:
            raise ConfigLoadError(f"{config_path}: no such experiment")
        with file.open(encoding="utf-8") as stream:
            header = ConfigSource._get_header_dict(stream.read(512))
        return ConfigResult(
            config=OmegaConf.load(file), path=f"{self.scheme()}://{file}", provider=self.provider, header=header
        )

    def available(self) -> bool:
        """Say that it is there."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Say whether a path is that of the group or of a folder in it."""
        return config_path in ("", _GROUP) or any(
            f"{_GROUP}/{name}/".startswith(f"{config_path}/") for name in self._options()
        )

    def is_config(self, config_path: str) -> bool:
        """Say whether a path is that of an experiment or of a profile."""
        return _option(config_path) in self._options()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the experiments and profiles, by the full names that ``+experiment=`` takes."""
        if config_path == "":
            return [] if results_filter == ObjectType.CONFIG else [_GROUP]
        if config_path != _GROUP or results_filter == ObjectType.GROUP:
            return []
        return sorted(self._options())

    def _options(self) -> dict[str, Path]:
        root = experiments_directory()
        found = {}
        for file in root.rglob(_FILE):
            name = file.parent.relative_to(root).as_posix()
            found[name] = file
            profiles = [each for each in file.parent.glob("*.yaml") if each.name not in (_FILE, "claims.yaml")]
            found |= {f"{name}/{profile.stem}": profile for profile in profiles}
        return found


def _option(config_path: str) -> str:
    group, _, option = config_path.removesuffix(".yaml").partition("/")
    return option if group == _GROUP else ""
