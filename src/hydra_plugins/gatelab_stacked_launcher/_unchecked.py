"""What Hydra's sweepers get in place of a loader: the launcher composes the points."""

from collections.abc import Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

__all__ = ["UncheckedPoints"]


class UncheckedPoints:
    """Stands in for a config loader towards a sweeper, which composes each point to see whether it is legal.

    The launcher composes all that it is given before it starts any of it, and says the same: nothing is composed here.
    Every other method of the loader is passed on.

    Args:
        loader: Hydra's own.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self._nothing = OmegaConf.create({}, flags={"struct": True})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: Sequence[str]) -> DictConfig:
        """Return a configuration without a key; to ask it for any is an error."""
        return self._nothing
