"""The size of a sweep, checked before its sweeper writes the points out."""

from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from gatelab.configuration.sweep_size import check_size
from gatelab.errors import UserError

__all__ = ["check_sweep"]

_BASIC = "BasicSweeper"  # Hydra's own; others ask for points as they go


def check_sweep(config: DictConfig, loader: ConfigLoader, most: Any) -> None:
    """Raise a UserError for a sweep of more than ``most`` points, or of none."""
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise UserError(f"hydra.launcher.most_points={most}: must be an integer of at least 1")
    sweeper = config.hydra.sweeper
    if not str(sweeper._target_).endswith(_BASIC):
        return
    params: Any = OmegaConf.to_container(sweeper.params, resolve=True) if sweeper.params else {}
    words = [*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(words)
    check_size(overrides, most, "sweep fewer values, or raise hydra.launcher.most_points")
