"""What no step changes, computed once in PyTorch before the compiled run, so that its gradients are PyTorch's own."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from gatelab.compiler import Instruction, Program
from gatelab.language.ordering import ordered
from gatelab.language.sizes import Length, Lengths, joint
from gatelab.paths.loop import evaluator

__all__ = ["constants_of"]


def constants_of(
    program: Program, wanted: Iterable[int], weights: Mapping[str, Tensor], inputs: Tensor, hidden_size: int
) -> dict[int, tuple[Tensor, Length]]:
    """Return the values of instructions that no step changes, with their lengths.

    Vectors are (length,), numbers (), both with the leading run axis of the inputs if they have one.
    """
    runs, lengths = inputs.shape[:-3], Lengths(inputs.shape[-1], hidden_size)
    values: dict[int, Tensor] = {}  # numbers are (…, 1) until the end
    sizes: dict[int, Length] = {}

    wanted = tuple(wanted)
    for index in ordered(wanted, lambda index: program.instructions[index].arguments):
        instruction = program.instructions[index]
        arguments = [values[argument] for argument in instruction.arguments]
        values[index], sizes[index] = _evaluated(
            instruction, arguments, [sizes[i] for i in instruction.arguments], weights, inputs, lengths
        )

    results = {}
    for index in wanted:
        result = values[index]
        number = sizes[index] == "one"
        whole = result.expand(*runs, result.shape[-1]).to(inputs.dtype)
        results[index] = (whole[..., 0] if number else whole, sizes[index])
    return results


def _evaluated(
    instruction: Instruction,
    arguments: list[Tensor],
    sizes: list[Length],
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    lengths: Lengths,
) -> tuple[Tensor, Length]:
    match instruction.kind:
        case "number":
            return torch.tensor([instruction.value], dtype=torch.float64, device=inputs.device), "one"
        case "parameter":
            weight = weights[instruction.name]
            if weight.dim() == inputs.dim() - 3:
                return weight.unsqueeze(-1), "one"
            return weight, lengths.named(weight.shape[-1])
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
            return total + arguments[1] if len(arguments) > 1 else total, "hidden"
        case "part":
            return arguments[0].chunk(instruction.parts, -1)[instruction.position], "hidden"
        case "join":
            return torch.cat(arguments, -1), "hidden"
        case _:
            function = evaluator(instruction)
            result = function(*arguments)
            return result, joint(sizes)
