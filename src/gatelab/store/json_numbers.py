"""Numbers in JSON files: NaN and the infinities, which JSON lacks, are the strings "NaN", "Infinity", "-Infinity"."""

import json
import math
from collections.abc import Mapping
from typing import Any

__all__ = ["json_text", "number"]

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def json_text(value: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Return valid JSON; floats are written by repr, so that they read back bit for bit."""
    return json.dumps(_writable(value), indent=indent, allow_nan=False)


def number(value: Any) -> float:
    """Return the number that ``json_text`` wrote; null is NaN. Raises ValueError for anything else."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return value
    if value is None:
        return math.nan
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    raise ValueError(f"{value!r} is not a number")


def _writable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {key: _writable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(item) for item in value]
    return value
