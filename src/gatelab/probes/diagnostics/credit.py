r"""Gate by gate credit: how much of a gradient each path through the steps carries.

A *route* from x_{T-k} to the loss goes through k + 1 steps: it enters at step T-k and takes one path of
:mod:`gatelab.compiler.linearised` in each step up to T; a route from s_{T-k} goes through the k steps after it. The
gradient is the sum over all routes r of their weights w_r, products of derivatives (the chain rule). A route of n steps
that takes path p in n_p of them is credited to p in that proportion:

$$C_p = \sum_r \frac{n_p(r)}{n(r)} w_r, \qquad \sum_p C_p = \frac{\partial L}{\partial x_{T-k}}.$$

It is what Euler's theorem says: multiply the derivatives of path p by α_p in every step; the gradient G(α) is
homogeneous of degree n, so that G = Σ_p C_p with $C_p = \frac{1}{n} \frac{\partial G}{\partial \alpha_p}$ at α = 1. So
n C_p is how the gradient would change if path p were made stronger, and C_p is also the Aumann–Shapley value of the
path: no order among the paths is chosen, and nothing is left over.

The sums over routes are never written out. With J the derivative of a step, J_p its part along p, and λ the gradient
with respect to the states, one recursion back in time does it, and C_p = μ_p / k for ∂L/∂s_{T-k}:

$$\lambda_{t-1} = J^\top \lambda_t, \qquad \mu^p_{t-1} = J^\top \mu^p_t + J_p^\top \lambda_t.$$
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.compiler.gate_algebra import in_order
from gatelab.compiler.linearised import KEPT, PathName, edges, followed, gate_names
from gatelab.errors import UserError
from gatelab.layers.network import Network
from gatelab.probes.linear_steps import LinearSteps
from gatelab.probes.trace import Model, Trace, shown, trace

__all__ = ["Credit", "credit"]

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Credit:
    """What each path carries of the gradient of a loss after the last valid step T of each sequence.

    Attributes:
        paths: kept, candidates and gates: ``kept``, ``through the candidate z``, ``through the gate f``.
        lags: (lags,) k, in steps, from 0.
        inputs: (paths, lags, batch, features), credit for ∂loss/∂x_{T-k}; the sum over paths is the gradient. In the
            unit of the loss divided by that of x. Zero beyond the start of a sequence.
        states: state -> (paths, lags, batch, size), credit for ∂loss/∂s_{T-k}, likewise; zero at k = 0, where a loss is
            at once and no step lies between.
    """

    paths: tuple[PathName, ...]
    lags: NDArray[np.int64]
    inputs: NDArray[np.floating[Any]]
    states: Mapping[str, NDArray[np.floating[Any]]]

    def shares(self) -> NDArray[np.floating[Any]]:
        """Return (paths, lags), the share of each path in the gradient with respect to x_{T-k}.

        Of the component along the gradient itself, over all sequences and features: shares sum to 1, and a path that
        works against the others has one below 0. NaN where the gradient is 0.
        """
        whole = self.inputs.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares: NDArray[np.floating[Any]] = (self.inputs * whole).sum((2, 3)) / (whole**2).sum((1, 2))
        return shares


def credit(model: Model, batch: Any, loss: Loss | None = None, lags: int = 100) -> Credit:
    """Return how much of a gradient each path carries, on data.

        >>> from gatelab.probes import credit
        >>> found = credit(gatelab.RNN("lstm", 3, 8), torch.randn(20, 4, 3))
        >>> [str(path) for path in found.paths[:3]]
        ['kept', 'through the candidate z', 'through the gate i']
        >>> found.inputs.shape
        (5, 20, 4, 3)
        >>> bool(abs(found.shares().sum(0) - 1).max() < 1e-4)
        True

    Looked at is the last layer: x is what it reads. It costs a forward pass, and for each lag a backward step for each
    path.

    Args:
        model: a network or an RNN.
        batch: as for all diagnostics: a batch of a task, or inputs.
        loss: function of the predictions after the last valid step, (batch, output) (of an RNN: its outputs, (batch,
            hidden)), that returns a loss of each sequence or their sum:
            ``lambda y: run.task.losses(y, torch.from_numpy(batch.targets))``. None for the sum of the predictions.
        lags: how many k at most.

    Raises:
        UserError: a model that is bidirectional, since what it puts out at T has read all of the sequence; a foreign
            variant; a batch that does not fit.
    """
    rnn = shown(model, batch).rnn
    if rnn.bidirectional:
        raise UserError("credit: not defined for a bidirectional model, whose outputs have read the whole sequence")
    if lags < 1:
        raise UserError(f"lags={lags}: must be at least 1")
    whole = trace(model, batch, "follow gradients through", layer=rnn.num_layers - 1)
    ending = whole.from_the_end(min(lags, int(whole.lengths.max())))
    adjoint = loss_adjoint(model, ending, loss)
    with torch.no_grad():
        return _credit(ending, adjoint)


def loss_adjoint(model: Model, ending: Trace, loss: Loss | None) -> Tensor:
    """Return ∂loss/∂output after the last valid step of each sequence, (batch, hidden)."""
    with torch.enable_grad():
        outputs = ending.value(ending.variant.output)[0].detach().requires_grad_()
        predictions = outputs
        if isinstance(model, Network):
            weight, bias = model.readout.weight.detach(), model.readout.bias.detach()
            predictions = outputs @ weight.T + bias
        value = predictions if loss is None else loss(predictions)
        (adjoint,) = torch.autograd.grad(value.sum(), outputs)
    return torch.where((ending.lengths > 0)[:, None], adjoint, 0.0)


def _credit(ending: Trace, adjoint: Tensor) -> Credit:
    variant, steps = ending.variant, LinearSteps(ending)
    paths = _paths(ending)
    count, valid = len(ending.inputs), ending.valid
    shape = (len(paths), *adjoint.shape[:1])
    of_inputs = ending.inputs.new_zeros(count, *shape, ending.inputs.shape[-1])
    of_states = {name: ending.inputs.new_zeros(count, *shape, ending.size(name)) for name in variant.states}
    arrived: dict[str, Tensor] = {variant.output: adjoint}
    marked: dict[str, Tensor] = {}
    for lag in range(count):
        by_path = steps.back_by_path(lag, arrived)
        whole = steps.back(lag, marked)
        inside = valid[lag][:, None]
        sums: dict[str, Tensor] = {}
        fresh: dict[str, Tensor] = {}
        for name in (*variant.states, "x"):
            size = ending.inputs.shape[-1] if name == "x" else ending.size(name)
            each = [by_path.get(path, {}).get(name, adjoint.new_zeros(())).expand(shape[1], size) for path in paths]
            parts = torch.where(inside, torch.stack(each), 0.0)
            sums[name] = parts.sum(0)
            fresh[name] = parts + torch.where(inside, whole.get(name, adjoint.new_zeros(())), 0.0)
        of_inputs[lag] = fresh.pop("x") / (lag + 1)
        del sums["x"]
        arrived, marked = sums, fresh
        if lag + 1 < count:
            before = valid[lag + 1][:, None]
            for name in variant.states:
                of_states[name][lag + 1] = torch.where(before, fresh[name], 0.0) / (lag + 1)
    return Credit(
        paths,
        np.arange(count),
        of_inputs.transpose(0, 1).cpu().numpy(),
        {name: value.transpose(0, 1).cpu().numpy() for name, value in of_states.items()},
    )


def _paths(ending: Trace) -> tuple[PathName, ...]:
    """Return all paths of a step, found without writing out its routes."""
    known, gated = edges(ending.variant), gate_names(ending.variant)
    reached: dict[str, set[PathName]] = {name: set() for name in known}
    found: set[PathName] = set()
    for target in {*ending.variant.states, ending.variant.output}:
        reached[target].add(KEPT)
    for equation in reversed(known):
        for edge in known[equation]:
            further = {followed(path, edge, gated) for path in reached[equation]}
            (reached[edge.source.name] if edge.source.when == "now" else found).update(further)
    return in_order(ending.variant, found)
