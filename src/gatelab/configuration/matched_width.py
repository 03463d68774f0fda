"""The width at which a network costs as much as another."""

from collections.abc import Iterable
from pathlib import Path

from gatelab.compiler import multiply_adds, parameter_count
from gatelab.errors import UserError
from gatelab.keys import ModelSection
from gatelab.language import Variant, load_variant
from gatelab.tasks import Task

__all__ = ["embedding_size", "matched", "network_cost"]


def embedding_size(model: ModelSection, task: Task) -> int | None:
    """Return the features of the embedding, or None without one."""
    if model.embedding == "hidden" or (model.embedding is None and task.reads_tokens):
        return model.hidden_size
    return model.embedding if isinstance(model.embedding, int) else None


def network_cost(variant: Variant, task: Task, model: ModelSection, what: str) -> int:
    """Return the learned numbers of a network, or its multiply-adds for each time step of each sequence.

    The count covers the embedding (for tokens a lookup without multiplications), all layers in all directions, the
    readout, as if it read every step, and direct weights.

    Raises:
        UserError: sizes that the variant cannot have.
    """
    count = parameter_count if what == "parameters" else multiply_adds
    directions = 2 if model.bidirectional else 1
    features = embedding_size(model, task)
    total = 0
    if features is not None and (what == "parameters" or not task.reads_tokens):
        total += task.input_size * features
    first = seen = task.input_size if features is None else features
    for _ in range(model.num_layers):
        if variant.needs_equal_sizes and seen != model.hidden_size:
            raise UserError(f"variant '{variant.name}' needs hidden_size={seen}, the size of its input")
        total += directions * count(variant, seen, model.hidden_size)
        seen = directions * model.hidden_size
    biases = int(model.bias and what == "parameters")
    return total + task.output_size * (seen + biases + (first if model.direct else 0))


def matched(variant: Variant, task: Task, model: ModelSection, directories: Iterable[str | Path] = ()) -> ModelSection:
    """Return the model with the hidden size for ``match``, the nearest from below or above.

    Raises:
        UserError: ``match_to`` is no variant, or no width of the variant is possible.
    """
    assert model.match is not None
    size = model.hidden_size if model.match_size is None else model.match_size
    other = load_variant(model.match_to, directories)
    target = network_cost(other, task, model.model_copy(update={"hidden_size": size}), model.match)
    best: tuple[int, int] | None = None
    width = 0
    while width < 2**16:
        width += 1
        cost = _cost(variant, task, model.model_copy(update={"hidden_size": width}), model.match)
        if cost is None:
            continue
        best = min(filter(None, [best, (abs(cost - target), width)]))
        if cost > target:
            break
    if best is None:
        raise UserError(f"model.match={model.match}: variant '{variant.name}' has no possible width here")
    return model.model_copy(update={"hidden_size": best[1], "match_size": size})


def _cost(variant: Variant, task: Task, model: ModelSection, what: str) -> int | None:
    try:
        return network_cost(variant, task, model, what)
    except UserError:
        return None  # such as a width that is not divisible by a number of blocks
