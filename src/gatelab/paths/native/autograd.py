"""The compiled run as one operation of autograd, on tensors in memory and on what tracers see."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from gatelab.errors import UserError
from gatelab.paths.native import torch_operator
from gatelab.paths.native.calling import Frame, backwards, forwards
from gatelab.paths.native.layout import Layout
from gatelab.paths.native.specification import Specification, form_of

__all__ = ["NativeRun"]


class NativeRun(torch.autograd.Function):
    """Outputs and final states of tensors.

    The tape is saved as autograd's own tensors are, so that whoever packs or recomputes these has it too. Without a
    layout everything goes through the operators.
    """

    @staticmethod
    def forward(
        ctx: Any,
        form: Specification,
        plans: Layout | None,
        lengths: Tensor | None,
        keep: Literal["tape", "nothing"],
        padded: Sequence[Tensor],
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        """Run forwards; keep the tape, or nothing but what went in. ``padded``: the states as C reads them, or none."""
        taped = keep == "tape"
        memory: Tensor | None = None
        ctx.frame = None
        if plans is None:
            results = torch_operator.below_autograd(tensors, lengths, form, taped=taped)
            aliased = torch_operator.aliased(tensors, lengths, form)
            if taped:
                memory = results.pop()
        else:
            results, of_way, frame = forwards(plans, tensors, lengths, keep=taped, padded=padded)
            aliased = plans.aliased is not None
            # who packs saved tensors may return others: these go through the torch_operator, which checks them
            if taped:
                memory = of_way
                ctx.frame = None if torch._C._autograd._top_saved_tensors_default_hooks(False) else frame
        ctx.form, ctx.plans, ctx.count = form, plans, len(tensors)
        ctx.set_materialize_grads(False)
        # the output may be memory that the backward pass reads: saving it lets PyTorch notice if someone changes it
        ctx.save_for_backward(*tensors, results[0] if aliased else None, lengths, memory)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *adjoints: Tensor | None) -> tuple[Tensor | None, ...]:
        """Run backwards."""
        if torch.is_grad_enabled():
            # create_graph=True: PyTorch's own guard lets it through where the arriving gradient is a constant
            raise UserError("path=native has no gradient of its gradient: take path=loop for create_graph=True")
        saved = ctx.saved_tensors
        tensors = saved[: ctx.count]
        output, lengths, memory = saved[ctx.count :]
        needed = ctx.needs_input_grad[5:]
        gradients: Sequence[Tensor | None]
        arguments = (tensors, lengths, output, memory, adjoints, needed)
        frame: Frame | None = ctx.frame
        ctx.frame = None
        if any(adjoint is not None and _in_a_batch(adjoint) for adjoint in adjoints):
            gradients = _of_each(arguments, ctx.form)
        elif frame is None or torch._C._len_torch_dispatch_stack() or not frame.holds(tensors) or _batched():
            gradients = torch_operator.run_back(*arguments, ctx.form)
        else:
            gradients = backwards(ctx.plans, *arguments, frame)
        return (None, None, None, None, None, *gradients)


def _batched() -> bool:
    return torch._C._are_functorch_transforms_active()


def _in_a_batch(adjoint: Tensor) -> bool:
    """Return whether a gradient is one of a batch, as ``is_grads_batched`` and ``vectorize`` make them."""
    return torch._C._functorch.is_legacy_batchedtensor(adjoint)


def _of_each(arguments: Any, form: Specification) -> list[Tensor | None]:
    """Run backwards for each of a batch of gradients, one after the other."""
    tensors, lengths, output, memory, adjoints, needed = arguments
    # counting one up and down is how PyTorch lets one ask for the level
    level = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    whole = [None if one is None else torch._remove_batch_dim(one, level, 1, 0) for one in adjoints]
    marked = [one is not None and _in_a_batch(one) for one in adjoints]
    count = next(len(one) for one, batched in zip(whole, marked, strict=True) if batched and one is not None)
    each = [
        torch_operator.run_back(
            tensors,
            lengths,
            output,
            memory,
            [one if not batched or one is None else one[place] for one, batched in zip(whole, marked, strict=True)],
            needed,
            form,
        )
        for place in range(count)
    ]
    return [
        None if not wanted else torch._add_batch_dim(torch.stack([one for one in of_all if one is not None]), 0, level)
        for wanted, of_all in zip(needed, zip(*each, strict=True), strict=True)
    ]


def _run(tensors: list[Tensor], lengths: Tensor | None, text: str, taped: bool) -> list[Tensor]:  # noqa: FBT001
    """Run the operator where autograd looks on."""
    form = form_of(text)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return list(NativeRun.apply(form, None, lengths, "tape" if taped else "nothing", (), *tensors))
    with torch._C._AutoDispatchBelowAutograd():
        return torch_operator.run(tensors, lengths, form, taped=taped)


torch_operator.library.impl("run", _run, "Autograd")
