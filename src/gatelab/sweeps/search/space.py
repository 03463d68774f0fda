"""The space of a search: overrides with several values, read into Optuna's distributions, and back into overrides."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep, Transformer
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from gatelab.configuration.sweep_size import MOST_POINTS, check_count, values
from gatelab.errors import UserError, suggest

__all__ = ["Parameter", "Space", "read_space"]

_TAGS = ("log", "int")
_DIGITS = 12  # after the point, of the steps of a range of floats
_INNER = 0.618  # where an interval is tried between its ends


@dataclass(frozen=True)
class Parameter:
    """One axis of a space."""

    key: str
    """The override's key, such as ``optimizer.lr`` or ``+optimizer.momentum``."""
    text: str
    """Its values, as text."""
    distribution: BaseDistribution
    steps: tuple[float, ...] = ()
    """The values of a range of floats."""

    def word(self, value: Any) -> str:
        """Return the override that gives the parameter a value."""
        if self.steps:
            # Optuna sums steps; the value must equal that of a grid over the same range
            value = min(self.steps, key=lambda step: abs(step - value))
        return f"{self.key}={value!r}" if isinstance(value, int | float) else f"{self.key}={value}"

    def ends(self) -> list[Any]:
        """Return every choice, or the lowest and the highest value, and of an interval of floats one between them."""
        if isinstance(self.distribution, CategoricalDistribution):
            return list(self.distribution.choices)
        bounds = cast(FloatDistribution | IntDistribution, self.distribution)
        inner = isinstance(bounds, FloatDistribution) and not self.steps
        between = [bounds.low + _INNER * (bounds.high - bounds.low)] if inner else []
        return [bounds.low, *between, bounds.high]

    def count(self) -> int:
        """Return how many values there are.

        Raises:
            UserError: they cannot be counted, as in an interval.
        """
        if isinstance(self.distribution, CategoricalDistribution):
            return len(self.distribution.choices)
        if isinstance(self.distribution, IntDistribution):
            return (self.distribution.high - self.distribution.low) // self.distribution.step + 1
        if self.steps:
            return len(self.steps)
        raise UserError(f"{self.key}={self.text}: a grid needs separate values, such as a,b,c or range(…)")

    def values(self) -> list[Any]:
        """Return every value.

        Raises:
            UserError: they cannot be counted.
        """
        self.count()
        if isinstance(self.distribution, CategoricalDistribution):
            return list(self.distribution.choices)
        if isinstance(self.distribution, IntDistribution):
            return list(range(self.distribution.low, self.distribution.high + 1, self.distribution.step))
        return [round(step, _DIGITS) for step in self.steps]


@dataclass(frozen=True)
class Space:
    """The varied and the fixed overrides of a search.

    Attributes:
        parameters: the axes.
        fixed: overrides that every trial has.
    """

    parameters: tuple[Parameter, ...]
    fixed: tuple[str, ...]

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return key -> distribution, as ``Study.ask`` takes them."""
        return {parameter.key: parameter.distribution for parameter in self.parameters}

    def words(self, values: Mapping[str, Any]) -> list[str]:
        """Return the overrides of a trial: the fixed ones, then one for each value."""
        return [*self.fixed, *(parameter.word(values[parameter.key]) for parameter in self.parameters)]

    def ends(self) -> Iterator[dict[str, Any]]:
        """Yield points that show every choice and what :meth:`Parameter.ends` has of every interval, an axis at a time.

        The ends of ``interval(1.0, 8.0)`` may be allowed where nothing between them is: for a key of integers.
        """
        first = {parameter.key: parameter.ends()[0] for parameter in self.parameters}
        yield first
        for parameter in self.parameters:
            for value in parameter.ends()[1:]:
                yield {**first, parameter.key: value}

    def count(self) -> int:
        """Return how many points a grid has. Raises UserError for an axis without separate values."""
        return math.prod(parameter.count() for parameter in self.parameters)

    def grid(self, most: int = MOST_POINTS) -> list[dict[str, Any]]:
        """Return every point, the last axis moving fastest.

        Raises:
            UserError: an axis without separate values, or more points than ``most``.
        """
        check_count(self.count(), most, "search fewer values")
        keys = [parameter.key for parameter in self.parameters]
        return [
            dict(zip(keys, values, strict=True))
            for values in itertools.product(*(parameter.values() for parameter in self.parameters))
        ]


def read_space(overrides: Sequence[Override]) -> Space:
    """Read parsed overrides; the last of several with the same key counts.

    ``a,b`` and ``choice(a, b)`` are choices, ``range(1, 10)`` the integers 1 to 9 as everywhere in Hydra,
    ``interval(0, 1)`` floats, ``int(interval(1, 8))`` and ``tag(int, interval(1, 8))`` integers, and with
    ``tag(log, …)`` either is drawn on a logarithmic scale.

    Raises:
        UserError: one line that names the override.
    """
    last = {override.get_key_element().lstrip("+~"): override for override in overrides}
    searched = [override for override in last.values() if override.is_sweep_override()]
    fixed = [override.input_line or "" for override in last.values() if not override.is_sweep_override()]
    return Space(tuple(_parameter(override) for override in searched), tuple(fixed))


def _parameter(override: Override) -> Parameter:
    key, text, value = override.get_key_element(), override.get_value_string(), override.value()
    tags = set(getattr(value, "tags", ()))
    for tag in sorted(tags):
        if tag not in _TAGS:
            raise UserError(f"{key}={text}: unknown tag '{tag}'{suggest(tag, _TAGS)}; allowed: {', '.join(_TAGS)}")
    where = f"{key}={text}"
    if isinstance(value, IntervalSweep):
        return Parameter(key, text, _interval(value, tags, where))
    if isinstance(value, RangeSweep):
        return _range(override, value, tags)
    if tags:
        raise UserError(f"{where}: choices take no tag; tags are for interval and range")
    # shuffle() would give a study other choices each time
    listed = value.list if isinstance(value, ChoiceSweep) else override.sweep_iterator(Transformer.identity)
    choices = [_choice(choice) for choice in listed]
    if not choices:
        raise UserError(f"{where}: has no values")
    return Parameter(key, text, CategoricalDistribution(tuple(dict.fromkeys(choices))))


def _interval(sweep: IntervalSweep, tags: set[str], where: str) -> BaseDistribution:
    low, high = sweep.start, sweep.end
    assert low is not None and high is not None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"{where}: the first end must be below the second, and both finite")
    whole = "int" in tags or (isinstance(low, int) and isinstance(high, int))
    if whole and not (float(low).is_integer() and float(high).is_integer()):
        raise UserError(f"{where}: an interval of integers needs whole ends")
    return _distribution(low, high, where, whole=whole, log="log" in tags)


def _range(override: Override, sweep: RangeSweep, tags: set[str]) -> Parameter:
    key, text = override.get_key_element(), override.get_value_string()
    where = f"{key}={text}"
    count = values(override)
    if not count:
        raise UserError(f"{where}: has no values; the second end of a range is left out")
    start, step = sweep.start, sweep.step
    whole = isinstance(sweep.range(), range)
    if "log" in tags and (abs(step) != 1 or not whole):
        raise UserError(f"{where}: a log range must be of integers, with step 1")
    if whole:
        assert isinstance(start, int) and isinstance(step, int)
        first, last = sorted((start, start + (count - 1) * step))
        distribution = _distribution(first, last, where, whole=True, log="log" in tags, step=abs(step))
        return Parameter(key, text, distribution)
    if "int" in tags:
        raise UserError(f"{where}: a range of integers needs whole numbers")
    if count > MOST_POINTS:
        raise UserError(f"{where}: {count:,} values; must be at most {MOST_POINTS:,}, or an interval")
    steps = tuple(sorted(map(float, sweep.range())))
    if len(steps) == 1:
        return Parameter(key, text, CategoricalDistribution(steps))
    # rounded, because 3 * 0.1 is more than 0.3 and Optuna would object that the step does not fit
    low, high = round(steps[0], _DIGITS), round(steps[-1], _DIGITS)
    return Parameter(key, text, FloatDistribution(low, high, step=abs(step)), steps)


def _distribution(
    low: float, high: float, where: str, *, whole: bool, log: bool, step: int = 1
) -> FloatDistribution | IntDistribution:
    if log and low <= 0:
        raise UserError(f"{where}: a logarithmic scale needs a lower end above 0")
    if whole:
        return IntDistribution(int(low), int(high), log=log, step=step)
    return FloatDistribution(low, high, log=log)


def _choice(value: Any) -> int | float | str:
    """Return a number unchanged, and other values as the text from which Hydra reads them."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, int | float) else Transformer.str(value)
