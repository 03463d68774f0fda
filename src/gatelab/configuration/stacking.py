"""Which runs can be trained together; without torch, so that planning a sweep takes little time and memory."""

import json
from collections.abc import Mapping
from functools import lru_cache

from gatelab.configuration.resolved import RunConfiguration
from gatelab.configuration.science_texts import science_of
from gatelab.configuration.shared_values import Same
from gatelab.keys import SCIENCE, SHARED, STACKABLE
from gatelab.language.sizes import DRAWN
from gatelab.language.variant_file import COMPUTED

__all__ = ["shape_key"]

_COMPARED = tuple(name for name in (*SCIENCE, *SHARED) if name not in STACKABLE)


def shape_key(configuration: RunConfiguration) -> str:
    """Return a text that is equal for runs that can share a stack."""
    beside = configuration.beside_seed
    if beside is None:
        return _key_of(configuration)
    if beside.shape is None and beside.like is not None:
        beside.shape = beside.like.shape
    if beside.shape is None:
        beside.shape = _key_of(configuration)
        if beside.like is not None:
            beside.like.shape = beside.shape
    return beside.shape


def _key_of(configuration: RunConfiguration) -> str:
    key = _key(tuple(Same(getattr(configuration, name)) for name in _COMPARED))
    # not science, but such a run is a stack by itself
    devices = configuration.training.devices
    return key if devices == 1 else f"{key} with {devices} devices"


@lru_cache(maxsize=4096)
def _key(sections: tuple[Same, ...]) -> str:
    # none of the texts has a line break
    return "\n".join(_shared(name, section) for name, section in zip(_COMPARED, sections, strict=True))


@lru_cache(maxsize=4096)
def _shared(name: str, section: Same) -> str:
    """Return the part of a section that is equal for all runs of a stack, as text."""
    content = science_of(name, section.value)
    if name == "variant":
        content = {key: content.get(key) for key in COMPUTED}
    elif isinstance(content, Mapping):
        # what training draws stands in the equations, so that those without a mask are others than those with one
        drawn = [word for word in DRAWN if content.get(word)]
        content = {key: value for key, value in content.items() if f"{name}.{key}" not in STACKABLE}
        content |= {"drawn": drawn} if drawn else {}
    return json.dumps(content, sort_keys=True)
