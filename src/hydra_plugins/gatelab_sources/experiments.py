"""``+experiment=weiss_2018/counting`` stands for experiments/weiss_2018/counting/experiment.yaml, and
``+experiment=weiss_2018/counting/quick`` for quick.yaml beside it; ``weiss_2018_counting`` is the same in one word.

Hydra loads this file at every start: nothing heavy here.
"""

from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from gatelab.locations import experiments_directory
from hydra_plugins.gatelab_sources._named import NamedSource, add_source

__all__ = ["ExperimentSource", "ExperimentsPath"]

_FILE = "experiment.yaml"


class ExperimentsPath(SearchPathPlugin):
    """Adds the source below to the search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append it."""
        add_source(search_path, "gatelab-experiments://all")


class ExperimentSource(NamedSource):
    """The group ``experiment`` with the folders of experiments/ and the profiles in them."""

    group = "experiment"

    @staticmethod
    def scheme() -> str:
        """Return what stands before :// in the search path."""
        return "gatelab-experiments"

    def is_group(self, config_path: str) -> bool:
        """Say whether a path is that of the group or of a folder in it."""
        return config_path in ("", self.group) or any(
            f"{self.group}/{name}/".startswith(f"{config_path}/") for name in self.options()
        )

    def _file(self, config_path: str) -> Path | None:
        group, _, option = config_path.removesuffix(".yaml").partition("/")
        in_one_word = {name.replace("/", "_", 1): file for name, file in self.options().items()}
        return super()._file(config_path) or (in_one_word.get(option) if group == self.group else None)

    def options(self) -> dict[str, Path]:
        """Return experiment, or experiment/profile -> file."""
        root = experiments_directory()
        found = {}
        for file in root.rglob(_FILE):
            name = file.parent.relative_to(root).as_posix()
            found[name] = file
            profiles = [each for each in file.parent.glob("*.yaml") if each.name not in (_FILE, "claims.yaml")]
            found |= {f"{name}/{profile.stem}": profile for profile in profiles}
        return found
