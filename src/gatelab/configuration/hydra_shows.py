"""Hydra's own answers: help, the composed configuration, the places it comes from."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.object_type import ObjectType
from omegaconf import DictConfig

from gatelab.configuration.hydra_loader import CONFIG
from gatelab.locations import conf_directory

__all__ = ["show"]


def show(words: Sequence[str]) -> None:
    """Let Hydra print what its flags ask for: ``--help``, ``--cfg job``, ``--info``.

    Args:
        words: flags and overrides.
    """

    def nothing(configuration: DictConfig) -> None:
        """A placeholder for Hydra's application."""

    helps = bool({"-h", "--help", "--hydra-help"} & set(words))
    with _as_hydra_wants_it(["train.py", *words]), _options_listed_once() if helps else nullcontext():
        hydra.main(version_base="1.3", config_path=str(conf_directory()), config_name=CONFIG)(nothing)()


@contextmanager
def _as_hydra_wants_it(command: list[str]) -> Iterator[None]:
    """Give Hydra its arguments in sys.argv, and raise errors, which Hydra would print on several lines."""
    saved, variable = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = command, "1"
    try:
        yield
    finally:
        sys.argv = saved
        if variable is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = variable


@contextmanager
def _options_listed_once() -> Iterator[None]:
    """List the options of a group without a copy of everything that Hydra knows, which it makes for each group.

    For a help text these copies take longer than all else. No override can change where options come from
    (``check_words`` refuses hydra.searchpath), so the copies all have the same options.
    """
    slow = ConfigLoaderImpl.get_group_options
    found: dict[tuple[str, ObjectType | None], list[str]] = {}

    def quick(
        loader: ConfigLoaderImpl, group_name: str, results_filter: ObjectType | None = ObjectType.CONFIG
    ) -> list[str]:
        key = (group_name, results_filter)
        if key not in found:
            found[key] = loader.repository.get_group_options(group_name, results_filter)
        return found[key]

    ConfigLoaderImpl.get_group_options = quick  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        ConfigLoaderImpl.get_group_options = slow  # type: ignore[method-assign]
