"""The summary of a search: how its trials ended, the best one, and the command that trains it."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState

from gatelab.locations import command_line
from gatelab.sweeps.search.space import Space

__all__ = ["summary"]


class _Judged(Protocol):
    @property
    def score_name(self) -> str: ...
    @property
    def seed(self) -> int: ...


def summary(
    study: optuna.Study,
    trials: Sequence[FrozenTrial],
    space: Space,
    seeds: int,
    judged: _Judged,
    where: str,
    flags: Sequence[str] = (),
) -> str:
    """Return the lines of the summary.

    Args:
        trials: those that count.
        seeds: runs of each trial.
        judged: a run of the search: the name of its score, and its seed.
        where: the storage.
        flags: of the command, beside overrides.
    """
    ends = Counter(trial.user_attrs.get("status", trial.state.name.lower()) for trial in trials)
    told = ", ".join(f"{ends[status]} {status}" for status in ("finished", "diverged", "failed") if ends[status])
    lines = [f"study {study.study_name}: {len(trials)} trials ({told}) in {where}"]
    reasons = Counter(trial.user_attrs["reason"] for trial in trials if "reason" in trial.user_attrs)
    lines += [f"  failed {count} times: {reason}" for reason, count in reasons.most_common(3)]
    if not any(trial.state == TrialState.COMPLETE for trial in trials):
        return "\n".join([*lines, "no trial finished, so there is no best one"])
    best = study.best_trial
    of_seeds = f", the mean of {seeds} seeds" if seeds > 1 else ""
    lines.append(f"best trial: {best.number}, validation {judged.score_name} {best.value:.6g}{of_seeds}; its runs:")
    return "\n".join([*lines, f"  {_command(space.words(best.params), seeds, judged.seed, flags)}"])


def _command(words: Sequence[str], seeds: int, seed: int, flags: Sequence[str]) -> str:
    if seeds == 1:
        return command_line("train", *flags, *words)
    without = [word for word in words if not word.startswith("seed=")]
    return command_line("train", "-m", *flags, *without, f"seed=range({seed},{seed + seeds})")
