"""The options of a search, ``hydra.sweeper.…``, checked."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gatelab.errors import UserError, suggest
from gatelab.sweeps.search.samplers import OPTIONS, check_options
from gatelab.validation import check

__all__ = ["SearchSettings"]

_N_TRIALS = 20


class SearchSettings(BaseModel):
    """What ``hydra.sweeper`` says beside the space; use ``SearchSettings.read``."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sampler: str
    """A key of ``samplers.OPTIONS``."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the sampler."""
    sampler_seed: int = Field(default=0, ge=0)
    n_trials: int | None = Field(default=None, ge=1)
    """Trials of the whole study, those already there included; None is all of a grid, and otherwise 20."""
    batch_size: int = Field(default=8, ge=1)
    """Trials that are asked for at once, and so stacked."""
    seeds: int = Field(default=1, ge=1)
    """Runs of a trial: seed, seed + 1, …; the trial's value is the mean of their scores."""
    direction: Literal["minimize", "maximize"] | None = None
    """None follows the task's score."""
    storage: str | None = None
    """``….journal`` or ``sqlite:///…``; None is studies/<study_name>.journal in runs_dir."""
    study_name: str | None = None

    @field_validator("study_name", mode="before")
    @classmethod
    def _file_name(cls, name: Any) -> Any:
        # a name such as 3 or 2026 comes as a number
        name = str(name) if isinstance(name, int) else name
        if name is not None and not (isinstance(name, str) and re.fullmatch(r"[\w-][\w.-]*", name)):
            raise ValueError("must be letters, digits, '-', '_' and '.', for it names a file")
        return name

    @field_validator("storage")
    @classmethod
    def _known_kind(cls, storage: str | None) -> str | None:
        if storage is not None and not re.fullmatch(r"sqlite:///.+|(?!.*://).+\.journal", storage):
            raise ValueError("must be a file that ends in .journal, or sqlite:///FILE")
        return storage

    @classmethod
    def read(cls, mapping: Mapping[str, object]) -> "SearchSettings":
        """Check nested plain values.

        Raises:
            UserError: one line that names what is wrong, its value and what is allowed.
        """
        settings = check(cls, mapping, "hydra.sweeper")
        if settings.sampler not in OPTIONS:
            near = suggest(settings.sampler, OPTIONS)
            raise UserError(f"unknown hydra.sweeper.sampler '{settings.sampler}'{near}; allowed: {', '.join(OPTIONS)}")
        check_options(settings.sampler, settings.options)
        return settings

    def trials(self, grid_points: int | None) -> int:
        """Return how many trials the study shall have; ``grid_points`` is the size of a grid, None for no grid."""
        if grid_points is None:
            return self.n_trials or _N_TRIALS
        return min(self.n_trials or grid_points, grid_points)
