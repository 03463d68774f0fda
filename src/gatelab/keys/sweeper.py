"""The keys below ``hydra.sweeper`` of a search. Hydra's plugin is derived from these."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gatelab.keys.key import Key

__all__ = ["SAMPLERS", "SweeperKeys"]

SAMPLERS: Mapping[str, Mapping[str, type]] = {
    "tpe": {
        "n_startup_trials": int,
        "n_ei_candidates": int,
        "multivariate": bool,
        "group": bool,
        "constant_liar": bool,
    },
    "random": {},
    "nsgaii": {"population_size": int, "mutation_prob": float, "crossover_prob": float, "swapping_prob": float},
    "cmaes": {
        "n_startup_trials": int,
        "popsize": int,
        "use_separable_cma": bool,
        "with_margin": bool,
        "lr_adapt": bool,
    },
    "gp": {"n_startup_trials": int, "deterministic_objective": bool},
    "qmc": {"qmc_type": str, "scramble": bool},
    "grid": {},
}
"""Sampler -> its options and their kinds: the arguments of Optuna's classes that are plain values."""


class SweeperKeys(BaseModel):
    """The keys of ``hydra.sweeper`` beside the space."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    sampler: Annotated[str, Key(f"{', '.join(list(SAMPLERS)[:-1])} or {list(SAMPLERS)[-1]}")] = "tpe"
    options: Annotated[
        dict[str, Any], Key("options of the sampler, such as n_startup_trials, multivariate, population_size")
    ] = Field(default_factory=dict)
    sampler_seed: Annotated[int, Key("seed of the sampler")] = Field(default=0, ge=0)
    n_trials: Annotated[
        int | None, Key("trials of the study, including existing ones; null for all of a grid, and otherwise 20")
    ] = Field(default=None, ge=1)
    batch_size: Annotated[
        int,
        Key("trials proposed and trained at once; smaller batches learn faster, larger ones train faster"),
    ] = Field(default=8, ge=1)
    seeds: Annotated[
        int, Key("runs of a trial, at seed, seed + 1, …; the value of a trial is the mean of their scores")
    ] = Field(default=1, ge=1)
    direction: Annotated[
        Literal["minimize", "maximize"] | None, Key("minimize or maximize; null for the direction of the task's score")
    ] = None
    storage: Annotated[
        str | None,
        Key(
            "FILE.journal, sqlite:///FILE, or the URL of a database server for several searches of one study at once: "
            "postgresql://USER@HOST/NAME; null for studies/<study_name>.journal in runs_dir"
        ),
    ] = None
    study_name: Annotated[str | None, Key("the name of a study resumes it; null for the current time")] = None

    @field_validator("study_name", mode="before")
    @classmethod
    def _file_name(cls, name: Any) -> Any:
        # a name such as 3 or 2026 comes as a number
        name = str(name) if isinstance(name, int) else name
        if name is not None and not (isinstance(name, str) and re.fullmatch(r"[\w-][\w.-]*", name)):
            raise ValueError("must be letters, digits, '-', '_' and '.', because it names a file")
        return name

    @field_validator("storage")
    @classmethod
    def _known_kind(cls, storage: str | None) -> str | None:
        served = r"(?!sqlite|redis)[A-Za-z][\w+]*://.+"
        if storage is not None and not re.fullmatch(rf"sqlite:///.+|(?!.*://).+\.journal|{served}", storage):
            raise ValueError(
                "must be a file that ends in .journal, sqlite:///FILE, or the URL of a database, such as "
                "postgresql://USER@HOST/NAME"
            )
        return storage
