"""``task=mine`` stands for FOLDER/task/mine.yaml of ``--config-dir=FOLDER``, and so in every group of conf/.

Hydra itself never sees the folder: its files are read as data. Hydra loads this file at every start: nothing heavy
here.
"""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from hydra_plugins.gatelab_sources._named import NamedSource, add_source

__all__ = ["AdditionSource", "AdditionsPath"]

_ELSEWHERE = ("variant", "experiment")  # which have their own sources


class AdditionsPath(SearchPathPlugin):
    """Adds the source below to the search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append it."""
        add_source(search_path, "gatelab-additions://all")


class AdditionSource(NamedSource):
    """The groups of conf/ with what the user's folders add to them."""

    @staticmethod
    def scheme() -> str:
        """Return the prefix before :// in the search path."""
        return "gatelab-additions"

    def groups(self) -> tuple[str, ...]:
        """Return their names."""
        from gatelab.configuration.overrides import groups

        return tuple(group for group in groups() if group not in _ELSEWHERE)
