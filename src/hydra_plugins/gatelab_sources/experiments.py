"""``+experiment=weiss_2018/counting`` stands for experiments/weiss_2018/counting/experiment.yaml, and
``+experiment=weiss_2018/counting/quick`` for quick.yaml beside it; ``weiss_2018_counting`` is the same in one word.

Hydra loads this file at every start: nothing heavy here.
"""

from typing import TYPE_CHECKING

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from gatelab.locations import experiments_directory
from hydra_plugins.gatelab_sources._named import NamedSource, add_source

if TYPE_CHECKING:
    from gatelab.configuration import Folders

__all__ = ["ExperimentSource", "ExperimentsPath"]


class ExperimentsPath(SearchPathPlugin):
    """Adds the source below to the search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append it."""
        add_source(search_path, "gatelab-experiments://all")


class ExperimentSource(NamedSource):
    """The group ``experiment`` with the folders of experiments/, the profiles in them, and the files of the user."""

    @staticmethod
    def scheme() -> str:
        """Return the prefix before :// in the search path."""
        return "gatelab-experiments"

    def folders(self) -> "Folders":
        """Return the experiments of experiments/ and of the user."""
        folders = super().folders()
        folders.experiments = experiments_directory()
        return folders

    def groups(self) -> tuple[str, ...]:
        """Return its only one."""
        return ("experiment",)
