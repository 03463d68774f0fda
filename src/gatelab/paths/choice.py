"""Which path runs a recurrence: asked for by name or chosen, and why.

    loop     step after step in plain PyTorch: any device, any dtype
    native   compiled C: CPU, float32 and float64
    scan     all steps at once in plain PyTorch, for states that are linear in themselves: any device, any dtype

All agree to rounding, outputs and gradients, so the choice is no part of a run's identity.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from gatelab.compiler import Program
from gatelab.compiler.scannable import scan_order
from gatelab.errors import UserError, suggest
from gatelab.paths.loop import run_loop
from gatelab.paths.native import NATIVE_DTYPES, ShapeError, refusal, run_checked
from gatelab.paths.recomputing import run_again
from gatelab.paths.scan import run_scan
from gatelab.paths.tensors import all_ordinary, check_kinds

__all__ = ["PATHS", "Choice", "Path", "choose", "run"]

Path = Literal["auto", "loop", "native", "scan"]
PATHS: tuple[str, ...] = get_args(Path)
"""What ``path=`` may be."""

_log = logging.getLogger(__name__)
_said: set[str] = set()
_broken: dict[Program, str] = {}  # programs that the compiler has refused: not tried again


@dataclass(frozen=True)
class Choice:
    """The path that runs, and why, for the record of a run."""

    path: str
    reason: str


def choose(
    path: str,
    program: Program,
    inputs: Tensor,
    weights: Mapping[str, Tensor],
    states: Mapping[str, Tensor] | None = None,
    *,
    plain: bool = False,
) -> Choice:
    """Return the path that runs a program on these tensors; states of zeros, if none are given.

    ``plain`` says that they are known to be :func:`gatelab.paths.tensors.all_ordinary`.

    Raises:
        UserError: an unknown path, or ``path=native`` where it cannot run.
    """
    if path not in PATHS:
        raise UserError(f"path={path}: must be one of {', '.join(PATHS)}{suggest(path, PATHS)}")
    if path == "loop":
        return Choice("loop", "asked for")
    if path == "scan":
        if scan_order(program) is None:
            raise UserError("path=scan cannot run: a state is not linear in itself given the input")
        return Choice("scan", "asked for")
    reason = _broken.get(program) or refusal(program, inputs, weights, states, plain=plain)
    if path == "native":
        if reason is not None:
            raise UserError(f"path=native cannot run: {reason}")
        return Choice("native", "asked for")
    if reason is None:
        return Choice("native", "the fastest that can run")
    # with many processors the steps of a scan run side by side; with few it is more work than the loop
    if inputs.device.type != "cpu" and scan_order(program) is not None:
        return Choice("scan", f"native cannot run: {reason}")
    return Choice("loop", f"native cannot run: {reason}")


def run(
    path: str,
    program: Program,
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    states: Mapping[str, Tensor],
    hidden_size: int,
    lengths: Tensor | None = None,
    record: Sequence[str] = (),
    keep: Literal["tape", "nothing"] = "tape",
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Run a program over a batch of sequences on the path asked for; the rest as :func:`gatelab.paths.run_loop`.

    ``keep="nothing"`` keeps no activations for the way back, which computes them again.

    ``auto`` falls back on the loop where the compiled path cannot run, and says so once for each reason.

    Raises:
        UserError: as :func:`choose`; with ``path=native`` also when the compiler fails.
    """
    plain = not torch.compiler.is_compiling() and all_ordinary(
        (inputs, *states.values(), *weights.values()), inputs.dtype
    )
    if not plain or inputs.dtype not in NATIVE_DTYPES:
        check_kinds(inputs, states, weights)
    choice = choose(path, program, inputs, weights, states, plain=plain)
    if choice.path == "native":
        try:
            return run_checked(program, weights, inputs, states, hidden_size, lengths, record, keep, plain=plain)
        except ShapeError:
            raise
        except UserError as error:
            if path == "native":
                raise
            _broken[program] = str(error)
            choice = Choice("loop", f"native cannot run: {error}")
    if path == "auto" and choice.reason not in _said:
        _said.add(choice.reason)
        _log.warning("path=auto takes the %s: %s", choice.path, choice.reason)
    way = run_scan if choice.path == "scan" else run_loop
    arguments = (program, weights, inputs, states, hidden_size, lengths, record)
    if keep == "tape":
        return way(*arguments)
    return run_again(
        lambda weights, inputs, states: way(program, weights, inputs, states, hidden_size, lengths, record),
        weights, inputs, states,
    )  # fmt: skip
