"""Hydra's sweeper ``optuna_search``. Hydra loads this file at every start, so it imports nothing heavy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from gatelab.keys import SAMPLERS, SweeperKeys
from gatelab.keys.structured import config_of

OptunaSearchConfig = config_of(
    SweeperKeys,
    _target_="hydra_plugins.gatelab_optuna_sweeper.optuna_sweeper.OptunaSearchSweeper",
    # every option of any sampler, so that each can be set without a +; null is Optuna's default
    options={option: None for options in SAMPLERS.values() for option in options},
    params={},
)
"""The options of the sweeper for Hydra; their definitions are in gatelab.keys.sweeper."""

ConfigStore.instance().store(group="hydra/sweeper", name="optuna_search", node=OptunaSearchConfig, provider="gatelab")


class OptunaSearchSweeper(Sweeper):
    """Gets batches of points from an Optuna study and lets the launcher train each batch at once."""

    def __init__(self, params: Mapping[str, Any], **options: Any) -> None:
        self.params = params
        self.options = options
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Store what composing needs, and set up the launcher."""
        from hydra.core.plugins import Plugins

        self.config = config
        self.hydra_context = hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Search the space that ``hydra.sweeper.params`` and the overrides of the command line span."""
        from hydra.core.override_parser.overrides_parser import OverridesParser

        from gatelab.configuration import added_folders
        from gatelab.permission import allowing_words
        from gatelab.sweeps.search import SearchSettings, read_space, search
        from hydra_plugins.gatelab_optuna_sweeper._runs import LaunchedRuns, parameter_words
        from hydra_plugins.gatelab_stacked_launcher._size import most_points

        assert self.config is not None and self.hydra_context is not None and self.launcher is not None
        options = {name: _plain(value) for name, value in self.options.items()}
        options["options"] = {name: value for name, value in options["options"].items() if value is not None}
        settings = SearchSettings.read(options)
        directories = added_folders().directories
        loader = self.hydra_context.config_loader
        words = [*parameter_words(_plain(self.params)), *arguments]
        overrides = OverridesParser.create(config_loader=loader).parse_overrides(words)
        runs = LaunchedRuns(self.config, loader, self.launcher, directories)
        space, most = read_space(overrides), most_points(self.config)
        settings.check_size(space, most)
        runs.check(space)
        search(
            settings,
            overrides,
            runs,
            name=Path(self.config.hydra.sweep.dir).name,
            flags=[*(f"--config-dir={folder}" for folder in directories), *allowing_words()],
            most=most,
        )


def _plain(value: Any) -> Any:
    """Return a value of the sweeper's section as plain values; an interpolation in it sees only that section."""
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
