"""What layers read beside x, ``mask`` and ``dt``: columns behind those of x, given by the caller or ones.

Without a mask every value was observed, and without intervals every step is 1 after the one before.
"""

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from gatelab.errors import UserError
from gatelab.language import Variant
from gatelab.language.sizes import BESIDE, columns_beside, width_of_x
from gatelab.layers.rnn_inputs import backwards
from gatelab.paths.tensors import check_input

__all__ = [
    "all_columns",
    "apart",
    "from_the_end",
    "joined",
    "named_columns",
    "seen_above",
    "seen_from_the_end",
    "with_given",
]


def all_columns(inputs: Tensor, beside: Collection[str], input_size: int, hidden_size: int = 0) -> Tensor:
    """Return inputs, checked, with all columns that a variant reads: ones where the caller gave x alone.

    ``hidden_size`` only matters for what training draws.

    Raises:
        UserError: inputs of another shape.
    """
    width = columns_beside(beside, input_size, hidden_size)
    if beside and isinstance(inputs, Tensor) and inputs.dim() and inputs.shape[-1] != input_size:
        check_input(inputs, input_size + width)
        return inputs
    check_input(inputs, input_size)
    if not beside:
        return inputs
    return torch.cat([inputs, inputs.new_ones((*inputs.shape[:-1], width))], -1)


def apart(columns: Tensor, beside: Collection[str]) -> tuple[Tensor, Tensor | None]:
    """Return x, and what stands beside it; None for nothing."""
    if not beside:
        return columns, None
    width = width_of_x(beside, columns.shape[-1])
    return columns[..., :width], columns[..., width:]


def joined(x: Tensor, aside: Tensor | None) -> Tensor:
    """Return the columns that :func:`apart` took apart."""
    return x if aside is None else torch.cat([x, aside], -1)


def named_columns(columns: Tensor, beside: Collection[str]) -> tuple[Tensor, dict[str, Tensor]]:
    """Return x, and name -> what stands beside it."""
    x, aside = apart(columns, beside)
    if aside is None:
        return x, {}
    sizes = [columns_beside([name], x.shape[-1]) for name in beside]
    return x, dict(zip(beside, aside.split(sizes, -1), strict=True))


def seen_above(aside: Tensor | None, beside: Collection[str], width: int) -> Tensor | None:
    """Return what a layer above the first sees beside its x of this width: the same intervals, all of x observed."""
    if aside is None:
        return None
    parts = [
        aside.new_ones((*aside.shape[:-1], width)) if BESIDE[name] == "input" else aside[..., -1:] for name in beside
    ]
    return torch.cat(parts, -1)


def seen_from_the_end(aside: Tensor | None, beside: Collection[str], lengths: Tensor | None) -> Tensor | None:
    """Return what a layer sees that reads each sequence from its end.

    The interval to the step that it has read before is that of the later step; the first keeps that of the first.
    """
    if aside is None:
        return None
    turned = backwards(aside, lengths)
    if not any(BESIDE[name] == "one" for name in beside):
        return turned
    intervals = torch.cat([aside[..., :1, :, -1:], turned[..., :-1, :, -1:]], -3)
    return torch.cat([turned[..., :-1], intervals], -1)


def from_the_end(x: Tensor, aside: Tensor | None, beside: Collection[str], lengths: Tensor | None) -> Tensor:
    """Return all columns as a layer sees them that reads each sequence from its end."""
    return joined(backwards(x, lengths), seen_from_the_end(aside, beside, lengths))


def with_given(x: Tensor, given: Mapping[str, Any], variant: Variant, *, batch_first: bool) -> Tensor:
    """Return x, (time, batch, input), with what the caller gave beside it; x alone if that is nothing.

    Args:
        x: as all layers take it.
        given: name -> what was given, in the form of the input; None for what was left out.
        variant: of the layers.
        batch_first: the form of what was given.

    Raises:
        UserError: something that the variant does not read; another shape; an interval below 0.
    """
    there = {name: value for name, value in given.items() if value is not None}
    if not there:
        return x
    parts = [x]
    for name in there:
        if name not in variant.given:
            known = f"it reads {' and '.join(variant.given)}" if variant.given else "no equation does"
            raise UserError(f"{name}= is given, but variant '{variant.name}' does not read {name}: {known}")
    for name in variant.given:
        shape = x.shape if BESIDE[name] == "input" else (*x.shape[:-1], 1)
        if name not in there:
            parts.append(x.new_ones(shape))
            continue
        values = torch.as_tensor(there[name], device=x.device).to(x.dtype)
        whole = values.unsqueeze(1) if values.dim() == len(shape) - 1 - (name == "dt") else values
        whole = whole.transpose(0, 1) if batch_first and whole is values else whole
        whole = whole.unsqueeze(-1) if name == "dt" else whole
        if whole.shape != tuple(shape):
            axes = "(batch, time" if batch_first else "(time, batch"
            axes += ")" if name == "dt" else ", input)"
            raise UserError(
                f"{name} of shape {tuple(values.shape)}: must be {axes}, as the input, which is time first "
                f"{tuple(x.shape)}"
            )
        if name == "dt" and bool((whole < 0).any()):
            raise UserError(f"dt has an interval of {float(whole.min()):g}: must be 0 or more")
        parts.append(whole)
    return torch.cat(parts, -1)
