"""The result of a run: the content of its result.json."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from gatelab.store.json_numbers import number

__all__ = ["Performance", "Result"]


@dataclass(frozen=True, slots=True)
class Performance:
    """How good a network is on one split, at the checkpoint of ``Result.best_step``; NaN if never measured."""

    loss: float
    """Mean of the task's loss, which training minimises."""
    score: float
    """The number by which the task is judged, named by ``Result.score_name``."""


@dataclass(frozen=True, slots=True)
class Result:
    """One run that has ended: finished or diverged.

        >>> result = gatelab.train("variant=gru", "task=adding", *tiny).result
        >>> result.label, result.status, result.parameters
        ('gru', 'finished', 93)
        >>> result.validation.score >= result.perfect
        True

    The test split is measured once, at ``best_step``: the step whose validation score was best.
    """

    identity: str
    """16 hex digits; the name of the run's folder."""
    label: str
    """The variant's name in tables: its name and its edits, such as ``peephole i=1 - f``."""
    variant: str
    """The name of the variant before edits."""
    task: str
    seed: int
    status: Literal["finished", "diverged"]
    diverged_at: int | None
    """The step (counted from 1) at which a number stopped being finite; None for a finished run."""
    best_step: int | None
    """The step after which validation was best; None if there was no validation before the divergence."""
    validation: Performance
    test: Performance
    score_name: str
    higher_is_better: bool
    chance: float
    """Score of the best answer that ignores the input."""
    perfect: float
    """Score of a network without mistakes."""
    parameters: int
    """Trainable numbers in the whole network, readout included."""
    steps: int
    """Optimisation steps taken."""
    seconds: float
    """Wall time of the fit; for a run in a stack its share, the time of the stack over the number of its runs."""
    path: str
    """How the recurrence ran, such as ``loop``."""
    path_reason: str
    settings: dict[str, Any]
    """Everything else that is science: dotted key -> value, without the variant and the seed."""

    def to_mapping(self) -> dict[str, Any]:
        """Return the fields as nested plain values, in the order above."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> "Result":
        """Return the result in a mapping; keys that are no field are ignored, so that newer files can be read.

        Raises ValueError for a field that is missing or of the wrong kind.
        """
        fields: dict[str, Any] = {}
        for name, kinds in _KINDS.items():
            if name not in mapping:
                raise ValueError(f"'{name}' is missing")
            value = mapping[name]
            if kinds is Performance:
                fields[name] = _performance(name, value)
            elif kinds is float:
                fields[name] = float(number(value))
            elif type(value) in kinds:
                fields[name] = value
            else:
                raise ValueError(f"'{name}' is {value!r}, of the wrong kind")
        if fields["status"] not in ("finished", "diverged"):
            raise ValueError(f"'status' is {fields['status']!r}; allowed are 'finished' and 'diverged'")
        return cls(**fields)


_TEXT, _WHOLE, _WHOLE_OR_NONE = (str,), (int,), (int, type(None))
_KINDS: dict[str, Any] = {
    "identity": _TEXT,
    "label": _TEXT,
    "variant": _TEXT,
    "task": _TEXT,
    "seed": _WHOLE,
    "status": _TEXT,
    "diverged_at": _WHOLE_OR_NONE,
    "best_step": _WHOLE_OR_NONE,
    "validation": Performance,
    "test": Performance,
    "score_name": _TEXT,
    "higher_is_better": (bool,),
    "chance": float,
    "perfect": float,
    "parameters": _WHOLE,
    "steps": _WHOLE,
    "seconds": float,
    "path": _TEXT,
    "path_reason": _TEXT,
    "settings": (dict,),
}
FIELDS = frozenset(_KINDS)
"""The fields of result.json, without its seal."""


def _performance(name: str, value: Any) -> Performance:
    if value is None:
        return Performance(math.nan, math.nan)
    if isinstance(value, Performance):
        return value
    if not isinstance(value, Mapping) or "loss" not in value or "score" not in value:
        raise ValueError(f"'{name}' is {value!r}; a loss and a score were expected")
    return Performance(float(number(value["loss"])), float(number(value["score"])))
