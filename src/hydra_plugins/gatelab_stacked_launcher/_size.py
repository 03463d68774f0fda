"""The size of a sweep, checked before its sweeper writes the points out."""

from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from gatelab.configuration.sweep_size import MOST_POINTS, check_size
from gatelab.configuration.swept_params import params_as_written
from gatelab.errors import UserError, one_line

__all__ = ["check_sweep", "most_points"]

_BASIC = "BasicSweeper"  # Hydra's own; others ask for points as they go, and are counted by what they ask for


def most_points(config: DictConfig) -> int:
    """Return how many points a sweep may have. Raises UserError if what is said of it is no such number."""
    most = OmegaConf.select(config, "hydra.launcher.most_points", default=MOST_POINTS)
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise UserError(f"hydra.launcher.most_points={one_line(most)}: must be an integer of at least 1")
    return most


def check_sweep(config: DictConfig, loader: ConfigLoader) -> int:
    """Return how many points a sweep has, 0 where nobody knows yet.

    Raises:
        UserError: it has more points than it may, or none.
    """
    most = most_points(config)
    if not str(config.hydra.sweeper._target_).endswith(_BASIC):
        return 0
    given: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    words = [*(f"{key}={value}" for key, value in params_as_written(config).items()), *given]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(words)
    return check_size(overrides, most, "sweep fewer values, or raise hydra.launcher.most_points")
