"""The schedules' factors on the learning rates of a stack, some steps ahead."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gatelab.configuration import RunConfiguration

__all__ = ["ComingFactors"]

_AHEAD = 256  # steps whose factors go to a device at once: each copy waits for it


class ComingFactors:
    """The factors of a stack's runs.

    Args:
        configurations: of the runs.
    """

    def __init__(self, configurations: Sequence[RunConfiguration]) -> None:
        self._schedules = [configuration.schedule for configuration in configurations]
        self._last = configurations[0].training.max_steps
        self._drops: list[int] = []
        self._steps = range(0)
        self._there = torch.zeros(0)

    def of(self, steps: range, drops: Sequence[int]) -> Tensor:
        """Return the factors of some steps, (steps, runs).

        Args:
            steps: counted from 0.
            drops: of each run, of a schedule that knows them.
        """
        # once for those that are the same
        asked = {(id(one), dropped): one for one, dropped in zip(self._schedules, drops, strict=True)}
        places = {key: place for place, key in enumerate(asked)}
        found = torch.tensor(
            [[one.factor(step, self._last, dropped) for step in steps] for (_, dropped), one in asked.items()]
        )
        rows = [places[id(one), dropped] for one, dropped in zip(self._schedules, drops, strict=True)]
        return found[rows].T

    def at(self, step: int, drops: Sequence[int], device: torch.device) -> Tensor:
        """Return the factors of a step on a device, (runs,)."""
        if device.type == "cpu":
            return self.of(range(step, step + 1), drops)[0]
        if step not in self._steps or self._drops != list(drops):
            self._steps, self._drops = range(step, min(step + _AHEAD, max(self._last, step + 1))), list(drops)
            self._there = self.of(self._steps, drops).to(device, non_blocking=True)
        return self._there[step - self._steps.start]
