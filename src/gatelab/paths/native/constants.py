"""What no step changes, computed once in PyTorch before the compiled run, so that its gradients are PyTorch's own."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from gatelab.compiler import Instruction, Program
from gatelab.language.ordering import ordered
from gatelab.paths.loop import evaluator
from gatelab.paths.native.places import Size

__all__ = ["constants_of"]


def constants_of(
    program: Program, wanted: Iterable[int], weights: Mapping[str, Tensor], inputs: Tensor, hidden_size: int
) -> dict[int, tuple[Tensor, Size]]:
    """Return the values of instructions that no step changes, with their lengths.

    Vectors are (length,), numbers (), both with the leading run axis of the inputs if they have one.
    """
    runs = inputs.shape[:-3]
    values: dict[int, Tensor] = {}  # numbers are (…, 1) until the end
    sizes: dict[int, Size] = {}

    wanted = tuple(wanted)
    for index in ordered(wanted, lambda index: program.instructions[index].arguments):
        instruction = program.instructions[index]
        arguments = [values[argument] for argument in instruction.arguments]
        values[index], sizes[index] = _evaluated(
            instruction, arguments, [sizes[i] for i in instruction.arguments], weights, inputs, hidden_size
        )

    results = {}
    for index in wanted:
        result = values[index]
        number = sizes[index] == "1"
        whole = result.expand(*runs, result.shape[-1]).to(inputs.dtype)
        results[index] = (whole[..., 0] if number else whole, sizes[index])
    return results


def _evaluated(
    instruction: Instruction,
    arguments: list[Tensor],
    sizes: list[Size],
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    hidden_size: int,
) -> tuple[Tensor, Size]:
    match instruction.kind:
        case "number":
            return torch.tensor([instruction.value], dtype=torch.float64), "1"
        case "parameter":
            weight = weights[instruction.name]
            if weight.dim() == inputs.dim() - 3:
                return weight.unsqueeze(-1), "1"
            return weight, "H" if weight.shape[-1] == hidden_size else "I"
        case "product":
            matrices = [weights[name] for name in instruction.weights]
            source = arguments[0].to(inputs.dtype)
            parts = [
                (matrix @ source.expand(*source.shape[:-1], matrix.shape[-1]).unsqueeze(-1)).squeeze(-1)
                for matrix in matrices
            ]
            for i, bias in enumerate(instruction.biases):
                if bias:
                    parts[i] = parts[i] + weights[bias]
            total = torch.cat(parts, -1)
            return total + arguments[1] if len(arguments) > 1 else total, "H"
        case "part":
            return arguments[0].chunk(instruction.parts, -1)[instruction.position], "H"
        case "join":
            return torch.cat(arguments, -1), "H"
        case _:
            function = evaluator(instruction)
            result = function(*arguments)
            return result, max(sizes, key=("1", "I", "H").index)
