"""``variant=cifg`` stands for conf/variant/lstm/cifg.yaml. Hydra loads this file at every start: nothing heavy here."""

import sys
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from hydra_plugins.gatelab_sources._named import NamedSource, add_source

__all__ = ["VariantSource", "VariantsPath"]


class VariantsPath(SearchPathPlugin):
    """Adds the source below to the search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append it."""
        add_source(search_path, "gatelab://variants")


class VariantSource(NamedSource):
    """The group ``variant`` with every file of conf/variant/ and of the user's folders, by its name."""

    group = "variant"

    @staticmethod
    def scheme() -> str:
        """Return what stands before :// in the search path."""
        return "gatelab"

    def is_group(self, config_path: str) -> bool:
        """Say whether a path is that of the group."""
        return config_path in ("", self.group)

    def options(self) -> dict[str, Path]:
        """Return name -> file."""
        from gatelab.configuration.arguments import added_directories
        from gatelab.equations.library import variant_files

        return variant_files(added_directories(sys.argv[1:]))
