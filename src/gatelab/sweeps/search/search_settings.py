"""The options of a search, ``hydra.sweeper.…``, checked."""

from collections.abc import Mapping

from gatelab.configuration.sweep_size import check_count
from gatelab.errors import UserError, suggest
from gatelab.keys import SAMPLERS, SweeperKeys
from gatelab.sweeps.search.samplers import check_options
from gatelab.sweeps.search.space import Space
from gatelab.validation import check

__all__ = ["SearchSettings"]

_N_TRIALS = 20


class SearchSettings(SweeperKeys):
    """The keys of ``hydra.sweeper`` beside the space; use ``SearchSettings.read``."""

    @classmethod
    def read(cls, mapping: Mapping[str, object]) -> "SearchSettings":
        """Check nested plain values.

        Raises:
            UserError: one line that names the key, its value and what is allowed.
        """
        settings = check(cls, mapping, "hydra.sweeper")
        if settings.sampler not in SAMPLERS:
            near = suggest(settings.sampler, SAMPLERS)
            raise UserError(f"unknown hydra.sweeper.sampler '{settings.sampler}'{near}; allowed: {', '.join(SAMPLERS)}")
        check_options(settings.sampler, settings.options)
        return settings

    def check_size(self, space: Space, most: int) -> None:
        """Raise a UserError for a search of more runs than ``most``, or for a grid of more points."""
        advice = "search fewer, or raise hydra.launcher.most_points"
        points = space.count() if self.sampler == "grid" else None
        check_count(points or 0, most, advice)
        trials = self.trials(points)
        parts = f" ({trials:,} trials of {self.seeds:,} seeds each)" if self.seeds > 1 else ""
        check_count(trials * self.seeds, most, advice, parts)

    def trials(self, grid_points: int | None) -> int:
        """Return how many trials the study will have; ``grid_points`` is the size of a grid, None for no grid."""
        if grid_points is None:
            return self.n_trials or _N_TRIALS
        return min(self.n_trials or grid_points, grid_points)
