"""Hydra's loader of conf/, without an application around it: the caller's use of Hydra is not changed."""

import copy
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import setup_globals
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.version import VersionBase, setbase

from gatelab.locations import conf_directory

__all__ = ["CONFIG", "hydra_loader", "hydra_rules"]

CONFIG = "train"
"""The file of conf/ at the start of every composition."""

_VERSION = "1.3"


class _Rules:
    """The version whose rules Hydra follows: ours during a composition, afterwards the caller's again."""

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
"""To be entered when Hydra parses words outside :func:`hydra_loader`: otherwise Hydra uses old rules."""
_making = threading.Lock()


_MOST_READ = 1000
_read: dict[tuple[str | int, ...], ConfigResult | None] = {}
"""What the files of options hold, by their path, time and size: reading them takes a third of a composition."""


def _stamp(source: ConfigSource | None, config_path: str) -> tuple[str | int, ...] | None:
    """Return what tells the content of a file from others; None if it is in no file, or ours to read."""
    if source is None or source.scheme() not in ("file", "pkg"):
        return None
    stamp = (source.provider, source.path, config_path)
    if source.scheme() == "pkg":  # of an installed package, which stays as it is
        return stamp
    state = os.stat(os.path.join(source.path, source._normalize_file_name(config_path)))
    return (*stamp, state.st_ino, state.st_mtime_ns, state.st_size)


class _Sources(CachingConfigRepository):
    """The sources of one composition. Hydra copies all that its store holds, for each; sources are never changed."""

    delegate: ConfigRepository

    def __init__(self, delegate: ConfigRepository) -> None:
        self.delegate = copy.copy(delegate)  # another search path replaces its list of sources
        self.cache: dict[str, ConfigResult | None] = {}

    def load_config(self, config_path: str) -> ConfigResult | None:
        key = f"config_path={config_path}"  # Hydra's own
        if key not in self.cache:
            self.cache[key] = self._load(config_path)
        return self.cache[key]

    def _load(self, config_path: str) -> ConfigResult | None:
        stamp = _stamp(self.delegate._find_object_source(config_path, ObjectType.CONFIG), config_path)
        if stamp is None:
            return self.delegate.load_config(config_path)
        if stamp not in _read:
            if len(_read) >= _MOST_READ:
                _read.clear()
            _read[stamp] = self.delegate.load_config(config_path)
        # a composition changes what it is given
        return copy.deepcopy(_read[stamp])


class _Loader(ConfigLoaderImpl):
    def _parse_overrides_and_create_caching_repo(
        self, config_name: str | None, overrides: list[str]
    ) -> tuple[list[Override], CachingConfigRepository]:
        parsed = OverridesParser.create().parse_overrides(overrides=overrides)
        sources = _Sources(self.repository)
        self._process_config_searchpath(config_name, parsed, sources)
        return parsed, sources


@contextmanager
def hydra_loader() -> Iterator[ConfigLoader]:
    """Return the loader during a block. Neither GlobalHydra nor HydraConfig is used or changed."""
    with hydra_rules:
        with _making:  # plugins are found once; Hydra keeps their list
            setup_globals()
            loader = _Loader(create_config_search_path(str(conf_directory())))
        yield loader
