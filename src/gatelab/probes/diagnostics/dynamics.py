"""D7, dynamics: the eigenvalues of the step where it was taken, and the leading Lyapunov exponents."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.errors import UserError
from gatelab.probes.linear_steps import LinearSteps
from gatelab.probes.trace import Model, Trace, check_finite, trace
from gatelab.randomness import generator

__all__ = ["Dynamics", "dynamics"]

SLOW = 0.98
Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Dynamics:
    """How changes of the state grow or fade, the input being what it was.

    Attributes:
        eigenvalues: (samples, size of all states) complex, of ∂s_t/∂s_{t-1} with all states side by side, the largest
            first; without unit.
        steps: (samples, 2) step and sequence of each.
        exponents: (sequences, k) leading Lyapunov exponents along each sequence, the largest first, in nats a step:
            below 0 a change fades, with the time scale -1/exponent in steps. -inf of a direction that is lost at once.
    """

    eigenvalues: NDArray[np.complexfloating[Any, Any]]
    steps: NDArray[np.int64]
    exponents: Array

    @property
    def slow(self) -> NDArray[np.int64]:
        """Return (samples,) how many eigenvalues have a size above 0.98: what is held, or grows."""
        return (np.abs(self.eigenvalues) > SLOW).sum(-1)


def dynamics(
    model: Model,
    batch: Any,
    samples: int = 64,
    exponents: int = 8,
    sequences: int = 8,
    layer: int = 0,
    direction: int = 0,
) -> Dynamics:
    """Return eigenvalues of the step at visited states, and the leading Lyapunov exponents.

        >>> from gatelab.probes import dynamics
        >>> found = dynamics(gatelab.RNN("gru", 3, 8), torch.randn(20, 4, 3))
        >>> found.eigenvalues.shape, found.exponents.shape
        ((64, 8), (4, 8))

    Eigenvalues cost (size of all states)³ for each sample, exponents a forward pass of k tangents for each sequence.
    The first quarter of each sequence, in which the tangents find their directions, does not count.

    Args:
        model, batch: as for all diagnostics.
        samples: visited states, evenly over the valid steps.
        exponents: k, how many at most.
        sequences: the first so many of the batch are looked at.
        layer, direction: counted from 0.

    Raises:
        UserError: a foreign variant; a model, batch or layer that does not fit.
    """
    for name, value in (("samples", samples), ("exponents", exponents), ("sequences", sequences)):
        if value < 1:
            raise UserError(f"{name}={value}: must be at least 1")
    found = trace(model, batch, "linearise", layer, direction, sequences)
    with torch.no_grad():
        places = found.valid.nonzero()
        chosen = places[torch.linspace(0, len(places) - 1, min(samples, len(places)), dtype=torch.float64).long()]
        jacobians = _jacobians(found, chosen)
        check_finite("derivatives of the step", jacobians)  # or the library of eigenvalues ends the process
        values = torch.linalg.eigvals(jacobians).cpu().numpy()
        order = np.argsort(-np.abs(values), axis=-1, kind="stable")
        return Dynamics(
            np.take_along_axis(values, order, -1), chosen.cpu().numpy(), _exponents(found, exponents).cpu().numpy()
        )


def _sizes(found: Trace) -> dict[str, int]:
    return {name: value.shape[-1] for name, value in found.previous.items()}


def _jacobians(found: Trace, places: Tensor) -> Tensor:
    """Return ∂s_t/∂s_{t-1} at some (step, sequence), (places, size, size)."""
    at = found.at(places)
    size = sum(_sizes(found).values())
    unit = torch.eye(size, dtype=found.inputs.dtype, device=found.inputs.device)
    # one tangent for each element of the state: column e of the derivative
    tangents = unit[:, None].expand(size, len(places), size)
    return _moved(LinearSteps(at), 0, tangents, _sizes(found)).permute(1, 2, 0)


def _moved(steps: LinearSteps, step: int, tangents: Tensor, sizes: dict[str, int]) -> Tensor:
    """Return tangents of all states side by side, (k, batch, size), after a step."""
    cut = dict(zip(sizes, tangents.split(list(sizes.values()), -1), strict=True))
    moved = steps.ahead(step, cut)
    return torch.cat([moved.get(name, torch.zeros_like(cut[name])).expand(cut[name].shape) for name in sizes], -1)


def _exponents(found: Trace, count: int) -> Tensor:
    steps, sizes, batch = LinearSteps(found), _sizes(found), found.inputs.shape[1]
    size = sum(sizes.values())
    count = min(count, size)
    start = generator(0, "tangents").normal(size=(batch, size, count))
    frame = torch.linalg.qr(torch.as_tensor(start, dtype=found.inputs.dtype, device=found.inputs.device))[0]
    grown = found.inputs.new_zeros(batch, count)
    begun, valid = found.lengths // 4, found.valid
    for step in range(len(found.inputs)):
        moved = _moved(steps, step, frame.permute(2, 0, 1), sizes).permute(1, 2, 0)
        frame, stretched = torch.linalg.qr(moved)
        counts = (valid[step] & (step >= begun))[:, None]
        grown = grown + torch.where(counts, stretched.diagonal(dim1=-2, dim2=-1).abs().log(), 0.0)
    counted = (found.lengths - begun).clamp(min=1)[:, None]
    return (grown / counted).sort(-1, descending=True)[0]
