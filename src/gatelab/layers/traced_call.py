"""The recurrence of a layer as one operator, gatelab::recurrence: recorded by a tracer instead of the code behind it.

It is composed of other operations (CompositeImplicit: autograd and fake tensors see through it), on the chosen path:
the compiled one as the operators of :mod:`gatelab.paths.native.torch_operator`, else the loop. Its arguments, text and
numbers, are complete, so an exported program runs in any process that has imported this module.
"""

import torch
from torch import Tensor

from gatelab.compiler import program
from gatelab.errors import UserError
from gatelab.language.json_line import variant_of
from gatelab.language.sizes import Lengths, width_of_x
from gatelab.layers.structured_weights import whole_shapes
from gatelab.paths import choice, reference
from gatelab.paths.call import Call, Keep, Outputs
from gatelab.paths.lengths import as_lengths
from gatelab.paths.tensors import check_input, check_shapes

__all__ = ["recorded", "recurrence", "seen_by_jit"]

library = torch.library.Library("gatelab", "FRAGMENT")
"""Where the operator is registered: importing this module makes it known to PyTorch."""

library.define(
    "recurrence(Tensor inputs, Tensor[] states, Tensor[] weights, Tensor? lengths, str variant, int hidden_size, "
    "str path, str record, bool taped) -> Tensor[]",
    tags=(torch.Tag.pt2_compliant_tag,),
)


def recorded(path: str) -> bool:
    """Return whether a tracer is recording a program in which the recurrence should be one operator.

    This is true under torch.compile, torch.export and torch.jit.trace, except with ``path="loop"``: then the program
    has the loop in PyTorch's operations, and can be loaded without gatelab.
    """
    if torch.compiler.is_compiling():
        return path != reference().name or not torch.compiler.is_exporting()
    return path != reference().name and seen_by_jit()


def seen_by_jit() -> bool:
    """Return whether torch.jit.trace is running, for which a size is a tensor."""
    return torch._C._get_tracing_state() is not None


def recurrence(path: str, variant: str, call: Call) -> Outputs:
    """Call the operator; the rest as :func:`gatelab.paths.choice.run`.

    ``variant`` is that of the call, as :func:`gatelab.language.json_line.written` writes it.
    """
    states, record = call.program.variant.states, call.record
    results = torch.ops.gatelab.recurrence(
        call.inputs,
        [call.states[name] for name in states],
        list(call.weights.values()),
        call.lengths,
        variant,
        call.hidden_size,
        path,
        ",".join(record),
        call.keep == "tape",
    )
    finals = dict(zip(states, results[1 : 1 + len(states)], strict=True))
    return results[0], finals, dict(zip(record, results[1 + len(states) :], strict=True))


def _recurrence(
    inputs: Tensor,
    states: list[Tensor],
    weights: list[Tensor],
    lengths: Tensor | None,
    variant: str,
    hidden_size: int,
    path: str,
    record: str,
    taped: bool,  # noqa: FBT001
) -> list[Tensor]:
    of, names = variant_of(variant), record.split(",") if record else []
    width = width_of_x(of.beside, inputs.shape[-1], hidden_size)
    shapes = whole_shapes(of, width, hidden_size)
    if len(states) != len(of.states) or len(weights) != len(shapes):
        raise UserError(f"gatelab::recurrence: must be {len(of.states)} states and {len(shapes)} weights")
    named_states, named_weights = dict(zip(of.states, states, strict=True)), dict(zip(shapes, weights, strict=True))
    lengths_of = Lengths(width, hidden_size)
    sizes = {name: lengths_of.of(of.sizes[name]) for name in of.states}
    check_input(inputs, inputs.shape[-1])
    check_shapes(inputs, named_states, named_weights, sizes, shapes)
    if lengths is not None:
        batch = (*inputs.shape[:-3], inputs.shape[-2])
        lengths = as_lengths(lengths, batch, inputs.shape[-3], inputs.device)
    keep: Keep = "tape" if taped else "nothing"
    call = Call(program(of), named_weights, inputs, named_states, hidden_size, lengths, tuple(names), keep)
    output, finals, recorded = choice.run(path, call)
    return [output, *(finals[name] for name in of.states), *(recorded[name] for name in names)]


library.impl("recurrence", _recurrence, "CompositeImplicitAutograd")
