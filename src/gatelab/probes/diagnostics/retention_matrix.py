"""D5, the retention matrix: with which weight each past step still stands in the cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gatelab.compiler.retention import retention
from gatelab.errors import UserError
from gatelab.probes.equation_values import evaluated
from gatelab.probes.linear_steps import LinearSteps
from gatelab.probes.trace import Model, trace

__all__ = ["RetentionMatrix", "retention_matrix"]

Array = NDArray[np.floating[Any]]
MOST = 50_000_000  # numbers of a matrix: 400 MB


@dataclass(frozen=True)
class RetentionMatrix:
    """The state of one sequence as a weighted sum of what was written: s_t = Σ_j w_tj g_j (Levy et al. 2018).

    Attributes:
        state: the state that it is of, such as c.
        units: (units,) which.
        weights: (time, time, units) w_tj = i_j ∏_{k=j+1..t} f_k without unit; 0 where j > t.
        content: (time, units) g_j, in the unit of the state.
        values: (time, units) s_t.
    """

    state: str
    units: NDArray[np.int64]
    weights: Array
    content: Array
    values: Array

    @property
    def error(self) -> float:
        """Return the largest |Σ_j w_tj g_j - s_t|, in the unit of the state."""
        return float(np.abs(np.einsum("tju,ju->tu", self.weights, self.content) - self.values).max())

    @property
    def mean(self) -> Array:
        """Return (time, time) weights, the mean over units."""
        return self.weights.mean(-1)


def retention_matrix(
    model: Model,
    batch: Any,
    sequence: int = 0,
    units: Sequence[int] | None = None,
    layer: int = 0,
    direction: int = 0,
) -> RetentionMatrix:
    """Return with which weight each past step still stands in the state of one sequence.

        >>> from gatelab.probes import retention_matrix
        >>> found = retention_matrix(gatelab.RNN("lstm", 3, 8), torch.randn(20, 4, 3))
        >>> found.state, found.weights.shape, found.error < 1e-6
        ('c', (20, 20, 8), True)

    Costs a forward pass, and time² × units numbers of memory.

    Args:
        model, batch: as for all diagnostics.
        sequence: which of the batch.
        units: which; None for all.
        layer, direction: counted from 0.

    Raises:
        UserError: a variant that declares no gate that retains or writes, or whose state is no such sum: one that goes
            through a function at each step, or is handed another state element by element as well; more than 50
            million numbers.
    """
    found = trace(model, batch, "find what is retained in", layer, direction)
    what = "retention matrix"
    facts = retention(found.variant, what)
    steps, state = LinearSteps(found), facts.state
    kept = steps.kept(state)
    not_defined = f"{what}: not defined for variant '{found.variant.name}',"
    if len(kept) > 1:
        others = ", ".join(name for name in kept if name != state)
        raise UserError(f"{not_defined} whose state {state} keeps of {others} as well")
    if not facts.linear:
        raise UserError(f"{not_defined} whose state {state} goes through a function at each step")
    count = found.inputs.shape[1]
    if not 0 <= sequence < count:
        raise UserError(f"sequence={sequence}: must be from 0 to {count - 1}")
    long, width = int(found.lengths[sequence]), kept[state].shape[-1]
    chosen = list(range(width)) if units is None else list(units)
    if not chosen or not all(0 <= unit < width for unit in chosen):
        raise UserError(f"units={chosen}: must be from 0 to {width - 1}, at least one")
    if long**2 * len(chosen) > MOST:
        raise UserError(f"a {what} of {long} steps and {len(chosen)} units is too large: choose fewer units=")
    with torch.no_grad():
        write, content = torch.ones_like(kept[state]), found.value(state) - kept[state] * found.previous[state]
        if facts.write is not None and facts.content is not None:
            parts = (evaluated(part, found.surroundings) for part in (facts.write, facts.content))
            write, content = (part.expand(write.shape) for part in parts)
    f, i, g, s = (
        value[:long, sequence, chosen].cpu().numpy() for value in (kept[state], write, content, found.value(state))
    )
    return RetentionMatrix(state, np.array(chosen), _weights(f, i), g, s)


def _weights(f: Array, i: Array) -> Array:
    long = len(f)
    weights = np.zeros((long, *f.shape), f.dtype)
    for step in range(long):
        if step:
            weights[step] = weights[step - 1] * f[step]
        weights[step, step] = i[step]
    return weights
