"""What a check is: runs turned into a verdict of fixed words.

A check says *reproduced* if the runs show what is claimed, *not reproduced* if they show that it is not so, *partly* if
they point the way of the claim and fall short of it, and *not comparable* if there are too few runs to say anything.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gatelab.papers.trials import RunGroup, Trials
from gatelab.papers.verdicts import Verdict

__all__ = ["ALPHA", "POWER", "Check", "OneVariantCheck", "TwoVariantsCheck", "absent", "between"]

ALPHA = 0.05
"""Tests of differences of one page are corrected together (Holm) and held against this."""

POWER = 0.8
"""The chance with which runs must find a difference that would matter: else finding none says nothing."""


class Check(BaseModel, ABC):
    """What a claim is tied to; its fields are the arguments in claims.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    where: Mapping[str, Any] = Field(default_factory=dict)
    """Settings that pick out runs: ``{optimizer.lr: 0.1}``."""
    best: float = Field(default=1.0, gt=0, le=1)
    """Of each variant only this share of the runs, those with the best validation scores."""

    def group(self, variant: str, where: Mapping[str, Any] | None = None) -> RunGroup:
        """Return the runs of a label that the check speaks of; ``where`` adds to its own settings, or replaces them."""
        return RunGroup(variant, {**self.where, **(where or {})}, self.best)

    @property
    @abstractmethod
    def groups(self) -> tuple[RunGroup, ...]:
        """All runs that are needed."""

    @abstractmethod
    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        """Return what the runs say.

        Args:
            trials: all runs of the experiment.
            p: of a test, corrected for the others of the page.
        """


class OneVariantCheck(Check):
    """A check of the runs of one variant."""

    variant: str

    @property
    def groups(self) -> tuple[RunGroup, ...]:
        return (self.group(self.variant),)


class TwoVariantsCheck(Check):
    """A check that holds the runs of one variant against those of another, or of the same with other settings."""

    variant: str
    than: str
    than_where: Mapping[str, Any] = Field(default_factory=dict)
    """Settings of the runs that are compared with, where they differ from ``where``."""

    @property
    def groups(self) -> tuple[RunGroup, ...]:
        return self.group(self.variant), self.group(self.than, self.than_where)


def absent(check: Check, trials: Trials, least: int = 1) -> Verdict | None:
    """Return that nothing can be said if a group has fewer runs than ``least``."""
    for group in check.groups:
        found = len(trials.of(group))
        if found < least:
            few = "no run" if found == 0 else "one run only"
            return Verdict("not comparable", f"{few} of {group}")
    return None


def between(low: float, high: float) -> str:
    """Return a range in words."""
    if low == -math.inf:
        return f"at most {high:g}"
    return f"at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"
