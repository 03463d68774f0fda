"""What a sweep has to do: its points checked, what is finished left out, the rest grouped into stacks."""

from collections.abc import Sequence
from dataclasses import dataclass

from gatelab.configuration import RunConfiguration
from gatelab.equations import program
from gatelab.runs import Result, Store
from gatelab.training import shape_key

__all__ = ["Plan", "plan"]

_MEMORY = 2**31  # bytes of activations that a stack of automatic size may keep
_MOST = 64  # runs of a stack of automatic size


@dataclass(frozen=True)
class Plan:
    """The work of a sweep.

    Attributes:
        finished: identity -> result of the runs that the store has.
        stacks: the runs to train, those of equal shapes together.
    """

    finished: dict[str, Result]
    stacks: list[list[RunConfiguration]]


def plan(configurations: Sequence[RunConfiguration]) -> Plan:
    """Sort the points of a sweep; a point that comes twice is one run.

    Raises:
        UserError: data that cannot be read; before anything is trained.
    """
    runs = {configuration.identity: configuration for configuration in configurations}
    stores = {configuration.runs_dir: Store(configuration.runs_dir) for configuration in configurations}
    finished: dict[str, Result] = {}
    groups: dict[str, list[RunConfiguration]] = {}
    for identity, configuration in runs.items():
        result = stores[configuration.runs_dir].finished(identity)
        if result is not None:
            finished[identity] = result
        else:
            groups.setdefault(shape_key(configuration), []).append(configuration)
    # reading every task's data now, so that a missing file stops the sweep before its first step and not in the middle
    lengths = {
        (group[0].task, group[0].training.batch_size): group[0].task.training_batch(0, 0, group[0].training.batch_size)
        for group in groups.values()
    }
    stacks = []
    for group in groups.values():
        first = group[0]
        steps = lengths[first.task, first.training.batch_size].inputs.shape[0]
        size = first.stack.size if isinstance(first.stack.size, int) else _automatic_size(first, steps)
        stacks += [group[start : start + size] for start in range(0, len(group), size)]
    return Plan(finished, stacks)


def _automatic_size(configuration: RunConfiguration, steps: int) -> int:
    """Return how many runs fit into the memory a stack may take: every value of every step is kept for the way back."""
    model = configuration.model
    values = len(program(configuration.variant).instructions) * model.num_layers * (2 if model.bidirectional else 1)
    one_run = 4 * values * steps * configuration.training.batch_size * model.hidden_size
    return max(1, min(_MOST, _MEMORY // max(1, one_run)))
