"""The compiled run as operators of torch.library, which tracers take as they are: with fake kernels and flops.

    gatelab::run        tensors -> outputs and final states; differentiable (its autograd stands in autograd.py)
    gatelab::run_kept   the same, and the memory that the backward pass needs; below autograd
    gatelab::run_back   tensors, that memory, arriving gradients -> the gradients that are needed

A specification (specification.py) says as text what the tensors stand for, so that a traced program runs in any process
that has imported gatelab.paths. The memory is a cache: ``run_back`` overwrites the tape in it, and knows by a mark when
it has to be written anew, so that what it returns depends on nothing but what goes in.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from gatelab.compiler.adjoint import plan
from gatelab.errors import UserError
from gatelab.paths.lengths import as_lengths
from gatelab.paths.native.calling import backwards, forwards
from gatelab.paths.native.layout import Layout, layout
from gatelab.paths.native.specification import Specification, form_of, text_of
from gatelab.paths.native.threads import allowed_threads
from gatelab.paths.tensors import all_ordinary

__all__ = ["aliased", "below_autograd", "library", "run", "run_back"]

library = torch.library.Library("gatelab", "FRAGMENT")
"""Where the operators are registered: what PyTorch finds them by is the import of this module."""

_OF_RUN = "Tensor[] tensors, Tensor? lengths, str form"
_TAGS = (torch.Tag.pt2_compliant_tag,)
library.define(f"run({_OF_RUN}, bool taped) -> Tensor[]", tags=_TAGS)
library.define(f"run_kept({_OF_RUN}) -> Tensor[]", tags=_TAGS)
library.define(
    f"run_back({_OF_RUN}, Tensor? output, Tensor? memory, Tensor?[] adjoints, bool[] needed) -> Tensor[]", tags=_TAGS
)


def run(tensors: Sequence[Tensor], lengths: Tensor | None, form: Specification, *, taped: bool) -> list[Tensor]:
    """Return outputs and final states, through PyTorch's dispatcher."""
    results: list[Tensor] = torch.ops.gatelab.run(list(tensors), lengths, text_of(form), taped)
    return results


def below_autograd(
    tensors: Sequence[Tensor], lengths: Tensor | None, form: Specification, *, taped: bool
) -> list[Tensor]:
    """Return outputs and final states, and the memory of the backward pass if ``taped``."""
    with torch._C._AutoDispatchBelowAutograd():
        if taped:
            results: list[Tensor] = torch.ops.gatelab.run_kept(list(tensors), lengths, text_of(form))
            return results
        return run(tensors, lengths, form, taped=False)


def run_back(
    tensors: Sequence[Tensor],
    lengths: Tensor | None,
    output: Tensor | None,
    memory: Tensor | None,
    adjoints: Sequence[Tensor | None],
    needed: Sequence[bool],
    form: Specification,
) -> list[Tensor | None]:
    """Return the gradient of each tensor, None where it is not needed."""
    with torch._C._AutoDispatchBelowAutograd():
        arguments = (list(tensors), lengths, text_of(form), output, memory, list(adjoints), list(needed))
        found = iter(torch.ops.gatelab.run_back(*arguments))
    return [next(found) if wanted else None for wanted in needed]


def aliased(tensors: Sequence[Tensor], lengths: Tensor | None, form: Specification) -> bool:
    """Return whether the backward pass reads the first output."""
    return _unit(tensors, lengths, form).aliased is not None


# ---- on memory


def _run(tensors: list[Tensor], lengths: Tensor | None, text: str, taped: bool) -> list[Tensor]:  # noqa: ARG001, FBT001
    form = form_of(text)
    lengths = _checked(tensors, lengths)
    if not tensors[0].numel():
        return _of_nothing(tensors, lengths, form)
    return forwards(_plans(tensors, lengths, form, training=False), tensors, lengths)[0]


def _run_kept(tensors: list[Tensor], lengths: Tensor | None, text: str) -> list[Tensor]:
    form = form_of(text)
    lengths = _checked(tensors, lengths)
    if not tensors[0].numel():
        return [*_of_nothing(tensors, lengths, form), tensors[0].new_zeros(_kept(tensors, lengths, form))]
    results, memory, _ = forwards(_plans(tensors, lengths, form, training=True), tensors, lengths, keep=True)
    return [*results, memory]


def _run_back(
    tensors: list[Tensor],
    lengths: Tensor | None,
    text: str,
    output: Tensor | None,
    memory: Tensor | None,
    adjoints: list[Tensor | None],
    needed: list[bool],
) -> list[Tensor]:
    form = form_of(text)
    lengths = _checked(tensors, lengths)
    if not tensors[0].numel():
        gradients = _gradients_of_nothing(tensors, form, adjoints)
        return [gradient for gradient, wanted in zip(gradients, needed, strict=True) if wanted]
    plans = _plans(tensors, lengths, form, training=True)
    dtype = tensors[0].dtype
    for tensor, shape in ((memory, (plans.forward_size,)), (output, plans.output_shape(0))):
        if tensor is not None and not (
            all_ordinary((tensor,), dtype) and tensor.shape == shape and tensor.is_contiguous()
        ):
            raise UserError("gatelab::run_back: its memory or output is not what gatelab::run_kept returned")
    if output is None and plans.aliased is not None:
        memory = None
    if len(adjoints) != len(plans.outputs) + len(plans.states):
        raise UserError(f"gatelab::run_back: {len(adjoints)} gradients arrive: must be one for each result")
    found = backwards(plans, tensors, lengths, output, memory, adjoints, needed)
    return [gradient for gradient in found if gradient is not None]


def _checked(tensors: Sequence[Tensor], lengths: Tensor | None) -> Tensor | None:
    """Refuse what compiled code must not be given; return the lengths as it wants them."""
    inputs = tensors[0]
    if inputs.dtype not in (torch.float32, torch.float64) or not all_ordinary(tensors, inputs.dtype):
        kinds = sorted({f"{tensor.dtype} on {tensor.device}" for tensor in tensors})
        raise UserError(f"gatelab::run: its tensors are {', '.join(kinds)}: must be dense float32 or float64 on cpu")
    if inputs.dim() not in (3, 4):
        raise UserError(f"gatelab::run: inputs of shape {tuple(inputs.shape)}: must be (time, batch, input)")
    if lengths is None:
        return None
    batch = (*inputs.shape[:-3], inputs.shape[-2])
    return as_lengths(lengths, batch, inputs.shape[-3], inputs.device).expand(batch).contiguous()


def _plans(tensors: Sequence[Tensor], lengths: Tensor | None, form: Specification, *, training: bool) -> Layout:
    shapes = tuple([tensor.shape for tensor in tensors])
    return layout(form, tensors[0].dtype, shapes, lengths is not None, training, allowed_threads())


def _of_nothing(tensors: Sequence[Tensor], lengths: Tensor | None, form: Specification) -> list[Tensor]:
    """Return the results where there are no steps or no sequences."""
    outputs, _ = _empty(tensors, lengths, form)
    return [*outputs, *(state.clone(memory_format=torch.contiguous_format) for state in _states(tensors, form))]


def _gradients_of_nothing(
    tensors: Sequence[Tensor], form: Specification, adjoints: Sequence[Tensor | None]
) -> list[Tensor]:
    gradients = [torch.zeros_like(tensor, memory_format=torch.contiguous_format) for tensor in tensors]
    for position, arriving in enumerate(adjoints[1 + len(form.record) :], 1):
        if arriving is not None:
            gradients[position] += arriving
    return gradients


def _states(tensors: Sequence[Tensor], form: Specification) -> Sequence[Tensor]:
    return tensors[1 : 1 + len(form.states)]


# ---- on what stands for memory


def _unit(tensors: Sequence[Tensor], lengths: Tensor | None, form: Specification) -> Layout:
    """Return the layout for one run, one step and one sequence: what does not depend on how many there are."""
    runs = tensors[0].dim() - 3
    shapes = [tuple(int(size) for size in tensor.shape[runs:]) for tensor in tensors[1 + len(form.states) :]]
    of_states = [(1, int(state.shape[-1])) for state in _states(tensors, form)]
    if form.program.variant.beside:
        shapes[-1] = (1, 1, shapes[-1][-1])
    of_all = ((1, 1, int(tensors[0].shape[-1])), *of_states, *shapes)
    return layout(form, tensors[0].dtype, of_all, lengths is not None, True, 1)


def _empty(tensors: Sequence[Tensor], lengths: Tensor | None, form: Specification) -> tuple[list[Tensor], list[Tensor]]:
    inputs, unit = tensors[0], _unit(tensors, lengths, form)
    batch = (*inputs.shape[:-3], inputs.shape[-2])
    outputs = [inputs.new_empty((*inputs.shape[:-1], length)) for length, _ in unit.outputs]
    return outputs, [inputs.new_empty((*batch, length)) for length, _, _ in unit.states]


def _kept(tensors: Sequence[Tensor], lengths: Tensor | None, form: Specification) -> int:
    *runs, steps, batch, _ = tensors[0].shape
    return _unit(tensors, lengths, form).kept(runs[0] if runs else 1, steps, batch)


def _fake_run(tensors: list[Tensor], lengths: Tensor | None, form: str, taped: bool) -> list[Tensor]:  # noqa: ARG001, FBT001
    outputs, finals = _empty(tensors, lengths, form_of(form))
    return [*outputs, *finals]


def _fake_run_kept(tensors: list[Tensor], lengths: Tensor | None, form: str) -> list[Tensor]:
    outputs, finals = _empty(tensors, lengths, form_of(form))
    return [*outputs, *finals, tensors[0].new_empty((_kept(tensors, lengths, form_of(form)),))]


def _fake_run_back(
    tensors: list[Tensor],
    lengths: Tensor | None,
    form: str,
    output: Tensor | None,  # noqa: ARG001
    memory: Tensor | None,  # noqa: ARG001
    adjoints: list[Tensor | None],  # noqa: ARG001
    needed: list[bool],
) -> list[Tensor]:
    inputs = tensors[0]
    gradients = []
    for position, (tensor, wanted) in enumerate(zip(tensors, needed, strict=True)):
        if wanted and position == 0:
            # rows end with the padding of whole vectors
            width = _unit(tensors, lengths, form_of(form)).dx_width
            gradients.append(inputs.new_empty((*inputs.shape[:-1], width))[..., : inputs.shape[-1]])
        elif wanted:
            gradients.append(inputs.new_empty(tensor.shape))
    return gradients


# ---- what it costs


def _products(tensors: Sequence[torch.Size], form: Specification, *, of_input: bool = True) -> int:
    """Return the flops of all matrix products once: two for each entry of a matrix that meets a vector."""
    *_, steps, batch, _ = tensors[0]
    first = 1 + len(form.states)
    instructions = form.program.instructions
    total = 0
    for source, shape in zip(_sources(form), tensors[first:], strict=False):
        if of_input or instructions[source].kind != "input":
            total += 2 * steps * batch * torch.Size(shape).numel()
    return total


def _sources(form: Specification) -> list[int]:
    return [source for one in plan(form.program, form.record).stages.maps for source in one.sources]


def _flops_of_run(tensors: Any, *rest: Any, **_: Any) -> int:
    return _products(tensors, form_of(rest[1]))


def _flops_of_run_back(tensors: Any, *rest: Any, **_: Any) -> int:
    """Count a product for the weights, one for what they were multiplied with; and forwards again without a tape."""
    _, text, _, memory, _, needed = rest
    form = form_of(text)
    once = _products(tensors, form)
    return once + _products(tensors, form, of_input=needed[0]) + (once if memory is None else 0)


def _sliced(value: Any, dim: Any, place: int) -> Any:
    if isinstance(value, list | tuple):
        return [_sliced(one, at, place) for one, at in zip(value, dim, strict=True)]
    return value if dim is None or not isinstance(value, Tensor) else value.select(dim, place)


def _run_back_batched(info: Any, in_dims: Any, *arguments: Any) -> tuple[list[Tensor], list[int]]:
    """Take a batch of arriving gradients one after the other."""
    each = [
        torch.ops.gatelab.run_back(*(_sliced(value, dim, place) for value, dim in zip(arguments, in_dims, strict=True)))
        for place in range(info.batch_size)
    ]
    stacked = [torch.stack(gradients) for gradients in zip(*each, strict=True)]
    return stacked, [0] * len(stacked)


for _name, _kernel, _fake, _flops in (
    ("run", _run, _fake_run, _flops_of_run),
    ("run_kept", _run_kept, _fake_run_kept, _flops_of_run),
    ("run_back", _run_back, _fake_run_back, _flops_of_run_back),
):
    library.impl(_name, _kernel, "CPU")
    torch.library.register_fake(f"gatelab::{_name}", _fake, lib=library)
    register_flop_formula(getattr(torch.ops.gatelab, _name))(_flops)
torch.library.register_vmap("gatelab::run_back", _run_back_batched, lib=library)
