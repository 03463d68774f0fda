"""``variant=cifg`` stands for conf/variant/lstm/cifg.yaml. Hydra loads this file at every start: nothing heavy here."""

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

    @staticmethod
    def scheme() -> str:
        """Return the prefix before :// in the search path."""
        return "gatelab"

    def groups(self) -> tuple[str, ...]:
        """Return its only one."""
        return ("variant",)
