"""Which runs can be trained together; without torch, so that planning a sweep takes little time and memory."""

import json
from collections.abc import Mapping
from functools import lru_cache

from gatelab.configuration.resolved import RunConfiguration, science_of
from gatelab.configuration.shared_values import Same
from gatelab.keys import SCIENCE, SHARED, STACKABLE
from gatelab.language.variant_file import COMPUTED

__all__ = ["shape_key"]


def shape_key(configuration: RunConfiguration) -> str:
    """Return a text that is equal for runs that can share a stack."""
    return json.dumps([_shared(name, Same(getattr(configuration, name))) for name in (*SCIENCE, *SHARED)])


@lru_cache(maxsize=4096)
def _shared(name: str, section: Same) -> str | None:
    """Return the part of a section that is equal for all runs of a stack, as text."""
    if name in STACKABLE:
        return None
    content = science_of(name, section.value)
    if name == "variant":
        content = {key: content.get(key) for key in COMPUTED}
    elif isinstance(content, Mapping):
        content = {key: value for key, value in content.items() if f"{name}.{key}" not in STACKABLE}
    return json.dumps(content, sort_keys=True)
