"""Which searched setting mattered: PED-ANOVA on the best tenth and fANOVA beside it, by Optuna from stored runs."""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gatelab.randomness import generator

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = ["FEWEST_FOR_TENTH", "FEWEST_TRIALS", "TENTH", "Importance", "importances", "logarithmic"]

FEWEST_TRIALS = 20
"""Below that an importance is a matter of chance."""

FEWEST_FOR_TENTH = 50
"""Below that the best tenth is less than five trials, and PED-ANOVA says nothing."""

TENTH = 0.1
"""The share of a search whose settings a careful user would have ended with."""
_SHUFFLES = 2
_FEW = 5  # different values up to which numbers are taken as choices, as a grid has them


@dataclass(frozen=True, slots=True)
class Importance:
    """How much a setting mattered, as a share: those of all settings add up to 1."""

    key: str
    ped_anova: float
    """For getting into the best tenth (Watanabe, Bansal & Hutter 2023); NaN below ``FEWEST_FOR_TENTH`` trials."""
    fanova: float
    """For the score over the whole range, in which most trials may be bad (Hutter, Hoos & Leyton-Brown 2014)."""
    ped_anova_of_nothing: float
    """The most that a shuffled copy of a setting got, with a copy of each added beside them (the shadows of Kursa &
    Rudnicki 2010, Feature Selection with the Boruta Package). Twice as many settings divide the same whole, so that
    this is a lower bound of what chance gives to one."""
    fanova_of_nothing: float


def importances(
    values: Sequence[Mapping[str, Any]], scores: Sequence[float], *, higher_is_better: bool
) -> list[Importance]:
    """Return the importance of every key that was varied, the most important first: for the best tenth, if told.

    ``values``: key -> value of each trial; ``scores``: (trials,), finite. Fewer than ``FEWEST_TRIALS`` or scores that
    are all equal give an empty list.
    """
    keys = [key for key in (values[0] if values else {}) if len({repr(trial[key]) for trial in values}) > 1]
    if len(values) < FEWEST_TRIALS or not keys or len(set(scores)) < 2:
        return []
    trials = [{key: trial[key] for key in keys} for trial in values]
    shares = _shares(trials, scores, higher_is_better=higher_is_better)
    nothing = [0.0, 0.0]
    for shuffle in range(_SHUFFLES):
        shadows = _with_shadows(trials, generator(0, "importance of nothing", shuffle))
        for place, each in enumerate(_shares(shadows, scores, higher_is_better=higher_is_better)):
            nothing[place] = max(nothing[place], *(each.get(_shadow(key), math.nan) for key in keys))
    ped, fanova = shares
    found = [Importance(key, ped.get(key, math.nan), fanova.get(key, math.nan), *nothing) for key in keys]
    if len(values) < FEWEST_FOR_TENTH:
        found = [replace(each, ped_anova=math.nan, ped_anova_of_nothing=math.nan) for each in found]
    return sorted(found, key=lambda each: (-_or_zero(each.ped_anova), -_or_zero(each.fanova), each.key))


def _shadow(key: str) -> str:
    return f"shuffled {key}"


def _with_shadows(trials: Sequence[Mapping[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return the trials with a copy of each key beside it, whose values are those of the trials in another order."""
    orders = {key: rng.permutation(len(trials)) for key in trials[0]}
    return [
        {**trial, **{_shadow(key): trials[order[place]][key] for key, order in orders.items()}}
        for place, trial in enumerate(trials)
    ]


def _shares(
    values: Sequence[Mapping[str, Any]], scores: Sequence[float], *, higher_is_better: bool
) -> tuple[dict[str, float], dict[str, float]]:
    """Return key -> share by PED-ANOVA, and by fANOVA."""
    # imported here: it takes a second, and most reports are of no search
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances

    distributions = {key: _distribution([trial[key] for trial in values]) for key in values[0]}
    with _quiet():
        study = optuna.create_study(direction="maximize" if higher_is_better else "minimize")
        study.add_trials(
            [
                optuna.create_trial(
                    params={key: _plain(trial[key], distributions[key]) for key in distributions},
                    distributions=distributions,
                    value=score,
                )
                for trial, score in zip(values, scores, strict=True)
            ]
        )
        ped = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=TENTH))
        fanova = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return ped, {key: float(share) for key, share in fanova.items()}


def logarithmic(numbers: Sequence[float]) -> bool:
    """Whether positive numbers span so much that their logarithms are what was searched."""
    return min(numbers) > 0 and max(numbers) >= 10 * min(numbers)


def _distribution(values: Sequence[Any]) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if not numeric or len(set(values)) <= _FEW:
        return CategoricalDistribution(sorted({_choice(value) for value in values}))
    low, high, log = min(values), max(values), logarithmic(values)
    if all(isinstance(value, int) for value in values):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _plain(value: Any, distribution: "BaseDistribution") -> Any:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return _choice(value)
    return value if isinstance(distribution, IntDistribution) else float(value)


def _choice(value: Any) -> str:
    return repr(value)


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's remarks on experimental parts and on new studies from the terminal."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
