"""Your own series: a table, and which of its columns are inputs and which the target.

    classes    one for each series         what kind of a series was this
               one at each step            in what state is it now
    numbers    the same two, with numbers  how much
    forecast   at each step                the next ``horizon`` values of the targets

The score of classes is accuracy, that of numbers the mean squared error: in the unit of the target, or in deviations of
training where there are several targets. Chance is measured on the test: always the most frequent class of training,
the mean of training, or, for a forecast, the last value if that is better. Perfect is 1, or an error of 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from gatelab.tasks.losses import accuracy, cross_entropy
from gatelab.tasks.series.series_data import SeriesData, data_of, understood
from gatelab.tasks.series.series_description import described, summary
from gatelab.tasks.series.series_keys import SeriesKeys
from gatelab.tasks.task import Batch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Series"]


class Series(SeriesKeys):
    """A table of the user: inputs (time, batch, features), or (time, batch) tokens; targets as the goal says.

    Reading the data raises :class:`UserError` in one line if they are not there, have another hash, or do not fit the
    keys.
    """

    name: Literal["series"] = "series"

    source: ClassVar[str] = "your own table"

    def pinned(self) -> Self:
        if self.path is None or (self.sha256 is not None and self.fitted is not None):
            return self
        known = understood(self)
        return self.model_copy(update={**dict(known.keys), "fitted": self._data().fitted})

    def remarks(self) -> Iterator[str]:
        yield summary(understood(self))
        yield from (f"task 'series': {note}" for note in self._data().notes)

    def description(self) -> Iterator[str]:
        yield from described(self)

    def _data(self) -> SeriesData:
        return data_of(self)

    @property
    def _goal(self) -> str:
        """Of a task without data, what its keys say."""
        if self.path is not None:
            return str(understood(self).keys.goal)
        return "forecast" if self.horizon else self.goal or "classes"

    @property
    def reads_tokens(self) -> bool:  # type: ignore[override]
        return self.categories == "tokens"

    @property
    def input_size(self) -> int:
        return self._data().features

    @property
    def beside(self) -> tuple[str, ...]:  # type: ignore[override]
        wanted = {"mask": self.missing == "observed", "dt": self.intervals == "dt"}
        return tuple(name for name, asked in wanted.items() if asked)

    @property
    def output_size(self) -> int:
        fitted = self._data().fitted
        return len(fitted.classes) or len(fitted.targets) * (self.horizon or 1)

    @property
    def readout(self) -> Literal["last", "every"]:
        return "last" if understood(self).keys.per == "series" else "every"

    @property
    def score_name(self) -> str:
        return "accuracy" if self._goal == "classes" else "mean squared error"

    @property
    def higher_is_better(self) -> bool:
        return self._goal == "classes"

    @property
    def perfect(self) -> float:
        return 1.0 if self._goal == "classes" else 0.0

    @property
    def chance(self) -> float:
        """Measured on the data; not a number without them."""
        return math.nan if self.path is None else self._best_guess()[0]

    @property
    def chance_meaning(self) -> str:
        return "measured on the data" if self.path is None else self._best_guess()[1]

    def _best_guess(self) -> tuple[float, str]:
        """Return the score on test of the best prediction that remembers nothing, and that prediction."""
        data = self._data()
        training, _, test = data.splits
        if self._goal == "classes":
            counts = np.bincount(training.targets.ravel(), training.score_weights.ravel())
            best = int(np.argmax(counts))
            score = float(np.average(test.targets == best, weights=test.score_weights))
            return score, f"answering '{data.fitted.classes[best]}' always, the most frequent class of training"
        mean = np.average(_flat(training), axis=0, weights=training.score_weights.ravel())
        guesses = {"the mean of training": np.broadcast_to(mean, test.targets.shape)}
        if data.last is not None:
            last = np.where(np.isnan(data.last), mean[: data.last.shape[-1]], data.last)
            guesses["the last value"] = np.tile(last, self.horizon or 1)
        errors = {
            name: float(np.average(((guess - test.targets) ** 2).mean(-1), weights=test.score_weights)) * self._unit**2
            for name, guess in guesses.items()
        }
        name = min(errors, key=errors.__getitem__)
        return errors[name], f"predicting {name}"

    @property
    def _unit(self) -> float:
        """The size of a scaled target in its own unit; with several, errors stay scaled."""
        targets = self._data().fitted.targets
        return targets[0].scale if len(targets) == 1 else 1.0

    def training(self) -> Batch:
        return self._data().splits.training

    def validation(self) -> Batch:
        return self._data().splits.validation

    def test(self) -> Batch:
        return self._data().splits.test

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self._goal == "classes":
            return cross_entropy(outputs, targets)
        return (outputs - targets).square().mean(-1)

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self._goal == "classes":
            return accuracy(outputs, targets)
        return (outputs - targets).square().mean(-1) * self._unit**2


def _flat(batch: Batch) -> np.ndarray:
    return batch.targets.reshape(-1, batch.targets.shape[-1])
