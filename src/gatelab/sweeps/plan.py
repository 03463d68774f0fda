"""The plan of a sweep: its points are checked, finished runs left out, the rest grouped into stacks."""

from collections.abc import Sequence
from dataclasses import dataclass

from gatelab.compiler.costs import step_values
from gatelab.configuration import RunConfiguration, shape_key
from gatelab.store import Result
from gatelab.sweeps.finished_runs import finished
from gatelab.uncollected import uncollected

__all__ = ["Plan", "automatic_size", "plan", "stacks"]

_MEMORY = 2**31  # bytes of activations that a stack of automatic size may keep
_MOST = 64  # runs of a stack of automatic size


@dataclass(frozen=True)
class Plan:
    """The work of a sweep.

    Attributes:
        finished: identity -> result of the runs in the store.
        stacks: the runs to train, those of equal shapes together.
    """

    finished: dict[str, Result]
    stacks: list[list[RunConfiguration]]


@uncollected()
def plan(configurations: Sequence[RunConfiguration], slots: int = 1) -> Plan:
    """Sort the points of a sweep; a point that comes twice is one run.

    Args:
        configurations: the points.
        slots: how many stacks will be trained at once; those of automatic size are split until each slot has one.

    Raises:
        UserError: data that cannot be read; before anything is trained.
    """
    runs = {configuration.identity: configuration for configuration in configurations}
    done = finished(configurations)
    pending = [configuration for identity, configuration in runs.items() if identity not in done]
    return Plan(done, stacks(pending, slots) if pending else [])


def stacks(pending: Sequence[RunConfiguration], slots: int = 1) -> list[list[RunConfiguration]]:
    """Group runs that have no result into stacks; see :func:`plan`."""
    groups: dict[str, list[RunConfiguration]] = {}
    last: object = None
    group: list[RunConfiguration] = []
    for configuration in pending:
        beside = configuration.beside_seed
        if beside is None or beside is not last:
            group = groups.setdefault(shape_key(configuration), [])
            last = beside
        group.append(configuration)
    # read every task's data now, so that a missing file stops the sweep before its first step
    lengths = {
        (group[0].task, group[0].training.batch_size): group[0].task.training_batch(0, 0, group[0].training.batch_size)
        for group in groups.values()
    }
    grouped: list[list[RunConfiguration]] = []
    for group in groups.values():
        first = group[0]
        steps = lengths[first.task, first.training.batch_size].inputs.shape[0]
        size = first.stack.size if isinstance(first.stack.size, int) else automatic_size(first, steps)
        grouped += [group[start : start + size] for start in range(0, len(group), size)]
    return _divided(grouped, slots)


def _divided(grouped: list[list[RunConfiguration]], slots: int) -> list[list[RunConfiguration]]:
    """Halve the largest stacks of automatic size until there is one for every slot."""
    divided = list(grouped)
    while len(divided) < slots:
        sizes = [len(stack) if stack[0].stack.size == "auto" else 1 for stack in divided]
        largest = sizes.index(max(sizes))
        if sizes[largest] == 1:
            break
        stack = divided[largest]
        half = -(-len(stack) // 2)
        divided[largest : largest + 1] = [stack[:half], stack[half:]]
    return divided


def automatic_size(configuration: RunConfiguration, steps: int) -> int:
    """Return how many runs fit into the memory of a stack: the backward pass needs every value of every step.

    A run with several processes (``training.devices``) is alone.
    """
    if configuration.training.devices > 1:
        return 1
    model = configuration.model
    layers = model.num_layers * (2 if model.bidirectional else 1)
    values = step_values(configuration.variant, model.hidden_size) * layers
    one_run = 4 * values * steps * configuration.training.batch_size
    return max(1, min(_MOST, _MEMORY // max(1, one_run)))
