"""Which runs can be trained together; without torch, so that a sweep is planned in little time and memory."""

import json
from collections.abc import Mapping
from functools import lru_cache

from gatelab.configuration.resolved import SCIENCE, RunConfiguration, science_of
from gatelab.configuration.shared_values import Same

__all__ = ["STACKABLE", "shape_key"]

STACKABLE: tuple[str, ...] = (
    "seed",
    "opening",
    "optimizer.lr",
    "optimizer.weight_decay",
    "optimizer.betas",
    "optimizer.momentum",
    "optimizer.alpha",
    "optimizer.rho",
    "optimizer.eps",
    "optimizer.normalize_momentum",
    "schedule",
    "training.clip_norm",
    "training.patience",
    "training.stop_at",
    "training.input_noise",
    "training.weight_noise",
    "model.dropout",
    "model.initial",
    "model.initial_scale",
)
"""Dotted keys in which the runs of one stack may differ. A difference in any other key splits stacks."""

_ALSO_SHARED = ("path", "device", "threads", "stack", "progress", "logger", "runs_dir")
_OF_VARIANT = ("state", "equations", "order", "output", "module")


def shape_key(configuration: RunConfiguration) -> str:
    """Return a text that is equal for runs that can share a stack."""
    return json.dumps([_shared(name, Same(getattr(configuration, name))) for name in (*SCIENCE, *_ALSO_SHARED)])


@lru_cache(maxsize=4096)
def _shared(name: str, section: Same) -> str | None:
    """Return what of a section the runs of a stack have in common, as text."""
    if name in STACKABLE:
        return None
    content = science_of(name, section.value)
    if name == "variant":
        content = {key: content.get(key) for key in _OF_VARIANT}
    elif isinstance(content, Mapping):
        content = {key: value for key, value in content.items() if f"{name}.{key}" not in STACKABLE}
    return json.dumps(content, sort_keys=True)
