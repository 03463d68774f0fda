"""Checks of how many runs solve a task."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from gatelab.experiments.check import Check, OneVariantCheck, absent
from gatelab.experiments.trials import Group, Trial, Trials
from gatelab.experiments.verdicts import Verdict

__all__ = ["FractionSolvedAtLeast", "FractionSolvedAtMost", "SolvesAndOtherDoesNot"]


def _solved(trials: list[Trial]) -> tuple[int, str]:
    solved = sum(trial.solved for trial in trials)
    return solved, f"{solved} of {len(trials)} runs solved it"


class _FractionSolved(OneVariantCheck):
    """A share of a variant's runs solve the task."""

    fraction: float = Field(ge=0, le=1)

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if few := absent(self, trials):
            return few
        runs = trials.of(self.groups[0])
        solved, words = _solved(runs)
        if self.met(solved, len(runs)):
            return Verdict("reproduced", words)
        return Verdict(
            "partly" if self.near(solved, len(runs)) else "not reproduced", f"{words}, claimed is {self.claimed}"
        )

    @property
    @abstractmethod
    def claimed(self) -> str:
        """The share, in words."""

    @abstractmethod
    def met(self, solved: int, runs: int) -> bool:
        """Whether so many of the runs are what is claimed."""

    @abstractmethod
    def near(self, solved: int, runs: int) -> bool:
        """Whether so many, which are not what is claimed, point its way."""


class FractionSolvedAtLeast(_FractionSolved):
    """At least this share of a variant's runs solve the task. *Partly*: some do, and too few."""

    @property
    def claimed(self) -> str:
        return f"{self.fraction:.0%}"

    def met(self, solved: int, runs: int) -> bool:
        return solved >= self.fraction * runs

    def near(self, solved: int, runs: int) -> bool:
        return solved > 0


class FractionSolvedAtMost(_FractionSolved):
    """At most this share of a variant's runs solve the task. *Partly*: more do, and not all."""

    @property
    def claimed(self) -> str:
        return f"at most {self.fraction:.0%}"

    def met(self, solved: int, runs: int) -> bool:
        return solved <= self.fraction * runs

    def near(self, solved: int, runs: int) -> bool:
        return solved < runs


class SolvesAndOtherDoesNot(Check):
    """A share of one variant's runs solve the task, and hardly any of the other's. *Partly*: more of the one's do."""

    variant: str
    other: str
    other_where: Mapping[str, Any] = Field(default_factory=dict)
    """Settings of the other's runs, where they differ from ``where``."""
    at_least: float = Field(default=0.5, ge=0, le=1)
    other_at_most: float = Field(default=0.0, ge=0, le=1)

    @property
    def groups(self) -> tuple[Group, ...]:
        return self.group(self.variant), self.group(self.other, self.other_where)

    def verdict(self, trials: Trials, p: float | None = None) -> Verdict:
        if few := absent(self, trials):
            return few
        shares, words = [], []
        for group in self.groups:
            runs = trials.of(group)
            solved, text = _solved(runs)
            shares.append(solved / len(runs))
            words.append(f"{group}: {text}")
        why = "; ".join(words)
        if shares[0] >= self.at_least and shares[1] <= self.other_at_most:
            return Verdict("reproduced", why)
        return Verdict("partly" if shares[0] > shares[1] else "not reproduced", why)
