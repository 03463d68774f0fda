"""What probes leave behind in a run's folder, and under which names; written with torch, read without it.

A number that a probe reads at a validation stands in that line of metrics.jsonl, under a key of three parts:

    probe/part/number        gates/f/mean, gates/0.1.f/decay_50

``part`` says what of the network it is about: an equation, or ``layer.direction.equation`` where there are several
layers or directions. No other key of a line has a slash. Arrays, which are too large for a line, stand beside it:

    probes/<probe>.npz       arrays of numbers by name; read with ``numpy.load(path, allow_pickle=False)``
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, NamedTuple

__all__ = [
    "GATES",
    "GRADIENT",
    "HISTOGRAM",
    "LAG",
    "LOSS",
    "OPEN",
    "SHUT",
    "Gate",
    "ProbeKey",
    "gates_of",
    "gradient_of",
    "parsed",
    "under_keys",
]

GATES = "gates"
"""The probe of how open gates are."""
GRADIENT = "gradient"
"""The probe of the gradient against distance; its part is the loss."""
LOSS, LAG = "loss", "lag_"
HISTOGRAM = "histogram"
"""The number of a gate that only loggers get: it is no number, but a histogram."""

SHUT, OPEN = 0.1, 0.9  # the thresholds of Karpathy, Johnson & Fei-Fei 2015


class ProbeKey(NamedTuple):
    """Under which key a number of a probe stands."""

    probe: str
    part: str
    number: str

    def __str__(self) -> str:
        return "/".join(self)


def parsed(key: str) -> ProbeKey | None:
    """Return the parts of a key; None for one that is not of a probe, such as ``loss``."""
    parts = key.split("/")
    return ProbeKey(*parts) if len(parts) == len(ProbeKey._fields) and all(parts) else None


def under_keys(probe: str, part: str, numbers: Mapping[str, float]) -> dict[str, float]:
    """Return the numbers of one part of the network under their keys."""
    return {str(ProbeKey(probe, part, number)): value for number, value in numbers.items()}


@dataclass(frozen=True, slots=True)
class Gate:
    """How open a gate is over validation data; shares in 0..1."""

    mean: float
    shut: float
    """Share of values below 0.1."""
    open: float
    """Share of values above 0.9."""
    decay_10: float = math.nan
    """Of a gate that retains: the rate of forgetting of its slowest tenth of units, in nats a step."""
    decay_50: float = math.nan
    """Of its median unit."""
    decay_90: float = math.nan
    """Of its fastest tenth."""
    effective_rank: float = math.nan
    """Of the matrices with which it reads states; measured where ``training.probes`` asks for it."""

    def keyed(self, part: str) -> dict[str, float]:
        """Return its numbers under their keys; what was not measured is left out."""
        optional = {number.name for number in fields(self) if number.default is not MISSING}
        known = {name: value for name, value in asdict(self).items() if not (name in optional and math.isnan(value))}
        return under_keys(GATES, part, known)


def gates_of(row: Mapping[str, Any]) -> dict[str, Gate]:
    """Return the gates in a line of a history: part -> gate; what a line lacks of a gate is NaN."""
    parts = dict.fromkeys(key.part for name in row if (key := parsed(name)) is not None and key.probe == GATES)
    return {
        part: Gate(
            **{
                number.name: float(row.get(str(ProbeKey(GATES, part, number.name)), math.nan))
                for number in fields(Gate)
            }
        )
        for part in parts
    }


def gradient_of(row: Mapping[str, Any]) -> dict[int, float]:
    """Return the gradient against distance in a line of a history: steps before the loss -> norm."""
    keys = {name: key for name in row if (key := parsed(name)) is not None and key.probe == GRADIENT}
    return {int(key.number.removeprefix(LAG)): float(row[name]) for name, key in keys.items()}
