"""Every key that a user may set: its type, limits, default and other properties; no torch, and no files.

This room is below all that use keys: the store needs to know which keys are science, the reports the kind of a key.
"""

from gatelab.keys.key import HASHED, Key, defaults_of, keys_of, without_neutral
from gatelab.keys.launcher import LauncherKeys, RayKeys, SubmititKeys
from gatelab.keys.run import CommandKeys, RunKeys
from gatelab.keys.sections import (
    ARGUMENTS,
    LoggerSection,
    ModelSection,
    OptimizerSection,
    ScheduleSection,
    StackSection,
    TrainingSection,
    WandbSection,
    told_model,
)
from gatelab.keys.sweeper import SAMPLERS, SweeperKeys
from gatelab.keys.table import (
    GIVEN_BY_COMMAND,
    KEYS,
    MODELS,
    NOT_SCIENCE,
    REQUIRED,
    SCIENCE,
    SHARED,
    STACKABLE,
    TOLD,
    TOP,
    check_remarks,
    default_of,
    has_default,
    kind_of,
    known_keys,
    value_of,
)

__all__ = [
    "ARGUMENTS",
    "GIVEN_BY_COMMAND",
    "HASHED",
    "KEYS",
    "MODELS",
    "NOT_SCIENCE",
    "REQUIRED",
    "SAMPLERS",
    "SCIENCE",
    "SHARED",
    "STACKABLE",
    "TOLD",
    "TOP",
    "CommandKeys",
    "Key",
    "LauncherKeys",
    "LoggerSection",
    "ModelSection",
    "OptimizerSection",
    "RayKeys",
    "RunKeys",
    "ScheduleSection",
    "StackSection",
    "SubmititKeys",
    "SweeperKeys",
    "TrainingSection",
    "WandbSection",
    "check_remarks",
    "default_of",
    "defaults_of",
    "has_default",
    "keys_of",
    "kind_of",
    "known_keys",
    "told_model",
    "value_of",
    "without_neutral",
]
