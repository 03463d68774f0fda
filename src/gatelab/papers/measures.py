"""What is measured of a group of runs, by name: the numbers that stand beside the paper's."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from gatelab.papers.trials import Trial
from gatelab.statistics import student_interval, summarise, wilson_share

__all__ = ["MEASURES", "MeasureName", "Measured", "measured"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Our number."""

    value: float
    """NaN where nothing could be measured."""
    low: float
    """The 95 % interval: Student's of a mean over runs, Wilson's of a share of runs; NaN where there is none."""
    high: float
    runs: int
    """How many runs the number is of."""


def _percent_solved(trials: Sequence[Trial]) -> Measured:
    share = wilson_share(sum(trial.solved for trial in trials), len(trials))
    return Measured(100 * share.estimate, 100 * share.low, 100 * share.high, len(trials))


def _sequences_to_solve(trials: Sequence[Trial]) -> Measured:
    # as the papers do: the mean over those that solved it, beside the share of these
    return _mean([trial.sequences for trial in trials if trial.solved and math.isfinite(trial.sequences)])


def _mean_score(trials: Sequence[Trial]) -> Measured:
    return _mean([trial.score for trial in trials if math.isfinite(trial.score)])


def _mean_loss(trials: Sequence[Trial]) -> Measured:
    return _mean([trial.loss for trial in trials if math.isfinite(trial.loss)])


def _best_score(trials: Sequence[Trial]) -> Measured:
    """Return the test score of the run that validation chose."""
    known = [trial for trial in trials if math.isfinite(trial.validation)]
    if not known:
        return _mean([])
    choose = max if known[0].result.higher_is_better else min
    chosen = choose(known, key=lambda trial: trial.validation)
    return Measured(chosen.score, math.nan, math.nan, len(known))


def _parameters(trials: Sequence[Trial]) -> Measured:
    return Measured(float(trials[0].result.parameters), math.nan, math.nan, len(trials))


def _mean(values: Sequence[float]) -> Measured:
    if not values:
        return Measured(math.nan, math.nan, math.nan, 0)
    interval = student_interval(values)
    if interval.degenerate:
        return Measured(summarise(values).mean, math.nan, math.nan, len(values))
    return Measured(interval.estimate, interval.low, interval.high, len(values))


MEASURES: dict[str, Callable[[Sequence[Trial]], Measured]] = {
    "percent_solved": _percent_solved,
    "sequences_to_solve": _sequences_to_solve,
    "mean_score": _mean_score,
    "mean_loss": _mean_loss,
    "best_score": _best_score,
    "parameters": _parameters,
}
"""Name -> measure of at least one run."""


def _known(name: str) -> str:
    if name not in MEASURES:
        raise ValueError(f"must be one of {', '.join(MEASURES)}")
    return name


MeasureName = Annotated[str, AfterValidator(_known)]
"""The name of a measure, where a file of an experiment gives one."""


def measured(name: str, trials: Sequence[Trial]) -> Measured:
    """Return a measure of a group; NaN of a group without runs."""
    return MEASURES[name](trials) if trials else Measured(math.nan, math.nan, math.nan, 0)
