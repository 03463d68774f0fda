"""Hydra's loader of conf/, without an application around it: whatever Hydra does for the caller stays as it is."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import setup_globals
from hydra.version import VersionBase, setbase

from gatelab.locations import conf_directory

__all__ = ["CONFIG", "hydra_loader", "hydra_rules"]

CONFIG = "train"
"""The file of conf/ with which every composition begins."""

_VERSION = "1.3"


class _Rules:
    """Which version's rules Hydra follows: ours while anybody composes, afterwards the caller's again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = VersionBase.instance().version_base
                setbase(_VERSION)
            self._users += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                VersionBase.instance().version_base = self._before


hydra_rules = _Rules()
"""To be entered by whoever has Hydra read words outside :func:`hydra_loader`: without rules, Hydra chooses old ones."""
_making = threading.Lock()


@contextmanager
def hydra_loader() -> Iterator[ConfigLoader]:
    """Return the loader for the time of a block. Neither GlobalHydra nor HydraConfig is looked at, or changed."""
    with hydra_rules:
        with _making:  # plugins are found once, and their list is Hydra's own
            setup_globals()
            loader = ConfigLoaderImpl(create_config_search_path(str(conf_directory())))
        yield loader
